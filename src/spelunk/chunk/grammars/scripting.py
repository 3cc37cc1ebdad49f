"""Lua, Bash, R and Julia."""

from __future__ import annotations

from typing import Any, Final

from spelunk.chunk.grammars._nodes import NamedNode, called, child_of, field_of, first_of, named, text_of

TABLES: Final = {
    "lua": """
def function function_declaration:@lua_function
ask variable variable_declaration:@lua_assignment assignment_statement:@lua_assignment
ask variable field:@lua_field
note comment
""",
    "bash": """
def function function_definition
ask variable variable_assignment:@bash_variable declaration_command:@bash_variable
note comment
""",
    "r": """
ask function binary_operator:@r_assignment
note comment
""",
    "julia": """
box module module_definition
def struct struct_definition:@julia_name
def function function_definition:@julia_name
def macro macro_definition:@julia_name
def constant const_statement:@julia_name
flat block
note line_comment block_comment
""",
}


def _lua_called(node: Any, source: bytes, kind: str) -> list[NamedNode]:
    """``M.g`` and ``M:h``: the scope is M."""
    owner, _, name = text_of(node, source).replace(":", ".").rpartition(".")
    return called(name, node, kind, owner)


def lua_function(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``function M.g()`` and ``function M:h()``."""
    name = field_of(node, "name")
    is_method = name is not None and name.type == "method_index_expression"
    return _lua_called(name, source, "method" if is_method else "function")


def lua_assignment(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``M.k = function`` and ``local x = ...``."""
    assignment = child_of(node, "assignment_statement") if node.type == "variable_declaration" else node
    target = first_of(child_of(assignment, "variable_list"))
    value = first_of(child_of(assignment, "expression_list"))
    if target is None:
        return []
    is_function = value is not None and value.type == "function_definition"
    if target.type == "identifier" or (is_function and target.type == "dot_index_expression"):
        return _lua_called(target, source, "function" if is_function else "variable")
    return []


def lua_field(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """A function in a table constructor."""
    value = field_of(node, "value")
    if value is None or value.type != "function_definition":
        return []
    return named(field_of(node, "name"), source, "function")


def bash_variable(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``X=1``, ``export X=1``, ``readonly X=1``."""
    if node.type == "declaration_command":
        node = child_of(node, "variable_assignment")
    name = field_of(node, "name")
    return named(name, source, "variable") if name is not None and name.type == "variable_name" else []


def r_assignment(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``f <- function(x)``; a plain value only with ``<-`` or ``=`` at the top."""
    left, right, sign = field_of(node, "lhs"), field_of(node, "rhs"), field_of(node, "operator")
    if left is None or right is None or sign is None or sign.type not in ("<-", "=", "<<-", ":="):
        return []
    if left.type not in ("identifier", "string"):
        return []
    kind = "function" if right.type == "function_definition" else "variable"
    return called(text_of(left, source).strip("'\"`"), left, kind)


def julia_name(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """The first identifier down the left edge of a signature, type head or assignment."""
    for _ in range(8):
        node = first_of(node)
        if node is None:
            break
        if node.type in ("identifier", "operator"):
            return named(node, source, rule.kind)
        if node.type in ("field_expression", "scoped_identifier"):
            return called(text_of(node, source).rpartition(".")[2], node, rule.kind)
    return []
