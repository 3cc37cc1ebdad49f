"""Quantised impacts of terms: how much a chunk is about a term, as one of a few levels.

The full text stores each distinct term of a field once, followed by the one
character of its level (Anh and Moffat, 2001). A level stands for the
saturation of BM25, ``tf / (tf + K1 * (1 - B + B * length / reference))``. The
reference length is a constant and not the mean of the index, so a chunk has
the same levels in every index, whatever was added, deleted or merged before.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

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

_STEP: Final = math.log(1 / LOWEST) / len(LEVELS)

IMPACTS: Final = tuple(LOWEST * math.exp(_STEP * (n + 0.5)) for n in range(len(LEVELS)))
"""What each level is worth: the geometric middle of the impacts it stands for."""


def length_norm(length: int, field: str) -> float:
    """The part of BM25's denominator that depends on the field's length in terms."""
    return K1 * (1 - B + B * length / REFERENCE_LENGTH[field])


def level(count: int, norm: float) -> int:
    """The level of a term that occurs ``count`` times, ``norm`` being :func:`length_norm`."""
    impact = count / (count + norm)
    return min(len(LEVELS) - 1, max(0, int(math.log(impact / LOWEST) / _STEP)))


def encode(terms: Sequence[str], field: str) -> str:
    """A field as the full text takes it: each distinct term once with its level, blanks between."""
    if not terms:
        return ""
    counts = Counter(terms)
    norm = length_norm(len(terms), field)
    once = LEVELS[level(1, norm)]
    if len(counts) == len(terms):
        return f"{once} ".join(counts) + once
    singles = [term for term, n in counts.items() if n == 1]
    suffixes = {n: LEVELS[level(n, norm)] for n in set(counts.values())}
    parts = [term + suffixes[n] for term, n in counts.items() if n > 1]
    if singles:
        parts.append(f"{once} ".join(singles) + once)
    return " ".join(parts)


def forms(term: str) -> list[str]:
    """The indexed forms of a term, the weakest first: a chunk that holds it has exactly one of them."""
    return [term + suffix for suffix in LEVELS]


@lru_cache(maxsize=1)
def any_level() -> str:
    """A regular expression for the suffix of any level, in Tantivy's syntax."""
    return f"[{LEVELS[0]}-{LEVELS[-1]}]"


def decode(text: str) -> Iterable[tuple[str, int]]:
    """The inverse of :func:`encode`: terms with their levels."""
    return ((form[:-1], LEVELS.index(form[-1])) for form in text.split(" ") if form)
