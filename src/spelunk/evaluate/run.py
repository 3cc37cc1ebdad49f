"""Here are labelled queries, tell me how good the answers are.

A query's targets are files, or lines of files. A target's rank is that of the
first result that lies in it; further results in the same target earn nothing
and use up ranks. Relevance is binary (Järvelin and Kekäläinen, 2002, for DCG):

- NDCG@10: the discounted gain of the distinct ranks hit, over that of a
  perfect answer.
- Recall@10: the share of the targets hit.
- MRR@10: one over the rank of the first hit.

Two runs are compared query by query, with an interval from resampling whole
corpora (the paired bootstrap; Efron, 1979): queries of one corpus are not
independent of each other.
"""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from spelunk.errors import UsageError

CUTOFF: Final = 10
DRAWS: Final = 2000
"""Resamplings of the bootstrap; the interval's ends then move by some 0.0005."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file, or lines of it; ``start`` and ``end`` are 0 where the whole file is meant."""

    path: str
    start: int = 0
    end: int = 0

    def meets(self, other: Place) -> bool:
        """Whether they lie in one file and their lines overlap."""
        if self.path != other.path:
            return False
        if not (self.start and other.start):
            return True
        return self.start <= other.end and other.start <= self.end


@dataclass(frozen=True, slots=True)
class Labelled:
    """A query and the places that answer it.

    Attributes:
        text: The query.
        targets: What answers it, in no order.
        repo: The corpus, a folder below that of all corpora; ``""`` is that folder itself.
        language: For the break-down.
        category: For the break-down.
    """

    text: str
    targets: tuple[Place, ...]
    repo: str = ""
    language: str = ""
    category: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """The three measures, of one query or averaged over ``queries``."""

    ndcg: float
    recall: float
    mrr: float
    queries: int = 1


Results = dict[tuple[str, str], list[Place]]
"""Ranked places by (corpus, query)."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a run differs from another in NDCG@10.

    Attributes:
        difference: Mean over the queries.
        low: Lower end of the 95 % interval.
        high: Upper end.
        unit: What was resampled: ``corpora``, or ``queries`` where there is one corpus.
        better: Queries that gained.
        worse: Queries that lost.
        corpora_better: Corpora whose mean rose.
        corpora_worse: Corpora whose mean fell.
    """

    difference: float
    low: float
    high: float
    unit: str
    better: int
    worse: int
    corpora_better: int
    corpora_worse: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The measures of a run, overall and by group; each query's score in the order given."""

    overall: Score
    by_category: Mapping[str, Score]
    by_language: Mapping[str, Score]
    by_repo: Mapping[str, Score]
    scores: tuple[Score, ...]

    @property
    def repo_macro(self) -> float:
        """NDCG@10 with each corpus weighing the same."""
        return math.fsum(s.ndcg for s in self.by_repo.values()) / max(1, len(self.by_repo))

    def as_dict(self) -> dict[str, Any]:
        """For JSON, without the single queries."""
        groups = {"by_category": self.by_category, "by_language": self.by_language, "by_repo": self.by_repo}
        return {
            "overall": asdict(self.overall),
            "repo_macro_ndcg": self.repo_macro,
            **{name: {key: asdict(s) for key, s in group.items()} for name, group in groups.items()},
        }


def load_queries(path: str) -> list[Labelled]:
    """Queries from a JSON Lines file.

    A line has ``query``, ``relevant`` (a list of ``{"path", "start_line"?,
    "end_line"?}``) and, where wanted, ``secondary`` (more of the same worth),
    ``repo``, ``language`` and ``category``.

    Raises:
        UsageError: It cannot be read, or a line is not such an object.
    """
    found = []
    for number, row in _rows(path):
        try:
            targets = tuple(_place(t) for t in (*row["relevant"], *row.get("secondary", ())))
            query = Labelled(
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
        found.append(query)
    if not found:
        raise UsageError(f"{path}: no queries")
    return found


def load_results(path: str) -> Results:
    """What :func:`save_results` wrote.

    Raises:
        UsageError: It cannot be read, or a line is not such an object.
    """
    found: Results = {}
    for number, row in _rows(path):
        try:
            found[str(row.get("repo") or ""), str(row["query"])] = [_place(r) for r in row["results"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(
                f"{path}:{number}: not a line of results ({type(error).__name__}: {error})"
            ) from None
    return found


def save_results(path: str, results: Results) -> None:
    """One line a query: ``repo``, ``query`` and its ``results`` in order.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            for (repo, query), places in results.items():
                rows = [{"path": p.path, "start_line": p.start, "end_line": p.end} for p in places]
                line = json.dumps({"repo": repo, "query": query, "results": rows}, ensure_ascii=False)
                file.write(line + "\n")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def _rows(path: str) -> Iterable[tuple[int, Any]]:
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


def _place(row: Mapping[str, Any]) -> Place:
    start = int(row.get("start_line") or 0)
    path = str(row["path"]).replace("\\", "/").removeprefix("./")
    return Place(path, start, int(row.get("end_line") or start))


def run(
    queries: Sequence[Labelled],
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
        progress: Hears each corpus's name before its turn.

    Returns:
        The results, and each search's wall time in milliseconds, refreshing left out.

    Raises:
        UsageError: A corpus is not there.
    """
    from spelunk.index import Index

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
                hits = [Place(h.path, h.start_line, h.end_line) for h in answer.hits]
                results[repo, query.text] = hits
    return results, took


def score(targets: Sequence[Place], results: Sequence[Place], cutoff: int = CUTOFF) -> Score:
    """One query's measures.

    Args:
        targets: What answers it.
        results: The answer, best first.
        cutoff: How many results count.
    """
    ranks = [
        next((rank for rank, r in enumerate(results[:cutoff], 1) if r.meets(target)), 0) for target in targets
    ]
    hit = [rank for rank in ranks if rank]
    ideal = math.fsum(_discount(rank) for rank in range(1, min(cutoff, len(targets)) + 1))
    gain = math.fsum(_discount(rank) for rank in set(hit))
    return Score(
        gain / ideal if ideal else 0.0,
        len(hit) / len(targets) if targets else 0.0,
        1 / min(hit) if hit else 0.0,
    )


def _discount(rank: int) -> float:
    return 1 / math.log2(rank + 1)


def mean(scores: Sequence[Score]) -> Score:
    """The averages."""
    n = max(1, len(scores))
    return Score(
        math.fsum(s.ndcg for s in scores) / n,
        math.fsum(s.recall for s in scores) / n,
        math.fsum(s.mrr for s in scores) / n,
        len(scores),
    )


def evaluate(queries: Sequence[Labelled], results: Results) -> Evaluation:
    """Measure results; a query without any scores 0."""
    scores = tuple(score(q.targets, results.get((q.repo, q.text), [])) for q in queries)

    def grouped(key: Callable[[Labelled], str]) -> dict[str, Score]:
        groups: dict[str, list[Score]] = {}
        for query, s in zip(queries, scores, strict=True):
            groups.setdefault(key(query), []).append(s)
        return {name: mean(groups[name]) for name in sorted(groups)}

    return Evaluation(
        mean(scores),
        grouped(lambda q: q.category),
        grouped(lambda q: q.language),
        grouped(lambda q: q.repo),
        scores,
    )


def compare(queries: Sequence[Labelled], run: Evaluation, other: Evaluation) -> Comparison:
    """How ``run`` differs from ``other``, measured on the same queries.

    The interval holds the middle 95 % of :data:`DRAWS` resamplings, the same
    ones every time.
    """
    differences = [a.ndcg - b.ndcg for a, b in zip(run.scores, other.scores, strict=True)]
    units: dict[Any, list[float]] = {}
    corpora = len({q.repo for q in queries})
    for n, (query, difference) in enumerate(zip(queries, differences, strict=True)):
        units.setdefault(query.repo if corpora > 1 else n, []).append(difference)
    sums = [(math.fsum(d), len(d)) for d in units.values()]
    rng = random.Random(0)
    means = []
    for _ in range(DRAWS):
        drawn = rng.choices(sums, k=len(sums))
        means.append(math.fsum(s for s, _ in drawn) / sum(n for _, n in drawn))
    means.sort()
    tail = DRAWS // 40
    tiny = 1e-9
    by_repo = [run.by_repo[r].ndcg - other.by_repo[r].ndcg for r in run.by_repo]
    return Comparison(
        difference=math.fsum(differences) / max(1, len(differences)),
        low=means[tail],
        high=means[-tail - 1],
        unit="corpora" if corpora > 1 else "queries",
        better=sum(d > tiny for d in differences),
        worse=sum(d < -tiny for d in differences),
        corpora_better=sum(d > tiny for d in by_repo),
        corpora_worse=sum(d < -tiny for d in by_repo),
    )
