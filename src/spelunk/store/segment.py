"""Vector segments: quantise vectors, write them to immutable files, map and select their rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from spelunk import faults
from spelunk.errors import StorageError
from spelunk.io.atomic import replacing, sync
from spelunk.store.records import SegmentRow
from spelunk.store.segment_file import (
    ALIGN,
    HEADER,
    MAGIC,
    SegmentFile,
    file_layout,
    open_segment,
    segment_path,
)

LITTLE: Final = "little"
"""Order of bits in a byte, in sign planes and tombstones."""
TRACE: Final = 2.0**-8
"""Of a code's unit: rounds to the code 0, is no zero in half precision, and moves a cosine by less than 2**-11."""


class Rows(NamedTuple):
    """Quantised vectors: columns of equal length.

    Attributes:
        planes: ``(dimensions // 64, n)`` uint64 sign bits.
        scales: ``(n,)`` float32; a vector is ``codes * scale``.
        codes: ``(n, dimensions)`` int8.
    """

    planes: NDArray[np.uint64]
    scales: NDArray[np.float32]
    codes: NDArray[np.int8]

    @classmethod
    def of_bytes(cls, planes: bytes, scales: bytes, codes: bytes) -> Rows | None:
        """Rows from the bytes of their columns, as a packet has them; None where there are none."""
        if not scales:
            return None
        n = len(scales) // 4
        return cls(
            np.frombuffer(planes, np.uint64).reshape(-1, n),
            np.frombuffer(scales, np.float32),
            np.frombuffer(codes, np.int8).reshape(n, -1),
        )

    @classmethod
    def concat(cls, parts: Sequence[Rows]) -> Rows:
        """Join rows, in the order given; there must be at least one part."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([p.planes for p in parts], axis=1),
            np.concatenate([p.scales for p in parts]),
            np.concatenate([p.codes for p in parts]),
        )

    def take(self, index: NDArray[np.intp] | slice) -> Rows:
        """Select rows by number; a slice gives views, an array copies."""
        return Rows(self.planes[:, index], self.scales[index], self.codes[index])


def quantise(matrix: NDArray[np.float32]) -> Rows:
    """int8 codes with one scale a row (largest magnitude = 127), and sign bits.

    Args:
        matrix: ``(n, dimensions)`` float32; dimensions a multiple of 64.
    """
    n = len(matrix)
    peak = np.abs(matrix).max(axis=1) if n else np.zeros(0, np.float32)
    scales = (peak / 127).astype(np.float32)
    inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)
    codes = np.rint(matrix * inverse[:, None]).astype(np.int8)
    return Rows(planes_of(matrix > 0), scales, codes)


def planes_of(positive: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Sign planes, ``(dimensions // 64, n)``, of ``(n, dimensions)`` signs."""
    n, dimensions = positive.shape
    packed = np.packbits(positive, axis=1, bitorder=LITTLE).view("<u8")
    return np.ascontiguousarray(packed.reshape(n, dimensions // 64).T)


def stored_vector(codes: NDArray[np.int8], scale: np.float32) -> NDArray[np.float32]:
    """Return a quantised vector as numbers, ``(dimensions,)`` float32."""
    vector: NDArray[np.float32] = codes.astype(np.float32) * scale
    return vector


def signed_vector(
    codes: NDArray[np.int8], scale: np.float32, planes: NDArray[np.uint64]
) -> NDArray[np.float32]:
    """A quantised vector as numbers that keep the sign bits: a code 0 of a positive number is a trace.

    Args:
        codes: ``(dimensions,)``.
        scale: Of the codes.
        planes: ``(dimensions // 64,)`` sign bits of the row.
    """
    positive = np.unpackbits(np.ascontiguousarray(planes).view(np.uint8), bitorder=LITTLE)
    trace = np.where((codes == 0) & (positive > 0), np.float32(TRACE), np.float32(0))
    vector: NDArray[np.float32] = (codes.astype(np.float32) + trace) * scale
    return vector


def pack_rows(mask: NDArray[np.bool_]) -> bytes:
    """Encode one boolean a row as one bit a row, lowest first."""
    return np.packbits(mask, bitorder=LITTLE).tobytes()


class Segment:
    """A memory-mapped segment; columns are views into the map.

    Attributes:
        path: Where it was opened.
        rows: Number of vectors.
        dimensions: Columns of the vectors.
        ids: ``(rows,)`` chunk ids, ascending.
        planes: ``(dimensions // 64, rows)`` sign bits.
        scales: ``(rows,)`` float32.
        kinds: ``(rows,)`` kind codes.
        codes: ``(rows, dimensions)`` int8.
        digest: xxh3-128 that the body had when it was written.
    """

    def __init__(
        self, file: SegmentFile | str, expected_rows: int | None = None, tombstones: bytes | None = None
    ) -> None:
        """Use a mapped segment, or map the one at a path; no vector is read.

        Args:
            file: The segment.
            expected_rows: Rows that it must have.
            tombstones: One bit for each row that belongs to no file any more; None if all are live.

        Raises:
            IndexCorruptError: Missing, truncated or not a segment.
        """
        opened = open_segment(file, expected_rows) if isinstance(file, str) else file
        self.path, self.dimensions, self.rows = opened.path, opened.dimensions, opened.rows
        self.digest, self._map, self._tombstones = opened.digest, opened.map, tombstones
        columns = opened.columns

        def column(i: int, dtype: str, *shape: int) -> NDArray[Any]:
            count = columns[i][1] // np.dtype(dtype).itemsize
            return np.frombuffer(opened.map, dtype, count, columns[i][0]).reshape(shape)

        self.ids = column(0, "<i8", self.rows)
        self.planes = column(1, "<u8", self.dimensions // 64, self.rows)
        self.scales = column(2, "<f4", self.rows)
        self.kinds = column(3, "u1", self.rows)
        self.codes = column(4, "i1", self.rows, self.dimensions)

    def intact(self) -> bool:
        """Return whether the body has the digest that it was written with. Reads the whole file."""
        body = memoryview(self._map)[HEADER.size :]
        return bool(xxhash.xxh3_128(body).digest() == self.digest)

    @property
    def all_live(self) -> bool:
        """Whether no row is dead."""
        return not self._tombstones

    def live(self) -> NDArray[np.bool_]:
        """Return one boolean a row: false where the row's file was replaced or removed."""
        if not self._tombstones:
            return np.ones(self.rows, np.bool_)
        bits = np.frombuffer(self._tombstones, np.uint8)
        dead = np.unpackbits(bits, bitorder=LITTLE, count=self.rows).astype(np.bool_)
        return ~dead

    def inside(self, ranges: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return one boolean a row: whether its chunk id is in one of the ranges.

        Args:
            ranges: ``(m, 2)`` disjoint ``[first, end)`` of chunk ids.
        """
        steps = np.zeros(self.rows + 1, np.int32)
        np.add.at(steps, np.searchsorted(self.ids, ranges[:, 0]), 1)
        np.subtract.at(steps, np.searchsorted(self.ids, ranges[:, 1]), 1)
        return np.cumsum(steps[:-1]) > 0

    def select(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Rows:
        """Copy some of the rows."""
        return Rows(np.ascontiguousarray(self.planes[:, index]), self.scales[index], self.codes[index])

    def lookup(self, ids: NDArray[np.int64]) -> NDArray[np.intp]:
        """Return the row numbers of those ids that are in the segment."""
        at = np.searchsorted(self.ids, ids)
        inside = at < self.rows
        at, ids = at[inside], ids[inside]
        rows: NDArray[np.intp] = at[self.ids[at] == ids]
        return rows

    def vector(self, row: int) -> NDArray[np.float32]:
        """Return a row as it was stored, ``(dimensions,)`` float32, of nearly unit length."""
        return stored_vector(self.codes[row], self.scales[row])


def write_segment(
    directory: str, name: str, ids: NDArray[np.int64], kinds: NDArray[np.uint8], parts: Sequence[Rows]
) -> SegmentRow:
    """Write a segment file into an index directory, on disk when it returns; nothing refers to it yet.

    Args:
        directory: The index directory.
        name: The segment's name.
        ids: ``(n,)`` chunk ids, ascending; not empty.
        kinds: ``(n,)`` kind codes.
        parts: Rows whose lengths add up to ``n``, in the order of ``ids``.

    Raises:
        StorageError: The disk is full or refuses.
    """
    path = segment_path(directory, name)
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with replacing(path, durable=True) as aside:
            _write(aside, ids, kinds, parts)
            faults.reach("segment.rename.before")
        faults.reach("segment.rename.after")
    except OSError as error:
        raise StorageError(
            f"{path}: cannot write vectors: {error.strerror}; nothing published was lost"
        ) from None
    return SegmentRow(name, len(ids), 0, int(ids[0]), int(ids[-1]))


def _write(path: str, ids: NDArray[np.int64], kinds: NDArray[np.uint8], parts: Sequence[Rows]) -> None:
    n, dimensions = len(ids), parts[0].codes.shape[1]
    columns, size = file_layout(n, dimensions)
    body = [
        [ids.astype("<i8")],
        [np.concatenate([p.planes[i] for p in parts]) for i in range(dimensions // 64)],
        [p.scales for p in parts],
        [kinds],
        [p.codes for p in parts],
    ]
    hasher = xxhash.xxh3_128()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb") as f:
        f.write(b"\0" * HEADER.size)
        for (_, width), arrays in zip(columns, body, strict=True):
            for array in arrays:
                data = np.ascontiguousarray(array).tobytes()
                hasher.update(data)
                faults.write("segment.write", f.write, data)
            pad = b"\0" * (-width % ALIGN)
            hasher.update(pad)
            f.write(pad)
        if f.tell() != size:
            raise AssertionError("columns of a segment of another length than its ids")
        f.seek(0)
        f.write(HEADER.pack(MAGIC, dimensions, 0, n, hasher.digest()))
        f.flush()
        faults.reach("segment.flush")
        sync(fd)
