"""A deterministic embedder without a model: random indexing over terms.

Each term (a word's parts, or the word where it has none) is hashed to one of
32,768 rows of a fixed ±1 table; a text's vector is the sum of the rows of its distinct words'
terms, at unit length (Kanerva et al., 2000; Achlioptas, 2003, for ±1
projections). Cosine between two vectors then estimates the overlap of the two
bags: no synonyms, but nothing to download and nothing to train. All sums are
of small whole numbers, so that a vector does not depend on the order of work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from spelunk.embed.protocol import HASHED_ID
from spelunk.embed.static import features
from spelunk.embed.sums import ROW_CODE, pack_rows, sum_rows
from spelunk.embed.unit import unit_rows
from spelunk.text.tokens import MAX_CACHED, Recent, words

if TYPE_CHECKING:
    from spelunk.embed.protocol import Matrix

ROWS: Final = 32_768
SEED: Final = 0x5E1_0C


def _row(term: str) -> int:
    return crc32(term.encode("utf-8", "surrogatepass")) % ROWS


def _rows(word: str) -> bytes:
    """The table rows of a word's terms, packed."""
    return pack_rows(map(_row, features(word)))


class HashedEmbedder:
    """The random-indexing embedder. Its table takes 8 MB, and 5 ms to unpack at the first call."""

    id = HASHED_ID
    dimensions = 256
    in_workers = True
    semantic = False
    batch = 512
    concurrency = 1

    def __init__(self) -> None:
        # Raw PCG64 output is the same in every numpy release (NEP 19 covers bit generators).
        raw = np.random.PCG64(SEED).random_raw(ROWS * self.dimensions // 64)
        self._bits = raw.astype("<u8").view(np.uint8).reshape(ROWS, self.dimensions // 8)
        self._table: NDArray[np.int8] | None = None
        self._rows = Recent(_rows, MAX_CACHED)

    def embed(self, texts: Sequence[str], words: Sequence[Sequence[str]]) -> Matrix:
        """See :meth:`spelunk.embed.Embedder.embed`."""
        if self._table is None:
            self._table = (np.unpackbits(self._bits, axis=1).view(np.int8) << 1) - np.int8(1)
        table, lookup = self._table, self._rows.__getitem__
        sums = np.zeros((len(words), self.dimensions), np.int32)
        for n, text_words in enumerate(words):
            rows = b"".join(map(lookup, set(text_words)))
            if rows:
                sums[n] = sum_rows(table, rows)
        return unit_rows(sums.astype(np.float32))

    def query(self, text: str) -> Matrix:
        """See :meth:`spelunk.embed.Embedder.query`; unpacks only the rows it needs."""
        packed = b"".join(map(self._rows.__getitem__, set(words(text))))
        if not packed:
            return np.zeros(self.dimensions, np.float32)
        rows = np.frombuffer(packed, ROW_CODE)
        ones = np.unpackbits(self._bits[rows], axis=1).sum(axis=0, dtype=np.int32)
        unit: Matrix = unit_rows((2 * ones - len(rows))[None, :].astype(np.float32))[0]
        return unit
