"""The names of definitions whose grammar does not put them in one field.

Each function takes a node, the source and the rule that matched, and returns
what it found: ``(name, kind, row of the name, scope of its own, node of the
members)``, an empty list where the node defines nothing, or :data:`NOTE`
where it belongs to the definition below.
"""

from __future__ import annotations

from typing import Any, Final

Found = tuple[str, str, int, str, Any]

NOTE: Final = object()


def _text(node: Any, source: bytes) -> str:
    return source[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _found(node: Any, source: bytes, kind: str, scope: str = "", body: Any = None) -> list[Found]:
    return [(_text(node, source), kind, node.start_point[0], scope, body)]


def _field(node: Any, name: str) -> Any:
    return node.child_by_field_name(name)


def first_identifier(node: Any, source: bytes, rule: Any) -> list[Found]:
    """The first child that is an identifier of some sort, or one level deeper."""
    named = _field(node, "name")
    if named is not None:
        return _found(named, source, rule.kind)
    children = node.named_children[:8]
    for child in children:
        if _is_name(child.type):
            return _found(child, source, rule.kind)
    for child in children:
        for inner in child.named_children[:4]:
            if _is_name(inner.type):
                return _found(inner, source, rule.kind)
    return []


def _is_name(type_name: str) -> bool:
    return type_name.endswith(("identifier", "name", "_id", "symbol")) or type_name in ("id", "word", "alias")


# --- Python -------------------------------------------------------------------------------


def python_assignment(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``NAME = ...`` and ``NAME: type``; dunder names such as ``__all__`` are no definitions."""
    left = _field(node, "left")
    if left is None or left.type != "identifier":
        return []
    name = _text(left, source)
    if name.startswith("__"):
        return []
    return [(name, "variable", left.start_point[0], "", None)]


# --- C and C++ ----------------------------------------------------------------------------

_C_NAMES: Final = frozenset(
    {"identifier", "field_identifier", "type_identifier", "destructor_name", "operator_name", "operator_cast"}
)
_C_TYPES: Final = {
    "struct_specifier": "struct",
    "union_specifier": "union",
    "enum_specifier": "enum",
    "class_specifier": "class",
}


def _declared(node: Any, source: bytes) -> tuple[str, str, int, bool] | None:
    """Name, scope, row and whether it is a function, through pointers, arrays and parentheses."""
    function = False
    for _ in range(40):
        kind = node.type
        if kind in _C_NAMES:
            if kind == "operator_cast":
                inner = _field(node, "type")
                return "operator " + (_text(inner, source) if inner else ""), "", node.start_point[0], True
            return _text(node, source), "", node.start_point[0], function
        if kind == "qualified_identifier":
            return _qualified(node, source, function)
        if kind == "template_function":
            node = _field(node, "name") or node
            continue
        if kind == "function_declarator":
            function = True
        inner = _field(node, "declarator")
        if inner is None:
            inner = next(
                (c for c in node.named_children if c.type.endswith(("declarator", "identifier"))),
                None,
            )
            if inner is None:
                return None
        if kind == "parenthesized_declarator" and inner.type == "pointer_declarator":
            function = False  # a pointer to a function is a value
        node = inner
    return None


def _qualified(node: Any, source: bytes, function: bool) -> tuple[str, str, int, bool]:
    scopes: list[str] = []
    for _ in range(20):
        if node.type != "qualified_identifier":
            break
        scope = _field(node, "scope")
        if scope is not None:
            if scope.type == "template_type":
                scope = _field(scope, "name") or scope
            scopes.append(_text(scope, source))
        inner = _field(node, "name")
        if inner is None:
            break
        node = inner
    if node.type in ("template_function", "template_type"):
        node = _field(node, "name") or node
    return (
        _text(node, source),
        ".".join(scopes),
        node.start_point[0],
        function or node.type == "operator_cast",
    )


def c_function(node: Any, source: bytes, rule: Any) -> list[Found]:
    """A function with a body; ``Foo::bar`` has the scope Foo and is a method."""
    declarator = _field(node, "declarator")
    declared = _declared(declarator, source) if declarator is not None else None
    if declared is None:
        return []
    name, scope, row, _ = declared
    if name.isupper() and _field(node, "type") is None:
        return _macro_function(declarator, source, name, row)
    return [(name, "method" if scope else "function", row, scope, None)]


def _macro_function(declarator: Any, source: bytes, macro: str, row: int) -> list[Found]:
    """``SYSCALL_DEFINE3(read, ...) {`` defines read, ``TEST(Suite, Case) {`` the case of a suite."""
    parameters = _field(declarator, "parameters")
    words = (
        [w.strip() for w in _text(parameters, source).strip("()").split(",")[:2]]
        if parameters is not None
        else []
    )
    if len(words) == 2 and "TEST" in macro and words[1].isidentifier():
        return [(words[1], "function", row, words[0], None)]
    if words and words[0].isidentifier():
        return [(words[0], "function", row, "", None)]
    return [(macro, "function", row, "", None)]


def c_macro(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``#define NAME value``; without a value it is an include guard or a switch."""
    name = _field(node, "name")
    if name is None or _field(node, "value") is None:
        return []
    return _found(name, source, "macro")


def c_macro_call(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``SYSCALL_DEFINE1(close, ...)`` and ``DEFINE_MUTEX(lock)`` define their first argument."""
    call = node.named_children[0] if node.named_child_count else None
    if call is None or call.type != "call_expression":
        return []
    macro, arguments = _field(call, "function"), _field(call, "arguments")
    if macro is None or arguments is None or not arguments.named_child_count:
        return []
    word, first = _text(macro, source), arguments.named_children[0]
    if first.type != "identifier" or "DEFINE" not in word or not word.isupper():
        return []
    return _found(first, source, "function" if "SYSCALL" in word else "variable")


def c_declaration(node: Any, source: bytes, rule: Any) -> list[Found]:
    """Prototypes and values; a type with a body that is declared on the way counts too."""
    found: list[Found] = []
    declared_type = _field(node, "type")
    if (
        declared_type is not None
        and declared_type.type in _C_TYPES
        and _field(declared_type, "body") is not None
    ):
        name = _field(declared_type, "name")
        if name is not None:
            found += _found(name, source, _C_TYPES[declared_type.type], "", _field(declared_type, "body"))
    for declarator in node.children_by_field_name("declarator"):
        declared = _declared(declarator, source)
        if declared is not None:
            name_text, scope, row, function = declared
            if not function and rule.kind == "field":
                continue  # a data member; its type's name is what people look for
            found.append((name_text, "declaration" if function else "variable", row, scope, None))
    return found


def c_typedef(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``typedef struct foo {...} foo_t``: the new names first, then the type's own."""
    found: list[Found] = []
    inner = _field(node, "type")
    kind = "type"
    if inner is not None and _field(inner, "body") is not None:
        kind = _C_TYPES.get(inner.type, "type")
    for declarator in node.children_by_field_name("declarator"):
        declared = _declared(declarator, source)
        if declared is not None:
            found.append((declared[0], kind, declared[2], "", None))
    if kind != "type":
        name = _field(inner, "name")
        if name is not None and all(_text(name, source) != f[0] for f in found):
            found += _found(name, source, kind)
    return found


def c_type(node: Any, source: bytes, rule: Any) -> list[Found]:
    """A struct, union, enum or class with a body; without one it is only mentioned."""
    name = _field(node, "name")
    if name is None or _field(node, "body") is None:
        return []
    if name.type == "template_type":
        name = _field(name, "name") or name
    return _found(name, source, rule.kind)


def cpp_namespace(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``namespace a::b``: the scope ``a.b``; an anonymous one has no name."""
    name = _field(node, "name")
    if name is None:
        return []
    return [(_text(name, source).replace("::", "."), "module", name.start_point[0], "", None)]


# --- JavaScript and TypeScript ------------------------------------------------------------

_JS_FUNCTIONS: Final = frozenset(
    {"arrow_function", "function_expression", "function", "generator_function", "async_arrow_function"}
)


def _js_kind(value: Any) -> str:
    if value is None:
        return "variable"
    kind = value.type
    if kind in _JS_FUNCTIONS:
        return "function"
    return "class" if kind == "class" else "variable"


def _js_body(value: Any) -> Any:
    return _field(value, "body") if value is not None and value.type == "class" else None


def js_variables(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``const f = () => ...``: a function where the value is one."""
    found: list[Found] = []
    for child in node.named_children:
        if child.type == "variable_declarator":
            name = _field(child, "name")
            if name is not None and name.type == "identifier":
                value = _field(child, "value")
                found += _found(name, source, _js_kind(value), "", _js_body(value))
    return found


def js_expression(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``module.exports.x = function``, ``Foo.prototype.bar = ...``; a namespace block of TypeScript."""
    inner = node.named_children[0] if node.named_child_count else None
    if inner is None:
        return []
    if inner.type == "internal_module":
        name = _field(inner, "name")
        return _found(name, source, "module", "", _field(inner, "body")) if name is not None else []
    if inner.type != "assignment_expression":
        return []
    left, right = _field(inner, "left"), _field(inner, "right")
    while right is not None and right.type == "assignment_expression":
        right = _field(right, "right")
    if left is None or left.type not in ("member_expression", "identifier"):
        return []
    kind = _js_kind(right)
    if left.type == "identifier":
        return _found(left, source, kind, "", _js_body(right)) if kind != "variable" else []
    name = _field(left, "property")
    owner = _text(_field(left, "object"), source) if _field(left, "object") is not None else ""
    if name is None or len(owner) > 80 or "\n" in owner or "(" in owner:
        return []
    exported = owner in ("module.exports", "exports")
    if owner == "module":
        return _found(name, source, kind) if kind != "variable" else []
    if kind == "variable" and not exported:
        return []
    scope = "" if exported or owner in ("this", "self", "window", "global", "globalThis") else owner
    scope = scope.removesuffix(".prototype").removeprefix("module.exports.").removeprefix("exports.")
    if kind == "function" and scope:
        kind = "method"
    return _found(name, source, kind, scope, _js_body(right))


def js_field(node: Any, source: bytes, rule: Any) -> list[Found]:
    """A class field or an object's property: a method where its value is a function."""
    name = _field(node, "name") or _field(node, "property") or _field(node, "key")
    if name is None:
        return []
    kind = _js_kind(_field(node, "value"))
    if kind == "variable" and node.type == "pair":
        return []
    text = _text(name, source).strip("'\"`")
    return [(text, "method" if kind == "function" else kind, name.start_point[0], "", None)]


def js_module(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``declare module "name"`` and ``namespace A.B``."""
    name = _field(node, "name")
    if name is None:
        return []
    return [(_text(name, source).strip("'\"`"), "module", name.start_point[0], "", None)]


# --- Go, Rust, Java, C# -------------------------------------------------------------------


def go_method(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``func (t *T) M()``: the scope is T, without pointer and type arguments."""
    name = _field(node, "name")
    receiver = _field(node, "receiver")
    if name is None:
        return []
    scope = ""
    if receiver is not None:
        words = _text(receiver, source).strip("() \t\n").split("[", 1)[0].split()
        scope = words[-1].lstrip("*(") if words else ""
    return _found(name, source, "method", scope)


def go_specs(node: Any, source: bytes, rule: Any) -> list[Found]:
    """Every name of a ``const``, ``var`` or ``type`` declaration, grouped or not."""
    found: list[Found] = []
    specs = node.named_children
    if len(specs) == 1 and specs[0].type == "var_spec_list":
        specs = specs[0].named_children
    for spec in specs:
        for name in spec.children_by_field_name("name"):
            text = _text(name, source)
            if text != "_" and text != ",":
                kind = rule.kind
                if kind == "type":
                    shape = _field(spec, "type")
                    kind = {"struct_type": "struct", "interface_type": "interface"}.get(
                        shape.type if shape is not None else "", "type"
                    )
                found.append((text, kind, name.start_point[0], "", None))
    return found


def rust_impl(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``impl Trait for Type``: named after the type, without its arguments."""
    shape = _field(node, "type")
    for _ in range(8):
        if shape is None:
            return []
        inner = _field(shape, "type") or _field(shape, "name")
        if inner is None:
            break
        shape = inner
    assert shape is not None
    text = _text(shape, source)
    return [(text, "impl", shape.start_point[0], "", None)] if len(text) <= 80 and "\n" not in text else []


def declarators(node: Any, source: bytes, rule: Any) -> list[Found]:
    """The names of a field declaration of Java (``declarator`` fields) or C# (nested)."""
    found: list[Found] = []
    for declarator in node.children_by_field_name("declarator"):
        name = _field(declarator, "name")
        if name is not None:
            found += _found(name, source, "variable")
    if not found:
        for child in node.named_children:
            if child.type == "variable_declaration":
                for declarator in child.named_children:
                    if declarator.type == "variable_declarator":
                        name = _field(declarator, "name")
                        if name is not None:
                            found += _found(name, source, "variable")
    return found


def csharp_operator(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``operator +``, ``this[]`` and conversions."""
    if node.type == "indexer_declaration":
        return [("this[]", "method", node.start_point[0], "", None)]
    sign = _field(node, "operator") or _field(node, "type")
    return [
        (
            "operator " + (_text(sign, source) if sign is not None else ""),
            "method",
            node.start_point[0],
            "",
            None,
        )
    ]
