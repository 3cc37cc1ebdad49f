"""Here are some chunk ids, give me their cosine with a question: without numpy.

A warm search re-scores the few hundred chunks that the words found; importing
numpy would take longer than that. A process that goes on asking is no command
line: it gets numpy, and the same numbers in a tenth of the time. The layout of a segment's file is decided
here; :mod:`spelunk.store.scan` writes it and scans it.
"""

from __future__ import annotations

import mmap
import struct
import sys
from bisect import bisect_left
from collections.abc import Iterable
from operator import mul
from typing import Final, NamedTuple

from spelunk.errors import IndexCorruptError

MAGIC: Final = b"SPLKVEC1"
HEADER: Final = struct.Struct("<8sIIQ16s24x")  # magic, dimensions, reserved, rows, digest of the body
ALIGN: Final = 64
PLAIN: Final = 24
"""Look-ups without numpy, one a segment and search, before it is imported."""

_asked = 0

ADVICE: Final = "run `spelunk check --repair`"


def layout(rows: int, dimensions: int) -> tuple[list[tuple[int, int]], int]:
    """(offset, bytes) of ids, planes, scales, kinds, codes; and the file's size."""
    at = HEADER.size
    columns = []
    for width in (8, dimensions // 8, 4, 1, dimensions):
        columns.append((at, rows * width))
        at += -(-rows * width // ALIGN) * ALIGN
    return columns, at


class Question(NamedTuple):
    """A query's vector in whole numbers, ``levels * step``.

    A sum of products with int8 codes stays below 2**24, exact in float32 in
    whatever order it is added: a chunk has one score wherever it lies.
    """

    levels: list[int]
    step: float


def question(vector: Iterable[float]) -> Question:
    """A query's vector, ``(dimensions,)``, made ready."""
    values = [float(x) for x in vector]
    largest = max(map(abs, values), default=0.0)
    if not largest:
        return Question([0] * len(values), 0.0)
    step = largest / ((2**24 - 1) // (127 * len(values)))
    return Question([round(x / step) for x in values], step)


class Opened(NamedTuple):
    """A segment's file, mapped, its header checked against its size."""

    map: mmap.mmap
    dimensions: int
    rows: int
    digest: bytes
    columns: list[tuple[int, int]]


def open_segment(path: str, expected_rows: int | None = None) -> Opened:
    """Map a segment.

    Raises:
        IndexCorruptError: Missing, truncated or not a segment.
    """
    try:
        with open(path, "rb") as f:
            mapped = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
    except (OSError, ValueError) as error:
        raise IndexCorruptError(f"{path}: vectors missing or empty ({error}); {ADVICE}") from None
    if len(mapped) < HEADER.size:
        raise IndexCorruptError(f"{path}: vectors truncated; {ADVICE}")
    magic, dimensions, _, rows, digest = HEADER.unpack_from(mapped)
    if magic != MAGIC or dimensions % 64 or not dimensions:
        raise IndexCorruptError(f"{path}: not a vector segment; {ADVICE}")
    columns, size = layout(rows, dimensions)
    if size != len(mapped) or (expected_rows is not None and rows != expected_rows):
        raise IndexCorruptError(f"{path}: vectors truncated or not the ones published; {ADVICE}")
    return Opened(mapped, int(dimensions), int(rows), digest, columns)


class Codes:
    """A segment's codes by chunk id.

    Attributes:
        dimensions: Columns.
    """

    def __init__(self, path: str, expected_rows: int | None = None) -> None:
        """Map the file.

        Raises:
            IndexCorruptError: Missing, truncated or not a segment.
        """
        opened = open_segment(path, expected_rows)
        self.dimensions = opened.dimensions
        view = memoryview(opened.map)
        (ids, id_bytes), _, (scales, scale_bytes), _, (self._codes, _) = opened.columns
        self._ids = view[ids : ids + id_bytes].cast("q")
        self._scales = view[scales : scales + scale_bytes].cast("f")
        self._bytes = view.cast("b")

    def cosines(self, ids: Iterable[int], asked: Question) -> dict[int, float]:
        """The cosine of those chunks that are here."""
        global _asked
        _asked += 1
        if _asked > PLAIN or "numpy" in sys.modules:
            return self._by_matrix(list(ids), asked)
        rows, scales, codes, width = self._ids, self._scales, self._bytes, self.dimensions
        levels, step, count = asked.levels, asked.step, len(self._ids)
        found: dict[int, float] = {}
        for i in ids:
            n = bisect_left(rows, i)
            if n < count and rows[n] == i:
                at = self._codes + n * width
                found[i] = sum(map(mul, codes[at : at + width], levels)) * scales[n] * step
        return found

    def _by_matrix(self, ids: list[int], asked: Question) -> dict[int, float]:
        """The same in whole numbers by numpy, so the same to the last bit."""
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
        sums = codes[at].astype(np.int32) @ np.asarray(asked.levels, np.int32)
        scales, step = self._scales, asked.step
        return {
            i: total * scales[n] * step
            for i, total, n in zip(wanted[here].tolist(), sums.tolist(), at.tolist(), strict=True)
        }
