"""Ruby and PHP."""

from __future__ import annotations

from typing import Any, Final

from spelunk.chunk.grammars._nodes import NamedNode, called, child_of, field_of, first_of, named, text_of

TABLES: Final = {
    "ruby": """
box module module
box class class
flat singleton_class body_statement if unless else then begin
def method method singleton_method
ask constant assignment:@ruby_assignment
ask method call:@ruby_call
note comment
""",
    "php": """
box class class_declaration
box interface interface_declaration
box trait trait_declaration
box enum enum_declaration
rest namespace_definition:@php_namespace
def method method_declaration
def function function_definition
def constant enum_case
ask constant const_declaration:@php_constants property_declaration:@php_constants
ask constant expression_statement:@php_define
flat if_statement compound_statement
note comment attribute_list
""",
}

_RUBY_CLASSES: Final = frozenset({"Struct.new", "Class.new", "Data.define", "Module.new"})
_RUBY_PROPERTIES: Final = frozenset(
    {"attr_accessor", "attr_reader", "attr_writer", "delegate", "mattr_accessor"}
)


def ruby_assignment(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """Constants; ``Point = Struct.new(:x) do ... end`` and ``Class.new`` are classes."""
    left, right = field_of(node, "left"), field_of(node, "right")
    if left is None or left.type != "constant":
        return []
    if right is not None and right.type == "call":
        maker = (text_of(right, source).split("(", 1)[0].split() or [""])[0]
        if maker in _RUBY_CLASSES:
            body = field_of(field_of(right, "block"), "body")
            return named(left, source, "module" if maker == "Module.new" else "class", "", body)
    return named(left, source, "constant")


def ruby_call(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``private def m``, ``define_method(:m)``; accessors name what they define."""
    method, arguments = field_of(node, "method"), field_of(node, "arguments")
    first = first_of(arguments)
    if method is None or first is None or field_of(node, "receiver") is not None:
        return []
    if first.type in ("method", "singleton_method"):
        return named(field_of(first, "name"), source, "method")
    name = text_of(method, source)
    if name != "define_method" and name not in _RUBY_PROPERTIES:
        return []
    kind = "method" if name == "define_method" else "property"
    symbols = [child for child in arguments.named_children if child.type == "simple_symbol"]
    return [n for symbol in symbols for n in called(text_of(symbol, source).lstrip(":"), symbol, kind)]


def php_namespace(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``namespace A\\B;``: the scope ``A.B``."""
    name = field_of(node, "name")
    return called(text_of(name, source).replace("\\", "."), name, "module")


def php_constants(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """Class and file constants, and properties without their ``$``."""
    names: list[NamedNode] = []
    for child in node.named_children:
        if child.type == "const_element":
            names += named(first_of(child), source, "constant", whole=child)
        elif child.type == "property_element":
            name = first_of(child)
            names += called(text_of(name, source).lstrip("$"), name, "property", whole=child)
    return names


def php_define(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``define('NAME', ...)``."""
    call = child_of(node, "function_call_expression")
    if text_of(field_of(call, "function"), source) != "define":
        return []
    name = first_of(field_of(call, "arguments"))
    return called(text_of(name, source).strip("'\""), name, "constant")
