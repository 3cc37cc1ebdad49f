"""Names in the languages whose definitions are calls, assignments or bare identifiers.

The same contract as in :mod:`spelunk.chunk.grammars.names`.
"""

from __future__ import annotations

from typing import Any, Final

from spelunk.chunk.grammars.names import NOTE, Found

_MAX_SELECTOR: Final = 120


def _text(node: Any, source: bytes) -> str:
    return source[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _found(node: Any, source: bytes, kind: str, scope: str = "", body: Any = None) -> list[Found]:
    return [(_text(node, source), kind, node.start_point[0], scope, body)]


def _field(node: Any, name: str) -> Any:
    return node.child_by_field_name(name)


def _child(node: Any, *types: str) -> Any:
    for child in node.named_children:
        if child.type in types:
            return child
    return None


# --- Ruby, PHP ----------------------------------------------------------------------------


def ruby_assignment(node: Any, source: bytes, rule: Any) -> list[Found]:
    """Constants; ``Point = Struct.new(:x) do ... end`` and ``Class.new`` are classes."""
    left, right = _field(node, "left"), _field(node, "right")
    if left is None or left.type != "constant":
        return []
    if right is not None and right.type == "call":
        maker = _text(right, source).split("(", 1)[0].split(None, 1)[0]
        if maker in ("Struct.new", "Class.new", "Data.define", "Module.new"):
            block = _field(right, "block")
            body = _field(block, "body") if block is not None else None
            return _found(left, source, "module" if maker == "Module.new" else "class", "", body)
    return _found(left, source, "constant")


def ruby_call(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``private def m``, ``define_method(:m)``; accessors name what they define."""
    method = _field(node, "method")
    arguments = _field(node, "arguments")
    if method is None or arguments is None or _field(node, "receiver") is not None:
        return []
    name = _text(method, source)
    children = arguments.named_children
    if not children:
        return []
    if children[0].type in ("method", "singleton_method"):
        inner = _field(children[0], "name")
        return _found(inner, source, "method") if inner is not None else []
    if name in ("attr_accessor", "attr_reader", "attr_writer", "define_method", "delegate", "mattr_accessor"):
        kind = "method" if name == "define_method" else "property"
        return [
            (_text(c, source).lstrip(":"), kind, c.start_point[0], "", None)
            for c in children
            if c.type == "simple_symbol"
        ]
    return []


def php_namespace(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``namespace A\\B;``: the scope ``A.B``."""
    name = _field(node, "name")
    if name is None:
        return []
    return [(_text(name, source).replace("\\", "."), "module", name.start_point[0], "", None)]


def php_constants(node: Any, source: bytes, rule: Any) -> list[Found]:
    """Class and file constants, and properties without their ``$``."""
    found: list[Found] = []
    for child in node.named_children:
        if child.type == "const_element" and child.named_child_count:
            found += _found(child.named_children[0], source, "constant")
        elif child.type == "property_element" and child.named_child_count:
            name = child.named_children[0]
            found.append((_text(name, source).lstrip("$"), "property", name.start_point[0], "", None))
    return found


def php_define(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``define('NAME', ...)``."""
    call = _child(node, "function_call_expression")
    if call is None:
        return []
    function, arguments = _field(call, "function"), _field(call, "arguments")
    if (
        function is None
        or arguments is None
        or _text(function, source) != "define"
        or not arguments.named_child_count
    ):
        return []
    name = arguments.named_children[0]
    return [(_text(name, source).strip("'\""), "constant", name.start_point[0], "", None)]


# --- Kotlin, Swift, Scala -----------------------------------------------------------------


def kotlin_class(node: Any, source: bytes, rule: Any) -> list[Found]:
    """Classes, interfaces, enums and objects, told apart by their keyword."""
    if node.type == "companion_object":
        name = _child(node, "type_identifier")
        return (
            _found(name, source, "object")
            if name is not None
            else [("Companion", "object", node.start_point[0], "", None)]
        )
    name = _child(node, "type_identifier", "simple_identifier")
    if name is None:
        return []
    kind = "object" if node.type == "object_declaration" else "class"
    for child in node.children:
        if child.start_byte >= name.start_byte:
            break
        if child.type == "interface":
            kind = "interface"
        elif child.type == "enum":
            kind = "enum"
    return _found(name, source, kind)


def kotlin_function(node: Any, source: bytes, rule: Any) -> list[Found]:
    """Functions, extension functions (scope: the receiver) and constructors."""
    if node.type == "secondary_constructor":
        return [("constructor", "method", node.start_point[0], "", None)]
    name = _child(node, "simple_identifier")
    if name is None:
        return []
    receiver = _child(node, "receiver_type") or _child(node, "user_type", "nullable_type")
    scope = ""
    if receiver is not None and receiver.start_byte < name.start_byte:
        scope = _text(receiver, source).split("<", 1)[0].rstrip("?")
    return _found(name, source, "function", scope)


def kotlin_property(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``val`` and ``var``."""
    declared = _child(node, "variable_declaration")
    name = _child(declared, "simple_identifier") if declared is not None else None
    return _found(name, source, "variable") if name is not None else []


_SWIFT_KINDS: Final = {"struct": "struct", "enum": "enum", "extension": "extension", "protocol": "interface"}


def swift_type(node: Any, source: bytes, rule: Any) -> list[Found]:
    """Classes, structs, enums, actors and extensions share one node type."""
    name, keyword = _field(node, "name"), _field(node, "declaration_kind")
    if name is None:
        return []
    kind = _SWIFT_KINDS.get(keyword.type if keyword is not None else "", "class")
    return [(_text(name, source).split("<", 1)[0], kind, name.start_point[0], "", None)]


def swift_member(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``init``, ``deinit`` and ``subscript`` are named after their keyword."""
    return [(node.type.removesuffix("_declaration"), "method", node.start_point[0], "", None)]


def swift_property(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``let`` and ``var``, of types and of protocols."""
    pattern = _field(node, "name")
    if pattern is None:
        return []
    words = _text(pattern, source).replace(":", " ").split()
    words = [word for word in words if word not in ("let", "var", "static")]
    return (
        [(words[0], "variable", pattern.start_point[0], "", None)]
        if words and words[0].isidentifier()
        else []
    )


def scala_value(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``val`` and ``var`` with a plain name."""
    pattern = _field(node, "pattern") or _field(node, "name")
    return _found(pattern, source, "variable") if pattern is not None and pattern.type == "identifier" else []


# --- Lua, Bash ----------------------------------------------------------------------------


def _lua_name(node: Any, source: bytes) -> tuple[str, str]:
    text = _text(node, source)
    owner, _, name = text.replace(":", ".").rpartition(".")
    return name, owner


def lua_function(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``function M.g()`` and ``function M:h()``: the scope is M."""
    name = _field(node, "name")
    if name is None:
        return []
    text, owner = _lua_name(name, source)
    method = name.type == "method_index_expression"
    return [(text, "method" if method else "function", name.start_point[0], owner, None)]


def lua_assignment(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``M.k = function`` and ``local x = ...``."""
    assignment = _child(node, "assignment_statement") if node.type == "variable_declaration" else node
    if assignment is None:
        return []
    targets, values = _child(assignment, "variable_list"), _child(assignment, "expression_list")
    if targets is None or not targets.named_child_count:
        return []
    target = targets.named_children[0]
    value = values.named_children[0] if values is not None and values.named_child_count else None
    function = value is not None and value.type == "function_definition"
    if target.type not in ("identifier", "dot_index_expression") or not (
        function or target.type == "identifier"
    ):
        return []
    name, owner = _lua_name(target, source)
    return [(name, "function" if function else "variable", target.start_point[0], owner, None)]


def lua_field(node: Any, source: bytes, rule: Any) -> list[Found]:
    """A function in a table constructor."""
    name, value = _field(node, "name"), _field(node, "value")
    if name is None or value is None or value.type != "function_definition":
        return []
    return _found(name, source, "function")


def bash_variable(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``X=1``, ``export X=1``, ``readonly X=1``."""
    if node.type == "declaration_command":
        node = _child(node, "variable_assignment")
        if node is None:
            return []
    name = _field(node, "name")
    return _found(name, source, "variable") if name is not None and name.type == "variable_name" else []


# --- Elixir, Haskell, Zig -----------------------------------------------------------------

_ELIXIR_BOXES: Final = {"defmodule": "module", "defprotocol": "interface", "defimpl": "impl"}
_ELIXIR_FUNCTIONS: Final = {
    "def": "function", "defp": "function", "defmacro": "macro", "defmacrop": "macro",
    "defguard": "macro", "defguardp": "macro", "defdelegate": "function", "defn": "function",
}  # fmt: skip
_ELIXIR_DOCS: Final = frozenset(
    {"doc", "spec", "impl", "typedoc", "deprecated", "since", "dialyzer", "tag", "describetag", "decorate"}
)
_ELIXIR_TYPES: Final = frozenset({"type", "typep", "opaque", "callback", "macrocallback"})


def elixir_call(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``defmodule``, ``def`` and their kin are ordinary calls; ``test "..."`` of ExUnit too."""
    target = _field(node, "target")
    if target is None or target.type != "identifier":
        return []
    word = _text(target, source)
    arguments = _child(node, "arguments")
    if arguments is None or not arguments.named_child_count:
        return []
    first = arguments.named_children[0]
    if word in _ELIXIR_BOXES:
        body = _child(node, "do_block")
        return _found(first, source, _ELIXIR_BOXES[word], "", body)
    if word in ("test", "describe") and first.type == "string":
        body = _child(node, "do_block") if word == "describe" else None
        return [(_text(first, source).strip('"'), "function", first.start_point[0], "", body)]
    kind = _ELIXIR_FUNCTIONS.get(word)
    if kind is None:
        return []
    for _ in range(4):
        if first.type == "binary_operator":
            inner = _field(first, "left")
        elif first.type == "call":
            inner = _field(first, "target")
        else:
            break
        if inner is None:
            break
        first = inner
    return _found(first, source, kind)


def elixir_attribute(node: Any, source: bytes, rule: Any) -> Any:
    """``@doc`` and ``@spec`` belong to what follows; ``@type t`` and ``@callback f`` define."""
    operand = _field(node, "operand")
    if operand is None:
        return []
    target = _field(operand, "target") if operand.type == "call" else operand
    word = _text(target, source) if target is not None else ""
    if word in _ELIXIR_DOCS:
        return NOTE
    if word in _ELIXIR_TYPES and operand.type == "call":
        arguments = _child(operand, "arguments")
        if arguments is not None:
            name = _text(arguments, source).split("::", 1)[0].split("(", 1)[0].strip()
            if name.isidentifier():
                kind = "function" if word.endswith("callback") else "type"
                return [(name, kind, arguments.start_point[0], "", None)]
    return []


def haskell_function(node: Any, source: bytes, rule: Any) -> list[Found]:
    """Signatures and equations; an infix operator is named without parentheses."""
    name = _field(node, "name")
    if name is None:
        infix = _child(node, "infix")
        name = _field(infix, "operator") if infix is not None else None
        if name is None:
            return []
    return [(_text(name, source).strip("()` "), "function", name.start_point[0], "", None)]


_ZIG_KINDS: Final = {"struct": "struct", "enum": "enum", "union": "union", "opaque": "type", "error": "type"}


def zig_variable(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``const S = struct {...}`` is a struct whose members are looked at; imports are no definitions."""
    name = _field(node, "variable_type_function")
    if name is None:
        return []
    value = node.named_children[-1]
    for _ in range(4):
        if value.type == "ContainerDecl":
            keyword = _child(value, "ContainerDeclType")
            word = _text(keyword, source)[:6].split("(")[0].strip() if keyword is not None else ""
            return _found(name, source, _ZIG_KINDS.get(word, "struct"), "", value)
        if value.type == "ErrorSetDecl":
            return _found(name, source, "type")
        if not value.named_child_count or value.type not in ("ErrorUnionExpr", "SuffixExpr"):
            break
        value = value.named_children[0]
    if value.type == "BUILTINIDENTIFIER" and _text(value, source) == "@import":
        return []
    if _text(node.named_children[-1], source).endswith("." + _text(name, source)):
        return []  # a local name for another file's definition
    constant = source[max(0, node.start_byte) : node.start_byte + 5] == b"const"
    return _found(name, source, "constant" if constant else "variable", "", None)


def zig_test(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``test "name" {...}``."""
    name = _child(node, "STRINGLITERALSINGLE", "IDENTIFIER")
    return (
        [(_text(name, source).strip('"'), "function", name.start_point[0], "", None)]
        if name is not None
        else []
    )


# --- SQL, CSS, HTML -----------------------------------------------------------------------


def sql_create(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``CREATE ... schema.name``: the schema is the scope."""
    name = _field(node, "column") if node.type == "create_index" else None
    if name is not None:
        return [(_text(name, source).strip('"`[]'), rule.kind, name.start_point[0], "", None)]
    reference = _child(node, "object_reference", "identifier")
    if reference is None:
        return []
    scope, _, text = _text(reference, source).rpartition(".")
    strip = '"`[]'
    return [(text.strip(strip), rule.kind, reference.start_point[0], scope.replace('"', ""), None)]


def css_rule(node: Any, source: bytes, rule: Any) -> list[Found]:
    """A rule is named by its selectors."""
    selectors = _child(node, "selectors")
    if selectors is None:
        return []
    text = " ".join(_text(selectors, source).split())[:_MAX_SELECTOR]
    return [(text, "rule", selectors.start_point[0], "", None)]


def css_at(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``@media (...)``: what stands before the braces."""
    text = " ".join(_text(node, source)[:400].split("{", 1)[0].split())[:_MAX_SELECTOR]
    return [(text, "rule", node.start_point[0], "", None)] if text else []


def html_element(node: Any, source: bytes, rule: Any) -> list[Found]:
    """An element with an ``id``, or a heading by its text."""
    start = _child(node, "start_tag")
    if start is None:
        return []
    tag = _child(start, "tag_name")
    if tag is not None and _text(tag, source).lower() in ("h1", "h2", "h3", "title"):
        text = _child(node, "text")
        if text is not None:
            title = " ".join(_text(text, source).split())[:_MAX_SELECTOR]
            return [(title, "section", text.start_point[0], "", None)] if title else []
    for attribute in start.named_children:
        if attribute.type == "attribute":
            words = _text(attribute, source)
            if words.startswith("id="):
                return [(words[3:].strip("\"'"), "element", attribute.start_point[0], "", None)]
    return []
