"""Search over one or several indexes: parse, refresh, open a reader of each, search, drop what changed.

Every search of every adapter goes through :func:`search_many`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Protocol, Unpack

from spelunk.errors import UsageError
from spelunk.files.git_dir import branch_of
from spelunk.observe import Observer, null_observer
from spelunk.search.answer import NOTHING_MATCHED, Answer, Matched
from spelunk.search.request import SearchOverrides, SearchRequest, request_of
from spelunk.text import worklog
from spelunk.types import COMMIT, Hit

if TYPE_CHECKING:
    from spelunk.embed import Embedder
    from spelunk.files.branches import BranchTable
    from spelunk.history.reader import History
    from spelunk.observe.progress import OnProgress
    from spelunk.search.answer import Facets
    from spelunk.search.corpus import SearchTarget
    from spelunk.search.findings import Findings
    from spelunk.search.query import Query
    from spelunk.store.protocols import Reader
    from spelunk.workspace.focus import Focus


class Searchable(Protocol):
    """An index that can be searched.

    Attributes:
        root: Absolute path of its workspace.
        observer: Is sent an event of each search.
    """

    root: str
    observer: Observer

    def refresh(
        self,
        *,
        progress: OnProgress | None = None,
        focus: Callable[[], Focus] | None = None,
        freshness: str | None = None,
    ) -> bool:
        """Bring it up to date as its freshness setting or ``freshness`` says, what fits ``focus`` first.

        Returns:
            Whether it is up to date.
        """
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

    def commits(self) -> AbstractContextManager[History | None]:
        """The commits behind its files; None where none are indexed."""
        ...

    def branches(self) -> BranchTable | None:
        """Which branches its files are on; None where it is not an index of many repositories."""
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
        query: A query or a pasted text, or a whole request.
        progress: Called while indexes are brought up to date.
        overrides: Fields of :class:`SearchRequest`.

    Raises:
        QuerySyntaxError: The query is empty, or was to be read as a query and does
            not parse; carries the column.
        UsageError: An argument cannot be used.
        IndexMissingError: Nothing was indexed yet, and ``refresh`` is false.
        IndexCorruptError: No store of any index can be read.
    """
    from spelunk.search.engine import search
    from spelunk.search.query import as_matched, narrow, with_known_fields
    from spelunk.search.reading import read
    from spelunk.search.terms import matched_by

    request = request_of(query, overrides)
    parsed = read(request.query, mode=request.mode, reading=request.reading)
    parsed = narrow(
        parsed,
        lang=request.languages,
        path=request.include,
        not_path=request.exclude,
        kind=request.kinds,
        not_lang=request.not_languages,
    )
    if request.whole_words or request.ignore_case:
        parsed = as_matched(parsed, whole_words=request.whole_words, ignore_case=request.ignore_case)
    for_commits = _asks_for_commits(parsed)
    fresh = True
    if request.refresh:
        shown = prefixes([index.root for index in indexes])
        places = request.within or [()] * len(indexes)
        for index, prefix, within in zip(indexes, shown, places, strict=True):
            focus = _focus(parsed, request, prefix, within)
            fresh &= index.refresh(progress=progress, focus=focus, freshness=request.freshness)
    if for_commits:
        return _answer_of_commits(indexes, request, parsed, fresh=fresh)
    began = time.perf_counter()
    with ExitStack() as stack:
        readers = [stack.enter_context(index.snapshot()) for index in indexes]
        histories = [
            stack.enter_context(index.commits()) if _wants_history(parsed, request) else None
            for index in indexes
        ]
        parsed = with_known_fields(parsed, _fields(readers, parsed))
        targets = targets_of(indexes, readers, request.within, histories)
        result = search(targets, parsed, request)
        hits = result.hits
        if request.refresh:
            hits = _without_changed(indexes, targets, hits, request.freshness)
        if request.changes:
            from spelunk.search.changes import with_changes

            hits = with_changes(hits, {target.root: target.prefix for target in targets})
        answer = answer_of(
            request.query,
            request.mode,
            began,
            hits,
            result.degraded,
            readers,
            findings=result.findings,
            stale=not fresh or len(hits) < len(result.hits),
            matched=matched_by(parsed, request.mode),
            facets=result.facets,
            reading=parsed.reading,
        )
    _tell(indexes, answer)
    return answer


def _focus(
    parsed: Query, request: SearchRequest, prefix: str, within: Sequence[str]
) -> Callable[[], Focus] | None:
    """What gives the focus of a query in one index; None where it asks for commits."""
    if _asks_for_commits(parsed):
        return None

    def focus() -> Focus:
        from spelunk.search.focus import focus_of

        return focus_of(parsed, request.mode, prefix=prefix, within=within)

    return focus


def _wants_history(query: Query, request: SearchRequest) -> bool:
    """Whether the commits behind the files help to rank: for names and patterns they do not."""
    return request.mode in ("hybrid", "lexical") and not query.regexes and query.kind_of_query != "symbol"


def _answer_of_commits(
    indexes: Sequence[Searchable], request: SearchRequest, parsed: Query, *, fresh: bool
) -> Answer:
    from spelunk.search.commits import CommitIndex, matched_words, search_commits

    began = time.perf_counter()
    with ExitStack() as stack:
        commits = [
            CommitIndex(index.root, stack.enter_context(index.commits()), prefix, within)
            for index, prefix, within in zip(
                indexes,
                prefixes([index.root for index in indexes]),
                request.within or [()] * len(indexes),
                strict=True,
            )
        ]
        result = search_commits(commits, request, parsed)
        answer = answer_of(
            request.query,
            request.mode,
            began,
            result.hits,
            result.degraded,
            [c.history.snapshot for c in commits if c.history is not None],
            stale=not fresh,
            matched=matched_words(parsed, request.mode),
        )
    _tell(indexes, answer)
    return answer


def _asks_for_commits(query: Query) -> bool:
    """Whether a query wants commits.

    Raises:
        UsageError: It wants chunks of files too.
    """
    kinds = query.filters.kind.include
    if COMMIT in kinds and len(kinds) > 1:
        raise UsageError("kind commit stands alone: commits and files are two indexes; search twice")
    return COMMIT in kinds


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
    indexes: Sequence[Searchable],
    readers: Sequence[Reader],
    within: Sequence[Sequence[str]] = (),
    histories: Sequence[History | None] = (),
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
            history=history,
            branches=index.branches,
        )
        for index, reader, prefix, places, history in zip(
            indexes,
            readers,
            prefixes([index.root for index in indexes]),
            within or [()] * len(indexes),
            histories or [None] * len(indexes),
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
    """Leave out hits, and neighbours of hits, whose file changed or vanished between the refresh and now."""
    kept = list(hits)
    for index, target in zip(indexes, targets, strict=True):
        prefix = target.prefix
        own = [h for h in hits if h.root == index.root]
        shown = {h.path for h in own}
        related = [h.related for h in own if h.related is not None]
        for found in related:
            shown.update(one.path for one in (*found.callers, *found.uses))
        paths = {path[len(prefix) :] for path in shown}
        changed = index.changed_paths(target.reader, paths, freshness) if paths else ()
        if changed:
            gone = {prefix + path for path in changed}
            kept = [h for h in kept if h.root != index.root or h.path not in gone]
            if related:
                from spelunk.search.related import without_paths

                kept = [without_paths(h, gone) if h.root == index.root else h for h in kept]
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
    findings: Findings | None = None,
    reading: str = "query",
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
        files=done,
        chunks=sum(reader.documents for reader in readers),
        missing=findings.missing if findings else (),
        confident=bool(hits) and (findings is None or findings.confident),
        notes=findings.notes if findings else (),
        reading=reading,
    )
