"""Java, Kotlin and Scala."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from spelunk.chunk.relation_tables._table import SLASHES, ImportPart, RelationTable, without_comments

_JAVA: Final = """
(method_invocation name: (identifier) @method)

(object_creation_expression type: [(type_identifier) (scoped_type_identifier) (generic_type)] @call)

(method_reference . (_) (identifier) @method .)

(type_identifier) @type

(scoped_type_identifier) @type

(annotation name: (_) @decorate)

(marker_annotation name: (_) @decorate)

(superclass [(type_identifier) (scoped_type_identifier) (generic_type)] @inherit)

(super_interfaces (type_list [(type_identifier) (scoped_type_identifier) (generic_type)] @inherit))

(extends_interfaces (type_list [(type_identifier) (scoped_type_identifier) (generic_type)] @inherit))

(assignment_expression left: [(field_access) @write (identifier) @bare])

(update_expression [(field_access) @write (identifier) @bare])

(field_declaration declarator: (variable_declarator name: (identifier) @global))

(type_parameter (type_identifier) @parameter)

(import_declaration) @import
"""

_KOTLIN: Final = """
(call_expression . [(simple_identifier) (navigation_expression)] @call)

(callable_reference (simple_identifier) @call)

(user_type) @type

(delegation_specifier (user_type) @inherit)

(delegation_specifier (constructor_invocation (user_type) @inherit))

(explicit_delegation (user_type) @inherit)

(annotation [(user_type) @decorate (constructor_invocation (user_type) @decorate)])

(assignment . (directly_assignable_expression (navigation_suffix)) @write)

(assignment . (directly_assignable_expression . (simple_identifier) @bare .))

(postfix_expression . [(navigation_expression) @write (simple_identifier) @bare])

(class_body (property_declaration (variable_declaration (simple_identifier) @global)))

(source_file (property_declaration (variable_declaration (simple_identifier) @global)))

(class_parameter (simple_identifier) @global)

(type_parameter (type_identifier) @parameter)

(import_header) @import
"""

_SCALA: Final = """
(call_expression function: [(identifier) (field_expression)] @call)

(call_expression function: (generic_function function: [(identifier) (field_expression)] @call))

(instance_expression [(type_identifier) (stable_type_identifier) (generic_type)] @call)

(infix_expression operator: (identifier) @call)

(type_identifier) @type

(stable_type_identifier) @type

(extends_clause [(type_identifier) (stable_type_identifier) (generic_type)] @inherit)

(annotation name: (_) @decorate)

(assignment_expression left: [(field_expression) @write (identifier) @bare])

(template_body (var_definition pattern: (identifier) @global))

(class_parameter name: (identifier) @global)

(type_definition name: (type_identifier) @skip)

(import_declaration) @import

(export_declaration) @import
"""

_JAVA_IMPORT: Final = re.compile(r"import\s+(?:static\s+)?([\w$.\s]+?)\s*(\.\s*\*)?\s*(?:;|$)")
_KOTLIN_IMPORT: Final = re.compile(r"import\s+([\w.`]+?)(\.\*)?(?:\s+as\s+(\w+))?\s*;?\s*$")
_SCALA_PATH: Final = re.compile(r"\s*([\w$.`]+?)\s*(?:\.\s*(\{[^}]*\}|\*|_)|\s+as\s+(\w+))?\s*(?:,|;|$)")
_SCALA_NAME: Final = re.compile(r"([\w$*]+)(?:\s*(?:=>|\bas\b)\s*([\w$]+))?")


def java_imports(text: str) -> Iterator[ImportPart]:
    """``import a.b.C`` takes C from a.b; ``import static a.B.c`` takes c from a.B."""
    found = _JAVA_IMPORT.match(without_comments(text, SLASHES))
    if found is None:
        return
    path = "".join(found.group(1).split())
    module, _, name = path.rpartition(".")
    if found.group(2):
        yield path, "*", "", found.start(1), False
    elif module:
        yield module, name, "", found.end(1) - len(name), False
    else:
        yield name, "", "", found.start(1), False


def kotlin_imports(text: str) -> Iterator[ImportPart]:
    """``import a.b.C as D``."""
    found = _KOTLIN_IMPORT.match(without_comments(text, SLASHES).rstrip())
    if found is None:
        return
    path = found.group(1).replace("`", "")
    module, _, name = path.rpartition(".")
    if found.group(2):
        yield path, "*", "", found.start(1), False
    elif module:
        yield module, name, found.group(3) or "", found.start(1) + len(module) + 1, False
    else:
        yield name, "", found.group(3) or "", found.start(1), False


def scala_imports(text: str) -> Iterator[ImportPart]:
    """``import a.b.{C => D, _}, e.f``; an ``export`` offers the names to others."""
    text = without_comments(text, SLASHES)
    exported = text.startswith("export")
    at = 6
    while at < len(text):
        found = _SCALA_PATH.match(text, at)
        if found is None or found.end() == at:
            return
        path, names, alias = found.group(1).replace("`", ""), found.group(2), found.group(3) or ""
        if names in ("*", "_"):
            yield path, "*", "", found.start(1), exported
        elif names:
            for part in _SCALA_NAME.finditer(names):
                name, other = part.group(1), part.group(2) or ""
                if other != "_" and name != "given":
                    offset = found.start(2) + part.start(1)
                    yield path, "*" if name in ("_", "*") else name, other, offset, exported
        else:
            module, _, name = path.rpartition(".")
            if module:
                yield module, name, alias, found.start(1) + len(module) + 1, exported
            else:
                yield name, "", alias, found.start(1), exported
        at = found.end()


TABLES: Final = {
    "java": RelationTable(_JAVA, java_imports, separators=(".", "::"), word=r"[^\W\d][\w$]*"),
    "kotlin": RelationTable(_KOTLIN, kotlin_imports, separators=(".", "::")),
    "scala": RelationTable(_SCALA, scala_imports),
}
