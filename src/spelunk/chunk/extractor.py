"""Compiled rules for references: the queries of a language, and what was read of recent files.

To compile a query takes milliseconds (74 for C++), so each is compiled when a file needs it.
"""

from __future__ import annotations

import re
import threading
from importlib import import_module
from typing import Any, Final

from spelunk.chunk.grammar import FAMILY_OF, LanguageGrammar, compile_query
from spelunk.chunk.parsed import Parsed
from spelunk.chunk.receivers import Splitter
from spelunk.chunk.relation import Role
from spelunk.chunk.relation_tables._table import RelationTable

JOINED_BYTES: Final = 2_000_000
"""Source for which it pays to compile one more query: that takes up to 80 ms (C++), and saves a tenth of the
time of a parse."""

MATCH_LIMIT: Final = 65_536
"""Matches in progress at once, the most that a query cursor allows; beyond it the oldest are dropped."""

Mark = tuple[str, Role, str]
"""Name, role, receiver of a reference."""


class Extractor:
    """The compiled rules of one language in one thread.

    Attributes:
        table: The rules as written.
        splitter: Reads receivers and names.
        known: What was read of recent files, by role and text: most texts come many times.
    """

    __slots__ = ("_all", "_language", "_members", "_plain", "_seen", "known", "splitter", "table")

    def __init__(self, table: RelationTable, language: Any, plain: Any) -> None:
        """Use the ``plain`` query of :func:`_compile`; the others are compiled when they are needed."""
        self.table = table
        self.splitter = Splitter(table)
        self.known: dict[Role, dict[bytes, tuple[Mark, int]]] = {}
        self._language = language
        self._plain = plain
        self._all: Any = None if table.sharing else plain
        self._members: Any = None
        self._seen = 0

    def query(self, source: bytes) -> Any:
        """The ``tree_sitter.Query`` for a file: without ``@bare`` where no variable is shared."""
        if self._all is None:
            if self.table.sharing not in source:
                return self._plain
            self._all = compile_query(self._language, self.table.query)
        return self._all

    def query_with(self, members: str, size: int) -> Any:
        """One query for the references and for the patterns ``members``, whose captures become ``@member.NAME``.

        None before it has been asked for :data:`JOINED_BYTES` of files, ``size`` being the bytes of this one.
        """
        self._seen += size
        if self._members is None:
            if self._seen < JOINED_BYTES:
                return None
            renamed = re.sub(r"@(\w+)", r"@member.\1", members)
            self._members = compile_query(self._language, f"{self.table.query}\n\n{renamed}")
        return self._members


def extractor_for(parsed: Parsed) -> Extractor | None:
    """The rules of a parsed file's language; None where it has no tree or its language no table."""
    if parsed.tree is None or parsed.grammar is None:
        return None
    return _extractor(parsed.grammar)


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
    tables: dict[str, RelationTable] = import_module(f"spelunk.chunk.relation_tables.{family}").TABLES
    table = tables.get(grammar.name)
    if table is None:
        return None
    language = grammar.parser.language
    plain = compile_query(language, table.query)
    if plain is None:
        return None
    if table.sharing:
        plain.disable_capture("bare")
    return Extractor(table, language, plain)


def capture_with_members(parsed: Parsed, members: str) -> dict[str, list[Any]] | None:
    """Run one query for the references and for ``members`` (:meth:`Extractor.query_with`).

    The nodes of the references stay in ``parsed`` for :func:`extract`. None where the language has no table,
    or where it has not paid yet.
    """
    extractor = extractor_for(parsed)
    if extractor is None or parsed.captured is None:
        return None
    query = extractor.query_with(members, len(parsed.source))
    if query is None:
        return None
    import tree_sitter

    cursor = tree_sitter.QueryCursor(query, match_limit=MATCH_LIMIT)
    found: dict[str, list[Any]] = cursor.captures(parsed.tree.root_node)
    parsed.captured.update(found)
    return {
        name.removeprefix("member."): nodes for name, nodes in found.items() if name.startswith("member.")
    }
