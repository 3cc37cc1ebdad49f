"""What is known of an index without searching it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spelunk.remote.breaker import BreakerState
from spelunk.types import Failed, Skipped


@dataclass(frozen=True, slots=True)
class Refused:
    """A chunk of which the embedder makes no vector; its words are found all the same."""

    path: str
    start_line: int
    end_line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Status:
    """The state of an index.

    Attributes:
        root: The workspace.
        directory: The index directory.
        state: One of the names in :mod:`spelunk.workspace.state`.
        detail: The one-line reason where the state alone does not say it.
        generation: The newest published one; 0 without any.
        published: When, in seconds since the epoch; 0.0 without any.
        files: Files indexed.
        chunks: Chunks indexed.
        vectors: Chunks that have a vector.
        skipped: Files offered and skipped.
        failures: Files that failed.
        bytes: Size of the index on disk.
        embedder: Id of the embedder whose vectors are stored.
        pending_vectors: Chunks whose vector is still to be made.
        refused_vectors: Chunks of which the embedder makes none.
        refused: The first of those.
        degraded: Why vectors are pending, or None.
        breakers: What is remembered of the providers that have failed.
        languages: Files by language, most first.
        writer: Who is writing now (pid, host, command, since), or None.
    """

    root: str
    directory: str
    state: str
    detail: str = ""
    generation: int = 0
    published: float = 0.0
    files: int = 0
    chunks: int = 0
    vectors: int = 0
    skipped: tuple[Skipped, ...] = ()
    failures: tuple[Failed, ...] = ()
    bytes: int = 0
    embedder: str = ""
    pending_vectors: int = 0
    refused_vectors: int = 0
    refused: tuple[Refused, ...] = ()
    degraded: str | None = None
    breakers: tuple[BreakerState, ...] = ()
    languages: tuple[tuple[str, int], ...] = ()
    writer: dict[str, Any] | None = None
