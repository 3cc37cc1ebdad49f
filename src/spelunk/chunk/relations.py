"""Extract references and imports from a parsed file, with one query over its syntax tree.

A query runs in C and returns the nodes of interest; from each node only its
two byte offsets are read. A walk over the nodes in Python costs several times the
parse. What a language's captures mean is written in
:mod:`spelunk.chunk.relation_tables`.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from importlib import import_module
from itertools import accumulate, count
from operator import add
from typing import Any, Final, NamedTuple

from spelunk.chunk.grammar import FAMILY_OF, LanguageGrammar
from spelunk.chunk.parse import Parsed
from spelunk.chunk.relation import NO_RELATIONS, Import, Reference, Relations, Role
from spelunk.chunk.relation_tables._table import RelationTable
from spelunk.types import MAX_SYMBOL

MAX_REFERENCES: Final = 200_000
"""References kept of one file, the first ones; likewise imports. The largest hand-written files of the Linux
kernel have about 10,000."""

MAX_RECEIVER: Final = 80
"""Characters of a receiver, cut on the left."""

MAX_READ: Final = 320
"""Bytes read before the end of a name. A chain of a thousand calls ends in a node that spans all of it."""

MAX_IMPORT: Final = 20_000
"""Bytes of an import statement that are read."""

MATCH_LIMIT: Final = 65_536
"""Matches in progress at once, the most that a query cursor allows; beyond it the oldest are dropped."""

_ROLES: Final = (
    ("type", Role.TYPE),
    ("write", Role.WRITE),
    ("call", Role.CALL),
    ("macro", Role.MACRO),
    ("inherit", Role.INHERIT),
    ("decorate", Role.DECORATE),
)
"""Captures in the order in which a later one replaces an earlier one at the same place."""

_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`[^`]*`', re.DOTALL)
_COMMENT: Final = re.compile(r"/\*.*?\*/|//[^\n]*|#[^\n\[{(]*\n", re.DOTALL)
_INNER: Final = (
    (re.compile(r"\([^][(){}]*\)"), "\x01"),
    (re.compile(r"\[[^][(){}]*\]"), "\x02"),
    (re.compile(r"\{[^][(){}]*\}"), "\x03"),
)
_ANGLES: Final = re.compile(r"<[^<>]*>")
_OPEN: Final = re.compile(r"[][(){}]")
_PLAIN: Final = re.compile(r"[\w.]+").fullmatch
_has_brackets: Final = re.compile(r"[][(){}<\"'`]|//|/\*").search
_has_quotes: Final = re.compile(r"[\"'`#]|//|/\*").search
_new: Final = tuple.__new__
_UNQUOTED_WORD: Final = re.compile(r"[^\W\d][\w.]*")
_MAX_NESTING: Final = 30

Mark = tuple[str, Role, str]
"""Name, role, receiver of a reference."""

class Extractor(NamedTuple):
    """The compiled rules of one language in one thread.

    Attributes:
        table: The rules as written.
        query: A ``tree_sitter.Query``.
        split: Matches a receiver and a name.
        first_separator: The commonest separator.
    """

    table: RelationTable
    query: Any
    split: re.Pattern[str]
    first_separator: str


def relations(parsed: Parsed) -> Relations:
    """The references and imports of a file, in the order of their lines; none where it has no tree.

    The same file gives the same relations on every machine. Nothing is raised
    for what a file contains.
    """
    extractor = extractor_for(parsed)
    if extractor is None:
        return NO_RELATIONS
    marks, parts = extract(parsed, extractor)
    rows = parsed.rows
    # every step of this sum runs in C
    lengths = map(len, parsed.source.split(b"\n"))
    starts = list(map(add, accumulate(lengths, initial=0), count()))
    raw_line = rows.raw_line
    plain = parsed.document.lines is None
    references: list[Reference] = []
    row = 0
    for at in sorted(marks)[:MAX_REFERENCES]:
        name, role, receiver = marks[at]
        row = bisect_right(starts, at, row)
        line = row if plain else raw_line(row - 1)
        references.append(_new(Reference, (name, role, line, receiver)))
        row -= 1
    imports: list[Import] = []
    for at, module, name, alias, exported in parts[:MAX_REFERENCES]:
        line = raw_line(bisect_right(starts, at) - 1)
        imports.append(Import(module, name, alias, line, exported))
    return Relations(references, imports)


def extractor_for(parsed: Parsed) -> Extractor | None:
    """The rules of a parsed file's language; None where it has no tree or its language no table."""
    if parsed.tree is None or parsed.grammar is None:
        return None
    return _extractor(parsed.grammar)


def extract(
    parsed: Parsed, extractor: Extractor
) -> tuple[dict[int, Mark], list[tuple[int, str, str, str, bool]]]:
    """References by the byte offset of their last character, and imports with the offset of theirs."""
    import tree_sitter

    source = parsed.source
    table, query, split, separator = extractor
    # captures by name, not matches: the roles stay apart, and no match object is made
    found: dict[str, list[Any]] = tree_sitter.QueryCursor(query, match_limit=MATCH_LIMIT).captures(
        parsed.tree.root_node
    )
    marks: dict[int, Mark] = {}
    not_names = table.not_names
    for capture, role in _ROLES:
        nodes = found.get(capture)
        if nodes is None:
            continue
        known: dict[bytes, Mark] = {}  # most texts come several times
        for node in nodes:
            start, end = node.start_byte, node.end_byte
            if end - start > MAX_READ:
                start = end - MAX_READ
            written = source[start:end]
            mark = known.get(written)
            if mark is None:
                text = written.decode("utf-8", "replace")
                receiver, _, name = text.rpartition(separator)
                if not (name.isidentifier() and (not receiver or _PLAIN(receiver))):
                    receiver, name = _split(text, split)
                if name in not_names or len(name) > MAX_SYMBOL:
                    name = ""
                mark = known[written] = (name, role, receiver[-MAX_RECEIVER:])
            if mark[0]:
                marks[end - 1] = mark
    if "bare" in found:
        _add_bare(marks, found, source)
    if "quoted" in found:
        _add_quoted(marks, found["quoted"], source)
    parts: list[tuple[int, str, str, str, bool]] = []
    if table.imports is not None:
        for node in found.get("import", ()):
            _add_imports(marks, parts, node, source, table)
        parts.sort()
    return marks, parts


def _add_bare(marks: dict[int, Mark], found: dict[str, list[Any]], source: bytes) -> None:
    """Assignments to names that the file says are a module's variables."""
    shared = {source[n.start_byte : n.end_byte] for n in found.get("global", ())}
    if not shared:
        return
    for node in found["bare"]:
        name = source[node.start_byte : node.end_byte]
        if name in shared and len(name) <= MAX_SYMBOL:
            marks[node.end_byte - 1] = (name.decode("utf-8", "replace"), Role.WRITE, "")


def _add_quoted(marks: dict[int, Mark], nodes: list[Any], source: bytes) -> None:
    """Names in a type that stands in quotes."""
    for node in nodes:
        start = node.start_byte
        if node.end_byte - start > MAX_READ:
            continue
        text = source[start : node.end_byte].decode("utf-8", "replace")
        if not text.isascii():
            continue
        for match in _UNQUOTED_WORD.finditer(text):
            receiver, _, name = match.group().rpartition(".")
            if name:
                marks[start + match.end() - 1] = (name, Role.TYPE, receiver[-MAX_RECEIVER:])


def _add_imports(
    marks: dict[int, Mark],
    parts: list[tuple[int, str, str, str, bool]],
    node: Any,
    source: bytes,
    table: RelationTable,
) -> None:
    """The imports of one statement, and a reference for each name that it takes."""
    assert table.imports is not None
    start = node.start_byte
    text = source[start : min(node.end_byte, start + MAX_IMPORT)].decode("utf-8", "replace")
    plain = text.isascii()
    for module, name, alias, offset, exported in table.imports(text):
        if not (module or name) or len(module) > MAX_IMPORT:
            continue
        at = start + (offset if plain else len(text[:offset].encode("utf-8", "replace")))
        parts.append((at, module, name[:MAX_SYMBOL], alias[:MAX_SYMBOL], exported))
        if name and name != "*" and len(name) <= MAX_SYMBOL:
            last = at + len(name.encode("utf-8", "replace")) - 1
            marks[last] = (name, Role.IMPORT, module[-MAX_RECEIVER:])


def _split(written: str, split: re.Pattern[str]) -> tuple[str, str]:
    """Receiver and name of an expression: brackets are emptied, blanks, comments and type arguments go.

    Both are "" where no name stands at the end.
    """
    text = written
    if _has_brackets(text):
        if _has_quotes(text):
            text = _COMMENT.sub("", _QUOTED.sub('""', text))
        for _ in range(_MAX_NESTING):
            before = len(text)
            for pattern, mark in _INNER:
                text = pattern.sub(mark, text)
            if len(text) == before:
                break
        # what is still open began before the part that is read, or in broken code
        text = _OPEN.split(text)[-1]
        if "<" in text:
            text = text.replace("->", "\x04").replace("=>", "\x05")
            shorter = _ANGLES.sub("", text)
            while shorter != text:
                text, shorter = shorter, _ANGLES.sub("", shorter)
            text = text.replace("\x04", "->").replace("\x05", "=>")
        text = text.replace("\x01", "()").replace("\x02", "[]").replace("\x03", "{}")
    match = split.match("".join(text.split()))
    return (match.group(1) or "", match.group(2)) if match is not None else ("", "")


class _Compiled(threading.local):
    """The extractors that this thread has used. At most one for each grammar."""

    def __init__(self) -> None:
        self.extractors: dict[str, Extractor | None] = {}


_compiled: Final = _Compiled()


def _extractor(grammar: LanguageGrammar) -> Extractor | None:
    extractors = _compiled.extractors
    if grammar.name not in extractors:
        extractors[grammar.name] = _compile(grammar)
    return extractors[grammar.name]


def _compile(grammar: LanguageGrammar) -> Extractor | None:
    family = FAMILY_OF.get(grammar.name)
    if family is None:
        return None
    try:
        tables = import_module(f"spelunk.chunk.relation_tables.{family}").TABLES
    except ModuleNotFoundError:
        return None
    table: RelationTable | None = tables.get(grammar.name)
    if table is None:
        return None
    query = _query(grammar.parser.language, table.query)
    if query is None:
        return None
    separators = "|".join(map(re.escape, table.separators))
    split = re.compile(rf"(?:(.*)(?:{separators}))??({table.word})$", re.DOTALL)
    return Extractor(table, query, split, table.separators[0])


def _query(language: Any, patterns: str) -> Any:
    """The compiled patterns, without those that another version of the grammar does not know."""
    import tree_sitter

    try:
        return tree_sitter.Query(language, patterns)
    except (tree_sitter.QueryError, ValueError):
        known = [p for p in patterns.split("\n\n") if not bad_pattern(language, p)]
        return tree_sitter.Query(language, "\n\n".join(known)) if known else None


def bad_pattern(language: Any, pattern: str) -> str:
    """What is wrong with a pattern in a language; "" where nothing is."""
    import tree_sitter

    try:
        tree_sitter.Query(language, pattern)
    except (tree_sitter.QueryError, ValueError) as error:
        return str(error) or "invalid"
    return ""
