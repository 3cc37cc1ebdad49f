"""The result of a search as callers see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec import Struct

from spelunk.types import Hit


class Matched(Struct, frozen=True):
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


class MissingWord(Struct, frozen=True):
    """A word of the query that occurs nowhere in the corpus: in no text, name or path.

    Attributes:
        word: As typed.
        nearest: The nearest word that does occur, as it is written there; "" where none is near.
        parts: Whether its parts all occur, as ``flush`` and ``batch`` of ``flushBatch``.
    """

    word: str
    nearest: str = ""
    parts: bool = False


class FacetValue(NamedTuple):
    """One value of a facet, with how many candidates have it, and in how many files."""

    value: str
    hits: int
    files: int


class Facets(Struct, frozen=True):
    """Counts of the candidates that were ranked, of which the hits are the best.

    The values of a facet are in falling order of hits, then by name.

    Attributes:
        hits: Candidates.
        files: Files that they are in.
        complete: Whether nothing else matches.
        languages: By language.
        kinds: By kind of chunk.
        folders: By folder: those directly below the deepest one that all share, with a
            slash at the end, as a value for ``path:``.
        flags: By flag of the file: ``test``, ``vendored`` …
        roots: By root of the workspace.
        by_file: Candidates by root and path without prefix.
    """

    hits: int
    files: int
    complete: bool
    languages: tuple[FacetValue, ...]
    kinds: tuple[FacetValue, ...]
    folders: tuple[FacetValue, ...]
    flags: tuple[FacetValue, ...]
    roots: tuple[FacetValue, ...]
    by_file: Mapping[tuple[str, str], int]


class Answer(Struct, frozen=True):
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
        reading: How the query was read: ``query``, or a sentence such as
            ``read as text: 41 words, 3 paths, 1 stack trace``.
        files: Files that were searched, before any filter.
        chunks: Chunks of them.
        missing: Words of the query that occur nowhere, the most telling ones.
        confident: Whether the best hits are near the query, as far as can be told;
            False where there is none.
        notes: Why nothing was found and what to try, a sentence each; empty where something was.
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
    reading: str = "query"
    files: int = 0
    chunks: int = 0
    missing: tuple[MissingWord, ...] = ()
    confident: bool = True
    notes: tuple[str, ...] = ()
