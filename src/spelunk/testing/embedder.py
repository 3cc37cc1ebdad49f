"""An embedder of counted words: no model, and synonyms as a test chooses them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final
from zlib import crc32

import numpy as np

from spelunk.embed import Embedder
from spelunk.errors import ProviderError, RefusedError
from spelunk.text.tokens import parts
from spelunk.text.tokens import words as words_of

if TYPE_CHECKING:
    from spelunk.embed.protocol import Matrix

DIMENSIONS: Final = 256


class MemoryEmbedder:
    """Implements :class:`spelunk.embed.Embedder`.

    A vector counts the parts of a text's words in lower case, each in one of the
    dimensions: ``flush_queue`` counts as two. Parts that are synonyms share their
    dimension. Every vector is a function of its text alone.

    Attributes:
        error: Raised by every call while it is not None: a provider that is down.
        texts: The texts embedded so far, in order.
        queries: The queries embedded so far, in order.
    """

    def __init__(
        self,
        synonyms: Iterable[Collection[str]] = (),
        *,
        id: str = "memory-1",
        dimensions: int = DIMENSIONS,
        semantic: bool = True,
        in_workers: bool = True,
        refused: Collection[str] = (),
    ) -> None:
        """Make an embedder.

        Args:
            synonyms: Sets of words of one meaning.
            id: See the protocol.
            dimensions: A multiple of 64.
            semantic: See the protocol.
            in_workers: See the protocol.
            refused: Words; no vector is made of a text with one of them.
        """
        if dimensions % 64:
            raise ValueError(f"{dimensions} dimensions: use a multiple of 64")
        self.id = id
        self.dimensions = dimensions
        self.semantic = semantic
        self.in_workers = in_workers
        self.batch = 16
        self.concurrency = 1
        self.error: ProviderError | None = None
        self.texts: list[str] = []
        self.queries: list[str] = []
        self._refused = {word.lower() for word in refused}
        self._meaning = {word.lower(): min(group).lower() for group in synonyms for word in group}

    def embed(self, texts: Sequence[str], words: Sequence[Sequence[str]]) -> Matrix:
        """See :meth:`spelunk.embed.Embedder.embed`; ``words`` may be empty lists."""
        if self.error is not None:
            raise self.error
        split = [*map(_parts, texts)]
        if any(not self._refused.isdisjoint(text) for text in split):
            raise RefusedError("a text has a word that is refused")
        self.texts += texts
        return self._matrix(split)

    def query(self, text: str) -> Iterable[float]:
        """See :meth:`spelunk.embed.Embedder.query`."""
        if self.error is not None:
            raise self.error
        self.queries.append(text)
        row: Matrix = self._matrix([_parts(text)])[0]
        return row

    def _matrix(self, split: Sequence[Sequence[str]]) -> Matrix:
        counts = np.zeros((len(split), self.dimensions), np.float32)
        for row, text in zip(counts, split, strict=True):
            for word in text:
                row[crc32(self._meaning.get(word, word).encode("utf-8", "replace")) % self.dimensions] += 1
        norms = np.sqrt((counts * counts).sum(axis=1, keepdims=True))
        norms[norms == 0] = 1
        unit: Matrix = counts / norms
        return unit


def _parts(text: str) -> list[str]:
    return [part.lower() for word in words_of(text) for part in parts(word)]


_: type[Embedder] = MemoryEmbedder
