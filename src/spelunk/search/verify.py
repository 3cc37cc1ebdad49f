"""What only the text decides: regular expressions, phrases, exact symbols.

The index narrows the chunks to those that hold every run of word characters a
match must contain (:func:`spelunk.text.regex.required_runs`); the stored text of
those is then searched. The answer equals that of a scan of every text, which
is what happens where a pattern requires no run.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spelunk.search.query import Query, phrase_test
from spelunk.search.rank.signals import Candidate
from spelunk.store import full_text as lexical
from spelunk.store.snapshot import Snapshot
from spelunk.text import regex
from spelunk.text.regex import Run
from spelunk.text.tokens import LONG_WORD, words

if TYPE_CHECKING:
    from tantivy import Query as Condition

    from spelunk.search.filters import Scope
    from spelunk.store.records import ChunkRecord, FileRow

MAX_RUNS: Final = 6
"""Runs looked up for a pattern, the most telling ones."""
MIN_RUN: Final = 3
"""A shorter run inside words is not looked up: it is a walk over the whole term dictionary
(some 150 ms for 600,000 terms) that leaves out little."""
_CROSSES_LINES: Final = re.compile(r"\\[snWDxXpPR0-9]|\[\^|\(\?|\n|\[\[")
"""Whatever may let a match contain a line end, erring to the safe side."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """Tests that a chunk's text and row must pass.

    Attributes:
        required: Tests that a text must pass.
        excluded: Tests that it must not.
        symbols: Names of which each must be defined, in lower case.
    """

    required: tuple[Callable[[str], bool], ...]
    excluded: tuple[Callable[[str], bool], ...]
    symbols: tuple[str, ...]

    def accepts(self, chunk: ChunkRecord, text: str) -> bool:
        """Does the chunk pass?"""
        if self.symbols:
            defined = {d.name.lower() for d in chunk.definitions}
            if not all(_is_defined(s, chunk, defined) for s in self.symbols):
                return False
        return all(t(text) for t in self.required) and not any(t(text) for t in self.excluded)


def _is_defined(symbol: str, chunk: ChunkRecord, defined: Collection[str]) -> bool:
    """``Outer.name`` asks for the scope too."""
    outer, _, name = symbol.replace("::", ".").replace("#", ".").rpartition(".")
    if name not in defined:
        return False
    return not outer or outer in f"{chunk.scope}.{chunk.symbol}".lower().replace("::", ".")


def verifier(query: Query) -> Verifier | None:
    """The tests of a query that the index alone cannot decide; None if it has none."""
    hidden = [w for w in query.negated_words if words(w) != [w]]
    required = [phrase_test(p) for p in query.phrases]
    required += [regex.compile(p).search for p in query.regexes]
    excluded = [phrase_test(p) for p in (*query.negated_phrases, *hidden)]
    symbols = tuple(s.lower() for s in query.symbols)
    if not (required or excluded or symbols):
        return None
    return Verifier(tuple(required), tuple(excluded), symbols)


def required(query: Query) -> list[Condition]:
    """Conditions on the full text that every chunk passing :func:`verifier` meets."""
    out: list[Condition] = []
    for phrase in query.phrases:
        out += _conditions([frozenset((run,)) for run in _phrase_runs(phrase)])
    for pattern in query.regexes:
        out += _conditions(regex.required(pattern))
    for symbol in query.symbols:
        found = words(re.split(r"\.|::|#", symbol)[-1])
        out += [lexical.term(w.lower(), "name") for w in found]
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


def _conditions(needed: list[frozenset[Run]] | None) -> list[Condition]:
    """What a chunk that holds a whole match must hold; a chunk cut inside a line may hold anything."""
    useful = [one_of for one_of in needed or () if all(map(_is_selective, one_of))]
    useful.sort(key=lambda one_of: -min(len(r.text) + 4 * (r.starts + r.ends) for r in one_of))
    return [
        lexical.any_of([*map(_run_condition, sorted(one_of)), lexical.term(LONG_WORD)])
        for one_of in useful[:MAX_RUNS]
    ]


def _is_selective(run: Run) -> bool:
    """Is looking it up cheaper than reading what it would leave out?"""
    return run.starts or len(run.text) >= MIN_RUN


def _run_condition(run: Run) -> Condition:
    if run.starts and run.ends:
        return lexical.term(run.text)
    return lexical.containing(run.text, starts=run.starts, ends=run.ends)


def passing(snapshot: Snapshot, ids: Sequence[int], test: Verifier) -> set[int]:
    """The ids of visible chunks that pass."""
    out: set[int] = set()
    for number, chunk in snapshot.visible(list(ids)).items():
        if test.accepts(chunk, snapshot.text(chunk.file).of(chunk)):
            out.add(number)
    return out


def search(snapshot: Snapshot, query: Query, scope: Scope, limit: int) -> list[Candidate]:
    """Chunks in which a match of every pattern begins, by path and line; a signal counts the matches.

    A match may run over the end of a chunk: texts are searched whole.
    """
    patterns = [regex.compile(p) for p in query.regexes]
    tests = verifier(query)
    excluded = tests.excluded if tests else ()
    try:
        files = _candidate_files(snapshot, query.regexes, scope)
    except lexical.FullTextDamaged as error:  # every text is read instead
        snapshot.lose_full_text(error)
        files = [f for f in snapshot.manifest.all_files() if _in_ranges(scope, f)]
        excluded += tuple(phrase_test(w) for w in query.negated_words)
    inside = _inside(scope)
    out: list[Candidate] = []
    for row in files:
        text = snapshot.text(row.id)
        spans = [list(p.spans(text.text)) for p in patterns]
        if not all(spans):
            continue
        starts = [sorted({s for s, _ in found}) for found in spans]
        for chunk in snapshot.manifest.chunks_of(row):
            counts = [_between(s, chunk.start, chunk.end) for s in starts]
            if not all(counts) or not inside(chunk.kind):
                continue
            if any(test(text.of(chunk)) for test in excluded):
                continue
            # In order of path and line: no hit outranks another.
            candidate = Candidate(chunk, row, signals={"matches": float(sum(counts))}, score=1.0)
            out.append(candidate)
            if len(out) >= limit:
                return out
        snapshot.forget(row.id)
    return out


def _in_ranges(scope: Scope, file: FileRow) -> bool:
    if scope.ranges is None:
        return True
    return any(first <= file.first_chunk < end for first, end in scope.ranges)


def _between(starts: Sequence[int], first: int, end: int) -> int:
    return bisect_left(starts, end) - bisect_left(starts, first)


def _inside(scope: Scope) -> Callable[[str], bool]:
    kinds, not_kinds = scope.kinds, scope.not_kinds
    return lambda kind: (kinds is None or kind in kinds) and kind not in not_kinds


def _candidate_files(snapshot: Snapshot, patterns: Sequence[str], scope: Scope) -> list[FileRow]:
    """Files that may hold a match, by path."""
    conditions = [_conditions(regex.required(p)) for p in patterns]
    by_file: set[int] | None = None
    everything = 1 << 31

    def keep(found: list[int]) -> None:
        nonlocal by_file
        files = snapshot.files_of(found)
        by_file = files if by_file is None else by_file & files

    for pattern, needs in zip(patterns, conditions, strict=True):
        if _CROSSES_LINES.search(pattern):
            for need in needs:  # a match may span chunks: each run may lie in another one
                keep(snapshot.lexical.matching(need, everything, None))
        elif needs:
            keep(snapshot.lexical.matching(lexical.all_of(needs), everything, None))
    if scope.lexical is not None:
        keep(snapshot.lexical.matching(None, everything, scope.lexical))
    rows = snapshot.manifest.all_files()
    return [r for r in rows if by_file is None or r.id in by_file]
