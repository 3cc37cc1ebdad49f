"""Python."""

from __future__ import annotations

from typing import Any, Final

from spelunk.chunk.grammars._nodes import NamedNode, field_of, named, text_of

TABLES: Final = {
    "python": """
def function function_definition
box class class_definition
def type type_alias_statement:left
ask variable assignment:@python_assignment
wrap decorated_definition
flat if_statement else_clause elif_clause try_statement except_clause finally_clause block
note comment
""",
}


def python_assignment(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``NAME = ...`` and ``NAME: type``; dunder names such as ``__all__`` are no definitions."""
    left = field_of(node, "left")
    if left is None or left.type != "identifier" or text_of(left, source).startswith("__"):
        return []
    return named(left, source, "variable")
