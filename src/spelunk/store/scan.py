"""Here is a query vector, give me the nearest chunk ids; immutable segment files.

A segment holds, column by column: the chunk ids (ascending), the sign bits of
each vector as 64-bit planes, a scale and int8 codes a row, and a kind code.
A search reads the planes of every row (32 bytes at 256 dimensions), keeps the
rows with the smallest Hamming distance to the query's signs (Charikar, 2002),
and re-scores those with the int8 codes. Opening maps the file and checks its
header: no vector is read.

Useful for: exact re-scoring after a coarse scan up to a few million rows.
Not for: tens of millions of rows, which want a graph index in a server.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from spelunk import faults
from spelunk.errors import StorageError
from spelunk.store.segment import ALIGN, HEADER, MAGIC, layout, open_segment, question

OVERSAMPLE: Final = 16
"""Rows re-scored for each one wanted; sign bits alone order near neighbours badly."""
MIN_RESCORED: Final = 1024
BLOCK: Final = 65_536
"""Rows scanned at a time: 0.5 MB a plane stays in the second-level cache."""


class Rows(NamedTuple):
    """Vectors ready to be stored: columns of equal length.

    Attributes:
        planes: ``(dimensions // 64, n)`` uint64 sign bits.
        scales: ``(n,)`` float32; a vector is ``codes * scale``.
        codes: ``(n, dimensions)`` int8.
    """

    planes: NDArray[np.uint64]
    scales: NDArray[np.float32]
    codes: NDArray[np.int8]


def quantise(matrix: NDArray[np.float32]) -> Rows:
    """int8 codes with one scale a row (largest magnitude = 127), and sign bits.

    Args:
        matrix: ``(n, dimensions)`` float32; dimensions a multiple of 64.
    """
    n, dimensions = matrix.shape
    peak = np.abs(matrix).max(axis=1) if n else np.zeros(0, np.float32)
    scales = (peak / 127).astype(np.float32)
    inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)
    codes = np.rint(matrix * inverse[:, None]).astype(np.int8)
    packed = np.packbits(matrix > 0, axis=1, bitorder="little").view("<u8")
    return Rows(np.ascontiguousarray(packed.reshape(n, dimensions // 64).T), scales, codes)


def write_segment(
    path: str, ids: NDArray[np.int64], kinds: NDArray[np.uint8], parts: Sequence[Rows], dimensions: int
) -> None:
    """Write a segment aside, flush it to disk and rename it into place.

    Args:
        path: Final name.
        ids: ``(n,)`` chunk ids, ascending.
        kinds: ``(n,)`` kind codes.
        parts: Rows whose lengths add up to ``n``, in the order of ``ids``.

    Raises:
        StorageError: The disk is full or refuses.
    """
    n = len(ids)
    columns, size = layout(n, dimensions)
    body = [
        [ids.astype("<i8")],
        [np.concatenate([p.planes[i] for p in parts]) for i in range(dimensions // 64)] if n else [],
        [p.scales for p in parts],
        [kinds],
        [p.codes for p in parts],
    ]
    aside = path + ".tmp"
    hasher = xxhash.xxh3_128()
    try:
        with open(aside, "wb") as f:
            f.write(b"\0" * HEADER.size)
            for (offset, width), arrays in zip(columns, body, strict=True):
                if f.tell() != offset:
                    raise AssertionError("segment columns out of step")
                for array in arrays:
                    view = np.ascontiguousarray(array).tobytes()
                    hasher.update(view)
                    faults.write("segment.write", f.write, view)
                pad = b"\0" * (-width % ALIGN)
                hasher.update(pad)
                f.write(pad)
            f.seek(0)
            f.write(HEADER.pack(MAGIC, dimensions, 0, n, hasher.digest()))
            f.flush()
            faults.reach("segment.flush")
            os.fsync(f.fileno())
        faults.reach("segment.rename.before")
        os.rename(aside, path)
        faults.reach("segment.rename.after")
        sync_directory(os.path.dirname(path))
    except OSError as error:
        try:
            os.unlink(aside)
        except OSError:
            pass
        raise StorageError(
            f"{path}: cannot write vectors: {error.strerror}; nothing published was lost"
        ) from None
    if size != os.path.getsize(path):
        raise StorageError(f"{path}: short write; nothing published was lost")


def sync_directory(path: str) -> None:
    """Make a rename in this directory durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Segment:
    """A memory-mapped segment; columns are views into the map."""

    def __init__(self, path: str, expected_rows: int | None = None) -> None:
        """Map the file and check its header against its size.

        Raises:
            IndexCorruptError: Missing, truncated or not a segment.
        """
        self.path = path
        opened = open_segment(path, expected_rows)
        self._map, self.dimensions, self.rows = opened.map, opened.dimensions, opened.rows
        self.digest, columns = opened.digest, opened.columns

        def column(i: int, dtype: str, *shape: int) -> NDArray[Any]:
            count = columns[i][1] // np.dtype(dtype).itemsize
            return np.frombuffer(self._map, dtype, count, columns[i][0]).reshape(shape)

        self.ids = column(0, "<i8", self.rows)
        self.planes = column(1, "<u8", self.dimensions // 64, self.rows)
        self.scales = column(2, "<f4", self.rows)
        self.kinds = column(3, "u1", self.rows)
        self.codes = column(4, "i1", self.rows, self.dimensions)

    def intact(self) -> bool:
        """Does the body still have the digest it was written with? Reads the file."""
        body = memoryview(self._map)[HEADER.size :]
        return bool(xxhash.xxh3_128(body).digest() == self.digest)

    def select(self, index: NDArray[np.intp] | slice) -> Rows:
        """Some of the rows, copied."""
        return Rows(np.ascontiguousarray(self.planes[:, index]), self.scales[index], self.codes[index])

    def lookup(self, ids: NDArray[np.int64]) -> NDArray[np.intp]:
        """Row numbers of those ids that are here."""
        at = np.searchsorted(self.ids, ids)
        inside = at < self.rows
        at, ids = at[inside], ids[inside]
        found: NDArray[np.intp] = at[self.ids[at] == ids]
        return found

    def vector(self, row: int) -> NDArray[np.float32]:
        """A row as it was stored, ``(dimensions,)`` float32, of nearly unit length."""
        stored: NDArray[np.float32] = self.codes[row].astype(np.float32) * self.scales[row]
        return stored


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which rows a search may return.

    Attributes:
        ranges: ``(m, 2)`` int64, ascending and disjoint ``[first, end)`` of chunk
            ids; None allows all.
        kinds: Allowed kind codes; None allows all.
    """

    ranges: NDArray[np.int64] | None = None
    kinds: tuple[int, ...] | None = None

    def mask(self, segment: Segment) -> NDArray[np.bool_] | None:
        """One boolean a row of the segment, or None where all are allowed."""
        mask: NDArray[np.bool_] | None = None
        if self.ranges is not None:
            steps = np.zeros(segment.rows + 1, np.int8)
            np.add.at(steps, np.searchsorted(segment.ids, self.ranges[:, 0]), np.int8(1))
            np.subtract.at(steps, np.searchsorted(segment.ids, self.ranges[:, 1]), np.int8(1))
            mask = np.cumsum(steps[:-1], dtype=np.int8) > 0
        if self.kinds is not None:
            wanted = np.isin(segment.kinds, np.asarray(self.kinds, np.uint8))
            mask = wanted if mask is None else mask & wanted
        return mask


def _distances(segment: Segment, signs: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Hamming distance of every row's signs to the query's, at most 255."""
    out = np.empty(segment.rows, np.uint8)
    for start in range(0, segment.rows, BLOCK):
        stop = min(start + BLOCK, segment.rows)
        total = np.bitwise_count(segment.planes[0, start:stop] ^ signs[0])
        for i in range(1, len(signs)):
            # 255 stands for "255 or more": uint8 must not wrap at 256 dimensions and beyond.
            total = np.minimum(total, np.uint8(191)) if i >= 3 else total
            total += np.bitwise_count(segment.planes[i, start:stop] ^ signs[i])
        out[start:stop] = total
    return out


def _nearest(distances: NDArray[np.uint8], wanted: int) -> NDArray[np.intp]:
    """Indices of at least ``wanted`` smallest distances, ties included, at little more than a scan."""
    n = len(distances)
    if n <= wanted:
        return np.flatnonzero(distances < 255)
    counts = np.cumsum(np.bincount(distances[:: max(1, n // 32_768)], minlength=256))
    share = wanted / n
    limit = int(np.searchsorted(counts, share * counts[-1] * 1.3 + 2))
    while True:
        found = np.flatnonzero(distances <= min(limit, 254))
        if len(found) >= wanted or limit >= 254:
            return found
        limit += 2


def top(
    segments: Iterable[Segment], vector: Iterable[float], limit: int, allowed: Allowed | None = None
) -> list[tuple[int, float]]:
    """The ``limit`` nearest chunk ids with their cosine, best first; ties by id.

    Args:
        vector: The query's, ``(dimensions,)``, of unit length.
    """
    query = np.fromiter(vector, np.float32)
    asked = question(query)
    if not asked.step:
        return []
    levels, step = np.asarray(asked.levels, np.float32), np.float32(asked.step)
    signs = np.packbits(query > 0, bitorder="little").view("<u8").astype(np.uint64)
    ids: list[NDArray[np.int64]] = []
    scores: list[NDArray[np.float32]] = []
    for segment in segments:
        if not segment.rows:
            continue
        distances = _distances(segment, signs)
        mask = allowed.mask(segment) if allowed is not None else None
        if mask is not None:
            distances[~mask] = 255
        found = _nearest(distances, max(MIN_RESCORED, OVERSAMPLE * limit))
        found = np.sort(
            found[np.argsort(distances[found], kind="stable")[: 2 * max(MIN_RESCORED, OVERSAMPLE * limit)]]
        )
        ids.append(segment.ids[found])
        near = (segment.codes[found].astype(np.float32) @ levels) * (segment.scales[found] * step)
        scores.append(near.astype(np.float32, copy=False))
    if not ids:
        return []
    all_ids, all_scores = np.concatenate(ids), np.concatenate(scores)
    order = np.lexsort((all_ids, -all_scores))[:limit]
    order = order[all_scores[order] > 0]  # what has nothing in common with the query is no answer
    return [(int(i), float(s)) for i, s in zip(all_ids[order], all_scores[order], strict=True)]
