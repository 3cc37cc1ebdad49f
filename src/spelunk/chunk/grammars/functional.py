"""Haskell, OCaml, Erlang, Elixir and the Lisps."""

from __future__ import annotations

from typing import Any, Final

from spelunk.chunk.grammars._nodes import (
    BELONGS_BELOW,
    NamedNode,
    called,
    child_of,
    field_of,
    first_of,
    named,
    text_of,
)

_LISP: Final = """
ask function list:@lisp_form
note comment
"""

TABLES: Final = {
    "haskell": """
merge
flat declarations class_declarations instance_declarations class_declaration instance_declaration
def function signature:@haskell_function function:@haskell_function bind:@haskell_function
def type data_type newtype type_synomym type_family data_family
box class class
box impl instance
def constant pattern_synonym
body class_declarations instance_declarations
note comment haddock
""",
    "ocaml": """
def function value_definition:@ocaml_value
box module module_definition:@ocaml_module
def type type_definition:@ocaml_module
def function external:@first_identifier
def type exception_definition:@first_identifier
note comment
""",
    "erlang": """
merge
def function fun_decl:@erlang_function
ask struct record_decl:@first_identifier
note comment
""",
    "elixir": """
merge
ask function call:@elixir_call
ask type unary_operator:@elixir_attribute
note comment
""",
    "clojure": _LISP.replace("list:", "list_lit:"),
    "commonlisp": _LISP.replace("list:", "list_lit:") + "def function defun:@lisp_defun",
    "elisp": _LISP
    + """
def function function_definition
def macro macro_definition
ask variable special_form:@elisp_variable
""",
    "scheme": _LISP,
    "racket": _LISP,
    "fennel": _LISP,
    "janet": _LISP.replace("list:", "par_tup_lit:"),
}


def haskell_function(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """Signatures and equations; an infix operator is named without parentheses."""
    name = field_of(node, "name") or field_of(child_of(node, "infix"), "operator")
    return called(text_of(name, source).strip("()` "), name, "function")


def ocaml_value(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """Every binding of ``let f x = ... and g = ...``."""
    names: list[NamedNode] = []
    for binding in node.named_children:
        name = first_of(binding) if binding.type == "let_binding" else None
        if name is not None and name.type == "value_name":
            has_parameter = child_of(binding, "parameter") is not None
            names += named(name, source, "function" if has_parameter else "variable", whole=binding)
    return names


def ocaml_module(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``module M = struct ... end`` with its members, and the names of a type definition."""
    names: list[NamedNode] = []
    for binding in node.named_children:
        if binding.type == "module_binding":
            names += named(first_of(binding), source, "module", "", field_of(binding, "body"), binding)
        elif binding.type == "type_binding":
            names += named(field_of(binding, "name"), source, "type", whole=binding)
    return names


def erlang_function(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """A function is named by its first clause."""
    name = next(filter(None, (field_of(clause, "name") for clause in node.named_children[:2])), None)
    return named(name, source, "function")


_ELIXIR_BOXES: Final = {"defmodule": "module", "defprotocol": "interface", "defimpl": "impl"}
_ELIXIR_FUNCTIONS: Final = {
    "def": "function", "defp": "function", "defmacro": "macro", "defmacrop": "macro",
    "defguard": "macro", "defguardp": "macro", "defdelegate": "function", "defn": "function",
}  # fmt: skip
_ELIXIR_DOCS: Final = frozenset(
    {"doc", "spec", "impl", "typedoc", "deprecated", "since", "dialyzer", "tag", "describetag", "decorate"}
)
_ELIXIR_TYPES: Final = frozenset({"type", "typep", "opaque", "callback", "macrocallback"})


def elixir_call(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``defmodule``, ``def`` and their kin are ordinary calls; ``test "..."`` of ExUnit too."""
    target = field_of(node, "target")
    first = first_of(child_of(node, "arguments"))
    if target is None or target.type != "identifier" or first is None:
        return []
    word = text_of(target, source)
    if word in _ELIXIR_BOXES:
        return named(first, source, _ELIXIR_BOXES[word], "", child_of(node, "do_block"))
    if word in ("test", "describe") and first.type == "string":
        body = child_of(node, "do_block") if word == "describe" else None
        return called(text_of(first, source).strip('"'), first, "function", "", body)
    kind = _ELIXIR_FUNCTIONS.get(word)
    if kind is None:
        return []
    for _ in range(4):
        inner = field_of(first, {"binary_operator": "left", "call": "target"}.get(first.type, ""))
        if inner is None:
            break
        first = inner
    return named(first, source, kind)


def elixir_attribute(node: Any, source: bytes, rule: Any) -> Any:
    """``@doc`` and ``@spec`` belong to what follows; ``@type t`` and ``@callback f`` define."""
    operand = field_of(node, "operand")
    if operand is None:
        return []
    is_call = operand.type == "call"
    word = text_of(field_of(operand, "target") if is_call else operand, source)
    if word in _ELIXIR_DOCS:
        return BELONGS_BELOW
    arguments = child_of(operand, "arguments") if is_call and word in _ELIXIR_TYPES else None
    name = text_of(arguments, source).split("::", 1)[0].split("(", 1)[0].strip()
    return called(name, arguments, "function" if word.endswith("callback") else "type") if name.isidentifier() else []  # fmt: skip


_LISP_KINDS: Final = {
    "macro": "macro", "type": "type", "struct": "struct", "record": "struct", "class": "class", "var": "variable",
    "parameter": "variable", "constant": "constant", "const": "constant", "custom": "variable", "protocol": "interface",
    "package": "module", "group": "module", "once": "variable",
}  # fmt: skip
_MAX_HEAD: Final = 40
_MAX_LISP_NAME: Final = 100


def lisp_form(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``(defn name ...)``, ``(define (name ...) ...)``: a list whose head begins with ``def`` or is ``fn``."""
    children = [c for c in node.named_children[:4] if "comment" not in c.type]
    if children and children[0].type == "defun":
        return lisp_defun(children[0], source, rule)
    if len(children) < 2:
        return []
    head, name = children[:2]
    word = text_of(head, source) if head.end_byte - head.start_byte < _MAX_HEAD else ""
    if word in ("ns", "module"):
        return named(name, source, "module")
    if not (word.startswith(("def", "cl-def")) or word in ("fn", "lambda")):
        return []
    if name.named_child_count and name.type.endswith(("list", "list_lit", "par_tup_lit")):
        name = first_of(name)
    text = (text_of(name, source).split() or [""])[-1]
    if not text or text[0] in "([{\"'" or len(text) > _MAX_LISP_NAME:
        return []
    what = word.removeprefix("cl-").removeprefix("define").removeprefix("def").strip("-")
    return called(text, name, _LISP_KINDS.get(what, "variable" if word == "def" else "function"))


def lisp_defun(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``(defun name ...)`` in the shape of Common Lisp's grammar."""
    return named(field_of(child_of(node, "defun_header"), "function_name"), source, "function")


def elisp_variable(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``(defvar name ...)`` and ``(defconst name ...)``, whose head is a keyword of the grammar."""
    head = node.child(1)
    if head is None or head.type not in ("defvar", "defconst"):
        return []
    return named(first_of(node), source, "variable")
