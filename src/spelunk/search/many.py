"""Search over one or several indexes: parse, refresh, open a reader of each, search, drop what changed.

Every search of every adapter goes through :func:`search_many`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Protocol, Unpack

from spelunk.files.git_dir import branch_of
from spelunk.observe import Observer, null_observer
from spelunk.search.answer import NOTHING_MATCHED, Answer, Matched
from spelunk.search.request import SearchOverrides, SearchRequest, request_of
from spelunk.text import worklog
from spelunk.types import Hit

if TYPE_CHECKING:
    from spelunk.embed import Embedder
    from spelunk.observe.progress import OnProgress
    from spelunk.search.corpus import SearchTarget
    from spelunk.search.facets import Facets
    from spelunk.search.query import Query
    from spelunk.store.protocols import Reader


class Searchable(Protocol):
    """An index that can be searched.

    Attributes:
        root: Absolute path of its workspace.
        observer: Is sent an event of each search.
    """

    root: str
    observer: Observer

    def refresh(self, *, progress: OnProgress | None = None, freshness: str | None = None) -> bool:
        """Bring it up to date as its freshness setting or ``freshness`` says; returns whether it is."""
        ...

    def snapshot(self) -> AbstractContextManager[Reader]:
        """A reader of the newest generation.

        Raises:
            IndexMissingError: Nothing was published yet.
        """
        ...

    def embedder(self) -> Embedder:
        """Its embedder."""
        ...

    def changed_paths(
        self, reader: Reader, paths: Collection[str], freshness: str | None = None
    ) -> Collection[str]:
        """Those paths whose file changed since the reader's generation, if the freshness asked for cares."""
        ...


def search_many(
    indexes: Sequence[Searchable],
    query: str | SearchRequest,
    *,
    progress: OnProgress | None = None,
    **overrides: Unpack[SearchOverrides],
) -> Answer:
    """The best chunks for a query over several indexes, as one corpus.

    Args:
        indexes: Where to search; with several, paths carry the workspace's name.
        query: Text in the query language, or a whole request.
        progress: Called while indexes are brought up to date.
        overrides: Fields of :class:`SearchRequest`.

    Raises:
        QuerySyntaxError: The query does not parse; carries the column.
        UsageError: An argument cannot be used.
        IndexMissingError: Nothing was indexed yet, and ``refresh`` is false.
        IndexCorruptError: No store of any index can be read.
    """
    from spelunk.search.engine import search
    from spelunk.search.query import narrow, parse, with_known_fields
    from spelunk.search.terms import matched_by

    request = request_of(query, overrides)
    parsed = parse(request.query, mode=request.mode)
    parsed = narrow(
        parsed,
        lang=request.languages,
        path=request.include,
        not_path=request.exclude,
        kind=request.kinds,
    )
    fresh = True
    if request.refresh:
        for index in indexes:
            fresh &= index.refresh(progress=progress, freshness=request.freshness)
    began = time.perf_counter()
    with ExitStack() as stack:
        readers = [stack.enter_context(index.snapshot()) for index in indexes]
        parsed = with_known_fields(parsed, _fields(readers, parsed))
        targets = targets_of(indexes, readers, request.within)
        result = search(targets, parsed, request)
        hits = result.hits
        if request.refresh:
            hits = _without_changed(indexes, targets, hits, request.freshness)
        answer = answer_of(
            request.query,
            request.mode,
            began,
            hits,
            result.degraded,
            readers,
            stale=not fresh or len(hits) < len(result.hits),
            matched=matched_by(parsed, request.mode),
            facets=result.facets,
        )
    _tell(indexes, answer)
    return answer


def _fields(readers: Sequence[Reader], query: Query) -> set[str]:
    """The front-matter fields by which a query may filter."""
    from spelunk.search.query import FILTER, FILTERS

    filters = [t for t in query.terms if t.kind == FILTER]
    if all(t.field in FILTERS for t in filters):
        return set()
    fields = set().union(*(reader.field_names() for reader in readers))
    if any(t.field == "kind" and t.value == worklog.KIND and not t.negated for t in filters):
        fields |= worklog.FIELDS  # a filter also where no document has a value for it
    return fields


def _tell(indexes: Sequence[Searchable], answer: Answer) -> None:
    observers = {index.observer for index in indexes} - {null_observer}
    if observers:
        from spelunk.observe.events import Searched

        for observer in observers:
            observer(Searched(answer.mode, answer.took_ms / 1000, len(answer.hits), answer.degraded))


def targets_of(
    indexes: Sequence[Searchable], readers: Sequence[Reader], within: Sequence[Sequence[str]] = ()
) -> list[SearchTarget]:
    """The indexes as the engine takes them, with a prefix for the paths of each if there are several."""
    from spelunk.search.corpus import SearchTarget

    return [
        SearchTarget(
            reader,
            index.embedder,
            prefix,
            (os.path.basename(index.root), index.root),
            branch_of(index.root),
            index.root,
            tuple(places),
        )
        for index, reader, prefix, places in zip(
            indexes,
            readers,
            prefixes([index.root for index in indexes]),
            within or [()] * len(indexes),
            strict=True,
        )
    ]


def prefixes(roots: Sequence[str]) -> list[str]:
    """The shortest distinct ends of the roots, with a slash; nothing for a single one."""
    if len(roots) == 1:
        return [""]
    names = [root.strip("/").split("/") for root in roots]
    depth = 1
    while len({tuple(n[-depth:]) for n in names}) < len(set(map(tuple, names))) and depth < max(
        map(len, names)
    ):
        depth += 1
    return ["/".join(n[-depth:]) + "/" for n in names]


def _without_changed(
    indexes: Sequence[Searchable],
    targets: Sequence[SearchTarget],
    hits: Sequence[Hit],
    freshness: str | None,
) -> tuple[Hit, ...]:
    """Leave out hits whose file changed or vanished between the refresh and now."""
    kept = list(hits)
    for index, target in zip(indexes, targets, strict=True):
        paths = {h.path[len(target.prefix) :] for h in hits if h.root == index.root}
        changed = index.changed_paths(target.reader, paths, freshness) if paths else ()
        kept = [h for h in kept if h.root != index.root or h.path[len(target.prefix) :] not in changed]
    return tuple(kept)


def answer_of(
    query: str,
    mode: str,
    began: float,
    hits: tuple[Hit, ...],
    degraded: str | None,
    readers: Sequence[Reader],
    *,
    stale: bool,
    matched: Matched = NOTHING_MATCHED,
    facets: Facets | None = None,
) -> Answer:
    """Hits with the state of the indexes that gave them; ``began`` is of ``time.perf_counter``."""
    counts = [reader.coverage() for reader in readers]
    done, planned = sum(n for n, _ in counts), sum(n for _, n in counts)
    return Answer(
        query=query,
        mode=mode,
        took_ms=(time.perf_counter() - began) * 1000,
        hits=hits,
        degraded=degraded,
        generation=max((reader.generation for reader in readers), default=0),
        coverage=round(min(1.0, done / planned), 4) if done < planned else 1.0,
        stale=stale,
        matched=matched,
        facets=facets,
    )
