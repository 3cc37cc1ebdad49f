"""Verify conditions in the stored text: regular expressions, phrases, exact symbols.

The index narrows the chunks to those that hold every run of word characters
that a match must contain (:func:`spelunk.text.regex.required`); the stored text
of those is then searched. The answer equals that of a scan of every text; where a
pattern requires no run, every text is scanned.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Final

from msgspec import Struct

from spelunk.search.inside import ANYWHERE, Inside
from spelunk.search.query import Query, phrase_test
from spelunk.search.terms import has_term, negated_terms, whole_term
from spelunk.store.protocols import ChunkId, Filter, Reader, Requirement
from spelunk.store.records import ChunkRecord, FileRow
from spelunk.text import regex
from spelunk.text.regex import Run
from spelunk.text.tokens import words

MAX_RUNS: Final = 6
"""Runs looked up for a pattern, the most telling ones."""
MIN_RUN: Final = 3
"""A shorter run inside words is not looked up: it is a walk over the whole term dictionary
(some 150 ms for 600,000 terms) that leaves out little."""
_CROSSES_LINES: Final = re.compile(r"\\[snWDxXpPR0-9]|\[\^|\(\?|\n|\[\[")
"""Pattern parts that may let a match contain a line end; too many rather than too few."""

Test = Callable[[str], bool]


class Verifier(Struct, frozen=True):
    """Tests that a chunk's text and row must pass.

    Attributes:
        required: Tests that a text must pass.
        excluded: Tests that it must not.
        symbols: Names of which each must be defined, in lower case.
        inside: Where the chunk must lie.
    """

    required: tuple[Test, ...] = ()
    excluded: tuple[Test, ...] = ()
    symbols: tuple[str, ...] = ()
    inside: Inside = ANYWHERE

    def accepts(self, chunk: ChunkRecord, text: str) -> bool:
        """Whether the chunk passes."""
        if not self.inside.allow(chunk):
            return False
        if self.symbols:
            defined = {d.name.lower() for d in chunk.definitions}
            if not all(_is_defined(s, chunk, defined) for s in self.symbols):
                return False
        return all(t(text) for t in self.required) and not any(t(text) for t in self.excluded)


def _is_defined(symbol: str, chunk: ChunkRecord, defined: Collection[str]) -> bool:
    """``Outer.name`` requires the scope too."""
    outer, _, name = symbol.replace("::", ".").replace("#", ".").rpartition(".")
    if name not in defined:
        return False
    return not outer or outer in f"{chunk.scope}.{chunk.symbol}".lower().replace("::", ".")


def verifier(query: Query, inside: Inside = ANYWHERE, *, by_terms: bool = True) -> Verifier | None:
    """The tests of a query that the index alone cannot decide; None if it has none.

    Args:
        query: The query.
        inside: Where its filters by relation let a chunk lie.
        by_terms: Whether the full text decides about negated words; where it is
            damaged the stored text does.
    """
    required = [phrase_test(p) for p in query.phrases]
    required += [regex.compile(p).search for p in query.regexes]
    excluded = _excluded(query) if by_terms else (*_excluded(query), *_negated(query))
    symbols = tuple(s.lower() for s in query.symbols)
    if not (required or excluded or symbols or inside):
        return None
    return Verifier(tuple(required), excluded, symbols, inside)


def _excluded(query: Query) -> tuple[Test, ...]:
    """Tests for what must not occur and the index does not decide."""
    hidden = [w for w in query.negated_words if words(w) != [w]]
    return tuple(phrase_test(p) for p in (*query.negated_phrases, *hidden))


def _negated(query: Query) -> list[Test]:
    """Tests for the negated words that the full text decides."""
    return [partial(has_term, term=term) for term in negated_terms(query)]


def requirements(query: Query) -> list[Requirement]:
    """Necessary conditions on the full text of what :func:`verifier` accepts."""
    out: list[Requirement] = []
    for phrase in query.phrases:
        out += _useful([frozenset((run,)) for run in _phrase_runs(phrase)])
    for pattern in query.regexes:
        out += _useful(regex.required(pattern))
    for symbol in query.symbols:
        for word in words(re.split(r"\.|::|#", symbol)[-1])[:MAX_RUNS]:
            run = Run(whole_term(word), starts=True, ends=True)
            out.append(Requirement(frozenset((run,)), "name"))
    return out


def _phrase_runs(phrase: str) -> list[Run]:
    """The runs of a phrase; only its ends may lie inside longer words."""
    lowered = phrase.lower()
    return [
        Run(m.group(), starts=m.start() > 0, ends=m.end() < len(lowered))
        for m in re.finditer(r"[a-z0-9_]+", lowered)
        if _is_apart(lowered, m.start() - 1) and _is_apart(lowered, m.end())
    ]


def _is_apart(text: str, at: int) -> bool:
    """Whether the character there, if there is one, is ASCII: else the run may be part of a longer word."""
    return not 0 <= at < len(text) or text[at].isascii()


def _useful(needed: list[frozenset[Run]] | None) -> list[Requirement]:
    """The most telling requirements of those that every match meets."""
    selective = [one_of for one_of in needed or () if all(map(_is_selective, one_of))]
    selective.sort(key=lambda one_of: -min(len(r.text) + 4 * (r.starts + r.ends) for r in one_of))
    return [Requirement(one_of) for one_of in list(dict.fromkeys(selective))[:MAX_RUNS]]


def _is_selective(run: Run) -> bool:
    """Whether looking it up is cheaper than reading what it would leave out."""
    return run.starts or len(run.text) >= MIN_RUN


def passing(reader: Reader, ids: Sequence[ChunkId], test: Verifier) -> set[ChunkId]:
    """The ids of the chunks that pass."""
    chunks = reader.chunks(ids)
    return {i for i, chunk in chunks.items() if test.accepts(chunk, reader.text(chunk.file).of(chunk))}


class RegexMatch(Struct, frozen=True):
    """A chunk in which a match of every pattern begins, and how many begin there."""

    chunk: ChunkRecord
    file: FileRow
    matches: int


def scan(reader: Reader, query: Query, where: Filter, inside: Inside = ANYWHERE) -> Iterator[RegexMatch]:
    """Chunks in which a match of every pattern begins, by path and line.

    A match may run over the end of a chunk: texts are searched whole.
    """
    patterns = [regex.compile(p) for p in query.regexes]
    # The filter holds for a file if one of its chunks passes; here each chunk is looked at.
    excluded = (*_excluded(query), *_negated(query))
    for file in reader.files_with(where, _groups(query.regexes)):
        text = reader.text(file.id)
        starts = [sorted({start for start, _ in pattern.spans(text.text)}) for pattern in patterns]
        if all(starts):
            for chunk in reader.chunks_of(file):
                counts = [_between(s, chunk.start, chunk.end) for s in starts]
                if not (all(counts) and where.allows_kind(chunk.kind) and inside.allow(chunk)):
                    continue
                if not any(test(text.of(chunk)) for test in excluded):
                    yield RegexMatch(chunk, file, sum(counts))
        reader.forget(file.id)


def _between(starts: Sequence[int], first: int, end: int) -> int:
    return bisect_left(starts, end) - bisect_left(starts, first)


def _groups(patterns: Sequence[str]) -> list[list[Requirement]]:
    """Requirements that one chunk has to meet together; each alone where a match may span chunks."""
    groups: list[list[Requirement]] = []
    for pattern in patterns:
        needs = _useful(regex.required(pattern))
        if _CROSSES_LINES.search(pattern):
            groups += [[need] for need in needs]
        elif needs:
            groups.append(needs)
    return groups
