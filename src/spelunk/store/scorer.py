"""Score given chunks against a query vector, without importing numpy.

A search by a command re-scores the few hundred chunks that the words found;
importing numpy would take longer than that. A process with more
queries imports numpy, and gets the same numbers in a tenth of the time.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Iterable
from operator import mul
from typing import Final, NamedTuple

from spelunk.store.segment_file import SegmentFile, open_segment

LOOKUPS_BEFORE_NUMPY: Final = 3
"""Look-ups in one segment after which numpy is imported: a command makes one, a server many."""


class QuantizedQuery(NamedTuple):
    """A query's vector in whole numbers, ``levels * step``; ``step`` is 0 for a vector of zeros.

    A sum of products with int8 codes stays below 2**24, exact in float32 in
    whatever order it is added: a chunk has one score wherever it is stored.
    """

    levels: list[int]
    step: float


def quantize_query(vector: Iterable[float]) -> QuantizedQuery:
    """Quantise a query's vector, ``(dimensions,)``."""
    values = [float(x) for x in vector]
    step = max(map(abs, values), default=0.0) / ((2**24 - 1) // (127 * max(1, len(values))))
    if not step:  # zeros, or numbers so small that their step is none
        return QuantizedQuery([0] * len(values), 0.0)
    return QuantizedQuery([round(x / step) for x in values], step)


def cosine(codes: Iterable[int], scale: float, query: QuantizedQuery) -> float:
    """The cosine of a stored vector, ``codes * scale``, with a query."""
    total: int = sum(map(mul, codes, query.levels))
    return total * scale * query.step


class SegmentScorer:
    """Cosines of the chunks in one segment, looked up by chunk id.

    Attributes:
        dimensions: Columns of the vectors.
    """

    def __init__(self, file: SegmentFile | str, expected_rows: int | None = None) -> None:
        """Use a mapped segment, or map the one at a path.

        Raises:
            IndexCorruptError: Missing, truncated or not a segment.
        """
        opened = open_segment(file, expected_rows) if isinstance(file, str) else file
        self.dimensions = opened.dimensions
        view = memoryview(opened.map)
        (ids, id_bytes), _, (scales, scale_bytes), _, (self._codes, _) = opened.columns
        self._ids = view[ids : ids + id_bytes].cast("q")
        self._scales = view[scales : scales + scale_bytes].cast("f")
        self._bytes = view.cast("b")
        self._lookups = 0

    def cosines(self, ids: Iterable[int], query: QuantizedQuery) -> dict[int, float]:
        """Return the cosine of those chunks that are in the segment."""
        self._lookups += 1
        if self._lookups > LOOKUPS_BEFORE_NUMPY or "numpy" in sys.modules:
            return self.by_matrix(list(ids), query)
        return self.by_loop(ids, query)

    def by_loop(self, ids: Iterable[int], query: QuantizedQuery) -> dict[int, float]:
        """Compute :meth:`cosines` in pure Python."""
        rows, scales, codes, width = self._ids, self._scales, self._bytes, self.dimensions
        count = len(self._ids)
        out: dict[int, float] = {}
        for i in ids:
            n = bisect_left(rows, i)
            if n < count and rows[n] == i:
                at = self._codes + n * width
                out[i] = cosine(codes[at : at + width], scales[n], query)
        return out

    def by_matrix(self, ids: list[int], query: QuantizedQuery) -> dict[int, float]:
        """Compute :meth:`cosines` with numpy, in whole numbers: the result is the same to the last bit."""
        import numpy as np

        count, width = len(self._ids), self.dimensions
        if not count or not ids:
            return {}
        rows = np.frombuffer(self._ids, np.int64)
        wanted = np.asarray(ids, np.int64)
        at = np.minimum(np.searchsorted(rows, wanted), count - 1)
        here = rows[at] == wanted
        at = at[here]
        codes = np.frombuffer(self._bytes, np.int8, count * width, self._codes).reshape(count, width)
        sums = codes[at].astype(np.int32) @ np.asarray(query.levels, np.int32)
        scales, step = self._scales, query.step
        return {
            i: total * scales[n] * step
            for i, total, n in zip(wanted[here].tolist(), sums.tolist(), at.tolist(), strict=True)
        }
