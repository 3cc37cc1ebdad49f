"""Load labelled queries and search them, each in its corpus."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from spelunk.errors import UsageError
from spelunk.evaluate.measures import CUTOFF, LabelledQuery, LineSpan, Results
from spelunk.index import Index


def load_queries(path: str) -> list[LabelledQuery]:
    """Queries from a JSON Lines file.

    A line has ``query``, ``relevant`` (a list of ``{"path", "start_line"?,
    "end_line"?}``) and, where wanted, ``secondary`` (more of the same worth),
    ``repo``, ``language`` and ``category``.

    Raises:
        UsageError: It cannot be read, or a line is not such an object.
    """
    queries = []
    for number, row in json_lines(path):
        try:
            targets = tuple(span_of(t) for t in (*row["relevant"], *row.get("secondary", ())))
            query = LabelledQuery(
                str(row["query"]),
                targets,
                *(str(row.get(key) or "") for key in ("repo", "language", "category")),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(
                f"{path}:{number}: not a labelled query ({type(error).__name__}: {error})"
            ) from None
        if not targets:
            raise UsageError(f"{path}:{number}: the query has no target")
        queries.append(query)
    if not queries:
        raise UsageError(f"{path}: no queries")
    return queries


def json_lines(path: str) -> Iterable[tuple[int, Any]]:
    """The values of a JSON Lines file, each with the number of its line.

    Raises:
        UsageError: The file cannot be read, or a line is not JSON.
    """
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().split("\n")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except ValueError as error:
            raise UsageError(f"{path}:{number}: not JSON ({error})") from None


def span_of(row: Mapping[str, Any]) -> LineSpan:
    """The span of an object with ``path`` and, where lines are meant, ``start_line`` and ``end_line``."""
    start = int(row.get("start_line") or 0)
    path = str(row["path"]).replace("\\", "/").removeprefix("./")
    return LineSpan(path, start, int(row.get("end_line") or start))


def search_all(
    queries: Sequence[LabelledQuery],
    corpora: str,
    *,
    mode: str = "hybrid",
    index_dir: str | None = None,
    refresh: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Results, list[float]]:
    """Search every query in its corpus.

    Args:
        queries: What to search.
        corpora: The folder with the corpora, one folder each.
        mode: As for a search.
        index_dir: Where the corpora's indexes lie, one folder each, instead of the cache folder.
        refresh: Bring each index up to date first.
        progress: Told each corpus's name before its turn.

    Returns:
        The results, and each search's wall time in milliseconds, refreshing left out.

    Raises:
        UsageError: A corpus is not there.
    """
    repos = list(dict.fromkeys(q.repo for q in queries))
    absent = [r for r in repos if not os.path.isdir(os.path.join(corpora, r))]
    if absent:
        raise UsageError(f"{corpora}: no corpus {', '.join(absent)}")
    results: Results = {}
    took: list[float] = []
    for repo in repos:
        progress(repo)
        place = os.path.join(index_dir, repo) if index_dir else None
        with Index.open(os.path.join(corpora, repo), index_dir=place) as index:
            if refresh:
                index.refresh()
            for query in queries:
                if query.repo != repo:
                    continue
                began = time.perf_counter()
                answer = index.search(query.text, mode=mode, limit=CUTOFF, refresh=False)
                took.append((time.perf_counter() - began) * 1000)
                hits = [LineSpan(h.path, h.start_line, h.end_line) for h in answer.hits]
                results[repo, query.text] = hits
    return results, took
