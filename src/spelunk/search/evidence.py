"""Evidence: what a pasted text and the commits say of files and chunks, besides the words they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from spelunk.store.protocols import ChunkId, FileId

FileSignal = Literal["frame", "mention", "history"]
ChunkSignal = Literal["place", "message", "whole"]


class Evidence(Struct):
    """Strengths from 0 to 1, by the number of the index, then by file or chunk.

    Attributes:
        files: Of a file: a stack trace has a ``frame`` in it, the text has a
            ``mention`` of it, the ``history`` of similar commits.
        chunks: Of a chunk: it is the ``place`` that a frame or a path with a line
            names, its text has a ``message`` of the query word for word, or a rare name
            of the query as a ``whole``.
    """

    files: dict[tuple[int, FileId], dict[str, float]] = field(default_factory=dict)
    chunks: dict[tuple[int, ChunkId], dict[str, float]] = field(default_factory=dict)

    def of_file(self, part: int, file: FileId, signal: FileSignal, strength: float) -> None:
        """Note a strength; the largest of each signal is kept."""
        _note(self.files.setdefault((part, file), {}), signal, strength)

    def of_chunk(self, part: int, chunk: ChunkId, signal: ChunkSignal, strength: float) -> None:
        """Note a strength; the largest of each signal is kept."""
        _note(self.chunks.setdefault((part, chunk), {}), signal, strength)

    def file(self, key: tuple[int, FileId]) -> Mapping[str, float]:
        """The signals of a file."""
        return self.files.get(key, {})

    def chunk(self, key: tuple[int, ChunkId]) -> Mapping[str, float]:
        """The signals of a chunk."""
        return self.chunks.get(key, {})


def _note(signals: dict[str, float], signal: str, strength: float) -> None:
    signals[signal] = max(strength, signals.get(signal, 0.0))
