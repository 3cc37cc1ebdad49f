"""Swift. Objective-C has no grammar that can be used (see :data:`spelunk.chunk.grammar.NO_GRAMMAR`)."""

from __future__ import annotations

from typing import Any, Final

from spelunk.chunk.grammars._nodes import NamedNode, called, field_of, text_of

TABLES: Final = {
    "swift": """
box class class_declaration:@swift_type
box interface protocol_declaration
def function function_declaration protocol_function_declaration
def method init_declaration:@swift_member deinit_declaration:@swift_member subscript_declaration:@swift_member
ask variable property_declaration:@swift_property protocol_property_declaration:@swift_property
def constant enum_entry
def type typealias_declaration associatedtype_declaration
note comment multiline_comment
""",
}

_KINDS: Final = {"struct": "struct", "enum": "enum", "extension": "extension", "protocol": "interface"}


def swift_type(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """Classes, structs, enums, actors and extensions share one node type."""
    name, keyword = field_of(node, "name"), field_of(node, "declaration_kind")
    kind = _KINDS.get(keyword.type, "class") if keyword is not None else "class"
    return called(text_of(name, source).split("<", 1)[0], name, kind)


def swift_member(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``init``, ``deinit`` and ``subscript`` are named after their keyword."""
    return called(node.type.removesuffix("_declaration"), node, "method")


def swift_property(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``let`` and ``var``, of types and of protocols."""
    pattern = field_of(node, "name")
    words = [
        w for w in text_of(pattern, source).replace(":", " ").split() if w not in ("let", "var", "static")
    ]
    return called(words[0], pattern, "variable") if words and words[0].isidentifier() else []
