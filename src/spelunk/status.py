"""What is known of an index without searching it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spelunk.types import Failed, Skipped


@dataclass(frozen=True, slots=True)
class Status:
    """The state of an index.

    Attributes:
        root: The workspace.
        directory: The index directory.
        state: One of the names in :mod:`spelunk.state`.
        detail: For ``corrupt`` and ``format-too-new``: the one-line reason.
        generation: The newest published one; 0 without any.
        published: When, in seconds since the epoch; 0.0 without any.
        files: Files indexed.
        chunks: Chunks indexed.
        vectors: Chunks that have a vector.
        skipped: Files offered and skipped.
        failures: Files that failed.
        bytes: Size of the index on disk.
        embedder: Id of the embedder whose vectors are stored.
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
    languages: tuple[tuple[str, int], ...] = ()
    writer: dict[str, Any] | None = None
