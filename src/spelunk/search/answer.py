"""What a search returns, whoever asked."""

from __future__ import annotations

from dataclasses import dataclass

from spelunk.types import Hit


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of one query and the state of the index that gave them.

    Attributes:
        query: What was asked, as typed.
        mode: How it was searched: ``hybrid``, ``lexical``, ``semantic``, ``symbol`` or ``regex``.
        took_ms: Milliseconds from the query to the hits.
        hits: Best first. A hit with context lines has them in its line range too.
        degraded: Why a side of the search is missing, or None.
        generation: The generation that was searched.
        coverage: Share of the files that should be searchable and are, from 0 to 1.
        stale: Whether files are known to have changed since that generation.
        dropped: Hits left out to stay within a token budget.
        truncated: Hits whose content was cut for it.
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
