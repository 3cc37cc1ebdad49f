"""Search the messages of commits: a query with ``kind:commit`` and the filters that commits have.

``author:`` is a part of the author's name, ``since:`` and ``until:`` are dates,
and ``path:`` is held against the files that the commit changed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from spelunk.errors import UsageError
from spelunk.files.git_dir import repository_of
from spelunk.history.told import commit_of
from spelunk.search.answer import Matched
from spelunk.search.corpus import SearchTarget
from spelunk.search.engine import SearchResult, search
from spelunk.search.query import FILTER, Query, with_known_fields
from spelunk.search.request import SearchRequest
from spelunk.search.terms import matched_by
from spelunk.store.path_filter import path_test
from spelunk.store.protocols import Filter
from spelunk.text.dates import moment
from spelunk.types import COMMIT, Hit

if TYPE_CHECKING:
    from spelunk.history.reader import History
    from spelunk.search.query_syntax import Term

FILTERS: Final = ("author", "since", "until", "path")
"""Filters that are worked out by the stored commits, not by the stores."""


class CommitIndex(NamedTuple):
    """The commits of one workspace.

    Attributes:
        root: Absolute path of the workspace.
        history: Its commits; None where none are indexed.
        prefix: Put before the paths of its hits where several are searched, with a slash.
        within: Files and folders of it to stay in, relative; everywhere without any.
    """

    root: str
    history: History | None
    prefix: str = ""
    within: Sequence[str] = ()


def search_commits(indexes: Sequence[CommitIndex], request: SearchRequest, query: Query) -> SearchResult:
    """The commits whose messages match best; the newest where the query has filters alone.

    Args:
        indexes: Whose commits, up to date.
        request: Limit, mode and explain.
        query: The parsed query, filters of the request included.

    Raises:
        UsageError: A filter does not apply to commits, or a date is none.
    """
    filters, words = _apart(query)
    words = with_known_fields(words, set())
    targets: list[SearchTarget] = []
    histories: dict[str, History] = {}
    missing: list[str] = []
    for root, history, prefix, within in indexes:
        if history is None:
            missing.append(f"{root}: no commits are indexed ({_reason(root)})")
            continue
        only = _passing(history, filters, within, prefix)
        histories[root] = history
        names = (prefix.rstrip("/") or root, root)
        targets.append(SearchTarget(history.snapshot, history.embedder, prefix, names, root=root, only=only))
    hits: tuple[Hit, ...] = ()
    if targets and (words.text or words.regexes):
        result = search(targets, words, replace(request, context=0))
        prefixes = {target.root: target.prefix for target in targets}
        hits = tuple(_told(hit, histories[hit.root], prefixes[hit.root]) for hit in result.hits)
        missing = [*filter(None, (result.degraded,)), *missing]
    elif targets:
        hits = _newest(targets, histories, request.limit)
    return SearchResult(hits, "; ".join(missing) or None)


def matched_words(query: Query, mode: str) -> Matched:
    """What the messages are matched by, for snippets."""
    return matched_by(with_known_fields(_apart(query)[1], set()), mode)


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


def _reason(root: str) -> str:
    if repository_of(root) is None:
        return "it is in no git repository"
    return "the setting history is off, or git could not be read; `spelunk status` shows it"


def _told(hit: Hit, history: History, prefix: str) -> Hit:
    """A hit with what is stored of its commit."""
    commit = history.commits.commit(hit.path[len(prefix) :])
    return hit if commit is None else replace(hit, commit=commit_of(commit))


def _newest(targets: Sequence[SearchTarget], histories: Mapping[str, History], limit: int) -> tuple[Hit, ...]:
    """The newest commits that pass the filters."""
    found: list[tuple[int, Hit]] = []
    for target in targets:
        for commit in histories[target.root].commits.newest(limit, target.only):
            lines = commit.message.count("\n") + 1
            subject = commit.message.partition("\n")[0]
            hit = Hit(
                target.prefix + commit.id, 1, lines, COMMIT, COMMIT, subject, 0.0, commit.message,
                root=target.root, commit=commit_of(commit),
            )  # fmt: skip
            found.append((-commit.time, hit))
    return tuple(hit for _, hit in sorted(found, key=lambda pair: (pair[0], pair[1].path))[:limit])
