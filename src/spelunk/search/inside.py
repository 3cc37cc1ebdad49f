"""Filters by relation: keep chunks inside definitions that call, use or implement a symbol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from spelunk.search.query_syntax import RELATIONS

if TYPE_CHECKING:
    from spelunk.graph.resolve import Resolver
    from spelunk.search.query import Query
    from spelunk.store.protocols import FileId, Reader
    from spelunk.store.records import ChunkRecord
    from spelunk.store.relation_reader import DefinitionRow

LEAST_CONFIDENCE: Final = 0.3
"""Of a relation that a filter counts."""

Lines = tuple[int, int]
"""First and last line, inclusive."""


class Places(NamedTuple):
    """Lines of files that a filter keeps."""

    lines: dict[FileId, list[Lines]]

    def hold(self, chunk: ChunkRecord) -> bool:
        """Whether a chunk has one of the lines."""
        spans = self.lines.get(chunk.file, ())
        return any(first <= chunk.end_line and chunk.start_line <= last for first, last in spans)


class Inside(NamedTuple):
    """Where the relation filters of a query let a chunk lie.

    Attributes:
        required: It must lie in each of these.
        excluded: It must lie in none of these.
        paths: The files that have a place of each required one; None where nothing is required.
    """

    required: tuple[Places, ...] = ()
    excluded: tuple[Places, ...] = ()
    paths: tuple[str, ...] | None = None

    def __bool__(self) -> bool:
        return bool(self.required or self.excluded)

    def allow(self, chunk: ChunkRecord) -> bool:
        """Whether a chunk passes."""
        return all(p.hold(chunk) for p in self.required) and not any(p.hold(chunk) for p in self.excluded)


ANYWHERE: Final = Inside()


def inside_of(reader: Reader, query: Query) -> Inside:
    """The places that the relation filters of a query keep in one index."""
    matches = dict(zip(RELATIONS, query.filters.relations, strict=True))
    if not any(matches.values()):
        return ANYWHERE
    from spelunk.graph.resolve import Resolver
    from spelunk.graph.view import GraphView

    resolver = Resolver(GraphView(reader.relations))
    required = tuple(_places(resolver, name, m.include) for name, m in matches.items() if m.include)
    excluded = tuple(_places(resolver, name, m.exclude) for name, m in matches.items() if m.exclude)
    paths = None
    if required:
        files = set.intersection(*(set(places.lines) for places in required))
        paths = tuple(sorted(row.path for row in reader.files(sorted(files)).values()))
    return Inside(required, excluded, paths)


def _places(resolver: Resolver, name: str, symbols: Iterable[str]) -> Places:
    from spelunk.errors import UsageError
    from spelunk.graph.names import find

    lines: dict[FileId, list[Lines]] = {}
    for symbol in symbols:
        try:
            rows = find(resolver.view, symbol)
        except UsageError:
            rows = []
        for file, first, last in _FOUND[name](resolver, symbol, rows):
            lines.setdefault(file, []).append((first, last))
    return Places(lines)


def _referring(
    resolver: Resolver, symbol: str, rows: Sequence[DefinitionRow], *, calls: bool
) -> Iterable[tuple[FileId, int, int]]:
    """The definitions that refer to a symbol, and lines outside any definition that do."""
    from spelunk.graph.callers import CALLS
    from spelunk.graph.sites import sites_of, sites_of_undefined
    from spelunk.graph.spans import last_line

    roles = CALLS if calls else ()
    looked = sites_of(resolver, rows, roles) if rows else sites_of_undefined(resolver, symbol, roles)
    resolver.view.load(site.file for site in looked.sites)
    for site in looked.sites:
        if site.confidence >= LEAST_CONFIDENCE:
            line = site.reference.line
            around = resolver.view.enclosing(site.file, line)
            yield (site.file, around.line, last_line(around)) if around else (site.file, line, line)


def _calling(
    resolver: Resolver, symbol: str, rows: Sequence[DefinitionRow]
) -> Iterable[tuple[FileId, int, int]]:
    return _referring(resolver, symbol, rows, calls=True)


def _using(
    resolver: Resolver, symbol: str, rows: Sequence[DefinitionRow]
) -> Iterable[tuple[FileId, int, int]]:
    return _referring(resolver, symbol, rows, calls=False)


def _called(resolver: Resolver, _: str, rows: Sequence[DefinitionRow]) -> Iterable[tuple[FileId, int, int]]:
    from spelunk.graph.callees import calls_in
    from spelunk.graph.spans import last_line

    for row in rows:
        for _reference, candidates, _outside in calls_in(resolver, row):
            if candidates and candidates[0].confidence >= LEAST_CONFIDENCE:
                callee = candidates[0].row
                yield callee.file, callee.line, last_line(callee)


def _implementing(
    resolver: Resolver, symbol: str, rows: Sequence[DefinitionRow]
) -> Iterable[tuple[FileId, int, int]]:
    from spelunk.graph.implementations import implementing_rows
    from spelunk.graph.spans import last_line

    for row in implementing_rows(resolver, rows):
        yield row.file, row.line, last_line(row)


_FOUND: Final[
    dict[str, Callable[[Resolver, str, Sequence[DefinitionRow]], Iterable[tuple[FileId, int, int]]]]
] = {"calls": _calling, "called-by": _called, "uses": _using, "implements": _implementing}
