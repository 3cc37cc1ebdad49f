"""Swift."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from spelunk.chunk.relation_tables._table import SLASHES, ImportPart, RelationTable, without_comments

_QUERY: Final = """
(call_expression . [(simple_identifier) (navigation_expression)] @call)

(call_expression . (prefix_expression (simple_identifier) @call))

(constructor_expression constructed_type: (user_type) @call)

(user_type) @type

(inheritance_specifier inherits_from: (user_type) @inherit)

(attribute (user_type) @decorate)

(macro_invocation (simple_identifier) @macro)

(assignment target: (directly_assignable_expression (navigation_expression) @write))

(assignment target: (directly_assignable_expression . (simple_identifier) @bare .))

(class_body (property_declaration name: (pattern bound_identifier: (simple_identifier) @global)))

(source_file (property_declaration name: (pattern bound_identifier: (simple_identifier) @global)))

(type_parameter (type_identifier) @parameter)

(import_declaration) @import
"""

_IMPORT: Final = re.compile(
    r"\bimport\s+(?:(typealias|struct|class|enum|protocol|let|var|func)\s+)?(\w+(?:\.\w+)*)"
)


def imports(text: str) -> Iterator[ImportPart]:
    """``import A`` takes all names of A, ``import class A.B`` takes B; ``@_exported`` offers them to others."""
    found = _IMPORT.search(without_comments(text, SLASHES))
    if found is None:
        return
    exported = "@_exported" in text[: found.start()] or "public " in text[: found.start()]
    module, _, name = found.group(2).rpartition(".")
    if found.group(1) and module:
        yield module, name, "", found.end(2) - len(name), exported
    else:
        yield found.group(2), "*", "", found.start(2), exported


TABLES: Final = {"swift": RelationTable(_QUERY, imports)}
