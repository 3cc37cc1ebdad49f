"""Go, Rust and C#."""

from __future__ import annotations

import re
from typing import Any, Final

from spelunk.chunk.grammars._nodes import NamedNode, called, field_of, named, text_of

TABLES: Final = {
    "go": """
def function function_declaration
def method method_declaration:@go_method
ask constant const_declaration:@go_specs
ask variable var_declaration:@go_specs
ask type type_declaration:@go_specs
note comment
""",
    "rust": """
def function function_item function_signature_item
def struct struct_item
def enum enum_item
def union union_item
box trait trait_item
box impl impl_item:@rust_impl
box module mod_item
def macro macro_definition
def constant const_item
def variable static_item
def type type_item associated_type
flat foreign_mod_item declaration_list
note line_comment block_comment attribute_item
""",
    "csharp": """
box class class_declaration record_declaration
box struct struct_declaration record_struct_declaration
box interface interface_declaration
box enum enum_declaration
box module namespace_declaration
rest file_scoped_namespace_declaration
def method method_declaration constructor_declaration destructor_declaration
def method operator_declaration:@csharp_operator indexer_declaration:@csharp_operator
def method conversion_operator_declaration:@csharp_operator
def function local_function_statement
def type delegate_declaration
def constant enum_member_declaration
def property property_declaration event_declaration
ask variable field_declaration:@declarators event_field_declaration:@declarators
flat preproc_if preproc_else preproc_elif preproc_region
note comment attribute_list
""",
}

MEMBERS: Final = {
    "go": (
        (re.compile(rb"interface\b(?!\s*\{\s*\})"),),
        "(interface_type (method_elem name: (field_identifier) @method))",
    ),
}

_GO_TYPES: Final = {"struct_type": "struct", "interface_type": "interface"}
_MAX_TYPE_NAME: Final = 80
"""A longer type of a Rust ``impl`` is an expression, not a name."""


def go_method(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``func (t *T) M()``: the scope is T, without pointer and type arguments."""
    receiver = text_of(field_of(node, "receiver"), source).strip("() \t\n").split("[", 1)[0].split()
    scope = receiver[-1].lstrip("*(") if receiver else ""
    return named(field_of(node, "name"), source, "method", scope)


def go_specs(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """Every name of a ``const``, ``var`` or ``type`` declaration, grouped or not."""
    names: list[NamedNode] = []
    specs = node.named_children
    if len(specs) == 1 and specs[0].type == "var_spec_list":
        specs = specs[0].named_children
    for spec in specs:
        for name in spec.children_by_field_name("name"):
            kind = rule.kind
            if kind == "type":
                shape = field_of(spec, "type")
                kind = _GO_TYPES.get(shape.type, "type") if shape is not None else "type"
            if text_of(name, source) not in ("_", ","):
                names += named(name, source, kind, whole=spec)
    return names


def rust_impl(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``impl Trait for Type``: named after the type, without its arguments."""
    shape = field_of(node, "type")
    for _ in range(8):
        inner = field_of(shape, "type") or field_of(shape, "name")
        if inner is None:
            break
        shape = inner
    name = text_of(shape, source)
    return called(name, shape, "impl") if len(name) <= _MAX_TYPE_NAME and "\n" not in name else []


def csharp_operator(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``operator +``, ``this[]`` and conversions."""
    if node.type == "indexer_declaration":
        return called("this[]", node, "method")
    sign = field_of(node, "operator") or field_of(node, "type")
    return called("operator " + text_of(sign, source), node, "method")
