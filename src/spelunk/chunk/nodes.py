"""Read syntax nodes for questions: the text of a short one, and the first child among several fields."""

from __future__ import annotations

from typing import Any


def short_text(node: Any, source: bytes, most: int) -> str:
    """The text of a node; empty for None, and where it has more than ``most`` bytes."""
    if node is None or node.end_byte - node.start_byte > most:
        return ""
    return source[node.start_byte : node.end_byte].decode("utf-8", "replace")


def first_field(node: Any, names: tuple[str, ...]) -> Any:
    """The child in the first of these fields that the node has, or None."""
    for name in names:
        child = node.child_by_field_name(name)
        if child is not None:
            return child
    return None
