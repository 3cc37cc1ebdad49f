"""Focus of a first update: what a query says about the files that may answer it, as plain data."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct, field

from spelunk.store.protocols import Filter


class Literal(NamedTuple):
    """A string to look for in files that are not indexed yet.

    Attributes:
        text: In lower case: a word of the query, cut to what it shares with its stem.
        weight: How much the query is about it.
        term: The stem that the part of a name must have which begins with it; "" where
            it counts wherever it occurs.
    """

    text: str
    weight: float
    term: str = ""


class Focus(Struct, frozen=True):
    """Which files to index first.

    Attributes:
        literals: What to look for, the heaviest first.
        places: Ends of paths that the query names, in lower case.
        wanted: The query's filters; a file that does not pass is indexed last.
        limit: Files of the first publish at most; None for as many as there is time for.
    """

    literals: tuple[Literal, ...] = ()
    places: tuple[str, ...] = ()
    wanted: Filter = field(default_factory=Filter)
    limit: int | None = None
