"""A deterministic embedder without a model: random indexing over identifier parts.

Each part is hashed to one of 32,768 rows of a fixed ±1 table; a text's vector
is the sum of its parts' rows, weighted by ``1 + ln(count)``, at unit length
(Kanerva et al., 2000; Achlioptas, 2003, for ±1 projections). Cosine between
two vectors then estimates the overlap of the two bags of parts: no synonyms,
but nothing to download and nothing to train.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from spelunk.tokens import MAX_CACHED, MAX_WORD, parts, singular, words

if TYPE_CHECKING:
    from spelunk.embed import Matrix

ROWS: Final = 32_768
SEED: Final = 0x5E1_0C
SLAB: Final = 8_192
"""Parts pooled at a time: 8 MB of gathered rows, which stays near the cache."""


class _PartIds(dict[str, tuple[int, ...]]):
    """Word -> the table rows of its distinct parts."""

    def __missing__(self, word: str) -> tuple[int, ...]:
        if len(self) >= MAX_CACHED:
            self.clear()
        found = [singular(p) for p in parts(word[:MAX_WORD])]
        value = self[word] = tuple(
            crc32(p.encode("utf-8", "surrogatepass")) % ROWS for p in found if len(p) > 1
        )
        return value


class HashedEmbedder:
    """See the module; the table takes 5 ms to unpack and 8 MB."""

    id = "hashed-1"
    dimensions = 256

    def __init__(self) -> None:
        # Raw PCG64 output is the same in every numpy release (NEP 19 covers bit generators).
        raw = np.random.PCG64(SEED).random_raw(ROWS * self.dimensions // 64)
        self._bits = raw.astype("<u8").view(np.uint8).reshape(ROWS, self.dimensions // 8)
        self._table: NDArray[np.int8] | None = None
        self._ids = _PartIds()

    def _rows(self, ids: NDArray[np.int64]) -> Matrix:
        if self._table is None:
            self._table = (np.unpackbits(self._bits, axis=1).view(np.int8) << 1) - np.int8(1)
        return self._table[ids].astype(np.float32)

    def embed(self, texts: Sequence[str], words: Sequence[Sequence[str]]) -> Matrix:
        """See :meth:`spelunk.embed.Embedder.embed`."""
        out = np.zeros((len(words), self.dimensions), np.float32)
        lookup = self._ids.__getitem__
        owners: list[int] = []
        flat: list[int] = []
        for found in words:
            before = len(flat)
            for ids in map(lookup, found):
                flat.extend(ids)
            owners.append(len(flat) - before)
        if not flat:
            return out
        # One sort finds the distinct (text, part) pairs and their counts.
        owner = np.repeat(np.arange(len(owners), dtype=np.int64), owners)
        pairs, counts = np.unique(owner * ROWS + np.asarray(flat, np.int64), return_counts=True)
        owner, rows_of = pairs // ROWS, pairs % ROWS
        weights = (1.0 + np.log(counts)).astype(np.float32)
        # Cut into slabs at text boundaries, so that memory is bounded by a slab or one text.
        ends = np.searchsorted(owner, np.arange(len(owners)), side="right")
        first = 0
        while first < len(owners):
            begin = int(ends[first - 1]) if first else 0
            last = max(first + 1, int(np.searchsorted(ends, begin + SLAB, side="right")))
            stop = int(ends[last - 1])
            if stop > begin:
                rows = self._rows(rows_of[begin:stop])
                rows *= weights[begin:stop, None]
                present, starts = np.unique(owner[begin:stop], return_index=True)
                out[present] = np.add.reduceat(rows, starts, axis=0)
            first = last
        norms = np.sqrt(np.einsum("ij,ij->i", out, out))
        norms[norms == 0] = 1
        out /= norms[:, None]
        return out

    def query(self, text: str) -> Matrix:
        """See :meth:`spelunk.embed.Embedder.query`; touches only the rows it needs."""
        counts: dict[int, int] = {}
        for word in words(text):
            for i in self._ids[word]:
                counts[i] = counts.get(i, 0) + 1
        vector = np.zeros(self.dimensions, np.float32)
        for i, n in counts.items():
            signs = np.unpackbits(self._bits[i]).astype(np.float32) * 2 - 1
            vector += np.float32(1.0 + np.log(n)) * signs
        norm = float(np.sqrt(vector @ vector))
        return vector / np.float32(norm) if norm else vector
