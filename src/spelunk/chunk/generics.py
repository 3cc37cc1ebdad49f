"""Read the bounds of type parameters, on demand: ``S: Sink`` says which members a value of the type S has."""

from __future__ import annotations

from typing import Any, Final

from spelunk.chunk.nodes import first_field, short_text
from spelunk.chunk.parsed import Parsed
from spelunk.chunk.scopes import ancestors

MAX_PARAMETERS: Final = 60
"""Type parameters of one definition."""
MAX_NAME: Final = 200
"""Bytes of the name or the bound of one; a longer one is none."""

_PARAMETERS: Final = frozenset(["type_parameter", "constrained_type_parameter", "type_parameter_declaration"])
_NAMES: Final = ("name", "left")
_BOUNDS: Final = ("bounds", "constraint", "type")
_BOUND_TYPES: Final = frozenset({"trait_bounds", "constraint", "type_bound", "type_constraint", "type_elem"})


def bounds_of(node: Any, source: bytes) -> dict[str, str]:
    """The type parameters of a definition, each with its first bound as written; "" where it has none."""
    found: dict[str, str] = {}
    parameters = node.child_by_field_name("type_parameters")
    if parameters is not None:
        for child in parameters.named_children[:MAX_PARAMETERS]:
            if child.type in _PARAMETERS:
                name = first_field(child, _NAMES) or (
                    child.named_child(0) if child.named_child_count else None
                )
                text = short_text(name, source, MAX_NAME)
                if text:
                    found[text] = _bound(child, name, source)
    for child in node.named_children:
        if child.type == "where_clause":
            for predicate in child.named_children[:MAX_PARAMETERS]:
                name = predicate.child_by_field_name("left")
                text = short_text(name, source, MAX_NAME)
                if text and not found.get(text):
                    found[text] = _bound(predicate, name, source)
    return found


def bounds_at(node: Any, source: bytes) -> dict[str, str]:
    """The type parameters that are known at a node; those of the innermost definition count."""
    found: dict[str, str] = {}
    for around in ancestors(node):
        if around.type.endswith(
            ("_item", "_declaration", "_definition", "_spec", "_expression", "_signature")
        ):
            for name, bound in bounds_of(around, source).items():
                found.setdefault(name, bound)
    return found


def bounds_at_row(parsed: Parsed, row: int) -> dict[str, str]:
    """The type parameters that are known at the first character of a row."""
    lines = parsed.rows.lines
    if not 0 <= row < len(lines):
        return {}
    text = lines[row]
    column = len(text) - len(text.lstrip())
    node = parsed.tree.root_node.descendant_for_point_range((row, column), (row, column))
    return bounds_at(node, parsed.source)


def _bound(parameter: Any, name: Any, source: bytes) -> str:
    bound = first_field(parameter, _BOUNDS)
    if bound is None:
        bound = next((c for c in parameter.named_children if c.type in _BOUND_TYPES), None)
    if bound is None or bound == name:
        return ""
    for _ in range(3):
        if bound.type not in _BOUND_TYPES:
            break
        inner = next((c for c in bound.named_children if c.type != "lifetime"), None)
        if inner is None:
            return ""
        bound = inner
    return short_text(bound, source, MAX_NAME)
