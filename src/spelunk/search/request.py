"""A search as data: what every adapter builds and hands to the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypedDict

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from spelunk.errors import UsageError

MODES: Final = ("hybrid", "lexical", "semantic", "symbol", "regex")
Reading = Literal["auto", "text", "query"]
READINGS: Final = ("auto", "text", "query")
MAX_QUERY: Final = 1_048_576
"""Characters of a query or of a pasted text."""
DEFAULT_LIMIT: Final = 10
MAX_LIMIT: Final = 10_000
MAX_RELATED: Final = 20
"""Callers, and definitions used, that a hit may carry."""


class SearchOverrides(TypedDict, total=False):
    """The fields of a :class:`SearchRequest` as keywords, each optional."""

    mode: str
    reading: Reading
    limit: int
    languages: Sequence[str]
    include: Sequence[str]
    exclude: Sequence[str]
    kinds: Sequence[str]
    not_languages: Sequence[str]
    whole_words: bool
    ignore_case: bool
    within: Sequence[Sequence[str]]
    context: int
    before: int
    after: int
    explain: bool
    refresh: bool
    freshness: str | None
    facets: int
    copies: bool
    changes: bool
    related: int


class SearchRequest(Struct, frozen=True):
    """What to search for, and how.

    Attributes:
        query: A query (docs/query-language.md), or text that was pasted; at most
            :data:`MAX_QUERY` characters.
        mode: One of :data:`MODES`.
        reading: Whether the query is literal ``text``, is in the query language
            (``query``), or is text unless it plainly is a query (``auto``). In mode
            ``regex`` the whole of it is one pattern.
        limit: Hits wanted, 1 to :data:`MAX_LIMIT`.
        languages: Only these, as ``lang:``.
        include: Only paths that match one of these, as ``path:``.
        exclude: No path that matches one of these.
        kinds: Only these kinds, as ``kind:``.
        not_languages: None of these, as ``-lang:``.
        whole_words: Only chunks that have each word of the query as a whole word, in any
            case; of a regex, only matches without a word character right before or behind them.
        ignore_case: Match regexes in any case, as all else is.
        within: For each index the files and folders to stay in, relative to its
            root; empty for no restriction.
        context: Lines around each hit.
        before: Lines before each hit, where more than ``context``.
        after: Lines after each hit, where more than ``context``.
        explain: Fill in each hit's signals.
        refresh: Bring the indexes up to date first, as their freshness setting says.
        freshness: For this search instead of that setting: ``strict``, ``bounded:SECONDS`` or ``relaxed``.
        facets: Count at least this many of the best candidates by language and so on
            (:class:`~spelunk.search.answer.Facets`); 0 for none. Above 200, and above four
            times ``limit``, more candidates are ranked, which may change the order of hits.
        copies: Give each near-copy of a text a hit of its own.
        changes: Fill in the last commit that changed each hit's lines, where git tells.
        related: So many callers, and so many of the definitions that it uses, are filled in for each
            of the first ten hits; 0 for none, at most :data:`MAX_RELATED`.

    Raises:
        UsageError: A value cannot be used.
    """

    query: str
    mode: str = "hybrid"
    reading: Reading = "auto"
    limit: int = DEFAULT_LIMIT
    languages: Sequence[str] = ()
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    kinds: Sequence[str] = ()
    not_languages: Sequence[str] = ()
    whole_words: bool = False
    ignore_case: bool = False
    within: Sequence[Sequence[str]] = ()
    context: int = 0
    before: int = 0
    after: int = 0
    explain: bool = False
    refresh: bool = True
    freshness: str | None = None
    facets: int = 0
    copies: bool = False
    changes: bool = False
    related: int = 0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UsageError(f"mode {self.mode!r}: use one of {', '.join(MODES)}")
        if self.reading not in READINGS:
            raise UsageError(f"reading {self.reading!r}: use one of {', '.join(READINGS)}")
        if self.mode == "regex" and self.reading == "text":
            raise UsageError("in mode regex the query is one pattern, not text; leave out one of the two")
        if len(self.query) > MAX_QUERY:
            raise UsageError(
                f"a query of {len(self.query):,} characters: at most {MAX_QUERY:,}; give the part that matters"
            )
        if not 1 <= self.limit <= MAX_LIMIT:
            raise UsageError(f"{self.limit} hits: ask for 1 to {MAX_LIMIT}")
        if not 0 <= self.facets <= MAX_LIMIT:
            raise UsageError(f"facets of {self.facets} candidates: ask for 0 to {MAX_LIMIT}")
        if not 0 <= self.related <= MAX_RELATED:
            raise UsageError(f"{self.related} related definitions: ask for 0 to {MAX_RELATED}")
        for name in ("context", "before", "after"):
            if getattr(self, name) < 0:
                raise UsageError(f"{getattr(self, name)} lines of context: ask for 0 or more")
        for name in ("languages", "include", "exclude", "kinds", "not_languages"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise UsageError(f"{name} = {value!r}: give a list")
            force_setattr(self, name, tuple(value))
        force_setattr(self, "within", tuple(map(tuple, self.within)))


def request_of(query: str | SearchRequest, overrides: SearchOverrides) -> SearchRequest:
    """A query as typed, or a request, with keywords applied over it.

    Raises:
        UsageError: A value cannot be used.
    """
    if isinstance(query, SearchRequest):
        return replace(query, **overrides) if overrides else query
    return SearchRequest(query, **overrides)
