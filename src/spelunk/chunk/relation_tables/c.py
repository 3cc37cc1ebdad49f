"""C and C++."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from spelunk.chunk.relation_tables._table import SLASHES, ImportPart, RelationTable, without_comments

_C: Final = """
(call_expression function: [(identifier) (field_expression)] @call)

(type_identifier) @type

(struct_specifier name: (type_identifier) @skip body: (_))

(union_specifier name: (type_identifier) @skip body: (_))

(enum_specifier name: (type_identifier) @skip body: (_))

(type_definition declarator: (type_identifier) @skip)

(type_definition declarator: (pointer_declarator declarator: (type_identifier) @skip))

(type_definition declarator: (function_declarator declarator: (parenthesized_declarator (pointer_declarator declarator: (type_identifier) @skip))))

(assignment_expression left: [(field_expression) @write (identifier) @bare])

(update_expression argument: [(field_expression) @write (identifier) @bare])

(initializer_pair designator: (field_designator (field_identifier) @write))

(translation_unit (declaration declarator: [
  (identifier) @global
  (pointer_declarator declarator: (identifier) @global)
  (init_declarator declarator: (identifier) @global)
  (init_declarator declarator: (pointer_declarator declarator: (identifier) @global))]))

(preproc_function_def value: (preproc_arg) @fragment)

(preproc_def value: (preproc_arg) @fragment)

(preproc_include) @import
"""

_CPP: Final = (
    _C
    + """
(call_expression function: [(qualified_identifier) (template_function)] @call)

(new_expression type: [(type_identifier) (qualified_identifier) (template_type)] @call)

(compound_literal_expression type: [(type_identifier) (qualified_identifier) (template_type)] @call)

(declaration type: [(type_identifier) (qualified_identifier) (template_type)] @call declarator: (init_declarator value: [(initializer_list) (argument_list)]))

(qualified_identifier name: [(type_identifier) (template_type)]) @type

(base_class_clause [(type_identifier) (qualified_identifier) (template_type)] @inherit)

(class_specifier name: (type_identifier) @skip body: (_))

(alias_declaration name: (type_identifier) @skip)

(type_parameter_declaration (type_identifier) @parameter)

(variadic_type_parameter_declaration (type_identifier) @parameter)

(optional_type_parameter_declaration name: (type_identifier) @parameter)

(field_initializer (field_identifier) @write)

(field_declaration declarator: (field_identifier) @global)

(attribute name: (identifier) @decorate)

(using_declaration) @import

(namespace_alias_definition) @import
"""
)

_INCLUDE: Final = re.compile(r"#\s*\w+\s*(<[^>\n]*>|\"([^\"\n]*)\")")
_USING: Final = re.compile(r"using\s+(namespace\s+|typename\s+)?(?:::)?((?:\w+\s*::\s*)*)(\w+)")
_NAMESPACE: Final = re.compile(r"namespace\s+(\w+)\s*=\s*(?:::)?([\w:]+)")


def imports(text: str) -> Iterator[ImportPart]:
    """``#include``, whose module keeps angle brackets; ``using`` and aliases of namespaces."""
    if text.startswith("#"):
        include = _INCLUDE.match(text)
        if include is not None:
            quoted = include.group(2)
            yield include.group(1) if quoted is None else quoted, "*", "", include.start(1), False
        return
    text = without_comments(text, SLASHES)
    using = _USING.match(text)
    if using is not None:
        module = "".join(using.group(2).split()).removesuffix("::")
        name = using.group(3)
        if using.group(1) and using.group(1).startswith("namespace"):
            yield f"{module}::{name}" if module else name, "*", "", using.start(3), False
        elif module:
            yield module, name, "", using.start(3), False
        return
    alias = _NAMESPACE.match(text)
    if alias is not None:
        yield alias.group(2), "", alias.group(1), alias.start(1), False


_CASTS: Final = frozenset({"static_cast", "dynamic_cast", "const_cast", "reinterpret_cast"})

TABLES: Final = {
    "c": RelationTable(_C, imports, separators=("->", ".")),
    "cpp": RelationTable(_CPP, imports, separators=("->", ".", "::"), word=r"~?[^\W\d]\w*", not_names=_CASTS),
}
