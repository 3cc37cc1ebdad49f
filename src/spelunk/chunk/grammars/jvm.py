"""Java, Kotlin and Scala."""

from __future__ import annotations

from typing import Any, Final

from spelunk.chunk.grammars._nodes import NamedNode, called, child_of, field_of, named, text_of

TABLES: Final = {
    "java": """
box class class_declaration record_declaration
box interface interface_declaration annotation_type_declaration
box enum enum_declaration
def method method_declaration constructor_declaration compact_constructor_declaration
def method annotation_type_element_declaration
def constant enum_constant
ask variable field_declaration:@declarators constant_declaration:@declarators
flat enum_body_declarations
note line_comment block_comment
""",
    "kotlin": """
box class class_declaration:@kotlin_class object_declaration:@kotlin_class companion_object:@kotlin_class
def function function_declaration:@kotlin_function
def method secondary_constructor:@kotlin_function
ask variable property_declaration:@kotlin_property
def constant enum_entry:@first_identifier
def type type_alias:@first_identifier
body class_body enum_class_body
note line_comment multiline_comment
""",
    "scala": """
box class class_definition
box object object_definition package_object
box trait trait_definition
box enum enum_definition
def function function_definition function_declaration
def type type_definition
def variable given_definition
def constant simple_enum_case full_enum_case
ask variable val_definition:@scala_value var_definition:@scala_value
ask variable val_declaration:@scala_value var_declaration:@scala_value
flat extension_definition enum_case_definitions
note comment block_comment
""",
}


def kotlin_class(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """Classes, interfaces, enums and objects, told apart by their keyword."""
    if node.type == "companion_object":
        return named(child_of(node, "type_identifier"), source, "object") or called(
            "Companion", node, "object"
        )
    name = child_of(node, "type_identifier", "simple_identifier")
    if name is None:
        return []
    kind = "object" if node.type == "object_declaration" else "class"
    for child in node.children:
        if child.start_byte >= name.start_byte:
            break
        if child.type in ("interface", "enum"):
            kind = child.type
    return named(name, source, kind)


def kotlin_function(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """Functions, extension functions (scope: the receiver) and constructors."""
    if node.type == "secondary_constructor":
        return called("constructor", node, "method")
    name = child_of(node, "simple_identifier")
    receiver = child_of(node, "receiver_type") or child_of(node, "user_type", "nullable_type")
    scope = ""
    if name is not None and receiver is not None and receiver.start_byte < name.start_byte:
        scope = text_of(receiver, source).split("<", 1)[0].rstrip("?")
    return named(name, source, "function", scope)


def kotlin_property(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``val`` and ``var``."""
    return named(child_of(child_of(node, "variable_declaration"), "simple_identifier"), source, "variable")


def scala_value(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``val`` and ``var`` with a plain name."""
    pattern = field_of(node, "pattern") or field_of(node, "name")
    return named(pattern, source, "variable") if pattern is not None and pattern.type == "identifier" else []
