"""Rank the test files to run after a change: what is reached, what is called alike, what changed together before."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from spelunk.files.path_rules import path_flags
from spelunk.graph.answer import Edge
from spelunk.graph.changed_words import names_in, spelling, tests_that_use
from spelunk.graph.languages import NOT_CODE
from spelunk.graph.resolve import Resolver
from spelunk.types import Flag

STEP_WEIGHT: Final = 0.7
"""What a further step takes from the urgency of a test."""
CALLED_AFTER: Final = "called-after"
"""The rule of a test file that is called after a changed file."""
CALLED_AFTER_TRUST: Final = 0.7
"""Its confidence: set by hand, as for a name that is called alike."""
MOST_TESTS_OF_A_NAME: Final = 20
"""Test files called after one name; where more are, the name says nothing."""
CHANGED_WITH: Final = "changed-with"
"""The rule of a test file that earlier commits changed together with a changed file."""
LEAST_TOGETHER: Final = 0.02
"""Of a test that changed together with a file; with less it is by chance."""
SURELY_TOGETHER: Final = 0.25
"""A test that changed so often together with a file is as urgent as one that calls what changed."""
NAMED_ALIKE: Final = "named-alike"
"""The rule of a test file whose path shares rare words with that of a changed file."""
ALIKE_WEIGHT: Final = 0.5
"""Of that likeness in the urgency, and of the confidence that it gives alone."""
LEAST_ALIKE: Final = 0.2
"""Of a likeness that counts; with less, words are shared by chance."""
SAME_NAMES: Final = "same-names"
"""The rule of a test file that uses rare names of the changed lines."""
SAME_NAMES_TRUST: Final = 0.5
"""Its confidence, times the share of :func:`~spelunk.graph.changed_words.tests_that_use`; as the next one set by hand."""
NAMED_IN_CHANGE: Final = "named-in-change"
"""The rule of a test file that is called after a name of several words in the changed lines."""
NAMED_IN_CHANGE_TRUST: Final = 0.5
"""Its confidence, and its weight in the urgency."""
MOST_SOURCES: Final = 50
"""Changed files whose companions and likenesses are looked for."""

_TEST_WORD: Final = re.compile(
    r"(?:^|[_.\-])(?:tests?|specs?)(?=$|[_.\-])|(?<=[a-z0-9])(?:Tests?|Testers?|Spec|TestCase|IT)$|^Test(?=[A-Z])"
)
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_COMMON_WORDS: Final = frozenset(
    [
        "test",
        "tests",
        "spec",
        "specs",
        "it",
        "src",
        "lib",
        "main",
        "java",
        "py",
        "go",
        "rb",
        "ex",
        "exs",
        "js",
        "ts",
        "cs",
        "rs",
        "kt",
        "c",
        "h",
        "php",
        "swift",
        "init",
        "index",
        "mod",
        "integration",
        "unit",
        "case",
        "cases",
        "data",
    ]
)


class ReachedTest(NamedTuple):
    """A place in a test file that a change reaches.

    Attributes:
        edge: How.
        file: The test file.
        confidence: The product over all steps.
        steps: How many.
        by_import: The file is reached as a whole, because it imports a changed one.
    """

    edge: Edge
    file: int
    confidence: float
    steps: int
    by_import: bool

    @property
    def urgency(self) -> float:
        """The confidence, less for each further step."""
        return self.confidence * STEP_WEIGHT ** (self.steps - 1)


def tests_to_run(
    resolver: Resolver,
    reached: Sequence[ReachedTest],
    changed: Collection[int],
    companions: Callable[[Sequence[str]], Mapping[str, float]] | None,
    inside: Callable[[str], bool] | None,
    limit: int,
    text: str = "",
) -> list[Edge]:
    """One edge for each test file, the most urgent first: its best test, with the lines of others.

    Args:
        resolver: Of the generation.
        reached: Places in test files that the change reaches.
        changed: The changed files; they are not named for their name or history.
        companions: How often files changed in the same commits as files at some paths, from 0 to 1.
        inside: Only files at these paths.
        limit: Tests wanted; without companions those that are merely named alike fill up to it.
        text: The changed lines, where they are known.
    """
    view = resolver.view
    view.load_rows(changed)
    sources = sorted(view.row(file).path for file in changed)[:MOST_SOURCES]
    urgency: dict[str, float] = {}
    edges: dict[str, Edge] = {}
    by_file: dict[int, list[ReachedTest]] = {}
    for one in reached:
        by_file.setdefault(one.file, []).append(one)
    for found in by_file.values():
        found.sort(key=lambda one: (-one.urgency, one.by_import))
        edge = found[0].edge
        lines = sorted({one.edge.line for one in found[1:]} - {edge.line})[:50]
        edges[edge.path] = replace(edge, lines=tuple(lines))
        urgency[edge.path] = found[0].urgency + 0.01 * min(len(found), 20)
    rules: list[tuple[Mapping[str, float], str, float]] = [
        (dict.fromkeys(_called_after(resolver, sources), 1.0), CALLED_AFTER, CALLED_AFTER_TRUST)
    ]
    often: dict[str, float] = {}
    if companions is not None and sources:
        often = {p: c for p, c in companions(sources).items() if c >= LEAST_TOGETHER}
        together = {path: min(1.0, count / SURELY_TOGETHER) for path, count in often.items()}
        rules.append((together, CHANGED_WITH, 1.0))
    if text:
        names = names_in(text)
        used = {p: SAME_NAMES_TRUST * share for p, share in tests_that_use(view, names).items()}
        rules.append((used, SAME_NAMES, 1.0))
        rules.append((_named_in(resolver, names), NAMED_IN_CHANGE, 1.0))
    known = set(edges).union(*(weights for weights, _, _ in rules))
    if not often and len(known) < limit:
        alike = {p: ALIKE_WEIGHT * share for p, share in _alike(resolver, sources).items()}
        rules.append((alike, NAMED_ALIKE, 1.0))
    for weights, rule, trust in rules:
        allowed = [p for p in weights if p not in sources and (inside is None or inside(p))]
        for row in view.rows_at(sorted(allowed)):
            if not row.flags & Flag.TEST or row.language in NOT_CODE:
                continue
            weight = weights[row.path]
            if row.path not in edges:
                symbol = view.file_symbol(row.id)
                confidence = round(trust * weight, 3)
                edges[row.path] = Edge(row.path, "test", row.path, 1, "", symbol, confidence, rule)
            urgency[row.path] = urgency.get(row.path, 0.0) + weight
    return [edges[path] for path in sorted(edges, key=lambda path: (-urgency[path], path))]


def _named_in(resolver: Resolver, names: Iterable[str]) -> dict[str, float]:
    """Test files that are called after a name of several words."""
    said = {spelling(name) for name in names} - {""}
    found: dict[str, float] = {}
    for path in resolver.view.reader.all_paths() if said else ():
        name = path.rpartition("/")[2].partition(".")[0]
        if spelling(_TEST_WORD.sub("", name).strip("_-")) in said and path_flags(path) & Flag.TEST:
            found[path] = NAMED_IN_CHANGE_TRUST
    return found


def _called_after(resolver: Resolver, sources: Sequence[str]) -> set[str]:
    """Paths whose name is that of one of some files with a word for tests."""
    stems = {_stem(path) for path in sources} - {""}
    if not stems:
        return set()
    by_stem: dict[str, list[str]] = {}
    for path in resolver.view.reader.all_paths():
        stem = path.rpartition("/")[2].split(".")[0]
        name = path.rpartition("/")[2].rpartition(".")[0]
        bare = _TEST_WORD.sub("", name)
        if bare != name:
            key = bare.strip("_.-").lower().replace("-", "_").replace(".", "_")
            if key in stems:
                by_stem.setdefault(key, []).append(path)
        elif stem.lower() in stems and re.search(r"(?:^|/)(?:tests?|__tests__|spec)/", path):
            by_stem.setdefault(stem.lower(), []).append(path)
    return {path for found in by_stem.values() if len(found) <= MOST_TESTS_OF_A_NAME for path in found}


def _stem(path: str) -> str:
    """What tests of a file are called after, in lower case; "" where that says nothing."""
    folder, _, name = path.rpartition("/")
    stem = name.split(".")[0]
    if stem in ("__init__", "mod", "index", "lib", "main"):
        stem = folder.rpartition("/")[2]
    return stem.strip("_").lower().replace("-", "_")


def _alike(resolver: Resolver, sources: Sequence[str]) -> dict[str, float]:
    """Test files by the rare words that their path shares with one of some files, as a cosine from 0 to 1."""
    tests = [path for path in resolver.view.reader.all_paths() if path_flags(path) & Flag.TEST]
    words = {path: _words(path) for path in tests}
    counts = Counter(word for own in words.values() for word in own)
    weight = {word: math.log(1 + len(tests) / (1 + count)) for word, count in counts.items()}
    rarest = math.log(1 + len(tests))

    def size(own: Collection[str]) -> float:
        return math.fsum(weight.get(word, rarest) for word in own) or 1.0  # in whatever order a set has

    found: dict[str, float] = {}
    for source in map(_words, sources):
        whole = size(source)
        for path, own in words.items():
            shared = source & own
            if shared:
                likeness = min(1.0, size(shared) / math.sqrt(whole * size(own)))
                if likeness >= LEAST_ALIKE:
                    found[path] = max(likeness, found.get(path, 0.0))
    return found


def _words(path: str) -> frozenset[str]:
    stem = path.rpartition(".")[0] or path
    return frozenset(word.lower() for word in _WORD.findall(stem)) - _COMMON_WORDS
