"""Change the manifest's tables of reference segments, and the statements that every change is made of."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from spelunk.errors import IndexCorruptError
from spelunk.store import schema
from spelunk.store.manifest import Manifest
from spelunk.store.records import ReferenceSegmentRow


class ReferenceTables(Manifest):
    """The part of :class:`spelunk.store.manifest_writer.ManifestWriter` that concerns references."""

    def _run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Execute a statement and return the number of rows it changed."""
        try:
            return int(self.db.execute(sql, values).rowcount)
        except schema.DAMAGE as error:
            raise schema.translate(error, self.directory) from None

    def _many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute a statement for each row."""
        try:
            self.db.executemany(sql, rows)
        except schema.DAMAGE as error:
            raise schema.translate(error, self.directory) from None

    def set_meta(self, key: str, value: Any) -> None:
        """Set one value of the table ``meta``."""
        self._run("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def count_merge(self) -> None:
        """Count a replacement of segments: a reader that opens during it sees the number move."""
        self.set_meta("merges", int(self.meta("merges", 0)) + 1)

    def add_reference_segments(self, segments: Sequence[ReferenceSegmentRow]) -> None:
        """Record reference segments that were written."""
        self._many("INSERT INTO reference_segments VALUES (?, ?, ?, ?, ?)", segments)

    def reference_name(self, first_file: int) -> str:
        """Return a name that no reference segment of this index has had; see :meth:`new_name`."""
        return self.new_name(first_file) + ".ref"

    def replace_references(
        self, old: Sequence[ReferenceSegmentRow], new: Sequence[ReferenceSegmentRow]
    ) -> None:
        """Replace reference segments by what they were merged into."""
        self.count_merge()
        self._many("DELETE FROM reference_segments WHERE name = ?", [(s.name,) for s in old])
        self._many("DELETE FROM dead_references WHERE segment = ?", [(s.name,) for s in old])
        self.add_reference_segments(new)

    def new_name(self, first: int) -> str:
        """Return the stem of a name that no segment of this index has had: the counters in it never repeat."""
        build, merges = int(self.meta("build", 1)), int(self.meta("merges", 0))
        return f"{first:012d}-{build}-{self.generation + 1}-{merges}"

    def set_dead_references(self, segment: str, files: bytes, dead: int) -> None:
        """Record the dead files of a reference segment.

        Args:
            segment: Its name.
            files: Their ids, ascending, uint32.
            dead: Rows of those files.
        """
        self._run("UPDATE reference_segments SET dead = ? WHERE name = ?", (dead, segment))
        self._run("DELETE FROM dead_references WHERE segment = ?", (segment,))
        if files:
            self._run("INSERT INTO dead_references VALUES (?, ?)", (segment, files))

    def mark_dead_references(self, files: Collection[int]) -> None:
        """Mark the references of files that were removed as dead."""
        if not files:
            return
        from spelunk.store.reference_segment import ReferenceSegment, reference_path

        gone, noted = set(files), self.dead_references()
        low, high = min(gone), max(gone)
        for row in self.reference_segments():
            if row.last_file < low or row.first_file > high:
                continue
            try:
                segment = ReferenceSegment(reference_path(self.directory, row.name), row.rows)
            except IndexCorruptError:
                continue  # a check reports it
            before = unpack_files(noted.get(row.name))
            dead = {n: of for n, of in segment.counts.items() if n in gone or n in before}
            if len(dead) > len(before):
                self.set_dead_references(row.name, pack_files(dead), sum(dead.values()))


def hidden_files(manifest: Manifest) -> list[int]:
    """Return ids of the file versions whose documents the full text holds and no search may show:
    those replaced and not purged yet, and those retained (:mod:`spelunk.store.manifest_retained`)."""
    return [*manifest.superseded(), *retained_files(manifest)]


def retained_files(manifest: Manifest) -> frozenset[int]:
    """Return ids of the file versions that are retained."""
    return unpack_files(manifest.meta("retained"))


def pack_files(files: Iterable[int]) -> bytes:
    """Encode ids of files as uint32, little-endian."""
    ids = array("I", sorted(files))
    if sys.byteorder == "big":
        ids.byteswap()
    return ids.tobytes()


def unpack_files(packed: bytes | None) -> frozenset[int]:
    """The inverse of :func:`pack_files`; nothing of None.

    Raises:
        IndexCorruptError: It is no list of ids.
    """
    ids = array("I")
    try:
        ids.frombytes(packed or b"")
    except (TypeError, ValueError):
        raise IndexCorruptError("a list of dead files is damaged; run `spelunk check --repair`") from None
    if sys.byteorder == "big":
        ids.byteswap()
    return frozenset(ids)
