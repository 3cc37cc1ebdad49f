"""JavaScript and TypeScript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from spelunk.chunk.relation_tables._table import SLASHES, ImportPart, Load, RelationTable, without_comments

_SHARED: Final = """
(call_expression function: [(identifier) (member_expression)] @call)

(call_expression function: (import) @load)

(new_expression constructor: [(identifier) (member_expression)] @call)

(decorator [(identifier) (member_expression)] @decorate)

(decorator (call_expression function: [(identifier) (member_expression)] @decorate))

(assignment_expression left: [(member_expression) @write (identifier) @bare])

(augmented_assignment_expression left: [(member_expression) @write (identifier) @bare])

(update_expression argument: [(member_expression) @write (identifier) @bare])

(program (lexical_declaration (variable_declarator name: (identifier) @global)))

(program (variable_declaration (variable_declarator name: (identifier) @global)))

(export_statement declaration: (lexical_declaration (variable_declarator name: (identifier) @global)))

(import_statement) @import

(export_statement source: (_)) @import
"""

_JSX: Final = """
(jsx_opening_element name: [(identifier) (member_expression)] @element)

(jsx_self_closing_element name: [(identifier) (member_expression)] @element)
"""

_JAVASCRIPT: Final = (
    _SHARED
    + _JSX
    + """
(class_heritage [(identifier) (member_expression)] @inherit)

(class_heritage (call_expression arguments: (arguments [(identifier) (member_expression)] @inherit)))
"""
)

_TYPESCRIPT: Final = (
    _SHARED
    + """
(extends_clause value: [(identifier) (member_expression)] @inherit)

(extends_clause value: (call_expression arguments: (arguments [(identifier) (member_expression)] @inherit)))

(implements_clause [(type_identifier) (nested_type_identifier)] @inherit)

(implements_clause (generic_type name: [(type_identifier) (nested_type_identifier)] @inherit))

(extends_type_clause [(type_identifier) (nested_type_identifier)] @inherit)

(extends_type_clause (generic_type name: [(type_identifier) (nested_type_identifier)] @inherit))

(type_identifier) @type

(nested_type_identifier) @type

(type_query [(identifier) (member_expression)] @type)

(class_declaration name: (type_identifier) @skip)

(class name: (type_identifier) @skip)

(abstract_class_declaration name: (type_identifier) @skip)

(interface_declaration name: (type_identifier) @skip)

(type_alias_declaration name: (type_identifier) @skip)

(type_parameter name: (type_identifier) @parameter)

(infer_type (type_identifier) @parameter)

(import_alias) @import
"""
)

_CLAUSE: Final = re.compile(r"(?:import|export)\s+(?:type(?=[\s{*])(?!\s+from\b)\s*|defer\s+)?")
_SOURCE: Final = re.compile(r"""(['"])((?:(?!\1)[^\\\n])*)\1""")
_NAMES: Final = re.compile(r"\{([^}]*)\}")
_NAME: Final = re.compile(r"(?:type\s+(?!as\b))?([\w$]+|\"[^\"]*\"|'[^']*')(?:\s+as\s+([\w$]+))?")
_STAR: Final = re.compile(r"\*(?:\s*as\s+([\w$]+))?")
_DEFAULT: Final = re.compile(r"([\w$]+)\s*(?:,|from\b|=)")
_ALIAS: Final = re.compile(r"(?:export\s+)?import\s+(?:type\s+)?([\w$]+)\s*=\s*([\w$.]+)\s*(\()?")


def imports(text: str) -> Iterator[ImportPart]:
    """ES imports and re-exports, and ``import x = require("y")`` and ``import x = a.b`` of TypeScript."""
    text = without_comments(text, SLASHES) if "//" in text or "/*" in text else text
    exported = text.startswith("export")
    clause = _CLAUSE.match(text)
    if clause is None:
        return
    at = clause.end()
    alias = _ALIAS.match(text)
    if alias is not None and not alias.group(3):
        module, _, name = alias.group(2).rpartition(".")
        if module:
            yield module, name, "" if alias.group(1) == name else alias.group(1), alias.start(2), exported
        return
    head, tail = text[at:], 0
    names = _NAMES.search(head)
    tail = names.end() if names is not None else 0
    sources = list(_SOURCE.finditer(head, tail))
    if not sources:
        return
    module = sources[0].group(2)
    before = head[: sources[0].start()]
    if not before.strip() or before.lstrip().startswith("("):
        yield module, "", "", at + sources[0].start(), False
        return
    star = _STAR.search(before[: names.start()] if names is not None else before)
    default = _DEFAULT.match(before)
    if default is not None and default.group(1) != "from":
        if alias is not None:
            yield module, "", default.group(1), at + default.start(1), exported
        else:
            yield module, "default", default.group(1), at + default.start(1), exported
    if star is not None:
        name = "" if star.group(1) else "*"
        yield module, name, star.group(1) or "", at + star.start(), exported
    if names is not None:
        for part in _NAME.finditer(names.group(1)):
            name, other = part.group(1).strip("'\""), part.group(2) or ""
            offset = at + names.start(1) + part.start(1)
            yield module, name, "" if other == name else other, offset, exported


_BEFORE: Final = re.compile(
    r"(?:\b(?:const|let|var)\s+|,\s*)(?:([\w$]+)|\{([^{}=]*)\})\s*(?::[^=\n]*)?=\s*(?:await\s+)?$"
)
_AFTER: Final = re.compile(r"\s*\(\s*(?:/\*.*?\*/\s*)?(['\"`])((?:(?!\1)[^\\\n$])+)\1\s*\)(?:\.([\w$]+))?")
_PAIR: Final = re.compile(r"([\w$]+)(?:\s*:\s*([\w$]+))?")


def loads(before: str, name: str, after: str) -> Iterator[Load]:
    """``const x = require("y")``, ``const {a, b: c} = require("y")``, ``import("y")``."""
    found = _AFTER.match(after)
    if found is None:
        return
    module, member = found.group(2), found.group(3) or ""
    variable = _BEFORE.search(before)
    if variable is not None and variable.group(2) is not None:
        for pair in _PAIR.finditer(variable.group(2)):
            yield module, pair.group(1), pair.group(2) or ""
    else:
        alias = variable.group(1) if variable is not None else ""
        yield module, "" if member == "then" else member, "" if alias == member else alias


def _table(query: str) -> RelationTable:
    return RelationTable(query, imports, (frozenset({"require"}), loads), word=r"#?[^\W\d][\w$]*|#?\$[\w$]*")


TABLES: Final = {
    "javascript": _table(_JAVASCRIPT),
    "typescript": _table(_TYPESCRIPT),
    "tsx": _table(_TYPESCRIPT + _JSX),
}
