"""Write an expression as a chain of names, calls and indexes, on demand: for questions, not for indexing.

``Builder::new(a).limit(3)?.parts[0]`` is ``Builder::new().limit().parts[]``: what
its value is can be told name by name.
"""

from __future__ import annotations

import re
from typing import Any, Final

from spelunk.chunk.nodes import first_field, short_text
from spelunk.chunk.parsed import Parsed

MAX_LINKS: Final = 60
"""Names, calls and indexes of one expression."""
MAX_CHAIN: Final = 400
"""Characters of a chain; a longer one is none."""
MAX_LEAF: Final = 200
"""Bytes of a name in a chain, and of the expression that it begins with."""

_CALLS: Final = frozenset({"call_expression", "call", "invocation_expression"})
_MEMBERS: Final = frozenset(
    ["field_expression", "member_expression", "attribute", "selector_expression", "field_access",
     "member_access_expression"]
)  # fmt: skip
_INDEXED: Final = frozenset(
    ["index_expression", "subscript", "subscript_expression", "element_access_expression"]
)
_THROUGH: Final = frozenset(
    ["try_expression", "await_expression", "await", "parenthesized_expression", "reference_expression",
     "unary_expression", "pointer_expression", "generic_function", "non_null_expression"]
)  # fmt: skip
"""Expressions whose members are those of the expression inside."""
_CASTS: Final = frozenset({"as_expression", "satisfies_expression"})
_GENERIC_TYPES: Final = frozenset({"generic_type"})
_CAST_TYPES: Final = _GENERIC_TYPES | {"type_identifier"}
_OBJECTS: Final = ("value", "argument", "object", "operand", "expression", "function")
_NAMES: Final = ("field", "property", "attribute", "name")
_ARGUMENTS: Final = re.compile(r"(?:::)?<[^<>]*>")
_LEAF: Final = re.compile(r"[@$]?[^\W\d][\w$]*(?:(?:::|\.|\\)[^\W\d][\w$]*)*")


def chain_of(node: Any, source: bytes) -> str:
    """An expression as a chain; "" where it begins with anything but a name."""
    tail: list[str] = []
    for _ in range(MAX_LINKS):
        if node is None:
            return ""
        kind = node.type
        if kind in _CALLS:
            tail.append("()")
            node = node.child_by_field_name("function")
        elif kind == "new_expression":  # of JavaScript
            tail.append("()")
            node = node.child_by_field_name("constructor")
        elif kind in _CASTS:
            target = node.named_child(1) if node.named_child_count > 1 else None  # none in ``as const``
            node = target if target is not None and target.type in _CAST_TYPES else node.named_child(0)
        elif kind in _GENERIC_TYPES:
            node = node.child_by_field_name("name") or node.named_child(0)
        elif kind == "method_invocation":  # of Java: object and name are fields of the call
            name = short_text(node.child_by_field_name("name"), source, MAX_LEAF)
            node = node.child_by_field_name("object")
            if node is None:
                return _joined(name, ["()", *tail[::-1]])
            tail += ["()", f".{name}"]
        elif kind in _MEMBERS:
            name = short_text(first_field(node, _NAMES), source, MAX_LEAF)
            arrow = short_text(node.child_by_field_name("operator"), source, MAX_LEAF) == "->"
            tail.append(f"{'->' if arrow else '.'}{name}")
            node = first_field(node, _OBJECTS)
        elif kind in _INDEXED:
            tail.append("[]")
            node = first_field(node, _OBJECTS) or node.named_child(0)
        elif kind in _THROUGH:
            node = first_field(node, _OBJECTS) or node.named_child(0)
        else:
            return _joined(short_text(node, source, MAX_LEAF), tail[::-1])
    return ""


def receiver_at(parsed: Parsed, name: str, line: int) -> str:
    """What stands before a name at a line, as a chain; "" where nothing does, or no chain."""
    if parsed.tree is None:
        return ""
    for node in nodes_at(parsed, name, line):
        parent = node.parent
        if parent is None:
            continue
        if parent.type in _MEMBERS and first_field(parent, _NAMES) == node:
            return chain_of(first_field(parent, _OBJECTS), parsed.source)
        if parent.type == "method_invocation" and parent.child_by_field_name("name") == node:
            return chain_of(parent.child_by_field_name("object"), parsed.source)
    return ""


def nodes_at(parsed: Parsed, name: str, line: int) -> list[Any]:
    """The nodes of a name at a 1-based line of the file."""
    row = row_of(parsed, line)
    lines = parsed.rows.lines
    if not name or not 0 <= row < len(lines):
        return []
    root, text = parsed.tree.root_node, lines[row]
    found = []
    for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text):
        start = len(text[: match.start()].encode("utf-8", "replace"))
        end = start + len(name.encode("utf-8", "replace"))
        node = root.descendant_for_point_range((row, start), (row, end))
        if node is not None and node.start_point[1] == start and node.end_point == (row, end):
            found.append(node)
    return found


def row_of(parsed: Parsed, line: int) -> int:
    """The row of a line of the raw file."""
    if parsed.document.lines is None:
        return max(0, line - 1)
    rows = parsed.rows
    return next((n for n in range(rows.count) if rows.raw_line(n) >= line), rows.count - 1)


def _joined(leaf: str, tail: list[str]) -> str:
    leaf = "".join(leaf.split())
    while "<" in leaf:
        shorter = _ARGUMENTS.sub("", leaf)
        if shorter == leaf:
            break
        leaf = shorter
    if not _LEAF.fullmatch(leaf) or "." in tail or "->" in tail:
        return ""
    whole = leaf + "".join(tail)
    return whole if len(whole) <= MAX_CHAIN else ""
