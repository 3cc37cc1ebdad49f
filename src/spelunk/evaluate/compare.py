"""Compare two runs query by query: save and load results, and the interval of their difference.

The interval is a paired bootstrap over whole corpora (Efron, 1979): queries of
one corpus are not independent of each other.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from spelunk.errors import UsageError
from spelunk.evaluate.measures import Evaluation, LabelledQuery, Results
from spelunk.evaluate.run import json_lines, span_of

DRAWS: Final = 2000
"""Resamplings of the bootstrap; the interval's ends then move by some 0.0005."""


class Comparison(Struct, frozen=True):
    """Difference of two runs in NDCG@10.

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


def load_results(path: str) -> Results:
    """Load what :func:`save_results` wrote.

    Raises:
        UsageError: It cannot be read, or a line is not such an object.
    """
    results: Results = {}
    for number, row in json_lines(path):
        try:
            results[str(row.get("repo") or ""), str(row["query"])] = [span_of(r) for r in row["results"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(
                f"{path}:{number}: not a line of results ({type(error).__name__}: {error})"
            ) from None
    return results


def save_results(path: str, results: Results) -> None:
    """Write one line a query: ``repo``, ``query`` and its ``results`` in order.

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


def compare(queries: Sequence[LabelledQuery], run: Evaluation, other: Evaluation) -> Comparison:
    """Measure how ``run`` differs from ``other`` on the same queries.

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
