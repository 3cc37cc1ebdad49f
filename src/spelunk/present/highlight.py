"""Highlight source text: one class for each byte, from the syntax tree, and lines as HTML with hits marked.

The tree is that of the chunker's grammars, read with one query for each
language. The query is made from the names of the grammar's node types, so that
it needs no table for each language. HTML is text with ``<span class="…">``
and nothing else; the classes are in docs/http-api.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from html import escape
from typing import Any, Final

from spelunk.chunk.grammar import ALIASES, grammar_for
from spelunk.chunk.parsed import is_hostile, parse_code
from spelunk.chunk.rows import TextRows
from spelunk.types import Document

CLASSES: Final = "kscntvafd"
"""A class is a letter; its code in the paint is its place here, plus 1. A later one wins on the same text."""
MARK: Final = 0x80
"""Added to the code of what the query matched."""

DATA: Final = frozenset({"json", "toml", "yaml"})
"""Languages without definitions, which the chunker reads without a tree."""

_NUMBERS: Final = ("number", "integer", "float", "decimal", "numeric")
_CONSTANTS: Final = frozenset(
    [
        "true",
        "false",
        "null",
        "nil",
        "none",
        "undefined",
        "boolean",
        "boolean_literal",
        "null_literal",
        "nil_literal",
        "boolean_scalar",
        "null_scalar",
        "int_literal",
    ]
)
_TYPES: Final = frozenset(
    [
        "type_identifier",
        "primitive_type",
        "predefined_type",
        "builtin_type",
        "integral_type",
        "floating_point_type",
        "boolean_type",
        "void_type",
        "sized_type_specifier",
        "simple_type",
        "primitive_scalar",
    ]
)
_ATTRIBUTES: Final = frozenset(
    [
        "decorator",
        "annotation",
        "marker_annotation",
        "attribute_item",
        "inner_attribute_item",
        "tag_name",
        "attribute_name",
        "preproc_directive",
        "shebang",
        "hash_bang_line",
    ]
)
_PROPERTIES: Final = frozenset(
    [
        "property_identifier",
        "field_identifier",
        "bare_key",
        "quoted_key",
        "property_name",
        "shorthand_property_identifier",
    ]
)
_KEYWORDS: Final = frozenset(
    [
        "this",
        "self",
        "super",
        "visibility_modifier",
        "accessibility_modifier",
        "mutable_specifier",
        "storage_class_specifier",
        "type_qualifier",
        "override_modifier",
        "crate",
        "pass_statement",
        "break_statement",
        "continue_statement",
    ]
)
_PARTS: Final = frozenset(["string_content", "string_start", "string_end", "string_fragment"])
"""Parts of a string, which has its class as a whole: as a key, perhaps another one."""
_CALLS: Final = (
    "(call function: (identifier) @f)",
    "(call function: (attribute attribute: (identifier) @f))",
    "(call method: (identifier) @f)",
    "(call_expression function: (identifier) @f)",
    "(call_expression function: (member_expression property: (property_identifier) @f))",
    "(call_expression function: (field_expression field: (field_identifier) @f))",
    "(call_expression function: (selector_expression field: (field_identifier) @f))",
    "(call_expression function: (scoped_identifier name: (identifier) @f))",
    "(call_expression function: (qualified_identifier name: (identifier) @f))",
    "(call_expression (simple_identifier) @f)",
    "(method_invocation name: (identifier) @f)",
    "(invocation_expression function: (identifier) @f)",
    "(invocation_expression function: (member_access_expression name: (identifier) @f))",
    "(function_call_expression function: (name) @f)",
    "(member_call_expression name: (name) @f)",
    "(function_call name: (identifier) @f)",
    "(macro_invocation macro: (identifier) @f)",
    "(command name: (command_name) @f)",
    "(function_declarator declarator: (identifier) @d)",
    "(function_declarator declarator: (field_identifier) @d)",
    "(pair key: (_) @v)",
    "(block_mapping_pair key: (_) @v)",
    "(flow_pair key: (_) @v)",
)
"""Patterns that some grammars have; each is left out where it does not fit."""

_INNER: Final = "x"
"""Capture of code inside a string: it gets no class, and what it holds its own."""
_MARKDOWN: Final = re.compile(
    rb"(?P<d>^#{1,6} [^\n]*)|(?P<k>^[ \t]*(?:[-*+]|\d+\.) )|(?P<s>`[^`\n]+`)|(?P<c>^>[^\n]*)|(?P<a>^(?:```|~~~)[^\n]*)",
    re.MULTILINE,
)


def paint(text: str, language: str) -> tuple[bytes, bytearray] | None:
    """Classify the bytes of a text.

    Args:
        text: A file or a part of one.
        language: Its canonical language.

    Returns:
        The text as UTF-8 (half surrogates as ``?``), and for each byte the code of its
        class, 0 for none. None where the language has no grammar, or the text is not fit
        to be parsed.
    """
    source = text.encode("utf-8", "replace")
    painted = bytearray(len(source))
    if language == "markdown":
        for m in _MARKDOWN.finditer(source):
            painted[m.start() : m.end()] = _code(str(m.lastgroup)) * (m.end() - m.start())
        return source, painted
    found = _captures(text, language)
    if found is None:
        return None
    for start, minus_end, code in sorted(found):
        painted[start:-minus_end] = bytes((code,)) * (-minus_end - start)
    return source, painted


def _code(name: str) -> bytes:
    return bytes((CLASSES.find(name) + 1,))


def _captures(text: str, language: str) -> list[tuple[int, int, int]] | None:
    """Start, negated end and code of each piece; sorted, an outer one comes before those inside it."""
    tree: Any
    document = Document("", text, b"", language)
    if language in DATA:
        if is_hostile(TextRows(document)):
            return None
        known = _language(language)
        if known is None:
            return None
        import tree_sitter

        tree = tree_sitter.Parser(known).parse(text.encode("utf-8", "replace"))
    else:
        tree = parse_code(document).tree
    query = _query(language) if tree is not None else None
    if query is None:
        return None
    import tree_sitter

    out: list[tuple[int, int, int]] = []
    for name, nodes in tree_sitter.QueryCursor(query).captures(tree.root_node).items():
        code = CLASSES.find(name) + 1
        out += [(node.start_byte, -node.end_byte, code) for node in nodes]
    return [piece for piece in out if piece[0] < -piece[1]]


def _language(language: str) -> Any:
    import tree_sitter_language_pack

    try:
        return tree_sitter_language_pack.get_language(ALIASES.get(language, language))  # type: ignore[arg-type, unused-ignore]
    except (LookupError, ImportError, ValueError):
        return None


@lru_cache(maxsize=64)
def _query(language: str) -> Any:
    """The query of a language; None where it has no grammar."""
    import tree_sitter

    known = _language(language)
    if known is None:
        return None
    patterns = [*_type_patterns(known), *_name_patterns(language, known)]
    usable = []
    for pattern in (*patterns, *_CALLS):
        try:
            tree_sitter.Query(known, pattern)
            usable.append(pattern)
        except tree_sitter.QueryError:
            pass  # not in this grammar
    return tree_sitter.Query(known, "\n".join(usable))


def _type_patterns(known: Any) -> Iterable[str]:
    seen = set()
    for i in range(known.node_kind_count):
        kind, named = known.node_kind_for_id(i), known.node_kind_is_named(i)
        if not kind or (kind, named) in seen or not known.node_kind_is_visible(i):
            continue
        seen.add((kind, named))
        if not named:
            if re.fullmatch(r"[A-Za-z_][\w-]*[A-Za-z!]|[#@][a-z]+", kind):
                yield f'"{kind}" @k'
            continue
        name = _class_of(kind)
        if name:
            yield f"({kind}) @{name}"


def _class_of(kind: str) -> str:
    """The class of a node type, by its name; "" for none."""
    if "interpolation" in kind or kind in ("template_substitution", "command_substitution"):
        return _INNER
    if "comment" in kind:
        return "c"
    if kind in _TYPES:
        return "t"
    if kind in _CONSTANTS:
        return "n"
    if kind in _ATTRIBUTES:
        return "a"
    if kind in _PROPERTIES:
        return "v"
    if kind in _KEYWORDS or (kind.startswith("keyword_") and kind != "keyword_separator"):
        return "k"
    if kind in _PARTS or kind.endswith(("_type", "_expression", "_statement", "_list", "_array")):
        return ""
    if any(word in kind for word in _NUMBERS):
        return "n"
    texts = ("string", "heredoc", "char_literal", "character_literal", "regex", "rune_literal", "scalar")
    return "s" if any(word in kind for word in texts) and kind != "string_type" else ""


def _name_patterns(language: str, known: Any) -> Iterable[str]:
    """The names of definitions, where the chunker's table has them in a field."""
    grammar = grammar_for(language)
    for kind, rule in grammar.rules.items() if grammar is not None else ():
        if rule.kind and rule.field:
            yield f"({known.node_kind_for_id(kind)} {known.field_name_for_id(rule.field)}: (_) @d)"
    if language == "python":
        yield "(type (identifier) @t)"


_RUN: Final = re.compile(rb"(.)\1*", re.DOTALL)


def _opening(code: int) -> str:
    names = [CLASSES[code % MARK - 1]] if 0 < code % MARK <= len(CLASSES) else []
    names += ["m"] if code >= MARK else []
    return f'<span class="{" ".join(names)}">' if names else ""


_OPENING: Final = tuple(map(_opening, range(256)))


def line_offsets(source: bytes) -> list[int]:
    """The offset, in bytes, of the start of each line."""
    return [0, *(m.end() for m in re.finditer(b"\n", source))]


def html_line(line: str, codes: bytes | bytearray | None, spans: Sequence[tuple[int, int]]) -> str:
    """A line as HTML.

    Args:
        line: Without its end.
        codes: The paint of its bytes, which may be longer; None for no classes.
        spans: Start and end of what to mark, in characters.
    """
    raw = line.encode("utf-8", "replace")
    shown = bytearray(len(raw)) if codes is None else bytearray(codes[: len(raw)])
    for start, end in spans:
        if len(raw) != len(line):
            start, end = (len(line[:i].encode("utf-8", "replace")) for i in (start, end))
        shown[start:end] = bytes(code | MARK for code in shown[start:end])
    return _html(raw, shown)


def _html(raw: bytes, codes: bytearray) -> str:
    if not any(codes):
        return escape(raw.decode("utf-8", "replace"))
    parts: list[str] = []
    for m in _RUN.finditer(codes):
        text = escape(raw[m.start() : m.end()].decode("utf-8", "replace"))
        opening = _OPENING[codes[m.start()]]
        parts.append(f"{opening}{text}</span>" if opening else text)
    return "".join(parts)
