"""Haskell, OCaml, Erlang, Elixir and the Lisps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from spelunk.chunk.relation_tables._table import ImportPart, RelationTable, without_comments

_HASKELL: Final = """
(apply function: [(variable) (qualified) (constructor)] @call)

((infix left_operand: [(variable) (qualified)] @call operator: (operator) @_o) (#any-of? @_o "$" "<$>" "." "=<<" "<=<" "<$!>" "$!"))

(infix operator: (infix_id [(variable) (qualified)] @call))

(record expression: [(constructor) (qualified)] @call)

(name) @type

(qualified id: (name)) @type

(data_type name: (name) @skip)

(newtype name: (name) @skip)

(class name: (name) @skip)

(type_synomym name: (name) @skip)

(data_family name: (name) @skip)

(type_family name: (name) @skip)

(deriving classes: [(name) @inherit (_ [(name) (qualified)] @inherit)])

(instance name: [(name) (qualified)] @inherit)

(field_update field: (field_name (variable) @write))

(import) @import

(module_export) @import
"""

_DASHES: Final = re.compile(r"--[^\n]*|\{-.*?-\}", re.DOTALL)
_HASKELL_IMPORT: Final = re.compile(
    r"import\s+(?:safe\s+)?(qualified\s+)?(?:\"[^\"]*\"\s+)?([\w.']+)(\s+qualified)?(?:\s+as\s+([\w.']+))?"
    r"\s*(hiding\b)?\s*(\()?"
)
_HASKELL_NAME: Final = re.compile(r"(?:\b(?:type|pattern)\s+)?([^\W\d][\w']*)(?:\s*\(([^)]*)\))?")


def haskell_imports(text: str) -> Iterator[ImportPart]:
    """``import M (a, T(..))``, ``import qualified M as N``; ``module M`` of an export list offers it to others."""
    text = without_comments(text, _DASHES)
    if text.startswith("module"):
        yield text[6:].strip(), "*", "", len(text) - len(text[6:].lstrip()), True
        return
    found = _HASKELL_IMPORT.match(text)
    if found is None:
        return
    module, alias = found.group(2), found.group(4) or ""
    if found.group(1) or found.group(3):
        yield module, "", alias, found.start(2), False
    elif found.group(5) or not found.group(6):
        yield module, "*", alias, found.start(2), False
    else:
        for part in _HASKELL_NAME.finditer(text, found.end()):
            yield module, part.group(1), "", part.start(1), False
            for inner in _HASKELL_NAME.finditer(part.group(2) or ""):
                yield module, inner.group(1), "", part.start(2) + inner.start(1), False


_OCAML: Final = """
(application_expression function: [(value_path) (constructor_path)] @call)

((infix_expression operator: (_) @_o right: (value_path) @call) (#any-of? @_o "|>" ">>=" ">>|"))

((infix_expression left: (value_path) @call operator: (_) @_o) (#eq? @_o "@@"))

(method_invocation) @call

(new_expression (class_path) @call)

(type_constructor_path) @type

(inheritance_definition (class_path) @inherit)

(set_expression . (field_get_expression) @write)

(field_expression (field_path) @write)

(open_module) @import

(include_module) @import

(module_binding (module_name) body: (module_path)) @import
"""

_OCAML_COMMENT: Final = re.compile(r"\(\*.*?\*\)", re.DOTALL)
_OCAML_IMPORT: Final = re.compile(r"(open!?|include|(\w+)\s*=)\s*([\w.']+)\s*$")


def ocaml_imports(text: str) -> Iterator[ImportPart]:
    """``open A.B`` and ``include A`` take all names, ``module M = A.B`` is an alias."""
    found = _OCAML_IMPORT.match(without_comments(text, _OCAML_COMMENT).rstrip())
    if found is not None:
        alias = found.group(2) or ""
        exported = found.group(1) == "include"
        yield found.group(3), "" if alias else "*", alias, found.start(3), exported


_ERLANG: Final = """
(call expr: [(atom) (remote)] @call)

(macro_call_expr name: (_) @macro)

(record_expr name: (record_name name: (atom) @call))

(record_update_expr name: (record_name name: (atom) @call))

(internal_fun fun: (atom) @call)

(behaviour_attribute name: (atom) @inherit)

(spec) @region

(callback) @region

(type_alias) @region

(opaque) @region

(field_type) @region

(type_alias (type_name name: (atom) @skip))

(pp_include) @import

(pp_include_lib) @import

(import_attribute) @import
"""

_ERLANG_IMPORT: Final = re.compile(r"-\s*import\s*\(\s*(\w+)\s*,\s*\[")
_ERLANG_NAME: Final = re.compile(r"(\w+)\s*/\s*\d+")
_ERLANG_INCLUDE: Final = re.compile(r"-\s*include(?:_lib)?\s*\(\s*\"([^\"\n]*)\"")


def erlang_imports(text: str) -> Iterator[ImportPart]:
    """``-include("x.hrl")`` and ``-import(m, [f/1])``."""
    include = _ERLANG_INCLUDE.match(text)
    if include is not None:
        yield include.group(1), "*", "", include.start(1), False
        return
    found = _ERLANG_IMPORT.match(text)
    if found is not None:
        for part in _ERLANG_NAME.finditer(text, found.end()):
            yield found.group(1), part.group(1), "", part.start(1), False


_ELIXIR: Final = """
(call target: [(identifier) (dot)] @call)

(binary_operator operator: "|>" right: (identifier) @call)

(unary_operator operator: "&" operand: (binary_operator left: (identifier) @call operator: "/"))

(struct (alias) @call)

((call target: (identifier) @_def (arguments . (call target: (identifier) @skip))) (#match? @_def "^(def|spec|type|opaque|callback|macrocallback)"))

((call target: (identifier) @_def (arguments . (binary_operator left: (call target: (identifier) @skip)))) (#match? @_def "^(def|spec|type|opaque|callback|macrocallback)"))

((unary_operator operator: "@" operand: (call target: (identifier) @_spec)) @region (#any-of? @_spec "spec" "type" "typep" "opaque" "callback" "macrocallback"))

(unary_operator operator: "@" operand: (call target: (identifier) @decorate))

((call target: (identifier) @_behaviour (arguments . (alias) @inherit)) (#any-of? @_behaviour "behaviour" "defimpl"))

((call target: (identifier) @_use (arguments . (alias) @macro)) (#eq? @_use "use"))

((call target: (identifier) @_import) @import (#any-of? @_import "alias" "import" "require" "use"))
"""

_ELIXIR_IMPORT: Final = re.compile(
    r"(alias|import|require|use)[\s(]+([\w.]+?)(?:\.\{([^}]*)\})?(?=[\s,)]|$)(?:.*?\bas:\s*([\w.]+))?",
    re.DOTALL,
)
_ELIXIR_NAME: Final = re.compile(r"[A-Z][\w.]*")
_ONLY: Final = re.compile(r"\bonly:\s*\[([^\]]*)\]")
_KEY: Final = re.compile(r"(\w+[?!]?):")


def elixir_imports(text: str) -> Iterator[ImportPart]:
    """``alias A.B, as: C``, ``alias A.{B, C}``; ``import`` and ``use`` take all names, or those of ``only:``."""
    found = _ELIXIR_IMPORT.match(text)
    if found is None or not found.group(2)[:1].isupper():
        return
    word, module, group, alias = found.groups()
    if group is not None:
        for part in _ELIXIR_NAME.finditer(text, found.start(3), found.end(3)):
            yield f"{module}.{part.group()}", "", "", part.start(), False
        return
    only = _ONLY.search(text) if word == "import" else None
    if only is not None:
        for key in _KEY.finditer(only.group(1)):
            yield module, key.group(1), "", only.start(1) + key.start(1), False
        return
    yield module, "*" if word in ("import", "use") else "", alias or "", found.start(2), False


_LISP_WORD: Final = r"""[^\s()\[\]{}"'`,;@#|]+"""

_CLOJURE: Final = """
(list_lit . (sym_lit) @call)

((list_lit . (sym_lit) @_ns) @import (#any-of? @_ns "ns" "require" "use"))
"""

_CLOJURE_REQUIRE: Final = re.compile(
    r"\(:?(require|use|import|require-macros)\b([^()]*(?:\([^()]*\)[^()]*)*)\)"
)
_CLOJURE_LIB: Final = re.compile(
    r"\[\s*'?([\w.*+!?<>=-]+)((?:[^\[\]]|\[[^\]]*\])*)\]|\(\s*([\w.]+)([^()]*)\)|'?([\w.*+!?<>=-]+)"
)
_CLOJURE_NAME: Final = re.compile(r"[^\s\[\],:]+")


def clojure_imports(text: str) -> Iterator[ImportPart]:
    """The clauses of ``ns``: ``[a.b :as c :refer [d]]``, ``(java.util Date)``."""
    for clause in _CLOJURE_REQUIRE.finditer(text):
        name = "*" if clause.group(1) == "use" else ""
        for lib in _CLOJURE_LIB.finditer(clause.group(2)):
            at = clause.start(2)
            vector, rest, package, classes, plain = lib.groups()
            if vector is not None:
                alias = re.search(r":as(?:-alias)?\s+([\w.-]+)", rest)
                refer = re.search(r":(?:refer|only)\s*\[([^\]]*)\]", rest)
                yield (
                    vector,
                    "*" if ":refer :all" in rest else name,
                    alias.group(1) if alias else "",
                    (at + lib.start(1)),
                    False,
                )
                if refer is not None:
                    for part in _CLOJURE_NAME.finditer(refer.group(1)):
                        offset = at + lib.start(2) + refer.start(1) + part.start()
                        yield vector, part.group(), "", offset, False
            elif package is not None:
                for part in _CLOJURE_NAME.finditer(classes):
                    yield package, part.group(), "", at + lib.start(4) + part.start(), False
            elif plain is not None:
                module, _, last = plain.rpartition(".")
                if clause.group(1) == "import" and module:
                    yield module, last, "", at + lib.start(5) + len(module) + 1, False
                else:
                    yield plain, name, "", at + lib.start(5), False


_COMMON_LISP: Final = """
(list_lit . [(sym_lit) (package_lit)] @call)

(defun_header lambda_list: (list_lit (sym_lit) @skip))

(defun_header lambda_list: (list_lit (list_lit . (sym_lit) @skip)))

((list_lit . (sym_lit) @_class . (sym_lit) . (list_lit (sym_lit) @inherit)) (#eq? @_class "defclass"))

((list_lit . (sym_lit) @_let . (list_lit (list_lit . (sym_lit) @skip))) (#any-of? @_let "let" "let*"))
"""

_ELISP: Final = """
(list . (symbol) @call)

(function_definition parameters: (list (symbol) @skip))

(macro_definition parameters: (list (symbol) @skip))

(special_form "let" . (list (list . (symbol) @skip)))

(special_form "let*" . (list (list . (symbol) @skip)))

(special_form "lambda" . (list (symbol) @skip))

((list . (symbol) @_require) @import (#eq? @_require "require"))
"""

_SCHEME: Final = """
(list . (symbol) @call)

((list . (symbol) @_define . (list . (symbol) @skip)) (#match? @_define "^define"))

((list . (symbol) @_lambda . (list (symbol) @skip)) (#eq? @_lambda "lambda"))

((list . (symbol) @_let . (list (list . (symbol) @skip))) (#match? @_let "^let"))

((list . (symbol) @_import) @import (#any-of? @_import "import" "require" "load"))
"""

_FENNEL: Final = """
(list . [(symbol) (multi_symbol)] @call)
"""

_JANET: Final = """
(tuple . (symbol) @call)

((tuple . (symbol) @_import) @import (#any-of? @_import "import" "use"))
"""

_LISP_IMPORT: Final = re.compile(r"\(\s*(?:import|require|load|use)\s+(.*)\)\s*$", re.DOTALL)
_LISP_MODULE: Final = re.compile(r"\(([^()]*)\)|\"([^\"\n]*)\"|'?([^\s()\":]+)")
_AS: Final = re.compile(r":as\s+([^\s()]+)")


def lisp_imports(text: str) -> Iterator[ImportPart]:
    """``(require 'a)``, ``(import (a b))``, ``(require "a.rkt" b/c)``, ``(import ./a :as b)``."""
    found = _LISP_IMPORT.match(text)
    if found is None:
        return
    alias = _AS.search(text)
    for part in _LISP_MODULE.finditer(text, found.start(1), found.end(1)):
        module = ".".join((part.group(1) or "").split()) or part.group(2) or part.group(3) or ""
        if module:
            yield module, "" if alias else "*", alias.group(1) if alias else "", part.start(), False
        if alias:
            return


_FORMS: Final = frozenset([
    "quote", "if", "let", "let*", "letrec", "do", "fn", "fn*", "lambda", "def", "defn", "defn-", "defmacro",
    "define", "set!", "setq", "setf", "progn", "begin", "cond", "case", "when", "unless", "loop", "recur",
    "and", "or", "not", "var", "ns", "quasiquote", "local", "global",
])  # fmt: skip
"""Special forms: the syntax of the language, not calls."""


def _lisp(
    query: str, separators: tuple[str, ...], imports: object = None, word: str = _LISP_WORD
) -> RelationTable:
    return RelationTable(
        query,
        imports,  # type: ignore[arg-type]
        separators=separators,
        word=word,
        safe="(?!)",
        not_names=_FORMS,
    )


_ELIXIR_FORMS: Final = frozenset([
    "def", "defp", "defmodule", "defmacro", "defmacrop", "defstruct", "defprotocol", "defimpl", "defdelegate",
    "defguard", "alias", "import", "require", "use", "spec", "type", "typep", "opaque", "callback",
    "behaviour",
])  # fmt: skip

TABLES: Final = {
    "haskell": RelationTable(_HASKELL, haskell_imports, word=r"[^\W\d][\w']*"),
    "ocaml": RelationTable(_OCAML, ocaml_imports, separators=(".", "#"), word=r"[^\W\d][\w']*"),
    "erlang": RelationTable(_ERLANG, erlang_imports, separators=(":",), word=r"\??[^\W\d][\w@]*"),
    "elixir": RelationTable(_ELIXIR, elixir_imports, word=r"[^\W\d]\w*[?!]?", not_names=_ELIXIR_FORMS),
    "clojure": _lisp(_CLOJURE, ("/",), clojure_imports),
    "commonlisp": _lisp(_COMMON_LISP, ("::", ":"), word=r"""[^\s()\[\]{}"'`,;@#|:]+"""),
    "elisp": _lisp(_ELISP, (), lisp_imports),
    "scheme": _lisp(_SCHEME, (), lisp_imports),
    "racket": _lisp(_SCHEME, (), lisp_imports),
    "fennel": _lisp(_FENNEL, (".", ":")),
    "janet": _lisp(_JANET, ("/",), lisp_imports),
}
