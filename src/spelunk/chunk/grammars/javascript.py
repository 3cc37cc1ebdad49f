"""JavaScript and TypeScript."""

from __future__ import annotations

import re
from typing import Any, Final

from spelunk.chunk.grammars._nodes import NamedNode, called, field_of, first_of, named, text_of

_JAVASCRIPT: Final = """
def function function_declaration generator_function_declaration
box class class_declaration class
def method method_definition
ask variable lexical_declaration:@js_variables variable_declaration:@js_variables
ask variable expression_statement:@js_expression
ask variable field_definition:@js_field public_field_definition:@js_field pair:@js_field
wrap export_statement
note comment decorator
"""

_TYPESCRIPT: Final = (
    _JAVASCRIPT
    + """
merge
def function function_signature
box class abstract_class_declaration
def interface interface_declaration
def type type_alias_declaration
def enum enum_declaration
def method method_signature abstract_method_signature
box module internal_module:@js_module module:@js_module
wrap ambient_declaration
"""
)

TABLES: Final = {"javascript": _JAVASCRIPT, "typescript": _TYPESCRIPT, "tsx": _TYPESCRIPT}

_KEYWORDS: Final = tuple(re.compile(word) for word in (rb"interface\b", rb"type\b", rb"enum\b"))

_MEMBERS: Final = """
(interface_body (method_signature name: (_) @method))

(object_type (method_signature name: (_) @method))

(enum_body name: (property_identifier) @constant)

(enum_body (enum_assignment name: (property_identifier) @constant))
"""

MEMBERS: Final = dict.fromkeys(("typescript", "tsx"), (_KEYWORDS, _MEMBERS))

MAX_OWNER: Final = 80
"""Longest text before the dot of ``owner.name = ...`` that is taken for a name."""

_FUNCTIONS: Final = frozenset(
    {"arrow_function", "function_expression", "function", "generator_function", "async_arrow_function"}
)
_GLOBALS: Final = frozenset({"this", "self", "window", "global", "globalThis"})


def _kind(value: Any) -> str:
    if value is None:
        return "variable"
    if value.type in _FUNCTIONS:
        return "function"
    return "class" if value.type == "class" else "variable"


def _body(value: Any) -> Any:
    return field_of(value, "body") if value is not None and value.type == "class" else None


def js_variables(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``const f = () => ...``: a function where the value is one."""
    names: list[NamedNode] = []
    for child in node.named_children:
        name = field_of(child, "name") if child.type == "variable_declarator" else None
        if name is not None and name.type == "identifier":
            value = field_of(child, "value")
            names += named(name, source, _kind(value), "", _body(value), child)
    return names


def js_expression(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``module.exports.x = function``, ``Foo.prototype.bar = ...``; a namespace block of TypeScript."""
    inner = first_of(node)
    if inner is None:
        return []
    if inner.type == "internal_module":
        return named(field_of(inner, "name"), source, "module", "", field_of(inner, "body"))
    if inner.type != "assignment_expression":
        return []
    left, right = field_of(inner, "left"), field_of(inner, "right")
    while right is not None and right.type == "assignment_expression":
        right = field_of(right, "right")
    if left is None or left.type not in ("member_expression", "identifier"):
        return []
    kind = _kind(right)
    if left.type == "identifier":
        return named(left, source, kind, "", _body(right)) if kind != "variable" else []
    name = field_of(left, "property")
    owner = text_of(field_of(left, "object"), source)
    if name is None or len(owner) > MAX_OWNER or "\n" in owner or "(" in owner:
        return []
    if owner == "module":
        return named(name, source, kind) if kind != "variable" else []
    exported = owner in ("module.exports", "exports")
    if kind == "variable" and not exported:
        return []
    scope = "" if exported or owner in _GLOBALS else owner
    scope = scope.removesuffix(".prototype").removeprefix("module.exports.").removeprefix("exports.")
    return named(name, source, "method" if kind == "function" and scope else kind, scope, _body(right))


def js_field(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """A class field or an object's property: a method where its value is a function."""
    name = field_of(node, "name") or field_of(node, "property") or field_of(node, "key")
    kind = _kind(field_of(node, "value"))
    if kind == "variable" and node.type == "pair":
        return []
    return called(text_of(name, source).strip("'\"`"), name, "method" if kind == "function" else kind)


def js_module(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``declare module "name"`` and ``namespace A.B``."""
    name = field_of(node, "name")
    return called(text_of(name, source).strip("'\"`"), name, "module")
