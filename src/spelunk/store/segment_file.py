"""The file format of a vector segment: header, columns, and opening it without numpy.

A header of 64 bytes is followed by five columns, each padded to 64 bytes: the
chunk ids (int64, ascending), the sign bits of the vectors as planes of 64
dimensions (uint64), a scale per row (float32), a kind code per row (uint8), and
the int8 codes. All numbers are little-endian. A vector is ``codes * scale``.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from spelunk.errors import IndexCorruptError
from spelunk.store.paths import VECTORS
from spelunk.store.records import SegmentRow

MAGIC: Final = b"SPLKVEC1"
HEADER: Final = struct.Struct("<8sIIQ16s24x")
"""Magic, dimensions, reserved, rows, xxh3-128 of everything behind the header."""
ALIGN: Final = 64
ADVICE: Final = "run `spelunk check --repair`"


def file_layout(rows: int, dimensions: int) -> tuple[list[tuple[int, int]], int]:
    """Return (offset, bytes) of ids, planes, scales, kinds and codes; and the file's size."""
    at = HEADER.size
    columns = []
    for width in (8, dimensions // 8, 4, 1, dimensions):
        columns.append((at, rows * width))
        at += -(-rows * width // ALIGN) * ALIGN
    return columns, at


class SegmentFile(NamedTuple):
    """A mapped segment whose header agrees with its size; it can be read after the file is deleted.

    Attributes:
        path: Where it was opened.
        map: Its bytes.
        dimensions: Columns of the vectors, a multiple of 64.
        rows: Number of vectors.
        digest: xxh3-128 that the body had when it was written.
        columns: (offset, bytes) of each column.
    """

    path: str
    map: mmap.mmap
    dimensions: int
    rows: int
    digest: bytes
    columns: list[tuple[int, int]]


def open_segment(path: str, expected_rows: int | None = None) -> SegmentFile:
    """Map a segment and check its header; no vector is read.

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
    columns, size = file_layout(rows, dimensions)
    if size != len(mapped) or (expected_rows is not None and rows != expected_rows):
        raise IndexCorruptError(f"{path}: vectors truncated or not the ones published; {ADVICE}")
    return SegmentFile(path, mapped, int(dimensions), int(rows), digest, columns)


def open_segments(directory: str, rows: Sequence[SegmentRow]) -> list[SegmentFile | IndexCorruptError]:
    """Map segments of an index directory; in place of one that is damaged, the error."""
    out: list[SegmentFile | IndexCorruptError] = []
    for row in rows:
        try:
            out.append(open_segment(segment_path(directory, row.name), row.rows))
        except IndexCorruptError as error:
            out.append(error)
    return out


def segment_path(directory: str, name: str) -> str:
    """Return the path of a segment in an index directory."""
    return os.path.join(directory, VECTORS, name)
