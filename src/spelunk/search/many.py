"""Here are indexes and a query, give me an answer; every search comes through here.

Parses, refreshes, takes a view of each index, searches, and drops what changed
under its hands.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from spelunk.files.git_dir import branch_of
from spelunk.observe import null_observer
from spelunk.search.answer import Answer
from spelunk.types import Hit
from spelunk.workspace import freshness

if TYPE_CHECKING:
    from spelunk.index import Index
    from spelunk.observe.progress import OnProgress
    from spelunk.search.engine import Source
    from spelunk.store.snapshot import Snapshot

WORKLOG_FIELDS: Final = frozenset(("status", "pr", "reviewers", "dri", "scope", "risk", "slug", "date"))
"""Front matter that every branchwork document may have."""


def search_many(
    indexes: Sequence[Index],
    query: str,
    *,
    mode: str = "hybrid",
    limit: int = 10,
    languages: Sequence[str] = (),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    kinds: Sequence[str] = (),
    within: Sequence[Sequence[str]] = (),
    context: int = 0,
    explain: bool = False,
    refresh: bool = True,
    progress: OnProgress | None = None,
) -> Answer:
    """The best chunks for a query over several indexes, as one corpus.

    Args:
        indexes: Where to search; with several, paths carry the workspace's name.
        query: In the language of docs/query-language.md.
        mode: ``hybrid``, ``lexical``, ``semantic``, ``symbol`` or ``regex``.
        limit: Hits wanted.
        languages: Only these, as ``lang:``.
        include: Only paths that match one of these, as ``path:``.
        exclude: No path that matches one of these.
        kinds: Only these kinds, as ``kind:``.
        within: For each index the files and folders to stay in, relative to its root.
        context: Lines around each hit.
        explain: Fill in each hit's signals.
        refresh: Bring the indexes up to date first, as the freshness setting says.
        progress: Hears how far that is.

    Raises:
        QuerySyntaxError: The query does not parse; carries the column.
        UsageError: An argument cannot be used.
    """
    from spelunk.search.engine import SearchOptions, search
    from spelunk.search.query import narrow, parse, with_known_fields

    began = time.perf_counter()
    options = SearchOptions(mode=mode, limit=limit, context=context, explain=explain)
    parsed = parse(query, mode=mode)
    parsed = narrow(parsed, lang=languages, path=include, not_path=exclude, kind=kinds)
    fresh = True
    if refresh:
        for index in indexes:
            fresh &= index.refresh(progress=progress)
        began = time.perf_counter()
    with ExitStack() as stack:
        snapshots = [stack.enter_context(index.snapshot()) for index in indexes]
        fields = {row[0] for s in snapshots for row in s.manifest.all("SELECT DISTINCT key FROM fields")}
        if "branchwork" in parsed.filters.kind.include:
            fields |= WORKLOG_FIELDS  # a filter also where no document has a value for it
        parsed = with_known_fields(parsed, fields)
        found = search(_sources(indexes, snapshots, within), parsed, options)
        hits = found.hits
        if refresh:
            hits = _without_changed(indexes, snapshots, hits)
        given = answer(
            query, mode, began, hits, found.degraded, snapshots, not fresh or len(hits) < len(found.hits)
        )
    _tell(indexes, given)
    return given


def _tell(indexes: Sequence[Index], given: Answer) -> None:
    observers = {index.observer for index in indexes} - {null_observer}
    if observers:
        from spelunk.observe.events import Searched

        for observer in observers:
            observer(Searched(given.mode, given.took_ms / 1000, len(given.hits), given.degraded))


def _sources(
    indexes: Sequence[Index], snapshots: Sequence[Snapshot], within: Sequence[Sequence[str]]
) -> list[Source]:
    from spelunk.search.engine import Source

    prefixes = _prefixes([i.root for i in indexes])
    places = within or [()] * len(indexes)
    return [
        Source(
            s,
            i.embedder,
            prefix,
            (os.path.basename(i.root), i.root),
            branch_of(i.root),
            i.root,
            tuple(w),
        )
        for i, s, prefix, w in zip(indexes, snapshots, prefixes, places, strict=True)
    ]


def _prefixes(roots: Sequence[str]) -> list[str]:
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
    indexes: Sequence[Index], snapshots: Sequence[Snapshot], hits: Sequence[Hit]
) -> tuple[Hit, ...]:
    """Leave out hits whose file changed or vanished between the refresh and now."""
    kept = list(hits)
    for index, snapshot, prefix in zip(indexes, snapshots, _prefixes([i.root for i in indexes]), strict=True):
        if index.age.allowed > 0:
            continue
        paths = {h.path[len(prefix) :] for h in hits if h.root == index.root}
        stale = freshness.stale_paths(snapshot.manifest, index.source, paths, index.options.max_file_size)
        kept = [h for h in kept if h.root != index.root or h.path[len(prefix) :] not in stale]
    return tuple(kept)


def answer(
    query: str,
    mode: str,
    began: float,
    hits: tuple[Hit, ...],
    degraded: str | None,
    snapshots: Sequence[Snapshot],
    stale: bool,
) -> Answer:
    """Hits with the state of the indexes that gave them; ``began`` is of ``time.perf_counter``."""
    complete = all(s.manifest.meta("complete", 0) for s in snapshots)
    return Answer(
        query=query,
        mode=mode,
        took_ms=(time.perf_counter() - began) * 1000,
        hits=hits,
        degraded=degraded,
        generation=max((s.generation for s in snapshots), default=0),
        coverage=1.0 if complete else _coverage(snapshots),
        stale=stale,
    )


def _coverage(snapshots: Sequence[Snapshot]) -> float:
    """Share of the planned files that an unfinished run has published."""
    done = sum(s.manifest.counts()[0] for s in snapshots)
    planned = sum(int(s.manifest.meta("planned", 0)) or s.manifest.counts()[0] for s in snapshots)
    return round(min(1.0, done / planned), 4) if planned else 1.0
