"""Find the files that similar changes touched: the commits whose messages match a query."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from spelunk.search.evidence import Evidence
from spelunk.store.protocols import Reader

if TYPE_CHECKING:
    from spelunk.history.reader import History

MAX_COMMITS: Final = 50
MAX_FILES: Final = 60
"""Files that are noted, those of the highest sums."""
SWEEPING: Final = 30
"""Files of a commit from which its message says little of each."""


def collect(
    reader: Reader, part: int, history: History, terms: Mapping[str, float], evidence: Evidence
) -> None:
    """Note how much the files of an index were changed by commits with the query's words.

    A commit adds the square of its score, against the best one's, to each of its
    files, over the root of their number (after BugLocator's similar reports, Zhou et
    al., 2012).

    Args:
        reader: The index.
        part: Its number.
        history: Its commits.
        terms: Weight by term, inverse document frequency not included.
        evidence: Is added to.
    """
    matches = [m for m in history.matches(terms, MAX_COMMITS) if not m.merge and 0 < m.files <= SWEEPING]
    if not matches:
        return
    best = matches[0].score
    sums: dict[str, float] = {}
    for match in matches:
        share = (match.score / best) ** 2 / math.sqrt(match.files)
        for path in match.paths:
            sums[path] = sums.get(path, 0.0) + share
    likely = sorted(sums, key=lambda path: (-sums[path], path))[:MAX_FILES]
    for path in likely:
        row = reader.file(path)
        if row is not None:
            evidence.of_file(part, row.id, "history", sums[path] / sums[likely[0]])
