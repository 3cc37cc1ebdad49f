"""A search as data: what every adapter builds and hands to the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypedDict

from spelunk.errors import UsageError

MODES: Final = ("hybrid", "lexical", "semantic", "symbol", "regex")
DEFAULT_LIMIT: Final = 10
MAX_LIMIT: Final = 10_000


class SearchOverrides(TypedDict, total=False):
    """The fields of a :class:`SearchRequest` as keywords, each optional."""

    mode: str
    limit: int
    languages: Sequence[str]
    include: Sequence[str]
    exclude: Sequence[str]
    kinds: Sequence[str]
    within: Sequence[Sequence[str]]
    context: int
    explain: bool
    refresh: bool
    freshness: str | None
    facets: int


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What to search for, and how.

    Attributes:
        query: Text in the query language (docs/query-language.md).
        mode: One of :data:`MODES`.
        limit: Hits wanted, 1 to :data:`MAX_LIMIT`.
        languages: Only these, as ``lang:``.
        include: Only paths that match one of these, as ``path:``.
        exclude: No path that matches one of these.
        kinds: Only these kinds, as ``kind:``.
        within: For each index the files and folders to stay in, relative to its
            root; empty for no restriction.
        context: Lines around each hit.
        explain: Fill in each hit's signals.
        refresh: Bring the indexes up to date first, as their freshness setting says.
        freshness: For this search instead of that setting: ``strict``, ``bounded:SECONDS`` or ``relaxed``.
        facets: Count at least this many of the best candidates by language and so on
            (:class:`~spelunk.search.facets.Facets`); 0 for none. Above 200, and above four
            times ``limit``, more candidates are ranked, which may change the order of hits.

    Raises:
        UsageError: A value cannot be used.
    """

    query: str
    mode: str = "hybrid"
    limit: int = DEFAULT_LIMIT
    languages: Sequence[str] = ()
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    kinds: Sequence[str] = ()
    within: Sequence[Sequence[str]] = ()
    context: int = 0
    explain: bool = False
    refresh: bool = True
    freshness: str | None = None
    facets: int = 0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UsageError(f"mode {self.mode!r}: use one of {', '.join(MODES)}")
        if not 1 <= self.limit <= MAX_LIMIT:
            raise UsageError(f"{self.limit} hits: ask for 1 to {MAX_LIMIT}")
        if not 0 <= self.facets <= MAX_LIMIT:
            raise UsageError(f"facets of {self.facets} candidates: ask for 0 to {MAX_LIMIT}")
        if self.context < 0:
            raise UsageError(f"{self.context} lines of context: ask for 0 or more")
        for name in ("languages", "include", "exclude", "kinds"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise UsageError(f"{name} = {value!r}: give a list")
            object.__setattr__(self, name, tuple(value))
        object.__setattr__(self, "within", tuple(map(tuple, self.within)))


def request_of(query: str | SearchRequest, overrides: SearchOverrides) -> SearchRequest:
    """A query as typed, or a request, with keywords applied over it.

    Raises:
        UsageError: A value cannot be used.
    """
    if isinstance(query, SearchRequest):
        return replace(query, **overrides) if overrides else query
    return SearchRequest(query, **overrides)
