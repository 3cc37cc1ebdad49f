"""Find the fields, attributes and variants of the types in a file, on demand: for questions, not for indexing.

A query has a capture for each way in which a member that holds a value is written:

- ``@field``, with ``@type`` where its type is written: a field in the body of its type.
- ``@declared``: the declarator of one or more fields of C, whose type is ``@type``.
- ``@embedded``: the type of a field of Go that has no other name.
- ``@positions``: the fields of a tuple of Rust, named 0, 1, ..., and ``Variant.0`` those of the variant ``@_of``.
- ``@attribute``: a field that a method assigns through the object itself.
- ``@variant``: an alternative of an enumeration.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from spelunk.chunk.chains import nodes_at
from spelunk.chunk.generics import bounds_at
from spelunk.chunk.grammar import compile_query
from spelunk.chunk.nodes import short_text
from spelunk.chunk.parsed import Parsed
from spelunk.chunk.relations import MATCH_LIMIT
from spelunk.chunk.type_names import clean_type, element_type
from spelunk.types import MAX_SYMBOL

MAX_FIELDS: Final = 50_000
"""Fields of one file."""
MAX_CLIMB: Final = 40
"""Nodes between a field, or the key of a literal, and its type."""
MAX_TYPE: Final = 400
"""Bytes of a written type that are read."""

FIELD: Final = "field"
VARIANT: Final = "variant"

_RUST: Final = """
(field_declaration name: (field_identifier) @field type: (_) @type)

(struct_item body: (ordered_field_declaration_list) @positions)

(enum_variant name: (identifier) @variant)

(enum_variant name: (identifier) @_of body: (ordered_field_declaration_list) @positions)
"""

_GO: Final = """
(field_declaration name: (field_identifier) @field type: (_) @type)

(field_declaration !name type: (_) @embedded)
"""

_C: Final = """
(field_declaration type: (_) @type declarator: (_) @declared)
"""

_PYTHON: Final = """
((assignment left: (attribute object: (identifier) @_self attribute: (identifier) @attribute)) (#eq? @_self "self"))

(class_definition body: (block (assignment left: (identifier) @field)))

(class_definition body: (block (expression_statement (assignment left: (identifier) @field))))
"""

_JAVASCRIPT: Final = """
(assignment_expression left: (member_expression object: (this) property: (property_identifier) @attribute))

(assignment_expression left: (member_expression object: (this) property: (private_property_identifier) @attribute))
"""

_JS_FIELDS: Final = """
(field_definition property: (property_identifier) @field)

(field_definition property: (private_property_identifier) @field)
"""

_TYPESCRIPT: Final = """
(property_signature name: (property_identifier) @field !type)

(property_signature name: (property_identifier) @field type: (type_annotation (_) @type))

(public_field_definition name: (property_identifier) @field !type)

(public_field_definition name: (property_identifier) @field type: (type_annotation (_) @type))

(public_field_definition name: (private_property_identifier) @field)

(required_parameter (accessibility_modifier) pattern: (identifier) @field type: (type_annotation (_) @type))

(required_parameter "readonly" pattern: (identifier) @field type: (type_annotation (_) @type))
"""

_JAVA: Final = """
(record_declaration parameters: (formal_parameters (formal_parameter type: (_) @type name: (identifier) @field)))
"""

_KOTLIN: Final = """
(class_parameter (simple_identifier) @field)
"""

_CSHARP: Final = """
(record_declaration (parameter_list (parameter type: (_) @type name: (identifier) @field)))
"""

_PHP: Final = """
(property_promotion_parameter name: (variable_name (name) @field))

(property_element name: (variable_name (name) @field))

(enum_case name: (name) @variant)
"""

_SCALA: Final = """
(class_parameter name: (identifier) @field type: (_) @type)
"""

_SWIFT: Final = """
(enum_entry name: (simple_identifier) @variant)
"""

_ZIG: Final = """
(ContainerField field_member: (IDENTIFIER) @field)
"""

QUERIES: Final = {
    "rust": _RUST,
    "go": _GO,
    "c": _C,
    "cpp": _C,
    "python": _PYTHON,
    "javascript": _JAVASCRIPT + _JS_FIELDS,
    "typescript": _JAVASCRIPT + _TYPESCRIPT,
    "tsx": _JAVASCRIPT + _TYPESCRIPT,
    "java": _JAVA,
    "kotlin": _KOTLIN,
    "csharp": _CSHARP,
    "php": _PHP,
    "scala": _SCALA,
    "swift": _SWIFT,
    "zig": _ZIG,
}

_ROLES: Final = ("field", "declared", "embedded", "positions", "attribute", "variant")
_C_OWNERS: Final = frozenset({"struct_specifier", "union_specifier", "class_specifier"})
_LAST_NAME: Final = re.compile(r"([^\W\d]\w*)\s*(?:\[.*\])?$", re.DOTALL)


class ValueMember(NamedTuple):
    """A member of a type that holds a value.

    Attributes:
        name: Its name.
        kind: :data:`FIELD` or :data:`VARIANT`.
        line: 1-based line of its name.
        end_line: Last line of its declaration.
        type: Its type as it is written, without what surrounds it; "" where none is.
        element: The type of the elements, where the type is a list; else "".
        owner: The name of its type, where the definitions around it do not tell it (C); else "".
        inside: It is assigned in a method, so that its line belongs to that method too.
    """

    name: str
    kind: str
    line: int
    end_line: int
    type: str = ""
    element: str = ""
    owner: str = ""
    inside: bool = False


class _Queries(threading.local):
    def __init__(self) -> None:
        self.known: dict[str, Any] = {}


_queries: Final = _Queries()


def fields(parsed: Parsed) -> list[ValueMember]:
    """The fields, attributes and variants of a file's types, by line; each assignment is one."""
    if parsed.tree is None or parsed.grammar is None:
        return []
    language = parsed.grammar.name
    if language not in QUERIES:
        return []
    import tree_sitter

    known = _queries.known
    if language not in known:
        known[language] = compile_query(parsed.grammar.parser.language, QUERIES[language])
    if known[language] is None:
        return []
    cursor = tree_sitter.QueryCursor(known[language], match_limit=MATCH_LIMIT)
    found: list[ValueMember] = []
    for _, captures in cursor.matches(parsed.tree.root_node):
        found.extend(_read(captures, parsed, language))
        if len(found) > MAX_FIELDS:
            break
    return sorted(found, key=lambda f: (f.line, f.name))


def _read(captures: dict[str, list[Any]], parsed: Parsed, language: str) -> Iterator[ValueMember]:
    source = parsed.source
    role = next((r for r in _ROLES if r in captures), None)
    if role is None:
        return
    types = captures.get("type")
    for node in captures[role]:
        written = _whole(types[0], source) if types else ""
        if role == "positions":
            before = f"{short_text(captures['_of'][0], source, MAX_TYPE)}." if "_of" in captures else ""
            for n, part in enumerate(node.children_by_field_name("type")):
                yield _field(parsed, f"{before}{n}", FIELD, part, part, _whole(part, source))
            continue
        if role == "declared":
            name = _declared(node)
            if name is None:
                continue
            yield _field(
                parsed,
                short_text(name, source, MAX_TYPE),
                FIELD,
                name,
                node.parent,
                written,
                _c_owner(node, source),
            )
            continue
        if role == "embedded":
            name = _LAST_NAME.search(short_text(node, source, MAX_TYPE))
            if name is not None:
                yield _field(parsed, name.group(1), FIELD, node, node, _whole(node, source))
            continue
        kind = VARIANT if role == "variant" else FIELD
        whole = node.parent if role in ("field", "variant") else node
        yield _field(
            parsed, short_text(node, source, MAX_TYPE), kind, node, whole, written, inside=role == "attribute"
        )


def _field(
    parsed: Parsed,
    name: str,
    kind: str,
    node: Any,
    whole: Any,
    written: str,
    owner: str = "",
    *,
    inside: bool = False,
) -> ValueMember:
    raw_line = parsed.rows.raw_line
    row, last = node.start_point[0], whole.end_point[0]
    if whole.end_point[1] == 0 and last > row:
        last -= 1
    element = element_type(written) if written else ""
    cleaned = clean_type(written)
    if cleaned.isidentifier() and cleaned[:1].isupper():  # it may be the parameter of a generic type
        bounds = bounds_at(node, parsed.source)
        cleaned = clean_type(bounds[cleaned]) if cleaned in bounds else cleaned
    lines = raw_line(row), raw_line(max(row, last))
    return ValueMember(name[:MAX_SYMBOL], kind, *lines, cleaned, element, owner, inside=inside)


def _whole(node: Any, source: bytes) -> str:
    return source[node.start_byte : min(node.end_byte, node.start_byte + MAX_TYPE)].decode("utf-8", "replace")


def _type(node: Any, source: bytes) -> str:
    return clean_type(_whole(node, source))


def _declared(node: Any) -> Any:
    """The name in a declarator of C; None where it declares a method."""
    pointer = False
    for _ in range(MAX_CLIMB):
        if node is None:
            return None
        if node.type == "field_identifier":
            return node
        if node.type == "function_declarator":
            inner = node.child_by_field_name("declarator")
            if inner is None or inner.type != "parenthesized_declarator":
                return None
            pointer = True
        node = node.child_by_field_name("declarator") or next(
            (c for c in node.named_children if c.type.endswith(("declarator", "field_identifier"))), None
        )
        if pointer and node is None:
            return None
    return None


def _c_owner(node: Any, source: bytes) -> str:
    """The name of the nearest struct around a field that has one, or that a ``typedef`` gives it."""
    for _ in range(MAX_CLIMB):
        node = node.parent
        if node is None:
            return ""
        if node.type in _C_OWNERS:
            name = node.child_by_field_name("name")
            if name is not None:
                return short_text(name, source, MAX_TYPE)
            if node.parent is not None and node.parent.type == "type_definition":
                return short_text(node.parent.child_by_field_name("declarator"), source, MAX_TYPE).lstrip(
                    "* "
                )
    return ""


_KEYS: Final = frozenset(
    {"field_initializer", "keyed_element", "initializer_pair", "shorthand_field_initializer"}
)


def literal_around(parsed: Parsed, name: str, line: int) -> str | None:
    """The type of the literal that has a name as a key at a line.

    Returns:
        The type as written, without what surrounds it; "" where it is not written;
        None where the name is no key there.
    """
    if parsed.tree is None:
        return None
    for node in nodes_at(parsed, name, line):
        key = node
        for _ in range(4):
            if key is None or key.type in _KEYS:
                break
            key = key.parent
        if key is None or key.type not in _KEYS or not _is_key(key, node):
            continue
        return _literal_type(key, parsed.source)
    return None


def _is_key(pair: Any, node: Any) -> bool:
    first = pair.child_by_field_name("field") or pair.child_by_field_name("key") or pair.named_child(0)
    return first is not None and first.start_byte <= node.start_byte and node.end_byte <= first.end_byte


def _literal_type(pair: Any, source: bytes) -> str:
    nested = 0
    node = pair.parent
    for _ in range(MAX_CLIMB):
        if node is None:
            return ""
        if node.type == "struct_expression":
            return _type(node.child_by_field_name("name"), source)
        if (
            node.type == "literal_value"
            and node.parent is not None
            and node.parent.type != "composite_literal"
        ):
            nested += 1
        if (
            node.type == "initializer_list"
            and node.parent is not None
            and node.parent.type == "initializer_pair"
        ):
            return ""  # the literal of a field
        if node.type in ("composite_literal", "compound_literal_expression"):
            written = node.child_by_field_name("type")
            return "" if written is None else _element(written, source, nested)
        if node.type == "init_declarator" and node.parent is not None:
            written = node.parent.child_by_field_name("type")
            return "" if written is None else _type(written, source)
        node = node.parent
    return ""


def _element(written: Any, source: bytes, nested: int) -> str:
    """The type of a composite literal of Go, or that of the elements of the list or map that it is."""
    for _ in range(nested):
        inner = written.child_by_field_name("element") or written.child_by_field_name("value")
        if inner is None:
            return ""
        written = inner
    if written.type in ("map_type", "slice_type", "array_type"):
        return ""
    return _type(written, source)
