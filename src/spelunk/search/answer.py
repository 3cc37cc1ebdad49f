"""The result of a search as callers see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spelunk.search.facets import Facets
from spelunk.types import Hit


@dataclass(frozen=True, slots=True)
class Matched:
    """What of a query a text is matched by, for marking it in a snippet.

    Attributes:
        terms: Index terms: whole words in lower case, and stems of their parts.
        literals: Strings looked for as they are, in any case, runs of white space
            as one space: phrases, symbols, names of several parts.
        regexes: Patterns of :mod:`spelunk.text.regex`.
    """

    terms: frozenset[str] = frozenset()
    literals: tuple[str, ...] = ()
    regexes: tuple[str, ...] = ()


NOTHING_MATCHED: Final = Matched()


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of one query and the state of the index that gave them.

    Attributes:
        query: The query as typed.
        mode: How it was searched: ``hybrid``, ``lexical``, ``semantic``, ``symbol`` or ``regex``.
        took_ms: Milliseconds from the query to the hits.
        hits: Best first. A hit with context lines has them in its line range too.
        degraded: Why a side of the search is missing, or None. With several
            indexes, each reason begins with the name of its index.
        generation: The generation that was searched; the highest of several.
        coverage: Share of the files that should be searchable and are, from 0 to 1.
        stale: Whether files are known to have changed since that generation.
        dropped: Hits left out to stay within a token budget.
        truncated: Hits whose content was cut for it.
        matched: What the query was matched by, for snippets.
        facets: Counts of the candidates, if they were asked for.
    """

    query: str
    mode: str
    took_ms: float
    hits: tuple[Hit, ...]
    degraded: str | None = None
    generation: int = 0
    coverage: float = 1.0
    stale: bool = False
    dropped: int = 0
    truncated: int = 0
    matched: Matched = NOTHING_MATCHED
    facets: Facets | None = None
