"""The tests that say what changed: those called after a name in the changed lines, and those that use its rare names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from spelunk.graph.view import GraphView
from spelunk.types import Flag

MOST_NAMES: Final = 200
"""Names of changed lines that are looked up."""
MOST_USES: Final = 400
"""References to a name; one with more is no rare one."""
MOST_TESTS: Final = 8
"""Test files that use a name; where more do, it tells none of them."""
SURELY_USED: Final = 2.0
"""Names that no other test uses, from which on a test has the whole weight of the rule."""
LEAST_USED: Final = 0.5
"""Of the share of that: one name that no other test uses is just enough."""

_NAME: Final = re.compile(r"[^\W\d]\w{3,}")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def names_in(text: str) -> list[str]:
    """The different names of at least four letters in changed lines, in their order."""
    return list(dict.fromkeys(_NAME.findall(text)))


def tests_that_use(view: GraphView, names: Iterable[str]) -> dict[str, float]:
    """Test files by how many rare names of changed lines they use, from 0 to 1.

    A name counts 1 divided by the number of the test files that use it.

    Args:
        view: Of the generation.
        names: The names; the first :data:`MOST_NAMES` are looked up.
    """
    sums: dict[str, float] = {}
    for name in list(names)[:MOST_NAMES]:
        sites = view.reader.references_to(name, (), MOST_USES)
        if not 0 < sites.total <= MOST_USES:
            continue
        files = sorted({site.file for site in sites.sites})
        view.load_rows(files)
        tests = [view.row(file).path for file in files if view.row(file).flags & Flag.TEST]
        if 0 < len(tests) <= MOST_TESTS:
            for path in tests:
                sums[path] = sums.get(path, 0.0) + 1 / len(tests)
    shares = {path: min(1.0, found / SURELY_USED) for path, found in sums.items()}
    return {path: share for path, share in shares.items() if share >= LEAST_USED}


def spelling(name: str) -> str:
    """One spelling of a name of several words; "" for one of a single word, which says too little.

    ``ignore_comments``, ``IgnoreComments`` and ``ignoreComment`` have the same.
    """
    words = _WORD.findall(name)
    return "".join(words).lower().removesuffix("s") if len(words) > 1 else ""
