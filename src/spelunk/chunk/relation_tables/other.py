"""Zig, Dart, SQL, CSS, SCSS, HTML and Terraform."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from spelunk.chunk.relation_tables._table import SLASHES, ImportPart, Load, RelationTable, without_comments

_ZIG: Final = """
(SuffixExpr . (IDENTIFIER) @call . (FnCallArguments))

(FieldOrFnCall function_call: (IDENTIFIER) @method)

(_ (ErrorUnionExpr (SuffixExpr variable_type_function: (IDENTIFIER)) @call) . (InitList))

(ParamType (ErrorUnionExpr (SuffixExpr variable_type_function: (IDENTIFIER)) @type))

(FnProto (ErrorUnionExpr (SuffixExpr variable_type_function: (IDENTIFIER)) @type))

(ContainerField field_member: (_) (ErrorUnionExpr (SuffixExpr variable_type_function: (IDENTIFIER)) @type))

(AssignExpr . (ErrorUnionExpr (SuffixExpr (FieldOrFnCall field_access: (IDENTIFIER)) .) @write) (AssignOp))

(FieldInit field_member: (IDENTIFIER) @write)

(SuffixExpr . (BUILTINIDENTIFIER) @load)
"""

_ZIG_BEFORE: Final = re.compile(r"\b(?:const|var)\s+(\w+)\s*=\s*$")
_ZIG_AFTER: Final = re.compile(r"\(\s*\"([^\"\n]+)\"\s*\)((?:\.\w+)*)")


def zig_loads(before: str, name: str, after: str) -> Iterator[Load]:
    """``const x = @import("x.zig").Foo``."""
    found = _ZIG_AFTER.match(after)
    if found is not None and name == "@import":
        variable = _ZIG_BEFORE.search(before)
        alias, member = variable.group(1) if variable is not None else "", found.group(2).rpartition(".")[2]
        yield found.group(1), member, "" if alias == member else alias


_DART: Final = """
(_ (identifier) @call . (selector (argument_part)))

(_ (selector [(unconditional_assignable_selector (identifier) @method) (conditional_assignable_selector (identifier) @method)]) . (selector (argument_part)))

(new_expression (type_identifier) @call)

(const_object_expression (type_identifier) @call)

(type_identifier) @type

(superclass (type_identifier) @inherit)

(mixins (type_identifier) @inherit)

(interfaces (type_identifier) @inherit)

(annotation name: (_) @decorate)

(assignment_expression left: (assignable_expression (unconditional_assignable_selector)) @write)

(type_parameter (type_identifier) @parameter)

(type_alias . (type_identifier) @skip)

(import_or_export) @import

(part_directive) @import
"""

_DART_IMPORT: Final = re.compile(r"(import|export|part)\s+(['\"])([^'\"\n]*)\2([^;]*)")
_DART_SHOW: Final = re.compile(r"\bshow\s+([\w\s,]+)")
_WORD: Final = re.compile(r"\w+")


def dart_imports(text: str) -> Iterator[ImportPart]:
    """``import "a.dart" as b show C``; ``export`` offers the names to others."""
    found = _DART_IMPORT.match(without_comments(text, SLASHES))
    if found is None:
        return
    exported = found.group(1) == "export"
    module, rest = found.group(3), found.group(4)
    alias = re.search(r"\bas\s+(\w+)", rest)
    show = _DART_SHOW.search(rest)
    if alias is not None:
        yield module, "", alias.group(1), found.start(3), exported
    elif show is None:
        yield module, "*", "", found.start(3), exported
    if show is not None:
        for part in _WORD.finditer(show.group(1)):
            if part.group() == "hide":
                break
            yield module, part.group(), "", found.start(4) + show.start(1) + part.start(), exported


_SQL: Final = """
(relation (object_reference) @type)

(invocation (object_reference) @call)

(column_definition (object_reference) @type)

(insert (object_reference) @write)

(update (relation (object_reference) @write))
"""

_CSS: Final = """
(import_statement) @import
"""

_SCSS: Final = """
(include_statement (identifier) @macro)

(extend_statement (class_selector (class_name) @inherit))

(call_expression (function_name) @call)

(import_statement) @import

(use_statement) @import

(forward_statement) @import
"""

_SHEET: Final = re.compile(r"(['\"])([^'\"\n]+)\1(?:\s+as\s+([\w*-]+))?")


def sheet_imports(text: str) -> Iterator[ImportPart]:
    """``@import "a"``, ``@use "a" as b``; ``@forward`` offers the names to others."""
    for found in _SHEET.finditer(text):
        alias = (found.group(3) or "").replace("*", "")
        name = "" if text.startswith("@use") else "*"
        yield found.group(2), name, alias, found.start(2), text.startswith("@forward")


_HTML: Final = """
((script_element (start_tag (attribute (attribute_name) @_src (quoted_attribute_value (attribute_value) @import)))) (#eq? @_src "src"))

((element (start_tag (tag_name) @_link (attribute (attribute_name) @_href (quoted_attribute_value (attribute_value) @import)))) (#eq? @_link "link") (#eq? @_href "href"))
"""


def path_imports(text: str) -> Iterator[ImportPart]:
    """The text is the path."""
    yield text.strip("\"' \t\n"), "*", "", 0, False


_TERRAFORM: Final = """
(function_call (identifier) @call)

((block (identifier) @_module (body (attribute (identifier) @_source (expression (literal_value (string_lit) @import))))) (#eq? @_module "module") (#eq? @_source "source"))
"""

_DASHED: Final = r"[^\W\d][\w-]*"

TABLES: Final = {
    "zig": RelationTable(_ZIG, loads=(frozenset(), zig_loads)),
    "dart": RelationTable(_DART, dart_imports),
    "sql": RelationTable(_SQL),
    "css": RelationTable(_CSS, sheet_imports),
    "scss": RelationTable(_SCSS, sheet_imports, word=_DASHED),
    "html": RelationTable(_HTML, path_imports),
    "terraform": RelationTable(_TERRAFORM, path_imports),
}
