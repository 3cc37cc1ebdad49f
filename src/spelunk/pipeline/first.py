"""First answer: choose which files of a large tree are indexed first, by what a query says about them.

The files are scored by their paths and by a literal scan of their bytes. The best
are indexed until the time is over and published; the others are left to the
next update, as after an interruption.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from spelunk.pipeline.literals import Found, Literals, saturated, scan
from spelunk.pipeline.plan import Plan
from spelunk.store.packet import Item
from spelunk.store.path_filter import path_test
from spelunk.store.protocols import Filter
from spelunk.text.tokens import STEMS, parts, words
from spelunk.types import Flag
from spelunk.workspace.focus import Focus, Literal

SMALL_FILES: Final = 1_000
SMALL_BYTES: Final = 6_000_000
"""A tree of fewer files or bytes is indexed whole: it takes some 1.5 s on two cores (docs/benchmarks)."""

BASE_SECONDS: Final = 0.7
SECONDS_PER_FILE: Final = 4e-5
MAX_SECONDS: Final = 3.8
"""From the beginning of the update until no more files are begun: 1.1 s for 10,000 files, 3.8 s for 79,000.
Start-up, the files in progress, the publish and the search take some 0.8 s more."""
SCAN_SHARE: Final = 0.45
"""Of the time that is left when the files are known; the rest is for indexing."""

FILES_PER_BATCH: Final = 8
"""Files of a batch, so that little is in progress when the time is over."""
LEAST_FILES: Final = 16
LEAST_BYTES: Final = 800_000
"""Files, and bytes of them, that are indexed however late it is: the wanted files are among them in 97 of 100
questions (docs/benchmarks), and on a busy machine the answer comes later, not without hits."""
LEAST_SCAN: Final = 0.25
"""Seconds of the scan, however late it is."""
MIN_FILES: Final = 200
"""Files indexed even if fewer fit the query: statistics of terms need others to compare with."""
SAMPLE_FILES: Final = 150
"""Files scanned to estimate how common each literal is."""

FIRST_LOOK: Final = 0.6
"""Of the scan's time, for files by their paths and from everywhere; then come those beside the best."""
TELLING_SHARE: Final = 0.3
"""Of the files may have one of the telling literals; the others are not looked at closely."""

IN_FILE: Final = 0.3
IN_WINDOW: Final = 1.0
DEFINED: Final = 0.7
"""Worth of a literal in the whole file and near the others, both saturated, and in a name that a line defines."""
IN_PATH: Final = 1.0
IN_NAME: Final = 1.0
"""Worth of a literal in the path; more where the file is named so, less where it is a part of the name."""
IN_FOLDER: Final = 0.1
"""Of the best score of a file's folder: what is beside a good file may be good."""
NAMED: Final = 1_000.0
"""Worth of a path that the query names."""
PRIORS: Final = (
    (Flag.TEST, 0.7), (Flag.VENDORED, 0.6), (Flag.GENERATED, 0.4), (Flag.DOCS, 0.9),
    (Flag.EXAMPLE, 0.8), (Flag.CONFIG, 0.8),
)  # fmt: skip
"""What a flag leaves of a score. Such files are seldom what a question is about."""
COSTLY_BYTES: Final = 1_000_000
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
    paths = [item.candidate.path for item in items]
    by_path = _path_scores(paths, focus)
    priors = _priors(items)
    folders = [path.rpartition("/")[0] for path in paths]
    turns = _turns(folders, [score * prior for score, prior in zip(by_path, priors, strict=True)])

    sample = turns[:: max(1, len(turns) // SAMPLE_FILES)]
    even = Literals(focus.literals, [1.0] * len(focus.literals))
    seen = scan(root, [paths[n] for n in sample], even, seconds / 4, 1)
    counts = _counts(seen.values(), len(focus.literals))
    literals = Literals(focus.literals, _weights(focus, counts, len(seen)), _telling(counts, len(seen)))

    found: dict[int, Found] = {}

    def look(turns: Sequence[int], seconds: float) -> None:
        """Scan these files."""
        seen = scan(root, [paths[n] for n in turns], literals, seconds, processes, in_child)
        found.update((turns[place], what) for place, what in seen.items())

    def scores() -> list[float]:
        weights = _weights_of_found(focus, literals, found)
        out = list(by_path)
        for n, occurrences in found.items():
            for literal, count, near, defined in occurrences:
                out[n] += weights[literal] * (
                    IN_FILE * saturated(count) + IN_WINDOW * saturated(near) + DEFINED * defined
                )
        return [score * prior for score, prior in zip(out, priors, strict=True)]

    began = time.monotonic()
    look(turns, seconds * FIRST_LOOK)
    of_folder = _best_of(folders, scores())
    rest = [n for n in turns if n not in found]
    if rest:
        rest.sort(key=lambda n: -of_folder[folders[n]] * priors[n])
        look(rest, seconds - (time.monotonic() - began))
    final = scores()
    of_folder = _best_of(folders, final)
    for n, score in enumerate(final):
        final[n] = (score + IN_FOLDER * of_folder[folders[n]]) / (1 + items[n].candidate.size / COSTLY_BYTES)
    best = sorted(turns, key=lambda n: -final[n])
    return [items[n] for n in best[: max(sum(score > 0 for score in final), MIN_FILES)]]


def _turns(folders: Sequence[str], scores: Sequence[float]) -> list[int]:
    """The order in which to look at files: those whose paths fit, then one of each folder, a second one, ..."""
    counts: dict[str, int] = {}
    depths = []
    for folder in folders:
        depth = counts[folder] = counts.get(folder, -1) + 1
        depths.append(depth)
    fitting = sorted((n for n, score in enumerate(scores) if score), key=lambda n: (-scores[n], n))
    others = sorted((n for n, score in enumerate(scores) if not score), key=depths.__getitem__)
    return fitting + others


def _best_of(folders: Sequence[str], scores: Sequence[float]) -> dict[str, float]:
    """The best score of each folder's files."""
    best: dict[str, float] = {}
    for folder, score in zip(folders, scores, strict=True):
        if score > best.get(folder, -1.0):
            best[folder] = score
    return best


def _wanted(items: Sequence[Item], focus: Focus) -> Sequence[Item]:
    """The files that pass the query's filters, as far as their paths show."""
    wanted = focus.wanted
    if wanted == Filter():
        return items
    passes = path_test(wanted)
    return [
        item
        for item in items
        if (not wanted.languages or item.candidate.language in wanted.languages)
        and item.candidate.language not in wanted.not_languages
        and passes(item.candidate.path)
    ]


def _path_scores(paths: Sequence[str], focus: Focus) -> list[float]:
    lowered = [path.lower() for path in paths]
    scores = [0.0] * len(lowered)
    for literal in focus.literals:
        having = {n: near for n, path in enumerate(lowered) if literal.text in path
                  and (near := _in_path(paths[n], literal))}  # fmt: skip
        rarity = IN_PATH * literal.weight * _rarity(len(having), len(lowered))
        for n, near in having.items():
            scores[n] += rarity * near
    if focus.places:
        ends = {place.rpartition("/")[2]: place for place in focus.places}
        for n, path in enumerate(lowered):
            name = path.rpartition("/")[2]
            place = ends.get(name) or ends.get(name.rpartition(".")[0])  # a module has no extension
            if place is not None:
                scores[n] += NAMED * _shared(path, place) / (place.count("/") + 1)
    return scores


def _in_path(path: str, literal: Literal) -> float:
    """How much a path is about a literal: 1 where a folder is named so, more the nearer the file's name is to it.

    ``application.rb`` is nearer to *application* than ``app_application_job.rb``.
    """
    folder, _, name = path.rpartition("/")
    stem = name.partition(".")[0] or name
    if literal.term:
        pieces = [STEMS[part] for word in words(stem) for part in parts(word)]
        if literal.term in pieces:
            return 1 + IN_NAME / len(pieces)
        inside = any(STEMS[part] == literal.term for word in words(folder) for part in parts(word))
        return 1.0 if inside else 0.0
    if literal.text in stem.lower():
        return 1 + IN_NAME * len(literal.text) / len(stem)
    return 1.0


def _shared(path: str, place: str) -> int:
    """Components at their ends that two paths share; the last ones count as equal."""
    count = 1
    for a, b in zip(path.split("/")[-2::-1], place.split("/")[-2::-1], strict=False):
        if a != b:
            break
        count += 1
    return count


def _counts(found: Collection[Found], literals: int) -> list[int]:
    """In how many files each literal occurs."""
    counts = [0] * literals
    for occurrences in found:
        for occurrence in occurrences:
            counts[occurrence.literal] += 1
    return counts


def _weights(focus: Focus, counts: Sequence[int], files: int) -> list[float]:
    """The weight of each literal: the query's, times how rare it is."""
    return [literal.weight * _rarity(n, files) for literal, n in zip(focus.literals, counts, strict=True)]


def _weights_of_found(focus: Focus, literals: Literals, found: Mapping[int, Found]) -> Sequence[float]:
    """The weights by all files that were scanned; of literals that not every file was searched for, by the sample."""
    counts = _counts(found.values(), len(focus.literals))
    exact = _weights(focus, counts, max(1, len(found)))
    return [
        exact[n] if n in literals.telling or not literals.telling else weight
        for n, weight in enumerate(literals.weights)
    ]


def _telling(counts: Sequence[int], files: int) -> list[int]:
    """The rarest literals, which together leave out most files: one without any of them is not worth a look."""
    order = sorted(range(len(counts)), key=counts.__getitem__)
    telling, total = order[:2], sum(counts[n] for n in order[:2])
    for n in order[2:]:
        total += counts[n]
        if total > TELLING_SHARE * files:
            break
        telling.append(n)
    return telling


def _rarity(having: int, of: int) -> float:
    """Inverse document frequency, never negative."""
    return math.log(1 + (of - having + 0.5) / (having + 0.5))


def _priors(items: Sequence[Item]) -> list[float]:
    """What the flags of each file leave of its score."""
    known: dict[int, float] = {}
    out = []
    for item in items:
        bits = int(item.candidate.flags)
        prior = known.get(bits)
        if prior is None:
            prior = known[bits] = math.prod(share for flag, share in PRIORS if bits & flag)
        out.append(prior)
    return out
