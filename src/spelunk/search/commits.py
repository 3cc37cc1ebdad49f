"""Search the messages of commits: a query with ``kind:commit`` and the filters that commits have.

``author:`` is a part of the author's name, ``since:`` and ``until:`` are dates,
and ``path:`` is held against the files that the commit changed.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from spelunk.errors import UsageError
from spelunk.search.answer import Answer
from spelunk.search.query import FILTER, REGEX, Query, with_known_fields
from spelunk.search.request import SearchRequest
from spelunk.search.terms import matched_by
from spelunk.store.path_filter import path_test
from spelunk.store.protocols import Filter
from spelunk.text.dates import moment
from spelunk.types import COMMIT, Commit, Hit

if TYPE_CHECKING:
    from spelunk.history.reader import History
    from spelunk.search.corpus import SearchTarget
    from spelunk.search.many import Searchable
    from spelunk.search.query_syntax import Term
    from spelunk.store.commits import StoredCommit

FILTERS: Final = ("author", "since", "until", "path")
"""Filters that are worked out by the stored commits, not by the stores."""

SHORT_ID: Final = 10
"""Digits of an id that are shown; unique in repositories of some million objects."""


def search_commits(
    indexes: Sequence[Searchable], request: SearchRequest, query: Query, *, fresh: bool
) -> Answer:
    """The commits whose messages match best; the newest where the query has filters alone.

    Args:
        indexes: Whose commits, up to date.
        request: Limit, mode and explain.
        query: The parsed query, filters of the request included.
        fresh: Whether the indexes are up to date.

    Raises:
        UsageError: A filter does not apply to commits, or a date is none.
    """
    from spelunk.search.corpus import SearchTarget
    from spelunk.search.engine import search
    from spelunk.search.many import answer_of, prefixes

    began = time.perf_counter()
    filters, words = _apart(query)
    words = with_known_fields(words, set())
    with ExitStack() as stack:
        targets: list[SearchTarget] = []
        histories: list[History] = []
        missing: list[str] = []
        for index, prefix, within in zip(
            indexes,
            prefixes([index.root for index in indexes]),
            request.within or [()] * len(indexes),
            strict=True,
        ):
            history = stack.enter_context(index.commits())
            if history is None:
                missing.append(f"{index.root}: no commits are indexed; `spelunk status` says why")
                continue
            only = _passing(history, filters, within, prefix)
            histories.append(history)
            names = (prefix.rstrip("/") or index.root, index.root)
            targets.append(
                SearchTarget(history.snapshot, history.embedder, prefix, names, "", index.root, only=only)
            )
        degraded = "; ".join(missing) or None
        hits: tuple[Hit, ...] = ()
        if targets and (words.text or any(t.kind == REGEX for t in words.terms)):
            result = search(targets, words, replace(request, context=0))
            hits, degraded = result.hits, "; ".join(filter(None, (result.degraded, degraded))) or None
            of_root = {target.root: n for n, target in enumerate(targets)}
            hits = tuple(
                _told(hit, histories[of_root[hit.root]], targets[of_root[hit.root]].prefix) for hit in hits
            )
        elif targets:
            hits = _newest(targets, histories, request.limit)
        return answer_of(
            request.query, request.mode, began, hits, degraded, [h.snapshot for h in histories],
            stale=not fresh, matched=matched_by(words, request.mode),
        )  # fmt: skip


def _apart(query: Query) -> tuple[list[Term], Query]:
    """The filters that are worked out here, and the rest of the query.

    Raises:
        UsageError: Another filter is given.
    """
    mine = [t for t in query.terms if t.kind == FILTER and t.field in FILTERS]
    rest = tuple(t for t in query.terms if t not in mine and not (t.kind == FILTER and t.field == "kind"))
    for term in rest:
        if term.kind == FILTER and term.field == "lang":
            raise UsageError(
                f"{term}: commits have no language; path:*.py keeps those that changed such files"
            )
    return mine, replace(query, terms=rest)


def _passing(
    history: History, filters: Sequence[Term], within: Sequence[str], prefix: str
) -> tuple[str, ...] | None:
    """The ids of the commits that pass the filters; None where all do."""
    if not filters and not within:
        return None
    now = time.time()

    def values(field: str, *, negated: bool = False) -> list[str]:
        return [t.value for t in filters if t.field == field and t.negated == negated]

    since = [moment(value, now) for value in values("since")]
    until = [moment(value, now, end=True) for value in values("until")]
    paths = None
    if values("path") or within:
        paths = path_test(Filter(paths=tuple(values("path")), within=tuple(within), prefix=prefix))
    found = history.commits.matching(
        values("author"), max(since, default=None), min(until, default=None), paths
    )
    left_out: set[str] = set()
    for author in values("author", negated=True):
        left_out.update(history.commits.matching([author], None, None, None))
    for path in values("path", negated=True):
        left_out.update(
            history.commits.matching([], None, None, path_test(Filter(paths=(path,), prefix=prefix)))
        )
    return tuple(i for i in found if i not in left_out)


def _told(hit: Hit, history: History, prefix: str) -> Hit:
    """A hit with what is stored of its commit."""
    commit = history.commits.commit(hit.path[len(prefix) :])
    return hit if commit is None else replace(hit, commit=commit_of(commit))


def _newest(targets: Sequence[SearchTarget], histories: Sequence[History], limit: int) -> tuple[Hit, ...]:
    """The newest commits that pass the filters."""
    found: list[tuple[int, Hit]] = []
    for target, history in zip(targets, histories, strict=True):
        for commit in history.commits.newest(limit, target.only):
            lines = commit.message.count("\n") + 1
            subject = commit.message.partition("\n")[0]
            hit = Hit(
                target.prefix + commit.id, 1, lines, COMMIT, COMMIT, subject, 0.0, commit.message,
                root=target.root, commit=commit_of(commit),
            )  # fmt: skip
            found.append((-commit.time, hit))
    return tuple(hit for _, hit in sorted(found, key=lambda pair: (pair[0], pair[1].path))[:limit])


def commit_of(commit: StoredCommit) -> Commit:
    """A stored commit as callers see it."""
    subject, _, body = commit.message.partition("\n")
    return Commit(
        commit.id, subject.strip(), body.strip(), commit.author, iso(commit.time), commit.paths, commit.files
    )


def iso(seconds: int) -> str:
    """A time in UTC, ``2024-03-11T10:22:05Z``; what no calendar has is written as the epoch."""
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "1970-01-01T00:00:00Z"
