"""Helpers that read names from syntax nodes, shared by the grammar tables.

A table's function takes a node, the source bytes and the rule that matched. It
returns the names that the node defines, an empty list where it defines
nothing, or :data:`BELONGS_BELOW` where the node is part of the next definition.

All helpers accept None for a missing node, so that a chain of look-ups needs
one check at its end.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

BELONGS_BELOW: Final = object()
"""Returned for a node that documents the definition below it."""


class NamedNode(NamedTuple):
    """A name that a node defines.

    Attributes:
        name: The bare name; a node whose name is empty is recovered syntax and defines nothing.
        kind: ``function``, ``class``, ...
        row: 0-based row of the name.
        scope: Names that the definition itself puts before its name (``Foo`` of ``Foo::bar``).
        body: The node of its members; None where the grammar's table says where they are.
        last_row: Last row of the definition; -1 for the last row of the node that was asked for.
    """

    name: str
    kind: str
    row: int
    scope: str = ""
    body: Any = None
    last_row: int = -1


def text_of(node: Any, source: bytes) -> str:
    """The text of a node; empty for None."""
    return "" if node is None else source[node.start_byte : node.end_byte].decode("utf-8", "replace")


def field_of(node: Any, name: str) -> Any:
    """The child in a field, or None."""
    return None if node is None else node.child_by_field_name(name)


def child_of(node: Any, *types: str) -> Any:
    """The first named child of one of the types, or None."""
    if node is not None:
        for child in node.named_children:
            if child.type in types:
                return child
    return None


def first_of(node: Any) -> Any:
    """The first named child, or None."""
    return node.named_child(0) if node is not None and node.named_child_count else None


def called(
    name: str, node: Any, kind: str, scope: str = "", body: Any = None, whole: Any = None
) -> list[NamedNode]:
    """One definition of this name, at a node; none where the node is None.

    Args:
        whole: The node that the definition ends with, where it is not the one that was asked for.
    """
    if node is None:
        return []
    last_row = -1 if whole is None else whole.end_point[0]
    return [NamedNode(name, kind, node.start_point[0], scope, body, last_row)]


def named(
    node: Any, source: bytes, kind: str, scope: str = "", body: Any = None, whole: Any = None
) -> list[NamedNode]:
    """One definition whose name is the text of a node; none where the node is None."""
    return called(text_of(node, source), node, kind, scope, body, whole)


def first_identifier(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """The ``name`` field, or the first identifier among the children and their children."""
    name = field_of(node, "name")
    if name is not None:
        return named(name, source, rule.kind)
    children = node.named_children[:8]
    for child in children:
        if _is_identifier(child.type):
            return named(child, source, rule.kind)
    for child in children:
        for inner in child.named_children[:4]:
            if _is_identifier(inner.type):
                return named(inner, source, rule.kind)
    return []


def _is_identifier(type_name: str) -> bool:
    return type_name.endswith(("identifier", "name", "_id", "symbol")) or type_name in ("id", "word", "alias")


def declarators(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """The names of a field declaration of Java (``declarator`` fields) or C# (nested)."""
    variables = node.children_by_field_name("declarator") or [
        variable
        for child in node.named_children
        if child.type == "variable_declaration"
        for variable in child.named_children
        if variable.type == "variable_declarator"
    ]
    return [n for v in variables for n in named(field_of(v, "name"), source, "variable", whole=v)]
