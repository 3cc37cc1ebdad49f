"""Find the chunks nearest to a query vector: a scan over sign bits, then exact scores.

A search reads the sign planes of every row (32 bytes at 256 dimensions), takes
the rows with the smallest Hamming distance to the query's signs (Charikar,
2002) as a short list, and scores those with the int8 codes. The result depends
on the live, allowed vectors alone: not on how they are spread over segments,
and not on dead rows between them.

Useful up to a few million rows. Tens of millions need a graph index in a server.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from spelunk.store.scorer import QuantizedQuery, quantize_query
from spelunk.store.segment import LITTLE, Segment

OVERSAMPLE: Final = 16
"""Rows scored for each one wanted: sign bits alone order near neighbours badly (docs/benchmarks)."""
MIN_RESCORED: Final = 1024
BLOCK: Final = 65_536
"""Rows scanned at a time: 0.5 MB a plane stays in the second-level cache."""
SCORE_BLOCK: Final = 8_192
"""Rows scored at a time: 8 MB of float32 at 256 dimensions."""
SAMPLE: Final = 32_768
"""Rows from which the first guess at the threshold is taken; the threshold itself is exact."""

Distances = NDArray[Any]


class Allowed(Struct, frozen=True):
    """Which rows a search may return.

    Attributes:
        ranges: ``(m, 2)`` int64, ascending and disjoint ``[first, end)`` of chunk
            ids; None allows all.
        kinds: Allowed kind codes; None allows all.
        excluded: ``(n,)`` int64, ascending ids of chunks that are not allowed, whatever the rest says.
    """

    ranges: NDArray[np.int64] | None = None
    kinds: tuple[int, ...] | None = None
    excluded: NDArray[np.int64] | None = None

    def mask(self, segment: Segment) -> NDArray[np.bool_] | None:
        """Return one boolean a row of the segment, or None where all are allowed."""
        mask: NDArray[np.bool_] | None = None
        if self.ranges is not None:
            mask = segment.inside(self.ranges)
        if self.kinds is not None:
            wanted = np.isin(segment.kinds, np.asarray(self.kinds, np.uint8))
            mask = wanted if mask is None else mask & wanted
        if self.excluded is not None and len(self.excluded):
            wanted = ~np.isin(segment.ids, self.excluded)
            mask = wanted if mask is None else mask & wanted
        return mask


def nearest(
    segments: Iterable[Segment], vector: Iterable[float], limit: int, allowed: Allowed | None = None
) -> list[tuple[int, float]]:
    """Return the chunk ids nearest to a vector with their cosine, best first; equal cosines by id.

    The short list holds every live, allowed row up to one Hamming distance,
    which at least ``max(MIN_RESCORED, OVERSAMPLE * limit)`` rows of all segments
    together have.

    Args:
        segments: With their tombstones.
        vector: The query's, ``(dimensions,)``, of unit length.
        limit: How many are wanted. More come back where several have the cosine of
            the last: the caller decides among them.
        allowed: Which rows may be returned.

    Returns:
        (chunk id, cosine), cosines above 0 only.
    """
    exact = list(map(float, vector))
    query = quantize_query(exact)  # not of float32: a chunk has one cosine, however it is looked up
    values = np.asarray(exact, np.float32)
    if not query.step:
        return []
    signs = np.packbits(values > 0, bitorder=LITTLE).view("<u8").astype(np.uint64)
    searched = [s for s in segments if s.rows]
    far = 64 * len(signs) + 1 if len(signs) > 4 else 255
    distances = [_masked(_distances(s, signs), s, allowed, far) for s in searched]
    short_list = _short_list(distances, max(MIN_RESCORED, OVERSAMPLE * limit), far)
    if not short_list:
        return []
    ids = np.concatenate([s.ids[rows] for s, rows in zip(searched, short_list, strict=True)])
    scores = np.concatenate([_scores(s, r, query) for s, r in zip(searched, short_list, strict=True)])
    order = np.lexsort((ids, -scores))
    order = order[scores[order] > 0]  # what has nothing in common with the query is no answer
    if len(order) > limit:
        order = order[scores[order] >= scores[order[limit - 1]]]
    return list(zip(ids[order].tolist(), scores[order].tolist(), strict=True))


def _distances(segment: Segment, signs: NDArray[np.uint64]) -> Distances:
    """Return the Hamming distance of every row's signs to the query's.

    Up to 256 dimensions one byte holds it: 255 stands for 255 and 256, which no
    row with a positive cosine has.
    """
    narrow = len(signs) <= 4
    out = np.empty(segment.rows, np.uint8 if narrow else np.uint16)
    for start in range(0, segment.rows, BLOCK):
        stop = min(start + BLOCK, segment.rows)
        total = np.bitwise_count(segment.planes[0, start:stop] ^ signs[0]).astype(out.dtype, copy=False)
        for i in range(1, len(signs)):
            if narrow and i == 3:
                total = np.minimum(total, np.uint8(191))
            total += np.bitwise_count(segment.planes[i, start:stop] ^ signs[i])
        out[start:stop] = total
    return out


def _masked(distances: Distances, segment: Segment, allowed: Allowed | None, far: int) -> Distances:
    """Put every row that is dead or not allowed at the distance ``far``."""
    if not segment.all_live:
        distances[~segment.live()] = far
    mask = allowed.mask(segment) if allowed is not None else None
    if mask is not None:
        distances[~mask] = far
    return distances


def _short_list(distances: Sequence[Distances], wanted: int, far: int) -> list[NDArray[np.intp]]:
    """Return the row numbers in each array up to one distance, below ``far``, which ``wanted`` rows have.

    All rows of that distance are in it; fewer rows than ``wanted`` only where
    there are no more.
    """
    total = sum(map(len, distances))
    if not total:
        return []
    step = max(1, total // SAMPLE)
    sample = np.concatenate([d[::step] for d in distances])
    counts = np.cumsum(np.bincount(sample, minlength=far))[:far]
    guess = int(np.searchsorted(counts, wanted / total * len(sample) * 1.3 + 2))
    while True:
        rows = [np.flatnonzero(d <= min(guess, far - 1)) for d in distances]
        count = sum(map(len, rows))
        if count >= wanted or guess >= far - 1:
            break
        guess += max(2, guess // 16)
    if count > wanted:
        near = np.concatenate([d[r] for d, r in zip(distances, rows, strict=True)])
        threshold = np.partition(near, wanted - 1)[wanted - 1]
        rows = [r[d[r] <= threshold] for d, r in zip(distances, rows, strict=True)]
    return rows


def _scores(segment: Segment, rows: NDArray[np.intp], query: QuantizedQuery) -> NDArray[np.float64]:
    """Return the cosine of some rows, to the last bit what :class:`SegmentScorer` gives for them."""
    levels = np.asarray(query.levels, np.float32)
    sums = np.empty(len(rows), np.float64)
    for start in range(0, len(rows), SCORE_BLOCK):
        part = rows[start : start + SCORE_BLOCK]
        sums[start : start + len(part)] = segment.codes[part].astype(np.float32) @ levels
    scores: NDArray[np.float64] = sums * segment.scales[rows].astype(np.float64) * query.step
    return scores
