"""Change the manifest: what the one writer of an index may do."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from spelunk import faults
from spelunk.errors import IndexCorruptError
from spelunk.store import schema
from spelunk.store.manifest import PARTS
from spelunk.store.manifest_retained import RetainedVersions
from spelunk.store.paths import VECTORS
from spelunk.store.records import (
    ChunkRecord,
    FieldRecord,
    FileColumns,
    FileContent,
    Known,
    ReferenceSegmentRow,
    SegmentRow,
)
from spelunk.store.schema import encode_path
from spelunk.types import Entry, Failed, Skipped

KEPT_GENERATIONS: Final = 100
"""Rows of published generations that are kept for people to read."""
REBUILD: Final = "rebuild"
"""Intent of a rebuild: it ends with the removal of the old stores, not with a publish."""


class ManifestWriter(RetainedVersions):
    """Write access. Changes become visible when :meth:`publish` or :meth:`commit` ends the transaction.

    Attributes:
        building: Whether this is the manifest of a rebuild that is not published yet.
    """

    def __init__(self, directory: str, building: str | None = None) -> None:
        """Open the manifest, and create it if there is none; the writer's lock is held.

        Args:
            directory: The index directory.
            building: Name of the manifest that a rebuild makes beside the published one.
        """
        self.building = building is not None
        self._building_name = building
        self._dead: list[tuple[int, int]] = []
        self._dead_files: list[int] = []
        super().__init__(directory)

    def _connect(self) -> tuple[Any, str]:
        return schema.connect_writer(self.directory, self._building_name)

    # Transactions

    def start(self) -> None:
        """Begin a transaction."""
        self._run("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make the transaction durable and visible."""
        self._run("COMMIT")
        self._forget_changes()

    def abandon(self) -> None:
        """Roll back the open transaction, if there is one."""
        self._forget_changes()
        if self.db.in_transaction:
            try:
                self.db.execute("ROLLBACK")
            except sqlite3.Error:
                pass  # the disk's error was reported by the statement that met it

    def _forget_changes(self) -> None:
        self._dead.clear()
        self._dead_files.clear()
        self.forget_retained()

    def begin_intent(self, what: str, first_chunk: int | None = None, segment: str | None = None) -> None:
        """Journal what is going to be done; after a crash the next writer removes what was left.

        Args:
            what: ``publish``, ``merge``, ``fill``, ``embedder`` or ``rebuild``.
            first_chunk: First chunk id that is going to be used.
            segment: Name of the segment that is going to be written.
        """
        self._run(
            "INSERT INTO intents (what, first_chunk, segment, started) VALUES (?, ?, ?, ?)",
            (what, first_chunk, segment, time.time()),
        )

    def end_intents(self) -> None:
        """Delete every journalled intent: nothing unfinished is left in the stores.

        The intent of a rebuild stays in its manifest until that is published.
        """
        self._run("DELETE FROM intents WHERE what != ?", (REBUILD if self.building else "",))

    def publish(
        self,
        segments: Sequence[SegmentRow] = (),
        references: Sequence[ReferenceSegmentRow] = (),
        *,
        settled: bool = True,
    ) -> int:
        """Commit the open transaction as the next generation.

        Args:
            segments: Vector segments that it adds.
            references: Reference segments that it adds.
            settled: Nothing of what was intended is left to be done.

        Returns:
            The generation's number.
        """
        number = self.generation + 1
        faults.reach("publish.manifest.rows")
        self._mark_dead()
        self.mark_dead_references(self._dead_files)
        self.add_reference_segments(references)
        self._many("INSERT INTO segments VALUES (?, ?, ?, ?, ?)", segments)
        self.settle_retained()
        self.set_meta("generation", number)
        files, chunks = self.counts()
        self._run("INSERT INTO generations VALUES (?, ?, ?, ?)", (number, time.time(), files, chunks))
        self._run("DELETE FROM generations WHERE number <= ?", (number - KEPT_GENERATIONS,))
        if settled:
            self.end_intents()
        faults.reach("publish.manifest.before")
        self.commit()
        faults.reach("publish.manifest.after")
        return number

    def fold_log(self) -> None:
        """Write the whole log back into the database file.

        Raises:
            StorageError: The disk refuses.
            IndexBusyError: Another connection is open.
        """
        (busy, _, _), *_ = self.all("PRAGMA wal_checkpoint(TRUNCATE)")
        if busy:
            raise schema.translate(sqlite3.OperationalError("checkpoint busy"), self.directory)

    # Files

    def add_file(
        self,
        file: FileColumns,
        chunks: Sequence[ChunkRecord],
        fields: Sequence[FieldRecord],
        content: FileContent,
        checksum: bytes,
    ) -> None:
        """Add a file version.

        Args:
            file: Its columns.
            chunks: Its chunks, numbered from 0.
            fields: Its front-matter fields, numbered like the chunks.
            content: Its text, imports and number of references.
            checksum: See :func:`spelunk.store.packet.row_checksum`.
        """
        first, number = file.first_chunk, file.id
        self._run(f"INSERT INTO files VALUES ({','.join('?' * len(file))})", file)
        self._run("INSERT INTO contents VALUES (?, ?, ?, ?, ?, ?)", (number, *content, checksum))
        self._many(
            "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(first + c.id, number, *c[2:9]) for c in chunks],
        )
        self._many(
            "INSERT INTO definitions VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(first + c.id, n, *d) for c in chunks for n, d in enumerate(c.definitions)],
        )
        if fields:
            self._many(
                "INSERT INTO fields VALUES (?, ?, ?, ?)",
                [(first + f.chunk, number, f.key, f.value) for f in fields],
            )

    def remove_file(self, known: Known, *, retain: bool = False) -> None:
        """Remove a file version and its rows; its vectors and references become dead with the publish,
        and its documents are purged from the full text after it.

        Args:
            known: The version.
            retain: Keep its rows aside and its documents hidden, to be shown again.
        """
        if retain:
            self.retain(known)
        self._run("DELETE FROM files WHERE id = ?", (known.id,))
        self._dead_files.append(known.id)
        self._run("DELETE FROM contents WHERE file = ?", (known.id,))
        self._run("DELETE FROM fields WHERE file = ?", (known.id,))
        if known.chunks:
            span = (known.first_chunk, known.first_chunk + known.chunks)
            self._run("DELETE FROM chunks WHERE id >= ? AND id < ?", span)
            self._run("DELETE FROM definitions WHERE chunk >= ? AND chunk < ?", span)
            if self._run("DELETE FROM pending WHERE chunk >= ? AND chunk < ?", span) < known.chunks:
                self._dead.append(span)
            if not retain:
                self._run("INSERT OR IGNORE INTO purges VALUES (?)", (known.id,))

    def forget_file(self, known: Known) -> None:
        """Remove a file version whose row may be damaged, so that the next update reads it again."""
        for (chunk,) in self.all("SELECT id FROM chunks WHERE file = ?", (known.id,)):
            self._run("DELETE FROM definitions WHERE chunk = ?", (chunk,))
        self._run("DELETE FROM chunks WHERE file = ?", (known.id,))
        self._run("INSERT OR IGNORE INTO purges VALUES (?)", (known.id,))
        self.remove_file(known._replace(chunks=0))

    def remove_orphans(self) -> None:
        """Delete rows that belong to no file or chunk."""
        for table in PARTS:
            self._run(f"DELETE FROM {table} WHERE file NOT IN (SELECT id FROM files)")
        self._run("DELETE FROM definitions WHERE chunk NOT IN (SELECT id FROM chunks)")

    def set_unindexed(self, what: Skipped | Failed, stamp: bytes) -> None:
        """Record a file that was offered and is not indexed."""
        failed = isinstance(what, Failed)
        reason = what.stage if isinstance(what, Failed) else what.reason
        detail = what.error if isinstance(what, Failed) else what.detail
        self._run(
            "INSERT OR REPLACE INTO unindexed VALUES (?, ?, ?, ?, ?)",
            (encode_path(what.path), int(failed), reason, detail, stamp),
        )

    def remove_unindexed(self, path: str) -> None:
        """Remove the record of a file that was skipped or failed."""
        self._run("DELETE FROM unindexed WHERE path = ?", (encode_path(path),))

    def update_stamp(self, entry: Entry) -> None:
        """Record the stamp of a file whose content did not change."""
        self._run(
            "UPDATE files SET size = ?, stamp = ? WHERE path = ?",
            (entry.size, entry.stamp, encode_path(entry.path)),
        )

    def mark_all_stale(self) -> None:
        """Mark every file as changed, so that this run and the next ones index it again."""
        self.release_retained()
        self._run("UPDATE files SET stamp = x'', digest = x''")
        self._run("UPDATE unindexed SET stamp = x''")

    def begin_seed(self, build: int, *, stamps: bool) -> None:
        """Mark the copy of another workspace's manifest as not compared with this one's files.

        Args:
            build: Number of this manifest.
            stamps: Whether the files' stamps are kept.
        """
        self.set_meta("build", build)
        self.set_meta("complete", 0)
        self._run("DELETE FROM meta WHERE key IN ('walk', 'planned')")
        self._run("DELETE FROM fences")
        if not stamps:
            self._run("UPDATE files SET stamp = x''")
            self._run("UPDATE unindexed SET stamp = x''")

    def set_fence(self, fence: bytes) -> None:
        """Replace the record of the last walk."""
        self._run("DELETE FROM fences")
        self._run("INSERT INTO fences VALUES (?)", (fence,))

    # The full text

    def mark_purge(self) -> None:
        """Count a purge that is about to begin: a reader that opens during it sees the number move."""
        self.start()
        self.set_meta("purge", int(self.meta("purge", 0)) + 1)
        self.commit()

    def end_purge(self) -> None:
        """Record that the superseded documents have left the full text."""
        self.start()
        self._run("DELETE FROM purges")
        self.set_meta("purged", self.meta("purge", 0))
        self.commit()

    def switch_full_text(self, number: int) -> None:
        """Use another full-text index, which holds exactly the published chunks; ends with a publish."""
        self.set_meta("lexical", number)
        self.release_retained()
        self._run("DELETE FROM purges")

    # Vectors

    def segment_name(self, first_chunk: int) -> str:
        """Return a name that no vector segment of this index has had; see :meth:`new_name`."""
        return self.new_name(first_chunk) + ".vec"

    def replace_segments(self, old: Sequence[SegmentRow], new: Sequence[SegmentRow]) -> None:
        """Replace segments by what they were merged into."""
        self.count_merge()
        self._many("DELETE FROM segments WHERE name = ?", [(s.name,) for s in old])
        self._many("DELETE FROM tombstones WHERE segment = ?", [(s.name,) for s in old])
        self._many("INSERT INTO segments VALUES (?, ?, ?, ?, ?)", new)

    def drop_segments(self) -> None:
        """Take every vector segment out of the generation."""
        self.count_merge()
        self._run("DELETE FROM segments")
        self._run("DELETE FROM tombstones")

    def set_kinds(self, names: Sequence[str]) -> None:
        """Record the names of kinds by the code that the vectors carry."""
        self.set_meta("kinds", json.dumps(list(names)))

    def _mark_dead(self) -> None:
        """Mark the vectors of files that were removed in this transaction as dead."""
        if not self._dead:
            return
        import numpy as np

        from spelunk.store.segment import Segment, pack_rows

        spans = np.asarray(self._dead, np.int64)
        tombstones = self.tombstones()
        for row in self.segments():
            near = spans[(spans[:, 0] <= row.last_chunk) & (spans[:, 1] > row.first_chunk)]
            if not len(near):
                continue
            path = os.path.join(self.directory, VECTORS, row.name)
            try:
                segment = Segment(path, row.rows, tombstones.get(row.name))
            except IndexCorruptError:
                continue  # a check reports it
            dead = ~segment.live() | segment.inside(near)
            self.set_tombstones(row.name, pack_rows(dead), int(dead.sum()))

    def remove_pending(self, chunks: Iterable[int]) -> None:
        """Record chunks that have a vector now."""
        self._many("DELETE FROM pending WHERE chunk = ?", ((i,) for i in chunks))

    def refuse(self, refused: Iterable[tuple[int, str]]) -> None:
        """Record pending chunks of which no vector can be made, and why."""
        self._many("UPDATE pending SET refused = ? WHERE chunk = ?", ((why, i) for i, why in refused))

    def make_all_pending(self) -> None:
        """Let every chunk wait for a vector."""
        self._run("DELETE FROM pending")
        self._run("INSERT INTO pending (chunk) SELECT id FROM chunks")

    def remove_stray_pending(self) -> None:
        """Delete the pending rows of chunks that are gone."""
        self._run("DELETE FROM pending WHERE chunk NOT IN (SELECT id FROM chunks)")
