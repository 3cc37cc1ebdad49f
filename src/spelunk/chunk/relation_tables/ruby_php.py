"""Ruby and PHP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from spelunk.chunk.relation_tables._table import ImportPart, Load, RelationTable, without_comments

_RUBY: Final = """
(call method: [(identifier) (constant)] @method)

(identifier) @maybe

(method name: (identifier) @skip)

(singleton_method name: (identifier) @skip)

(alias (identifier) @skip)

(undef (identifier) @skip)

(superclass [(constant) (scope_resolution)] @inherit)

((call method: (identifier) @_mixin arguments: (argument_list [(constant) (scope_resolution)] @inherit)) (#any-of? @_mixin "include" "extend" "prepend"))

(exceptions [(constant) (scope_resolution)] @type)

(assignment left: [(instance_variable) (class_variable) (global_variable) (call)] @write)

(assignment left: (identifier) @local)

(operator_assignment left: [(instance_variable) (class_variable) (global_variable) (call)] @write)

(operator_assignment left: (identifier) @local)

(left_assignment_list [(instance_variable) (call)] @write)

(left_assignment_list (identifier) @local)

(method_parameters (identifier) @local)

(block_parameters (identifier) @local)

(lambda_parameters (identifier) @local)

(destructured_parameter (identifier) @local)

(optional_parameter name: (identifier) @local)

(keyword_parameter name: (identifier) @local)

(splat_parameter name: (identifier) @local)

(hash_splat_parameter name: (identifier) @local)

(block_parameter name: (identifier) @local)

(exception_variable (identifier) @local)

(for pattern: (identifier) @local)
"""

_AFTER: Final = re.compile(r"[ \t]*\(?[ \t]*(?::(\w+)[ \t]*,[ \t]*)?(['\"])([^'\"\n#]+)\2")


def ruby_loads(before: str, name: str, after: str) -> Iterator[Load]:
    """``require "a"``; a path of ``require_relative`` begins with a dot; ``autoload :A, "a"`` takes A."""
    found = _AFTER.match(after)
    if found is not None:
        module = found.group(3)
        if name == "require_relative" and not module.startswith("."):
            module = f"./{module}"
        yield module, found.group(1) or "*", ""


_PHP: Final = r"""
(function_call_expression function: [(name) (qualified_name)] @call)

(member_call_expression name: (name) @method)

(nullsafe_member_call_expression name: (name) @method)

(scoped_call_expression name: (name) @method)

(object_creation_expression [(name) (qualified_name)] @call)

(named_type [(name) (qualified_name)] @type)

(class_constant_access_expression . [(name) (qualified_name)] @type)

(binary_expression operator: "instanceof" right: [(name) (qualified_name)] @type)

(base_clause [(name) (qualified_name)] @inherit)

(class_interface_clause [(name) (qualified_name)] @inherit)

(use_declaration [(name) (qualified_name)] @inherit)

(attribute [(name) (qualified_name)] @decorate)

(assignment_expression left: [(member_access_expression) (scoped_property_access_expression)] @write)

(assignment_expression left: (variable_name) @bare)

(augmented_assignment_expression left: [(member_access_expression) (scoped_property_access_expression)] @write)

(update_expression [(member_access_expression) (scoped_property_access_expression)] @write)

(assignment_expression left: (subscript_expression . (member_access_expression) @write))

(global_declaration (variable_name) @global)

(namespace_use_declaration) @import

(require_expression) @import

(require_once_expression) @import

(include_expression) @import

(include_once_expression) @import
"""

_COMMENT: Final = re.compile(r"//[^\n]*|#[^\n]*|/\*.*?\*/", re.DOTALL)
_USE: Final = re.compile(r"use\s+(?:(?:function|const)\s+)?", re.IGNORECASE)
_CLAUSE: Final = re.compile(
    r"(?:(?:function|const)\s+)?\\?((?:\w+\s*\\\s*)*)(?:\{([^}]*)\}|(\w+)(?:\s+as\s+(\w+))?)", re.IGNORECASE
)
_FILE: Final = re.compile(r"""(['"])([^'"\n]*)\1""")


def php_imports(text: str) -> Iterator[ImportPart]:
    r"""``use A\B\C as D`` and groups of them; the text of ``require __DIR__ . "/x.php"`` begins with a dot."""
    head = _USE.match(text)
    if head is None:
        found = _FILE.search(text)
        if found is not None:
            here = "." if "__DIR__" in text[: found.start()] or "__FILE__" in text[: found.start()] else ""
            yield here + found.group(2), "*", "", found.start(2), False
        return
    text = without_comments(text, _COMMENT)
    for clause in _CLAUSE.finditer(text, head.end()):
        prefix = "".join(clause.group(1).split())
        if clause.group(2) is None:
            yield prefix.rstrip("\\"), clause.group(3), clause.group(4) or "", clause.start(3), False
            continue
        for part in _CLAUSE.finditer(clause.group(2)):
            if part.group(3) is not None:
                module = (prefix + "".join(part.group(1).split())).rstrip("\\")
                yield module, part.group(3), part.group(4) or "", clause.start(2) + part.start(3), False


TABLES: Final = {
    "ruby": RelationTable(
        _RUBY,
        loads=(frozenset({"require", "require_relative", "load", "autoload"}), ruby_loads),
        separators=(".", "::"),
        word=r"(?:@{1,2}|\$)?[^\W\d]\w*[?!]?",
        safe="&",
        not_names=frozenset({"self"}),
    ),
    "php": RelationTable(
        _PHP,
        php_imports,
        separators=("->", "::", "\\"),
        word=r"\$?[^\W\d]\w*",
        safe=r"\?",
        not_names=frozenset({"self", "static", "parent"}),
    ),
}
