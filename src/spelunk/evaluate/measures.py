"""Measures of a search's answers to labelled queries.

A query's targets are files, or lines of files. A target's rank is that of the
first result that overlaps it; further results in the same target earn nothing
and use up ranks. Relevance is binary (Järvelin and Kekäläinen, 2002, for DCG):

- NDCG@10: the discounted gain of the distinct ranks hit, over that of a
  perfect answer.
- Recall@10: the share of the targets hit.
- MRR@10: one over the rank of the first hit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict

CUTOFF: Final = 10
"""Results of a query that count."""


class LineSpan(Struct, frozen=True):
    """A file, or lines of it; ``start`` and ``end`` are 0 where the whole file is meant."""

    path: str
    start: int = 0
    end: int = 0

    def meets(self, other: LineSpan) -> bool:
        """Whether they lie in one file and their lines overlap."""
        if self.path != other.path:
            return False
        if not (self.start and other.start):
            return True
        return self.start <= other.end and other.start <= self.end


class LabelledQuery(Struct, frozen=True):
    """A query and the lines or files that answer it.

    Attributes:
        text: The query.
        targets: What answers it, in no order.
        repo: The corpus, a folder below that of all corpora; ``""`` is that folder itself.
        language: For the break-down.
        category: For the break-down.
    """

    text: str
    targets: tuple[LineSpan, ...]
    repo: str = ""
    language: str = ""
    category: str = ""


class Score(Struct, frozen=True):
    """The three measures of one query, or their averages over ``queries``."""

    ndcg: float
    recall: float
    mrr: float
    queries: int = 1


Results = dict[tuple[str, str], list[LineSpan]]
"""Ranked spans by (corpus, query)."""


class Evaluation(Struct, frozen=True):
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
        """Plain values for JSON, without the single queries."""
        groups = {"by_category": self.by_category, "by_language": self.by_language, "by_repo": self.by_repo}
        return {
            "overall": asdict(self.overall),
            "repo_macro_ndcg": self.repo_macro,
            **{name: {key: asdict(s) for key, s in group.items()} for name, group in groups.items()},
        }


def score(targets: Sequence[LineSpan], results: Sequence[LineSpan], cutoff: int = CUTOFF) -> Score:
    """Measure the answer to one query.

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
    """Average the measures."""
    n = max(1, len(scores))
    return Score(
        math.fsum(s.ndcg for s in scores) / n,
        math.fsum(s.recall for s in scores) / n,
        math.fsum(s.mrr for s in scores) / n,
        len(scores),
    )


def evaluate(queries: Sequence[LabelledQuery], results: Results) -> Evaluation:
    """Measure results; a query without any scores 0."""
    scores = tuple(score(q.targets, results.get((q.repo, q.text), [])) for q in queries)

    def grouped(key: Callable[[LabelledQuery], str]) -> dict[str, Score]:
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
