"""The file format of a reference segment, and reading it without numpy.

A segment holds the references of some files, as rows (name hash, file, role and
line, receiver) ordered by name hash, then file id, then their order in the file.
Names are not stored: a name is its hash (:func:`spelunk.store.relation_pack.name_hash`).

A header of 72 bytes is followed by, all numbers little-endian:

- the rows of each file: file ids (uint32, ascending), counts (uint32);
- the blocks of rows: first hash (uint64), end in bytes (uint64), rows (uint32);
- the blocks of receivers: end in bytes (uint64);
- the blocks, each a zstd frame.

A block of rows holds columns one after the other, each as planes of bytes (all
lowest bytes first), because bytes of one place compress well: the hashes that
occur (uint64, ascending), how many rows each has (uint16), and for each row the
file (uint32; the first row of a hash has the id, each other one the difference to the
row before), role and line (uint32, the role in the highest byte), and the
number of its receiver (uint32). The rows of a name may lie in several blocks. A
block of receivers holds strings in UTF-8, each ended by the byte 0xFF; the more
often a receiver occurs, the lower its number, and number 0 is the empty one.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import xxhash
import zstandard

from spelunk.errors import IndexCorruptError
from spelunk.store.frames import decompress
from spelunk.store.paths import GRAPH
from spelunk.store.records import ReferenceSegmentRow
from spelunk.store.relation_pack import BETWEEN

MAGIC: Final = b"SPLKREF1"
HEADER: Final = struct.Struct("<8sQIIIIQ16s16x")
"""Magic, rows, files, blocks of rows, receivers, blocks of receivers, bytes of all blocks, and xxh3-128
of everything behind the header."""
ROWS_PER_BLOCK: Final = 4_096
STRINGS_PER_BLOCK: Final = 1_024
BLOCK_HEAD: Final = struct.Struct("<II")
"""Hashes and rows of a block."""
MAX_CACHED_BLOCKS: Final = 64
"""Decoded blocks of receivers that an open segment keeps: some 4 MB."""
ADVICE: Final = "run `spelunk check --repair`"


class NameRows(NamedTuple):
    """Rows of one name, by file id and place in the file: three columns of equal length.

    Attributes:
        files: Ids of their files.
        places: Role in the highest 8 bits, line in the others.
        receivers: Numbers of their receivers.
    """

    files: list[int]
    places: array[int]
    receivers: array[int]


class ReferenceSegment:
    """A memory-mapped segment. It can be read after its file is deleted.

    Attributes:
        path: Where it was opened.
        rows: Number of rows.
        strings: Number of receivers.
        digest: xxh3-128 that everything behind the header had when it was written.
    """

    def __init__(self, path: str, expected_rows: int | None = None) -> None:
        """Map a segment and check its header; no block is read.

        Raises:
            IndexCorruptError: Missing, truncated or not a segment.
        """
        self.path = path
        try:
            with open(path, "rb") as f:
                mapped = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
        except (OSError, ValueError) as error:
            raise IndexCorruptError(f"{path}: references missing or empty ({error}); {ADVICE}") from None
        if len(mapped) < HEADER.size or not mapped[:8] == MAGIC:
            raise IndexCorruptError(f"{path}: not a reference segment; {ADVICE}")
        _, self.rows, files, blocks, self.strings, string_blocks, size, self.digest = HEADER.unpack_from(
            mapped
        )
        self._map = mapped
        self._at, widths = [HEADER.size], (4 * files, 4 * files, 8 * blocks, 8 * blocks, 4 * blocks)
        for width in (*widths, 8 * string_blocks):
            self._at.append(self._at[-1] + width)
        self._blocks: int = blocks
        self._string_blocks: int = string_blocks
        self._files: int = files
        if self._at[-1] + size != len(mapped) or (expected_rows is not None and expected_rows != self.rows):
            raise IndexCorruptError(f"{path}: references truncated or not the ones published; {ADVICE}")
        self._firsts: array[int] | None = None
        self._ends: array[int] = array("Q")
        self._string_ends: array[int] = array("Q")
        self._strings: dict[int, list[str]] = {}

    @property
    def counts(self) -> dict[int, int]:
        """Rows of each file, by id, ascending."""
        return dict(zip(self._column(0, "I", self._files), self._column(1, "I", self._files), strict=True))

    def intact(self) -> bool:
        """Whether everything behind the header is what was written. Reads the whole file."""
        return bool(xxhash.xxh3_128(memoryview(self._map)[HEADER.size :]).digest() == self.digest)

    def find(self, wanted: int) -> list[NameRows]:
        """The rows of a name, part by part.

        Args:
            wanted: The hash of the name.
        """
        firsts = self._tables()
        out: list[NameRows] = []
        number = max(0, bisect_left(firsts, wanted) - 1)
        while number < len(firsts) and firsts[number] <= wanted:
            block = self._block(number)
            at = bisect_left(block.hashes, wanted)
            if at < len(block.hashes) and block.hashes[at] == wanted:
                out.append(block.rows(at))
            number += 1
        return out

    def runs(self) -> Iterator[tuple[int, NameRows]]:
        """Every name hash with its rows, by hash; the rows of one may come in several parts."""
        for number in range(len(self._tables())):
            block = self._block(number)
            for at, value in enumerate(block.hashes):
                yield value, block.rows(at)

    def receiver(self, number: int) -> str:
        """A receiver by its number."""
        if not number:
            return ""
        of, at = divmod(number, STRINGS_PER_BLOCK)
        block = self._strings.get(of)
        if block is None:
            self._tables()
            if len(self._strings) >= MAX_CACHED_BLOCKS:
                self._strings.clear()
            block = self._strings[of] = self._string_block(of)
        if at >= len(block):
            raise IndexCorruptError(f"{self.path}: references damaged (a receiver); {ADVICE}")
        return block[at]

    def string_blocks(self) -> Iterator[list[str]]:
        """Every receiver, in the order of their numbers."""
        self._tables()
        return map(self._string_block, range(self._string_blocks))

    def block_data(self, number: int) -> bytes:
        """The decompressed bytes of a block of rows."""
        self._tables()
        return self._decompress(self._ends[number - 1] if number else 0, self._ends[number])

    @property
    def blocks(self) -> int:
        """Number of blocks of rows."""
        return self._blocks

    def _tables(self) -> array[int]:
        """The first hash of each block; the other tables are read with it."""
        if self._firsts is None:
            self._ends = self._column(3, "Q", self._blocks)
            self._string_ends = self._column(5, "Q", self._string_blocks)
            self._firsts = self._column(2, "Q", self._blocks)
        return self._firsts

    def _column(self, number: int, code: str, count: int) -> array[int]:
        column, at = array(code), self._at[number]
        column.frombytes(self._map[at : at + count * column.itemsize])
        if sys.byteorder == "big":
            column.byteswap()
        return column

    def _block(self, number: int) -> RowBlock:
        try:
            return RowBlock(self.block_data(number))
        except (struct.error, ValueError, IndexError) as error:
            raise IndexCorruptError(f"{self.path}: references damaged ({error}); {ADVICE}") from None

    def _string_block(self, number: int) -> list[str]:
        start = self._string_ends[number - 1] if number else self._row_bytes()
        try:
            data = self._decompress(start, self._string_ends[number])
            return [s.decode("utf-8", "surrogatepass") for s in data.split(BETWEEN)[:-1]]
        except ValueError as error:
            raise IndexCorruptError(f"{self.path}: references damaged ({error}); {ADVICE}") from None

    def _row_bytes(self) -> int:
        return self._ends[-1] if self._ends else 0

    def _decompress(self, start: int, end: int) -> bytes:
        at = self._at[-1]
        try:
            return decompress(self._map[at + start : at + end])
        except zstandard.ZstdError as error:
            raise IndexCorruptError(f"{self.path}: references damaged ({error}); {ADVICE}") from None


class RowBlock:
    """A decompressed block of rows.

    Attributes:
        hashes: The hashes that occur, ascending.
        ends: For each the number of rows up to its last one.
    """

    def __init__(self, data: bytes) -> None:
        hashes, rows = BLOCK_HEAD.unpack_from(data)
        if len(data) != BLOCK_HEAD.size + hashes * 10 + rows * 12:
            raise ValueError("a block of another length")
        self._data, self._rows = data, rows
        self.hashes = _planes(data, BLOCK_HEAD.size, hashes, "Q", 0, hashes)
        at = BLOCK_HEAD.size + 8 * hashes
        self.ends = [*accumulate(_planes(data, at, hashes, "H", 0, hashes))]
        self._at = at + 2 * hashes

    def rows(self, at: int) -> NameRows:
        """The rows of the hash at a position."""
        start, end = self.ends[at - 1] if at else 0, self.ends[at]
        files, places, receivers = (
            _planes(self._data, self._at + 4 * self._rows * n, self._rows, "I", start, end) for n in range(3)
        )
        return NameRows([*accumulate(files)], places, receivers)


def _planes(data: bytes, at: int, count: int, code: str, start: int, end: int) -> array[int]:
    """Some numbers of a column that is stored as planes of bytes."""
    column = array(code)
    width = column.itemsize
    if end - start == 1:  # a name that occurs once, as most do
        one = bytes([data[at + n * count + start] for n in range(width)])
        column.append(int.from_bytes(one, "little"))
        return column
    mixed = bytearray((end - start) * width)
    for n in range(width):
        plane = at + n * count
        mixed[n::width] = data[plane + start : plane + end]
    column.frombytes(bytes(mixed))
    if sys.byteorder == "big":
        column.byteswap()
    return column


def open_references(
    directory: str, rows: Sequence[ReferenceSegmentRow]
) -> list[ReferenceSegment | IndexCorruptError]:
    """Map the segments of an index directory; in place of one that is damaged, the error."""
    out: list[ReferenceSegment | IndexCorruptError] = []
    for row in rows:
        try:
            out.append(ReferenceSegment(reference_path(directory, row.name), row.rows))
        except IndexCorruptError as error:
            out.append(error)
    return out


def reference_path(directory: str, name: str) -> str:
    """The path of a reference segment in an index directory."""
    return os.path.join(directory, GRAPH, name)
