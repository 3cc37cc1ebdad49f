"""Focus of a first update: what a query says about the files that may answer it, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from spelunk.store.protocols import Filter


@dataclass(frozen=True, slots=True)
class Focus:
    """Which files to index first.

    Attributes:
        literals: Strings in lower case with their weights, the heaviest first: words of
            the query, each cut to what it shares with its stem.
        places: Ends of paths that the query names, in lower case.
        wanted: The query's filters; a file that does not pass is indexed last.
        limit: Files of the first publish at most; None for as many as there is time for.
    """

    literals: tuple[tuple[str, float], ...] = ()
    places: tuple[str, ...] = ()
    wanted: Filter = field(default_factory=Filter)
    limit: int | None = None
