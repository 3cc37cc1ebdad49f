"""A chunk's text and a query -> the few lines that show why it was found."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from spelunk.errors import UsageError
from spelunk.search.query import Query, parse

DEFAULT_LINES: Final = 6
"""Enough for a signature and its first statements; a page shows some eight hits."""

EXACT_WEIGHT: Final = 4
"""A phrase or a whole name tells more than the words it is made of."""

MAX_COLUMNS: Final = 240
"""A longer line (minified code, data) is cut around its first match."""

_ENGLISH: Final = (
    "a an and are as at be by can do does for from has have how i if in into is it its me my not of on or so than that"
    " the their then there these this to was we were what when where which who why will with you your"
)
_STOP_WORDS: Final = frozenset(_ENGLISH.split())
_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
_SUFFIX: Final = re.compile(r"(?:ies|ing|ed|es|s|e)$")
_ENDING: Final = r"(?-i:[a-z]{1,3}(?![a-z])|[A-Z]{1,3}(?![A-Za-z])|)"
"""What may follow a stem within its word; the next word of a camelCase name is none of it."""
_DOUBLED: Final = re.compile(r"([bdgmnprt])\1$")


@dataclass(frozen=True, slots=True)
class Finder:
    """Where a line has something of the query.

    Attributes:
        spans: Start and end of what to mark in a line, in order, not overlapping.
        terms: The lower-case terms found in a line: which, not how often.
        exact: Those of them that were asked for literally: phrases and names.
    """

    spans: Callable[[str], list[tuple[int, int]]]
    terms: Callable[[str], set[str]]
    exact: frozenset[str] = frozenset()


def finder(query: str, mode: str = "hybrid") -> Finder:
    """The finder for a query as typed; one that does not parse is taken as words."""
    try:
        parsed = parse(query, mode=mode)
    except UsageError:
        parsed = None
    if parsed is not None and parsed.regexes:
        return _regex_finder(parsed)
    words = parsed.words if parsed is not None else tuple(query.split())
    names = [w for w in (word.strip(".,;:!?'\"`()") for word in words) if len(_PART.findall(w)) > 1]
    literal = [*names, *parsed.phrases, *parsed.symbols] if parsed is not None else names
    stems = _stems(" ".join(words))
    patterns = [r"\s+".join(map(re.escape, text.split())) for text in literal]
    patterns += [
        rf"(?<![^\W_]){re.escape(s)}[^\W_]*" if len(s) < 4 else re.escape(s) + _ENDING for s in stems
    ]
    if not patterns:
        return Finder(lambda _: [], lambda _: set())
    test = re.compile("|".join(patterns), re.IGNORECASE)
    exact = frozenset(" ".join(text.lower().split()) for text in literal)

    def terms(line: str) -> set[str]:
        found = set()
        for match in test.finditer(line):
            lowered = " ".join(match.group().lower().split())
            whole = lowered in exact
            found.add(lowered if whole else next((s for s in stems if lowered.startswith(s)), lowered))
        return found

    return Finder(lambda line: [m.span() for m in test.finditer(line)], terms, exact)


def _regex_finder(parsed: Query) -> Finder:
    from spelunk.text import regex

    compiled = [regex.compile(pattern) for pattern in parsed.regexes]

    def spans(line: str) -> list[tuple[int, int]]:
        merged: list[tuple[int, int]] = []
        for start, end in sorted(span for pattern in compiled for span in pattern.spans(line)):
            if start < end and (not merged or start >= merged[-1][1]):
                merged.append((start, end))
        return merged

    return Finder(spans, lambda line: {p.source for p in compiled if p.search(line)})


def _stems(text: str) -> list[str]:
    """The words to look for, without what English adds at their end, longest first."""
    stems = set()
    for word in _PART.findall(text):
        lowered = word.lower()
        if lowered in _STOP_WORDS or (len(lowered) == 1 and lowered.isascii()):
            continue
        stem = _DOUBLED.sub(r"\1", _SUFFIX.sub("", lowered)) if len(lowered) > 4 else lowered
        stems.add(stem if len(stem) > 2 else lowered)
    return sorted(stems, key=lambda s: (-len(s), s))


def lines_of(content: str) -> list[str]:
    """The lines of a content, without their ends; numbered as an editor would."""
    lines = content.split("\n")
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def choose(lines: list[str], find: Finder, symbol: str, *, limit: int = DEFAULT_LINES) -> list[int]:
    """Indexes of at most ``limit`` lines: where ``symbol`` is named, and the window with most of the query.

    A term counts more the fewer lines have it, so that ``self`` decides nothing.
    """
    if len(lines) <= limit:
        return list(range(len(lines)))
    found = [find.terms(line) for line in lines]
    frequency: dict[str, int] = {}
    for terms in found:
        for term in terms:
            frequency[term] = frequency.get(term, 0) + 1
    weights = [sum((EXACT_WEIGHT if t in find.exact else 1) / frequency[t] for t in terms) for terms in found]
    named = _naming_line(lines, symbol)
    size = max(1, limit - 1)
    sums = [sum(weights[i : i + size]) for i in range(len(lines) - size + 1)]
    best = max(sums) - 1e-9
    ties = [i for i, total in enumerate(sums) if total >= best]
    start = ties[len(ties) // 2]  # what matches is amid its surroundings
    if best <= 0:
        start = min(named or 0, len(lines) - limit)
    chosen = set(range(start, start + size))
    if named is not None:
        chosen.add(named)
    after = start + size
    while len(chosen) < limit and after < len(lines):
        chosen.add(after)
        after += 1
    return _without_blank_ends(sorted(chosen), lines)


def around(
    lines: list[str], find: Finder, symbol: str, *, context: int, limit: int = DEFAULT_LINES
) -> list[int]:
    """Indexes of the ``limit`` best matching lines and ``context`` lines on both sides of each."""
    counted = [(len(find.terms(line)), -i) for i, line in enumerate(lines)]
    best = [-i for n, i in sorted(counted, reverse=True)[:limit] if n]
    best = best or [_naming_line(lines, symbol) or 0]
    return sorted({j for i in best for j in range(max(0, i - context), min(len(lines), i + context + 1))})


def _naming_line(lines: list[str], symbol: str) -> int | None:
    """The first line that has the bare name of ``symbol``."""
    names = re.findall(r"\w+", symbol.rpartition(" > ")[2] if " > " in symbol else symbol)
    if not names:
        return None
    test = re.compile(rf"\b{re.escape(names[-1])}\b")
    return next((i for i, line in enumerate(lines) if test.search(line)), None)


def _without_blank_ends(chosen: list[int], lines: list[str]) -> list[int]:
    while len(chosen) > 1 and not lines[chosen[-1]].strip():
        chosen.pop()
    while len(chosen) > 1 and not lines[chosen[0]].strip():
        chosen.pop(0)
    return chosen


def window(line: str, spans: list[tuple[int, int]], columns: int = MAX_COLUMNS) -> tuple[int, int]:
    """The part of a long line to show: start and end, around its first match."""
    if len(line) <= columns:
        return 0, len(line)
    start = max(0, spans[0][0] - columns // 4) if spans else 0
    start = min(start, len(line) - columns)
    return start, start + columns
