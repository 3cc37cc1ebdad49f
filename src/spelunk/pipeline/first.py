"""First answer: choose which files of a large tree are indexed first, by what a query says about them.

The files are scored by their paths and by a literal scan of their bytes. The best
are indexed until the time is over and published; the others are left to the
next update, as after an interruption.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from spelunk.pipeline.literals import Found, scan
from spelunk.pipeline.plan import Plan
from spelunk.store.packet import Item
from spelunk.store.path_filter import path_test
from spelunk.types import Flag
from spelunk.workspace.focus import Focus

SMALL_FILES: Final = 1_000
SMALL_BYTES: Final = 6_000_000
"""A tree of fewer files or bytes is indexed whole: it takes some 1.5 s on two cores (docs/benchmarks)."""

BASE_SECONDS: Final = 1.1
SECONDS_PER_FILE: Final = 4e-5
MAX_SECONDS: Final = 4.0
"""From the beginning of the update to the publish: 1.5 s for 10,000 files, 4 s for 79,000. Start-up, the
publish itself and the search take some 0.5 s more."""
SCAN_SHARE: Final = 0.45
"""Of the time that is left when the files are known; the rest is for indexing."""

FILES_PER_BATCH: Final = 8
"""Files of a batch, so that little is in progress when the time is over."""
LEAST_FILES: Final = 100
"""Files indexed however late it is: on a busy machine the answer comes later, not without hits."""
LEAST_SCAN: Final = 0.25
"""Seconds of the scan, however late it is."""
MIN_FILES: Final = 200
"""Files indexed even if fewer fit the query: statistics of terms need others to compare with."""
SAMPLE_FILES: Final = 150
"""Files scanned to estimate how common each literal is."""

IN_PATH: Final = 1.5
IN_FILE: Final = 0.4
IN_WINDOW: Final = 1.0
"""Worth of a literal in the path, anywhere in the file, and near the others."""
NAMED: Final = 1_000.0
"""Worth of a path that the query names."""
PRIORS: Final = (
    (Flag.TEST, 0.7), (Flag.VENDORED, 0.6), (Flag.GENERATED, 0.4), (Flag.DOCS, 0.9),
    (Flag.EXAMPLE, 0.8), (Flag.CONFIG, 0.8),
)  # fmt: skip
"""What a flag leaves of a score. Such files are seldom what a question is about."""
COSTLY_BYTES: Final = 200_000
"""Size at which a file has to be twice as promising as a small one: it takes the time of many."""


class First(NamedTuple):
    """A part of a plan to do first.

    Attributes:
        todo: The plan, without the files that are left.
        until: When to stop, of ``time.monotonic``.
    """

    todo: Plan
    until: float


def choose(
    root: str, todo: Plan, focus: Focus, began: float, processes: int, in_child: Callable[[], None]
) -> First | None:
    """Choose the files to index before the first answer; None where all of them are quick enough.

    Args:
        root: The workspace.
        todo: The whole plan.
        focus: What the query says.
        began: When the update began, of ``time.monotonic``.
        processes: That may scan.
        in_child: Called first in each scanning process.
    """
    if focus.limit is None and (len(todo.items) <= SMALL_FILES or todo.bytes <= SMALL_BYTES):
        return None
    until = began + min(MAX_SECONDS, BASE_SECONDS + SECONDS_PER_FILE * len(todo.items))
    seconds = max(LEAST_SCAN, SCAN_SHARE * (until - time.monotonic()))
    ordered = order(root, todo.items, focus, seconds, processes, in_child)
    if focus.limit is not None:
        ordered, until = ordered[: focus.limit], math.inf
    # Files that killed a worker are for a run that nobody waits for.
    left = len(todo.items) - len(ordered) + len(todo.suspects)
    part = replace(todo, items=tuple(ordered), suspects=(), seen=todo.seen - left, left=left)
    return First(part, until)


def order(
    root: str,
    items: Sequence[Item],
    focus: Focus,
    seconds: float,
    processes: int,
    in_child: Callable[[], None] = lambda: None,
) -> list[Item]:
    """The files that fit a query, the best first, and some others after them."""
    items = _wanted(items, focus)
    literals = [literal for literal, _ in focus.literals]
    paths = [item.candidate.path for item in items]
    lowered = [path.lower() for path in paths]
    by_path = _path_scores(lowered, focus)
    priors = [_prior(item) for item in items]
    turns = sorted(
        range(len(items)),
        key=lambda n: (
            -by_path[n] * priors[n],
            -priors[n],
            zlib.crc32(lowered[n].encode("utf-8", "replace")),
        ),
    )
    sample = turns[:: max(1, len(turns) // SAMPLE_FILES)]
    even = [1.0] * len(literals)
    found = scan(root, [paths[n] for n in sample], literals, even, seconds / 4, 1)
    weights = _weights(focus, found.values())
    found = scan(root, [paths[n] for n in turns], literals, weights, seconds, processes, in_child)
    weights = _weights(focus, found.values())
    scores = [score * prior for score, prior in zip(by_path, priors, strict=True)]
    worth: dict[int, float] = {}
    for place, (anywhere, near) in found.items():
        n = turns[place]
        for mask in (anywhere, near):
            if mask not in worth:
                worth[mask] = sum(weight for bit, weight in enumerate(weights) if mask >> bit & 1)
        scores[n] += (IN_FILE * worth[anywhere] + IN_WINDOW * worth[near]) * priors[n]
    costs = [1 + item.candidate.size / COSTLY_BYTES for item in items]
    best = sorted(turns, key=lambda n: -scores[n] / costs[n])
    fitting = sum(score > 0 for score in scores)
    return [items[n] for n in best[: max(fitting, MIN_FILES)]]


def _wanted(items: Sequence[Item], focus: Focus) -> Sequence[Item]:
    """The files that pass the query's filters, as far as their paths show."""
    wanted = focus.wanted
    passes = path_test(wanted)
    return [
        item
        for item in items
        if (not wanted.languages or item.candidate.language in wanted.languages)
        and item.candidate.language not in wanted.not_languages
        and passes(item.candidate.path)
    ]


def _path_scores(lowered: Sequence[str], focus: Focus) -> list[float]:
    scores = [0.0] * len(lowered)
    for literal, weight in focus.literals:
        having = [n for n, path in enumerate(lowered) if literal in path]
        rarity = IN_PATH * weight * _rarity(len(having), len(lowered))
        for n in having:
            scores[n] += rarity
    if focus.places:
        ends = {place.rpartition("/")[2]: place for place in focus.places}
        for n, path in enumerate(lowered):
            name = path.rpartition("/")[2]
            place = ends.get(name) or ends.get(name.rpartition(".")[0])  # a module has no extension
            if place is not None:
                scores[n] += NAMED * _shared(path, place) / (place.count("/") + 1)
    return scores


def _shared(path: str, place: str) -> int:
    """Components at their ends that two paths share; the last ones count as equal."""
    count = 1
    for a, b in zip(path.split("/")[-2::-1], place.split("/")[-2::-1], strict=False):
        if a != b:
            break
        count += 1
    return count


def _weights(focus: Focus, found: Collection[Found]) -> list[float]:
    """The weight of each literal: the query's, times how rare it is in the files that were scanned."""
    counts = [0] * len(focus.literals)
    for anywhere, _ in found:
        for bit in range(len(counts)):
            counts[bit] += anywhere >> bit & 1
    return [
        weight * _rarity(count, len(found)) for (_, weight), count in zip(focus.literals, counts, strict=True)
    ]


def _rarity(having: int, of: int) -> float:
    """Inverse document frequency, never negative."""
    return math.log(1 + (of - having + 0.5) / (having + 0.5))


def _prior(item: Item) -> float:
    prior = 1.0
    flags = item.candidate.flags
    if flags:
        for flag, share in PRIORS:
            if flags & flag:
                prior *= share
    return prior
