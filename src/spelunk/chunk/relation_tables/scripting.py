"""Lua, Bash, R and Julia."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from spelunk.chunk.relation_tables._table import ImportPart, Load, RelationTable, without_comments

_LUA: Final = """
(function_call name: [(identifier) (dot_index_expression) (method_index_expression)] @call)

(assignment_statement (variable_list name: (dot_index_expression) @write))
"""

_LUA_BEFORE: Final = re.compile(r"(?:^|[\s,;])(\w+)[ \t]*(?:<\w+>[ \t]*)?=[ \t]*$")
_LUA_AFTER: Final = re.compile(
    r"[ \t]*\(?\s*(?:(['\"])([^'\"\n]+)\1|\[\[([^\]\n]+)\]\])[ \t]*\)?(?:\.(\w+))?"
)


def lua_loads(before: str, name: str, after: str) -> Iterator[Load]:
    """``local x = require("a.b")``."""
    found = _LUA_AFTER.match(after)
    if found is not None:
        variable = _LUA_BEFORE.search(before)
        alias, member = variable.group(1) if variable is not None else "", found.group(4) or ""
        yield found.group(2) or found.group(3), member, "" if alias == member else alias


_BASH: Final = """
(command name: (command_name (word) @call))

((command name: (command_name) @_source) @import (#any-of? @_source "source" "."))

(variable_assignment name: (variable_name) @bare)

(program (variable_assignment name: (variable_name) @global))

(program (declaration_command (variable_assignment name: (variable_name) @global)))
"""

_SOURCE: Final = re.compile(r"(?:source|\.)\s+[\"']?([^\s\"';&|]+)")


def bash_imports(text: str) -> Iterator[ImportPart]:
    """``source ./x.sh``; variables in the path stay as written."""
    found = _SOURCE.match(text)
    if found is not None:
        yield found.group(1), "*", "", found.start(1), False


_R: Final = """
(call function: [(identifier) (namespace_operator) (extract_operator)] @call)

(binary_operator lhs: (extract_operator) @write operator: ["<-" "=" "<<-"])
"""

_R_LOADERS: Final = frozenset({"library", "require", "requireNamespace", "loadNamespace", "source"})
_R_AFTER: Final = re.compile(r"\(\s*(?:(['\"])([^'\"\n]+)\1|([\w.]+)\s*[,)])")


def r_loads(before: str, name: str, after: str) -> Iterator[Load]:
    """``library(x)`` and ``source("x.R")``."""
    found = _R_AFTER.match(after)
    if found is not None and (found.group(2) or name != "source"):
        yield found.group(2) or found.group(3), "" if "Namespace" in name else "*", ""


_JULIA: Final = """
(call_expression . [(identifier) (field_expression)] @call)

(broadcast_call_expression . [(identifier) (field_expression)] @call)

(call_expression . (parametrized_type_expression . (identifier) @call))

(signature (call_expression . [(identifier) (field_expression)] @skip))

(signature (_ (call_expression . [(identifier) (field_expression)] @skip)))

(signature (_ (_ (call_expression . [(identifier) (field_expression)] @skip))))

(assignment . (call_expression . [(identifier) (field_expression)] @skip))

(assignment . (_ . (call_expression . [(identifier) (field_expression)] @skip)))

(typed_expression (_) [(identifier) (field_expression)] @type .)

(parametrized_type_expression . [(identifier) (field_expression)] @type)

(curly_expression [(identifier) (field_expression)] @type)

(type_head (binary_expression (_) (operator) [(identifier) (field_expression)] @inherit .))

(type_head (binary_expression (_) (operator) (parametrized_type_expression . (identifier) @inherit) .))

(type_head (binary_expression . (identifier) @skip))

(type_head (binary_expression . (parametrized_type_expression . (identifier) @skip)))

(type_head (parametrized_type_expression . (identifier) @skip))

(macrocall_expression (macro_identifier (identifier) @macro))

(macrocall_expression (field_expression (macro_identifier (identifier) @macro)))

(assignment . (field_expression) @write)

(compound_assignment_expression . (field_expression) @write)

(using_statement) @import

(import_statement) @import
"""

_HASH: Final = re.compile(r"#[^\n]*")
_JULIA_HEAD: Final = re.compile(r"(using|import)\s+")
_JULIA_PATH: Final = re.compile(r"\s*(\.*[\w!.]+)(?:\s+as\s+(\w+))?\s*(:(?!:))?")
_JULIA_NAME: Final = re.compile(r"(@?[\w!]+)(?:\s+as\s+(\w+))?")
_JULIA_AFTER: Final = re.compile(r"\(\s*\"([^\"\n]+)\"")


def julia_imports(text: str) -> Iterator[ImportPart]:
    """``using A, B`` takes the names that they export, ``import A: b as c`` takes b."""
    text = without_comments(text, _HASH)
    head = _JULIA_HEAD.match(text)
    if head is None:
        return
    at = head.end()
    name = "*" if head.group(1) == "using" else ""
    while True:
        path = _JULIA_PATH.match(text, at)
        if path is None:
            return
        if path.group(3):
            for part in _JULIA_NAME.finditer(text, path.end()):
                yield path.group(1), part.group(1).lstrip("@"), part.group(2) or "", part.start(1), False
            return
        yield path.group(1), name, path.group(2) or "", path.start(1), False
        at = path.end()
        if text[at : at + 1] != ",":
            return
        at += 1


def julia_loads(before: str, name: str, after: str) -> Iterator[Load]:
    """``include("x.jl")``."""
    found = _JULIA_AFTER.match(after)
    if found is not None:
        yield found.group(1), "*", ""


TABLES: Final = {
    "lua": RelationTable(
        _LUA, loads=(frozenset({"require", "dofile", "loadfile"}), lua_loads), separators=(".", ":")
    ),
    "bash": RelationTable(_BASH, bash_imports, separators=(), word=r"[\w][\w.:@+-]*"),
    "r": RelationTable(
        _R, loads=(_R_LOADERS, r_loads), separators=("$", "::", "@"), word=r"[^\W\d_][\w.]*|\.[^\W\d][\w.]*"
    ),
    "julia": RelationTable(
        _JULIA, julia_imports, (frozenset({"include"}), julia_loads), word=r"[^\W\d]\w*!?"
    ),
}
