"""Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from spelunk.chunk.relation_tables._table import ImportPart, RelationTable, without_comments

_QUERY: Final = """
(call function: [(identifier) (attribute)] @call)

(decorator [(identifier) (attribute)] @decorate)

(decorator (call function: [(identifier) (attribute)] @decorate))

(class_definition superclasses: (argument_list [(identifier) (attribute)] @inherit))

(class_definition superclasses: (argument_list (subscript value: [(identifier) (attribute)] @inherit)))

(class_definition superclasses: (argument_list (subscript subscript: [(identifier) (attribute)] @type)))

(class_definition superclasses: (argument_list (keyword_argument value: [(identifier) (attribute)] @inherit)))

(type [(identifier) (attribute)] @type)

(type (string (string_content) @quoted))

(type (subscript [(identifier) (attribute)] @type))

(generic_type (identifier) @type)

(type (binary_operator [(identifier) (attribute)] @type))

(type (binary_operator (binary_operator [(identifier) (attribute)] @type)))

(type (binary_operator (binary_operator (binary_operator [(identifier) (attribute)] @type))))

(except_clause [(identifier) (attribute)] @type)

(except_clause (as_pattern [(identifier) (attribute)] @type))

(except_clause [(tuple [(identifier) (attribute)] @type) (as_pattern (tuple [(identifier) (attribute)] @type))])

(class_pattern (dotted_name) @type)

(assignment left: [(attribute) @write (identifier) @bare])

(augmented_assignment left: [(attribute) @write (identifier) @bare])

(assignment left: (pattern_list (attribute) @write))

(delete_statement (attribute) @write)

(global_statement (identifier) @global)

(import_statement) @import

(import_from_statement) @import
"""

_COMMENT: Final = re.compile(r"#[^\n]*|\\\r?\n")
_FROM: Final = re.compile(r"from\s*(\.[.\s]*)?([\w.]*)\s*import\b")
_NAME: Final = re.compile(r"(\w[\w.]*|\*)(?:\s+as\s+(\w+))?")


def imports(text: str) -> Iterator[ImportPart]:
    """``import a.b as c`` and ``from .a import b as c``; ``import x as x`` offers the name to others."""
    text = without_comments(text, _COMMENT)
    head = _FROM.match(text)
    if head is not None:
        module = "".join((head.group(1) or "").split()) + head.group(2)
        for part in _NAME.finditer(text, head.end()):
            name, alias = part.group(1), part.group(2) or ""
            yield module, name, "" if alias == name else alias, part.start(1), alias == name or name == "*"
    elif text.startswith("import"):
        for part in _NAME.finditer(text, 6):
            name, alias = part.group(1), part.group(2) or ""
            yield name, "", alias, part.start(1), alias == name


TABLES: Final = {"python": RelationTable(_QUERY, imports, sharing=b"global")}
