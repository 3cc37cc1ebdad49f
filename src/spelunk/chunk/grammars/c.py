"""C and C++."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from spelunk.chunk.grammars._nodes import NamedNode, called, field_of, first_of, named, text_of

_C: Final = """
def function function_definition:@c_function
ask macro preproc_def:@c_macro
def macro preproc_function_def
def struct struct_specifier:@c_type
def union union_specifier:@c_type
box enum enum_specifier:@c_type
def constant enumerator
def type type_definition:@c_typedef
ask variable declaration:@c_declaration
ask function expression_statement:@c_macro_call
tail compound_statement
flat preproc_ifdef preproc_if preproc_else preproc_elif linkage_specification declaration_list
note comment
"""

TABLES: Final = {
    "c": _C,
    "cpp": _C
    + """
box class class_specifier:@c_type
box struct struct_specifier:@c_type
box union union_specifier:@c_type
box module namespace_definition:@cpp_namespace
def type alias_declaration concept_definition
ask field field_declaration:@c_declaration
wrap template_declaration
""",
}

_KEYWORDS: Final = (re.compile(rb"#[ \t]*define\b"), re.compile(rb"enum\b"))

_MEMBERS: Final = """
(preproc_def name: (identifier) @macro)

(preproc_function_def name: (identifier) @macro)

(enumerator name: (identifier) @constant)
"""

FUNCTIONS: Final = {
    "c": """
(function_definition type: (_) declarator: (function_declarator)) @function

(function_definition type: (_) declarator: (pointer_declarator declarator: (function_declarator))) @function
"""
}
"""Functions with a type and parameters, so not ``FOR_EACH(x) { ... }``."""

MEMBERS: Final = dict.fromkeys(("c", "cpp"), (_KEYWORDS, _MEMBERS))

_NAMES: Final = frozenset(
    {"identifier", "field_identifier", "type_identifier", "destructor_name", "operator_name", "operator_cast"}
)
_TYPES: Final = {
    "struct_specifier": "struct",
    "union_specifier": "union",
    "enum_specifier": "enum",
    "class_specifier": "class",
}
_MAX_DECLARATORS: Final = 40
"""Pointers, arrays and parentheses followed around one name."""

_MAX_QUALIFIERS: Final = 20


class _Declared(NamedTuple):
    """What a declarator declares."""

    name: str
    scope: str
    row: int
    is_function: bool


def _declared(node: Any, source: bytes) -> _Declared | None:
    """Follow a declarator through pointers, arrays and parentheses to its name."""
    is_function = False
    for _ in range(_MAX_DECLARATORS):
        if node is None:
            return None
        kind = node.type
        if kind == "operator_cast":
            name = "operator " + text_of(field_of(node, "type"), source)
            return _Declared(name, "", node.start_point[0], True)
        if kind in _NAMES:
            return _Declared(text_of(node, source), "", node.start_point[0], is_function)
        if kind == "qualified_identifier":
            return _qualified(node, source, is_function)
        if kind == "template_function":
            node = field_of(node, "name") or node
            continue
        if kind == "function_declarator":
            is_function = True
        inner = field_of(node, "declarator") or next(
            (c for c in node.named_children if c.type.endswith(("declarator", "identifier"))), None
        )
        if kind == "parenthesized_declarator" and inner is not None and inner.type == "pointer_declarator":
            is_function = False  # a pointer to a function is a value
        node = inner
    return None


def _qualified(node: Any, source: bytes, is_function: bool) -> _Declared:
    """``A::B::name``: the scope is ``A.B``, without template arguments."""
    scopes: list[str] = []
    for _ in range(_MAX_QUALIFIERS):
        if node.type != "qualified_identifier":
            break
        scope = field_of(node, "scope")
        if scope is not None:
            if scope.type == "template_type":
                scope = field_of(scope, "name") or scope
            scopes.append(text_of(scope, source))
        inner = field_of(node, "name")
        if inner is None:
            break
        node = inner
    if node.type in ("template_function", "template_type"):
        node = field_of(node, "name") or node
    is_function = is_function or node.type == "operator_cast"
    return _Declared(text_of(node, source), ".".join(scopes), node.start_point[0], is_function)


def c_function(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """A function with a body; ``Foo::bar`` has the scope Foo and is a method."""
    declarator = field_of(node, "declarator")
    declared = _declared(declarator, source)
    if declared is None:
        return []
    if declared.name.isupper() and field_of(node, "type") is None:
        return _macro_function(declarator, source, declared.name, declared.row)
    return [
        NamedNode(declared.name, "method" if declared.scope else "function", declared.row, declared.scope)
    ]


def _macro_function(declarator: Any, source: bytes, macro: str, row: int) -> list[NamedNode]:
    """``SYSCALL_DEFINE3(read, ...) {`` defines read, ``TEST(Suite, Case) {`` the case of a suite."""
    parameters = text_of(field_of(declarator, "parameters"), source).strip("()").split(",")[:2]
    words = [word.strip() for word in parameters]
    if len(words) == 2 and "TEST" in macro and words[1].isidentifier():
        return [NamedNode(words[1], "function", row, words[0])]
    return [NamedNode(words[0] if words[0].isidentifier() else macro, "function", row)]


def c_macro(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``#define NAME value``; without a value it is an include guard or a switch."""
    return [] if field_of(node, "value") is None else named(field_of(node, "name"), source, "macro")


def c_macro_call(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``SYSCALL_DEFINE1(close, ...)`` and ``DEFINE_MUTEX(lock)`` define their first argument."""
    call = first_of(node)
    if call is None or call.type != "call_expression":
        return []
    first = first_of(field_of(call, "arguments"))
    word = text_of(field_of(call, "function"), source)
    if first is None or first.type != "identifier" or "DEFINE" not in word or not word.isupper():
        return []
    return named(first, source, "function" if "SYSCALL" in word else "variable")


def c_declaration(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """Prototypes and values; a type with a body that is declared on the way counts too."""
    names: list[NamedNode] = []
    declared_type = field_of(node, "type")
    if declared_type is not None and declared_type.type in _TYPES:
        body = field_of(declared_type, "body")
        if body is not None:
            names = named(field_of(declared_type, "name"), source, _TYPES[declared_type.type], "", body)
    for declarator in node.children_by_field_name("declarator"):
        declared = _declared(declarator, source)
        # a data member is left out: its type's name is what people look for
        if declared is not None and (declared.is_function or rule.kind != "field"):
            kind = "declaration" if declared.is_function else "variable"
            names.append(NamedNode(declared.name, kind, declared.row, declared.scope))
    return names


def c_typedef(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``typedef struct foo {...} foo_t``: the new names first, then the type's own."""
    inner = field_of(node, "type")
    has_body = field_of(inner, "body") is not None
    kind = _TYPES.get(inner.type, "type") if has_body else "type"
    declared = [_declared(d, source) for d in node.children_by_field_name("declarator")]
    names = [NamedNode(d.name, kind, d.row) for d in declared if d is not None]
    if kind != "type":
        own = named(field_of(inner, "name"), source, kind)
        names += [n for n in own if all(n.name != other.name for other in names)]
    return names


def c_type(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """A struct, union, enum or class with a body; without one it is only mentioned."""
    name = field_of(node, "name")
    if name is None or field_of(node, "body") is None:
        return []
    if name.type == "template_type":
        name = field_of(name, "name") or name
    return named(name, source, rule.kind)


def cpp_namespace(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``namespace a::b``: the scope ``a.b``; an anonymous one has no name."""
    name = field_of(node, "name")
    return called(text_of(name, source).replace("::", "."), name, "module")
