"""The ranking model: weights, and how signals become one score and one order.

A candidate's score is a weighted sum of its signals, times a prior for the
kind of file it is in. A file's chunks then lift each other (coherence), and
each further chunk of a file already shown counts less (saturation), so that
ten results are rarely ten chunks of one file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from spelunk.rank import signals
from spelunk.rank.signals import Candidate, QueryFacts

RRF_K: Final = 60
"""Rank offset of reciprocal rank fusion (Cormack et al., 2009)."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What each signal is worth. Tuned on the development set, cross-validated by
    repository (docs/benchmarks)."""

    additive: Mapping[str, float] = field(
        default_factory=lambda: {
            "bm25": 1.0,
            "dense": 0.2,
            "stem": 0.5,
            "stem_query": 0.25,
            "folder": 0.15,
            "definition": 0.5,
            "defines": 1.0,
            "scope": 0.15,
            "stem_is_name": 0.4,
        }
    )
    priors: Mapping[str, float] = field(
        default_factory=lambda: {
            "test": 0.6,
            "vendored": 0.7,
            "generated": 0.6,
            "example": 0.75,
            "docs": 0.9,
            "config": 0.8,
        }
    )
    coherence: float = 0.3
    saturation: float = 0.5


DEFAULT: Final = Weights()


def rank(candidates: Sequence[Candidate], query: QueryFacts, weights: Weights = DEFAULT) -> list[Candidate]:
    """Candidates in order, with their signals and scores filled in.

    Ties go to the path, then to the line: never to the order of indexing.
    """
    if not candidates:
        return []
    top_lexical = max(c.lexical for c in candidates) or 1.0
    top_dense = max(c.dense for c in candidates) or 1.0
    for c in candidates:
        c.signals = signals.of(c, query)
        if c.lexical > 0:
            c.signals["bm25"] = c.lexical / top_lexical
        if c.dense > 0:
            c.signals["dense"] = c.dense / top_dense
        score = sum(weights.additive.get(name, 0.0) * value for name, value in c.signals.items())
        for name, prior in weights.priors.items():
            if name in c.signals:
                score *= prior
        c.score = score
    _cohere(candidates, weights.coherence)
    ordered = sorted(candidates, key=_order)
    return _saturate(ordered, weights.saturation)


def _order(c: Candidate) -> tuple[float, int, str, int]:
    # Rounded: sums over candidates depend in their last digits on the order of indexing.
    return (-round(c.score, 9), c.source, c.file.path, c.chunk.start_line)


def _cohere(candidates: Sequence[Candidate], share: float) -> None:
    """A file with several good chunks lifts its best one, by the share of its sum."""
    if not share:
        return
    sums: dict[tuple[int, int], float] = {}
    best: dict[tuple[int, int], Candidate] = {}
    for c in candidates:
        sums[c.key] = sums.get(c.key, 0.0) + c.score
        if c.key not in best or _order(c) < _order(best[c.key]):
            best[c.key] = c
    largest = max(sums.values()) or 1.0
    top = max(c.score for c in candidates) or 1.0
    for number, c in best.items():
        lift = share * top * sums[number] / largest
        if lift:
            c.signals["coherence"] = lift
            c.score += lift


def _saturate(ordered: Sequence[Candidate], factor: float) -> list[Candidate]:
    """Each further chunk of a file counts ``factor`` times the one before."""
    seen: dict[tuple[int, int], int] = {}
    out: list[Candidate] = []
    for c in ordered:
        n = seen.get(c.key, 0)
        seen[c.key] = n + 1
        if n:
            c.signals["repeat"] = float(n)
            c.score *= factor**n
        out.append(c)
    return sorted(out, key=_order)
