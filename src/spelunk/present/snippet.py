"""The few lines of a chunk that show why it was found, and what to mark in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from spelunk.search.answer import Matched
from spelunk.text.tokens import MAX_WORD, part_spans, stem

DEFAULT_LINES: Final = 6
"""Enough for a signature and its first statements; a page shows some eight hits."""

EXACT_WEIGHT: Final = 4
"""A phrase or a whole name weighs more than the words it is made of."""

MAX_LITERAL: Final = 2_000
"""Characters of a phrase that is marked; no line is as long."""

MAX_COLUMNS: Final = 240
"""A longer line (minified code, data) is cut around its first match."""


class Finder(Struct, frozen=True):
    """Matches of the query in a line.

    Attributes:
        spans: Start and end of what to mark in a line, in order, not overlapping.
        terms: The lower-case terms that a line has: which, not how often.
        exact: Those of them that the query has literally: phrases and names.
    """

    spans: Callable[[str], list[tuple[int, int]]]
    terms: Callable[[str], set[str]]
    exact: frozenset[str] = frozenset()


def finder(matched: Matched) -> Finder:
    """The finder for what a query was matched by: the same words by the same rules."""
    if matched.regexes:
        return _regex_finder(matched.regexes)
    exact = frozenset(" ".join(text.lower().split()) for text in matched.literals if text.strip())
    literals = [r"\s+".join(map(re.escape, text.split())) for text in exact if len(text) <= MAX_LITERAL]
    literal = re.compile("|".join(sorted(literals, key=len, reverse=True)), re.IGNORECASE)
    known: dict[str, tuple[tuple[int, int, str], ...]] = {}

    def matches(line: str) -> list[tuple[int, int, str]]:
        """Start, end and term of each match, in order, not overlapping."""
        found = literal.finditer(line) if literals else ()  # without one it is found everywhere
        spans = [(m.start(), m.end(), " ".join(m.group().lower().split())) for m in found]
        spans = [span for span in spans if span[0] < span[1]]
        spans += _words_of(line, matched.terms, known)
        if len(spans) < 2:
            return spans
        out: list[tuple[int, int, str]] = []
        for span in sorted(spans, key=lambda s: (s[0], -s[1])):
            if not out or span[0] >= out[-1][1]:
                out.append(span)
        return out

    return Finder(
        lambda line: [(start, end) for start, end, _ in matches(line)],
        lambda line: {term for _, _, term in matches(line)},
        exact,
    )


def _words_of(
    line: str, terms: frozenset[str], known: dict[str, tuple[tuple[int, int, str], ...]]
) -> list[tuple[int, int, str]]:
    """The words of a line that have one of the terms, or those of their parts that have one.

    Args:
        line: Without its end.
        terms: Of the query, lower case.
        known: What words seen before have, from their own start; filled here.
    """
    spans: list[tuple[int, int, str]] = []
    for m in re.finditer(r"\w+", line) if terms else ():
        word = m.group()
        found = known.get(word)
        if found is None:
            found = known[word] = tuple(_terms_of(word, terms))
        if found:
            at = m.start()
            spans += [(at + start, at + end, term) for start, end, term in found]
    return spans


def _terms_of(word: str, terms: frozenset[str]) -> Iterator[tuple[int, int, str]]:
    if word.lower() in terms:
        yield 0, len(word), word.lower()
    elif len(word) <= MAX_WORD:
        for start, end in part_spans(word):
            term = stem(word[start:end].lower())
            if term in terms:
                yield start, end, term


def _regex_finder(patterns: Sequence[str]) -> Finder:
    from spelunk.text import regex

    compiled = [regex.compile(pattern) for pattern in patterns]

    def spans(line: str) -> list[tuple[int, int]]:
        merged: list[tuple[int, int]] = []
        for start, end in sorted(span for pattern in compiled for span in pattern.spans(line)):
            if start < end and (not merged or start >= merged[-1][1]):
                merged.append((start, end))
        return merged

    return Finder(spans, lambda line: {p.source for p in compiled if p.search(line)})


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
    lines: list[str], find: Finder, symbol: str, *, before: int, after: int, limit: int = DEFAULT_LINES
) -> list[int]:
    """Indexes of the ``limit`` best matching lines, and of lines before and after each."""
    counted = [(len(find.terms(line)), -i) for i, line in enumerate(lines)]
    best = [-i for n, i in sorted(counted, reverse=True)[:limit] if n]
    best = best or [_naming_line(lines, symbol) or 0]
    return sorted({j for i in best for j in range(max(0, i - before), min(len(lines), i + after + 1))})


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
