"""Quantised impacts of terms: how much a chunk is about a term, as one of a few levels.

The full text stores each distinct term of a field once, followed by the one
character of its level (Anh and Moffat, 2001). A level stands for the
saturation part of BM25, ``tf / (tf + K1 * (1 - B + B * length / reference))``. The
reference length is a constant and not the mean of the index, so a chunk has
the same levels in every index, whatever was added, deleted or merged before.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

K1: Final = 1.2
B: Final = 0.75

REFERENCE_LENGTH: Final = {"body": 180, "name": 9, "path": 7}
"""Terms of a field at which a term has neither bonus nor penalty: the means over 31,935
chunks of 12 code corpora (docs/benchmarks/impacts-2026-11-27.md)."""

LEVELS: Final = "\x0e\x0f\x10\x11\x12\x13"
"""The suffix of each level, the weakest first: no word has these characters, and no analyser
takes them for white space. With 6 to 14 levels NDCG@10 differs by 0.002 (docs/benchmarks)."""

LOWEST: Final = 0.15
"""Impact of a term that occurs once in six times the reference length; weaker ones count as this."""

MAX_COUNT: Final = 256
"""Occurrences from which a term's impact does not rise further."""

_STEP: Final = math.log(1 / LOWEST) / len(LEVELS)

IMPACTS: Final = tuple(LOWEST * math.exp(_STEP * (n + 0.5)) for n in range(len(LEVELS)))
"""The impact of each level: the geometric middle of the impacts it covers."""

_BOUNDS: Final = tuple(LOWEST * math.exp(_STEP * n) for n in range(1, len(LEVELS)))
_SHARES: Final = tuple(bound / (1 - bound) for bound in _BOUNDS)


MAX_SCORE: Final = 2**24 - 1
"""The largest whole number up to which float32, Tantivy's score, is exact."""


def score_scale(terms: Mapping[str, float], fields: Mapping[Any, float]) -> float:
    """Return how many whole units a score of 1.0 has, so that no chunk's sum of units exceeds :data:`MAX_SCORE`.

    0.0 where no chunk can score. It depends on the arguments alone: equal
    arguments give comparable scores in every index.

    Args:
        terms: Weight by term.
        fields: Weight by field.
    """
    possible = sum(terms.values()) * sum(fields.values()) * IMPACTS[-1]
    return (MAX_SCORE - len(terms) * len(fields)) / possible if possible else 0.0


def score_units(weight: float, boost: float, level: int, scale: float) -> int:
    """Return the whole units that a term adds to a chunk's score.

    Args:
        weight: Of the term.
        boost: Of the field.
        level: Of the term in the field.
        scale: From :func:`score_scale`; the sum of units divided by it is the score.
    """
    return max(1, round(weight * boost * IMPACTS[level] * scale))


def length_norm(length: int, field: str) -> float:
    """The part of BM25's denominator that depends on the field's length in terms."""
    return K1 * (1 - B + B * length / REFERENCE_LENGTH[field])


def level(count: int, norm: float) -> int:
    """The level of a term that occurs ``count`` times, ``norm`` being :func:`length_norm`."""
    return bisect_right(_first_counts(norm), count)


def _first_counts(norm: float) -> list[float]:
    """The count from which a term has each level but the weakest: the inverse of ``count / (count + norm)``."""
    return [norm * share for share in _SHARES]


@lru_cache(maxsize=4096)
def _suffixes(length: int, field: str) -> str:
    """The suffix for each count of a term below :data:`MAX_COUNT` in a field of some length."""
    firsts = [min(MAX_COUNT, max(1, math.ceil(n))) for n in _first_counts(length_norm(length, field))]
    starts, ends = [1, *firsts], [*firsts, MAX_COUNT]
    return " " + "".join(s * (end - start) for s, start, end in zip(LEVELS, starts, ends, strict=True))


def encode(counts: Mapping[str, int], field: str) -> str:
    """A field as the full text takes it: each distinct term once with its level, blanks between.

    Args:
        counts: How often each term occurs.
        field: The field's name.
    """
    suffixes = _suffixes(sum(counts.values()), field)
    try:
        return " ".join([term + suffixes[n] for term, n in counts.items()])
    except IndexError:
        return " ".join([term + suffixes[min(n, MAX_COUNT - 1)] for term, n in counts.items()])


def forms(term: str) -> list[str]:
    """The indexed forms of a term, the weakest first: a chunk that holds it has exactly one of them."""
    return [term + suffix for suffix in LEVELS]


@lru_cache(maxsize=1)
def any_level() -> str:
    """A regular expression for the suffix of any level, in Tantivy's syntax."""
    return f"[{LEVELS[0]}-{LEVELS[-1]}]"


def forms_of(text: str) -> list[str]:
    """The forms that :func:`encode` joined."""
    return text.split(" ") if text else []


def decode_form(form: str) -> tuple[str, int]:
    """The term of an encoded form, and its level."""
    return form[:-1], LEVELS.index(form[-1])


def decode(text: str) -> Iterable[tuple[str, int]]:
    """The inverse of :func:`encode`: terms with their levels."""
    return map(decode_form, forms_of(text))
