"""The ranking model: weights, and how signals become one score and one order.

A file's score is a weighted sum of its signals. Its best chunk takes that
score; each further chunk has a lower score by what it matches worse, and by a
fixed step for each chunk of the file shown before it, so that ten results are
rarely ten chunks of one file. Every summand is a signal of the hit, and they
add up to its score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct, field

from spelunk.search.evidence import Evidence
from spelunk.search.rank import signals
from spelunk.search.rank.signals import NameMatches, QueryFacts, ScoredChunk, StemMatches

BREADTH: Final = 30
"""Chunks of one file that count towards its breadth."""

OF_TEXTS: Final = frozenset(("message", "whole"))
"""Signals of a chunk that its file takes over, from the chunk that has most of it."""

ASKED_FOR: Final = 0.5
"""What is left of a flag's weight where the query has a word for it: "test client"
may mean the client for tests or the tests of a client."""


ORDER_DIGITS: Final = 9
"""Digits of a score that decide the order; the rest depends on the order of additions."""


class Weights(Struct, frozen=True):
    """What each signal is worth.

    Fitted by a softmax over each query's files on 751 labelled queries over 40
    corpora of code and documents, cross-validated by corpus, and rounded
    (docs/benchmarks).

    Attributes:
        match: Of the relevance of a file's best chunks, each next one at half its worth.
        breadth: Of their plain sum.
        meaning: Of how near its chunks' vectors come to the query's, against
            the nearest; each next one at half its worth.
        file: Of the file's other signals.
        flags: Of what kind of file it is.
        repeat: Taken off for each chunk of the same file shown before.
    """

    match: float = 4.4
    breadth: float = 1.0
    meaning: float = 3.0
    file: Mapping[str, float] = field(
        default_factory=lambda: {
            "stem": 2.6,
            "cover": 1.3,
            "definition": 0.8,
            "name": 1.4,
            "folders": -0.6,
            "depth": -0.4,
            "twin": -1.3,
            "history": 1.5,
            "whole": 4.0,
        }
    )
    flags: Mapping[str, float] = field(
        default_factory=lambda: {
            "test": -2.5,
            "vendored": -1.0,
            "generated": -1.0,
            "example": -1.1,
            "docs": -1.05,
            "config": -1.3,
        }
    )
    repeat: float = 4.0


DEFAULT: Final = Weights()
"""For questions and names."""

TEXT: Final = Weights(
    match=5.2,
    breadth=0.0,
    meaning=0.0,
    file={
        "stem": 2.4,
        "cover": 1.9,
        "definition": 0.65,
        "name": 1.1,
        "folders": 0.0,
        "depth": 0.5,
        "twin": -0.4,
        "history": 1.7,
        "mention": 1.6,
        "frame": 1.5,
        "message": 1.5,
        "place": 1.5,
    },
    flags={
        "test": -4.2,
        "vendored": -1.7,
        "generated": -1.0,
        "example": -1.5,
        "docs": -3.6,
        "config": -2.4,
    },
    repeat=2.0,
)
"""For pasted texts: issues, commit messages, stack traces. Fitted in the same way on 240 commits of 20
repositories and 46 issues of five, cross-validated by repository (docs/benchmarks)."""


def rank(
    candidates: Sequence[ScoredChunk],
    query: QueryFacts,
    path_rarity: Mapping[str, float],
    weights: Weights = DEFAULT,
    evidence: Evidence | None = None,
) -> list[ScoredChunk]:
    """Candidates in order, with their signals and scores filled in.

    Ties go to the path, then to the line: never to the order of indexing.

    Args:
        candidates: From all sides and indexes, each chunk once.
        query: What to hold them against.
        path_rarity: How rare a stem is among the paths, from 0 to 1.
        weights: The model's.
        evidence: What else is known of files and chunks.
    """
    relevance, nearness = _relevance(candidates)
    files: dict[tuple[int, int], list[int]] = {}
    for n, c in enumerate(candidates):
        files.setdefault(c.key, []).append(n)
    firsts = [candidates[group[0]] for group in files.values()]
    largest: dict[tuple[int, str, int], int] = {}
    for c in firsts:
        twin = c.source, signals.path_facts(c.file.path)[2], int(c.file.flags)
        largest[twin] = max(largest.get(twin, 0), c.file.chunks)
    shallowest = min([signals.path_facts(c.file.path)[3] for c in firsts], default=0)
    model = _Model(
        weights,
        query,
        StemMatches(query),
        NameMatches(query),
        path_rarity,
        shallowest,
        largest,
        evidence or Evidence(),
    )
    for group in files.values():
        model.score(
            [candidates[n] for n in group], [relevance[n] for n in group], [nearness[n] for n in group]
        )
    return sorted(candidates, key=_order)


def _best_first(chunks: Sequence[ScoredChunk], own: Sequence[float]) -> list[int]:
    if len(chunks) == 1:
        return [0]
    places = [(-own[n], c.chunk.start_line, c.chunk.start, n) for n, c in enumerate(chunks)]
    return [place[3] for place in sorted(places)]


def _order(c: ScoredChunk) -> tuple[float, str, int, int, int]:
    return (
        -round(c.score, ORDER_DIGITS),
        c.place or c.file.path,
        c.chunk.start_line,
        c.chunk.start,
        c.source,
    )


def _relevance(candidates: Sequence[ScoredChunk]) -> tuple[list[float], list[float]]:
    """Each chunk's relevance by words and nearness by meaning, 1 for the best of each.

    Where the words were not searched or found nothing, nearness is relevance. A
    chunk that has no vector yet is as near as the others are on average: it gains
    and loses nothing.
    """
    lexical = max((c.lexical or 0.0 for c in candidates), default=0.0)
    known = [max(0.0, c.dense) for c in candidates if c.dense is not None]
    best = max(known, default=0.0)
    if best <= 0:
        nearness = [0.0] * len(candidates)
    else:
        usual = sum(known) / len(known) / best
        nearness = [usual if c.dense is None else max(0.0, c.dense) / best for c in candidates]
    if lexical <= 0:
        return nearness, [0.0] * len(candidates)
    relevance = [
        near if c.lexical is None else c.lexical / lexical
        for c, near in zip(candidates, nearness, strict=True)
    ]
    return relevance, [
        0.0 if c.lexical is None else near for c, near in zip(candidates, nearness, strict=True)
    ]


class _Model(Struct, frozen=True):
    """The weights, and the facts that files are compared with.

    Attributes:
        shallowest: Folders above the shallowest candidate.
        largest: Chunks of the largest of each set of twins, by index, path without the ending, and flags.
        evidence: What else is known of files and chunks.
    """

    weights: Weights
    query: QueryFacts
    matches: StemMatches
    names: NameMatches
    path_rarity: Mapping[str, float]
    shallowest: int
    largest: Mapping[tuple[int, str, int], int]
    evidence: Evidence

    def score(
        self, chunks: Sequence[ScoredChunk], relevance: Sequence[float], nearness: Sequence[float]
    ) -> None:
        """Give the chunks of one file their signals and scores."""
        weights, worth = self.weights, self.weights.file
        of_match, of_meaning = weights.match / 2, weights.meaning / 2
        of_definition, of_name = worth["definition"], worth["name"]
        evidence = self.evidence.chunks
        own: list[float] = []
        definition = name = 0.0
        texts: dict[str, float] = {}
        said: set[str] = set()
        for c, r, near in zip(chunks, relevance, nearness, strict=True):
            matched, named, found = self.names.of_chunk(c.chunk)
            value = of_match * r + of_meaning * near + of_definition * matched + of_name * named
            known = evidence.get((c.source, c.chunk.id)) if evidence else None
            if known:
                value += sum([worth.get(signal, 0.0) * strength for signal, strength in known.items()])
                for signal in OF_TEXTS & known.keys():
                    texts[signal] = max(known[signal], texts.get(signal, 0.0))
            own.append(value)
            if matched > definition:
                definition = matched
            if named > name:
                name = named
            if found:
                said |= found
        first = chunks[0]
        several = len(chunks) > 1
        best = sorted(relevance, reverse=True) if several else relevance
        shared = {
            "match": of_match * signals.discounted_sum(best),
            "breadth": weights.breadth * sum(best[:BREADTH]) / BREADTH,
        }
        if any(nearness):
            nearest = sorted(nearness, reverse=True) if several else nearness
            shared["meaning"] = of_meaning * signals.discounted_sum(nearest)
        for signal, value in self._file_signals(first, definition, name, said):
            if value:
                shared[signal] = worth[signal] * value
        of_file = self.evidence.file(first.key)
        if of_file or texts:
            for signal, value in {**of_file, **texts}.items():
                if value and worth.get(signal):
                    shared[signal] = worth[signal] * value
        asked = self.query.asked
        for flag in signals.flags_of(first.file):
            shared[flag] = weights.flags[flag] * (ASKED_FOR if flag in asked else 1.0)
        score = sum(shared.values())
        if not several:
            first.signals, first.score = shared, score
            return
        order = _best_first(chunks, own)
        for place, n in enumerate(order):
            c = chunks[n]
            c.signals = shared.copy()
            c.score = score
            if place:
                c.signals["chunk"] = own[n] - own[order[0]]
                c.signals["repeat"] = -weights.repeat * place
                c.score += c.signals["chunk"] + c.signals["repeat"]

    def _file_signals(
        self, c: ScoredChunk, definition: float, name: float, said: set[str]
    ) -> tuple[tuple[str, float], ...]:
        file = c.file
        in_name, folders, twin, depth = signals.path_facts(file.path)
        # The folders of tests and documents are weighed as such.
        rarity = 0.0 if file.flags else signals.folder_rarity(folders - in_name, self.query, self.path_rarity)
        return (
            ("stem", self.matches.match(in_name)),
            ("cover", self.query.share({*said, *in_name, *folders})),
            ("definition", definition),
            ("name", name),
            ("folders", rarity),
            ("depth", signals.depth_below(depth, self.shallowest)),
            ("twin", float(self.largest[c.source, twin, int(file.flags)] > file.chunks)),
        )
