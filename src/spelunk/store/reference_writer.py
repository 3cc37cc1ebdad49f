"""Collect the references of files, write them to segments, and merge segments."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
import xxhash
import zstandard
from numpy.typing import NDArray

from spelunk import faults
from spelunk.errors import StorageError
from spelunk.io.atomic import replacing, sync
from spelunk.store.records import ReferenceSegmentRow
from spelunk.store.reference_segment import (
    BLOCK_HEAD,
    HEADER,
    MAGIC,
    ROWS_PER_BLOCK,
    STRINGS_PER_BLOCK,
    ReferenceSegment,
    reference_path,
)
from spelunk.store.relation_pack import (
    BETWEEN,
    ROLE_SHIFT,
    Numbering,
    raw_columns,
    receivers_of,
    row_count,
)

ZSTD_LEVEL: Final = 3


class ReferenceColumns(NamedTuple):
    """Rows of a segment, one array each: ``(n,)`` uint64, and three of uint32."""

    hashes: NDArray[np.uint64]
    files: NDArray[np.uint32]
    places: NDArray[np.uint32]
    receivers: NDArray[np.uint32]

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> ReferenceColumns:
        """Some of the rows, copied."""
        hashes, files, places, receivers = self
        return ReferenceColumns(hashes[index], files[index], places[index], receivers[index])


class ReferenceCollector:
    """References on their way to a segment: rows in the order of their files.

    Attributes:
        rows: Number of rows; each takes 16 to 20 bytes of memory, and 60 while they are written.
    """

    def __init__(self) -> None:
        self._packed: list[tuple[int, bytes]] = []
        self._parts: list[ReferenceColumns] = []
        self._strings = Numbering({b"": 0})
        self.rows = 0

    def add(self, file: int, packed: bytes) -> None:
        """Add the rows of a file, whose id is above all before.

        Args:
            file: Its id.
            packed: What :meth:`spelunk.store.relation_pack.Packer.references` made.
        """
        if packed:
            self._packed.append(
                (file, packed)
            )  # all are unpacked together: numpy costs little a row, and much a call
            self.rows += row_count(packed)

    def _unpack(self) -> None:
        """Make columns of what was added by :meth:`add`."""
        if not self._packed:
            return
        files, packed = zip(*self._packed, strict=True)
        self._packed.clear()
        counts = np.fromiter(map(row_count, packed), np.int64, len(packed))
        strings = [receivers_of(p) for p in packed]
        numbers = np.fromiter(map(self._strings.__getitem__, chain.from_iterable(strings)), np.uint32)
        firsts = np.cumsum([0, *map(len, strings[:-1])])
        hashes, places, receivers = (b"".join(parts) for parts in zip(*map(raw_columns, packed), strict=True))
        self._parts.append(
            ReferenceColumns(
                np.frombuffer(hashes, "<u8").astype(np.uint64, copy=False),
                np.repeat(np.asarray(files, np.uint32), counts),
                np.frombuffer(places, "<u4").astype(np.uint32, copy=False),
                numbers[np.frombuffer(receivers, "<u4") + np.repeat(firsts, counts)],
            )
        )

    def add_segment(self, segment: ReferenceSegment, dead: Collection[int]) -> None:
        """Add the rows of a segment, but those of some files."""
        self._unpack()
        known = self._strings.__getitem__
        strings = (s.encode("utf-8", "surrogatepass") for block in segment.string_blocks() for s in block)
        numbers = np.fromiter(map(known, strings), np.uint32)
        for columns in read_columns(segment):
            if dead:
                columns = columns.take(~np.isin(columns.files, np.fromiter(dead, np.uint32, len(dead))))
            self.add_columns(columns._replace(receivers=numbers[columns.receivers]))

    def add_columns(self, columns: ReferenceColumns) -> None:
        """Add rows whose receivers are numbered already."""
        self._unpack()
        self._parts.append(columns)
        self.rows += len(columns.hashes)

    def write(self, directory: str, name: str) -> list[ReferenceSegmentRow]:
        """Write all rows to a segment, on disk when it returns; nothing refers to it yet.

        Returns:
            The segment for the manifest; none where there are no rows.

        Raises:
            StorageError: The disk is full or refuses.
        """
        if not self.rows:
            return []
        self._unpack()
        columns = _joined(self._parts)
        self._parts = [columns]
        # Stable: rows of a file stay in their order. A merge may bring the files in another order.
        if np.all(columns.files[1:] >= columns.files[:-1]):
            order = np.argsort(columns.hashes, kind="stable")
        else:
            order = np.lexsort((columns.files, columns.hashes))
        receivers, strings = _by_frequency(columns.receivers, list(self._strings))
        sorted_rows = columns._replace(receivers=receivers).take(order)
        path = reference_path(directory, name)
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with replacing(path, durable=True) as aside:
                files = _write(aside, sorted_rows, strings)
                faults.reach("references.rename.before")
            faults.reach("references.rename.after")
        except OSError as error:
            raise StorageError(
                f"{path}: cannot write references: {error.strerror}; nothing published was lost"
            ) from None
        return [ReferenceSegmentRow(name, self.rows, 0, int(files[0]), int(files[-1]))]


def _joined(parts: Sequence[ReferenceColumns]) -> ReferenceColumns:
    return ReferenceColumns(
        np.concatenate([part.hashes for part in parts]),
        np.concatenate([part.files for part in parts]),
        np.concatenate([part.places for part in parts]),
        np.concatenate([part.receivers for part in parts]),
    )


def _by_frequency(
    receivers: NDArray[np.uint32], strings: list[bytes]
) -> tuple[NDArray[np.uint32], list[bytes]]:
    """Number receivers anew: the empty one 0, the others by how often they occur; leave out those that do not."""
    counts = np.bincount(receivers, minlength=len(strings))
    counts[0] = len(receivers) + 1
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    new = np.zeros(len(strings), np.uint32)
    new[order] = np.arange(len(order), dtype=np.uint32)
    return new[receivers], [strings[i] for i in order.tolist()]


def _write(path: str, rows: ReferenceColumns, strings: list[bytes]) -> NDArray[np.uint32]:
    """Write a segment file and return the ids of its files, ascending."""
    files, counts = np.unique(rows.files, return_counts=True)
    blocks = [*_row_blocks(rows)]
    string_blocks = [*_string_blocks(strings)]
    size = sum(map(len, blocks))
    ends = np.cumsum([len(b) for b in blocks], dtype="<u8")
    body = [
        files.astype("<u4").tobytes(),
        counts.astype("<u4").tobytes(),
        rows.hashes[::ROWS_PER_BLOCK].astype("<u8").tobytes(),
        ends.tobytes(),
        np.diff(np.r_[0 : len(rows.hashes) : ROWS_PER_BLOCK, len(rows.hashes)]).astype("<u4").tobytes(),
        (size + np.cumsum([len(b) for b in string_blocks], dtype="<u8")).astype("<u8").tobytes(),
        *blocks,
        *string_blocks,
    ]
    size += sum(map(len, string_blocks))
    hasher = xxhash.xxh3_128()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb") as f:
        f.write(b"\0" * HEADER.size)
        for data in body:
            hasher.update(data)
            faults.write("references.write", f.write, data)
        f.seek(0)
        f.write(
            HEADER.pack(
                MAGIC, len(rows.hashes), len(files), len(blocks), len(strings), len(string_blocks), size,
                hasher.digest(),
            )
        )  # fmt: skip
        f.flush()
        faults.reach("references.flush")
        sync(fd)
    return files


def _row_blocks(rows: ReferenceColumns) -> Iterator[bytes]:
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
    for start in range(0, len(rows.hashes), ROWS_PER_BLOCK):
        hashes, files, places, receivers = (column[start : start + ROWS_PER_BLOCK] for column in rows)
        first = np.r_[True, hashes[1:] != hashes[:-1]]
        at = np.flatnonzero(first)
        steps = np.where(first, files, np.diff(files, prepend=files[:1]))
        yield compressor.compress(
            BLOCK_HEAD.pack(len(at), len(hashes))
            + _planes(hashes[at], "<u8")
            + _planes(np.diff(np.r_[at, len(hashes)]), "<u2")
            + _planes(steps, "<u4")
            + _planes(places, "<u4")
            + _planes(receivers, "<u4")
        )


def _string_blocks(strings: list[bytes]) -> Iterator[bytes]:
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
    for start in range(0, len(strings), STRINGS_PER_BLOCK):
        part = strings[start : start + STRINGS_PER_BLOCK]
        yield compressor.compress(b"".join(s + BETWEEN for s in part))


def _planes(column: NDArray[Any], code: str) -> bytes:
    """The bytes of a column, all lowest bytes first."""
    numbers = np.ascontiguousarray(column.astype(code))
    return numbers.view(np.uint8).reshape(-1, numbers.dtype.itemsize).T.tobytes()


def count_uses(
    segment: ReferenceSegment, dead: Collection[int], roles: Collection[int]
) -> Iterator[tuple[list[int], list[int], list[int]]]:
    """Count the references of some roles by name and file, part by part.

    Args:
        segment: Where to count.
        dead: Files that are left out.
        roles: Those that count.

    Yields:
        Hashes, files and counts, of equal length; no pair of hash and file comes twice.
    """
    wanted = np.zeros(256, np.bool_)
    wanted[[*map(int, roles)]] = True
    gone = np.fromiter(dead, np.uint32, len(dead))
    rest: ReferenceColumns | None = None
    for columns in read_columns(segment):
        columns = columns.take(wanted[columns.places >> ROLE_SHIFT] & ~np.isin(columns.files, gone))
        if rest is not None:
            columns = _joined([rest, columns])
        if not len(columns.hashes):
            continue
        hashes, files = columns.hashes, columns.files
        first = np.flatnonzero(np.r_[True, (hashes[1:] != hashes[:-1]) | (files[1:] != files[:-1])])
        last = int(first[-1])  # its rows may go on in the next block
        rest = columns.take(np.arange(last, len(hashes)))
        first, ends = first[:-1], first[1:]
        yield hashes[first].tolist(), files[first].tolist(), (ends - first).tolist()
    if rest is not None and len(rest.hashes):
        yield [int(rest.hashes[0])], [int(rest.files[0])], [len(rest.hashes)]


def read_columns(segment: ReferenceSegment) -> Iterator[ReferenceColumns]:
    """The rows of a segment, block by block.

    Raises:
        IndexCorruptError: A block is damaged.
    """
    for number in range(segment.blocks):
        data = segment.block_data(number)
        count, rows = BLOCK_HEAD.unpack_from(data)
        at = BLOCK_HEAD.size
        columns = []
        for code, length in (("<u8", count), ("<u2", count), ("<u4", rows), ("<u4", rows), ("<u4", rows)):
            width = np.dtype(code).itemsize
            planes = np.frombuffer(data, np.uint8, width * length, at).reshape(width, length)
            columns.append(np.ascontiguousarray(planes.T).view(code).reshape(-1))
            at += width * length
        hashes, counts, steps, places, receivers = columns
        firsts = np.cumsum(counts) - counts
        total = np.cumsum(steps, dtype=np.int64)
        base = np.repeat((total[firsts] - steps[firsts]) if rows else total, counts)
        yield ReferenceColumns(np.repeat(hashes, counts), (total - base).astype(np.uint32), places, receivers)
