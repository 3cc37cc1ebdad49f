"""The indexes of one search, taken as one corpus: statistics are sums over all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from spelunk.search.inside import ANYWHERE, Inside, inside_of
from spelunk.search.query import Match, Query
from spelunk.search.query_syntax import FLAGS
from spelunk.search.terms import negated_terms
from spelunk.store.protocols import FieldFilter, Filter, Reader, TextField
from spelunk.types import Flag

if TYPE_CHECKING:
    from spelunk.embed import Embedder
    from spelunk.files.branches import BranchTable
    from spelunk.history.reader import History


class SearchTarget(Struct, frozen=True):
    """One index to search.

    Attributes:
        reader: Its generation.
        embedder: Gives its embedder when the dense side is needed.
        prefix: Put before its paths where several are searched, with a slash.
        names: Names that ``repo:`` is compared with.
        branch: The branch checked out, for ``branch:``.
        root: Absolute path of its workspace.
        within: Files and folders of it to stay in, relative; everywhere without any.
        only: Files of it, exactly; None for all.
        history: The commits behind its files; None where there are none or they do not count.
        branches: Reads which branches its files are on, where it is an index of many
            repositories: ``repo:`` and ``branch:`` then choose among its files.
    """

    reader: Reader
    embedder: Callable[[], Embedder]
    prefix: str = ""
    names: tuple[str, ...] = ()
    branch: str = ""
    root: str = ""
    within: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    history: History | None = None
    branches: Callable[[], BranchTable | None] = lambda: None

    def passes(self, query: Query) -> bool:
        """Whether ``repo:`` and ``branch:`` allow this index."""
        filters = query.filters
        if not (filters.repo or filters.branch) or self.branches() is not None:
            return True
        return _name_matches(filters.repo, self.names) and _name_matches(filters.branch, (self.branch,))


class Part(Struct):
    """One index during one search.

    Attributes:
        number: Its place among those searched.
        target: The index.
        where: The query's filters, for this index.
        inside: Where its filters by relation let a chunk lie.
        notices: Why a side of it is missing from the answer.
        broken: Neither side of it can be read.
        by_words: Whether its full text was searched.
    """

    number: int
    target: SearchTarget
    where: Filter
    inside: Inside = ANYWHERE
    notices: list[str] = field(default_factory=list)
    broken: bool = False
    by_words: bool = False

    @property
    def reader(self) -> Reader:
        """The index's generation."""
        return self.target.reader


class Corpus:
    """The indexes that a query's ``repo:`` and ``branch:`` leave."""

    def __init__(self, targets: Sequence[SearchTarget], query: Query) -> None:
        """Nothing is read yet.

        Attributes:
            parts: The indexes that are searched.
            readers: Of all indexes, in their order.
        """
        self.parts = [
            _part(number, target, query) for number, target in enumerate(targets) if target.passes(query)
        ]
        self.readers = [target.reader for target in targets]

    @property
    def documents(self) -> int:
        """Chunks in all indexes, at least 1."""
        return max(1, sum(reader.documents for reader in self.readers))

    def frequencies(self, terms: Collection[str], field: TextField) -> dict[str, int]:
        """How many chunks of all indexes have each term; terms of none are left out."""
        sums: dict[str, int] = {}
        for reader in self.readers:
            for term, count in reader.frequencies(terms, field).items():
                sums[term] = sums.get(term, 0) + count
        return sums

    def vocabulary(self, prefix: str, field: TextField) -> dict[str, int]:
        """The terms of a field that begin with ``prefix``, with the chunks of all indexes that have each."""
        sums: dict[str, int] = {}
        for reader in self.readers:
            for term, count in reader.vocabulary(prefix, field).items():
                sums[term] = sums.get(term, 0) + count
        return sums

    def passes_any(self, query: Query) -> bool:
        """Whether any chunk passes the filters of a query, in the indexes that are searched."""
        return any(
            part.reader.listed(filter_of(query, prefix=part.target.prefix, within=part.target.within), 1)
            for part in self.parts
        )

    @property
    def intact(self) -> bool:
        """Whether the words of every index can be looked up, and there are any."""
        return any(r.documents for r in self.readers) and not any(r.damage for r in self.readers)

    def inverse_frequency(self, count: int) -> float:
        """The weight of a term that ``count`` chunks have (Robertson and Spärck Jones, never negative)."""
        total = max(self.documents, count)
        return math.log(1 + (total - count + 0.5) / (count + 0.5))

    def degraded(self) -> str | None:
        """What is missing from the answer and why, each reason with its index where there are several."""
        several = len(self.readers) > 1
        reasons = [
            f"{part.target.prefix.rstrip('/') or part.target.root}: {notice}" if several else notice
            for part in self.parts
            for notice in part.notices
        ]
        return "; ".join(sorted(reasons) if several else reasons) or None


class PathRarity(dict[str, float]):
    """Stem -> how rare it is among the paths: 0 in every chunk's, near 1 in one's."""

    def __init__(self, corpus: Corpus) -> None:
        super().__init__()
        self._corpus = corpus
        self._total = corpus.documents

    def __missing__(self, stem: str) -> float:
        count = self._corpus.frequencies((stem,), "path").get(stem, 0)
        scale = math.log(1 + self._total)
        value = self[stem] = max(0.0, math.log((1 + self._total) / (1 + count)) / scale)
        return value


def filter_of(query: Query, *, prefix: str = "", within: Iterable[str] = ()) -> Filter:
    """The filters of a query, but ``repo:`` and ``branch:``, for one index.

    Args:
        prefix: Put before each path for ``path:``.
        within: Files and folders to stay in, relative to the root; everywhere without any.
    """
    filters = query.filters
    return Filter(
        languages=filters.lang.include,
        not_languages=filters.lang.exclude,
        kinds=filters.kind.include,
        not_kinds=filters.kind.exclude,
        flags=_flags(filters.flags.include),
        not_flags=_flags(filters.flags.exclude),
        paths=filters.path.include,
        not_paths=filters.path.exclude,
        fields=tuple(FieldFilter(key, match.include, match.exclude) for key, match in filters.fields),
        within=tuple(within),
        not_terms=negated_terms(query),
        prefix=prefix,
    )


def _part(number: int, target: SearchTarget, query: Query) -> Part:
    """An index with the filters of a query."""
    where = filter_of(query, prefix=target.prefix, within=target.within)
    inside = inside_of(target.reader, query)
    only = target.only
    for paths in (inside.paths, _on_branches(query, target)):
        if paths is not None:
            only = paths if only is None else tuple(sorted(set(paths).intersection(only)))
    return Part(number, target, where if only is None else replace(where, only=only), inside)


def _on_branches(query: Query, target: SearchTarget) -> tuple[str, ...] | None:
    """The files that ``repo:`` and ``branch:`` leave of an index of many repositories; None for all."""
    filters = query.filters
    table = target.branches() if filters.repo or filters.branch else None
    if table is None:
        return None
    return tuple(
        table.select(
            lambda name: _name_matches(filters.repo, (name,)),
            lambda name: _name_matches(filters.branch, (name,)),
        )
    )


def _flags(names: Iterable[str]) -> Flag:
    found = Flag.NONE
    for name in names:
        found |= FLAGS[name]
    return found


def _name_matches(match: Match, names: Sequence[str]) -> bool:
    """Whether a workspace of these names passes; parts count, in any case."""
    lowered = [n.casefold() for n in names]

    def holds(value: str) -> bool:
        return any(value.casefold() in n for n in lowered)

    return (not match.include or any(map(holds, match.include))) and not any(map(holds, match.exclude))
