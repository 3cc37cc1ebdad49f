"""Keep the rows of file versions that were replaced, and show one again when its content comes back.

A switch of branches replaces many files, and the switch back needs the very versions that
were replaced. Their rows are packed away, their vectors and references are dead like those of
any replaced version, and their documents stay in the full text, hidden. To show one again is
then a matter of rows. What is kept is bounded; what leaves is purged.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from typing import Any, Final

import zstandard

from spelunk.errors import IndexCorruptError
from spelunk.store.manifest import Manifest
from spelunk.store.manifest_references import (
    ReferenceTables,
    pack_files,
    retained_files,
    unpack_files,
)
from spelunk.store.packet import FileFacts, row_checksum
from spelunk.store.path_ranges import PathRanges
from spelunk.store.paths import VECTORS
from spelunk.store.records import ChunkRecord, FieldRecord, FileColumns, Known, Retained
from spelunk.store.reference_segment import ReferenceSegment, reference_path
from spelunk.store.schema import decode_path
from spelunk.types import Definition, Entry

RETAINED_BYTES: Final = 64 * 1024 * 1024
"""Packed rows and texts of retained versions, in bytes; the oldest leave first."""
RETAINED_FILES: Final = 4_000
"""Versions retained at most: every search names them all, to leave them out."""
KEY: Final = "retained"
"""Key in the table ``meta`` of the retained ids, for readers; absent where there are none."""

TABLE: Final = """
CREATE TABLE IF NOT EXISTS retained (
  file INTEGER PRIMARY KEY, path NOT NULL, size INTEGER NOT NULL, digest BLOB NOT NULL,
  first_chunk INTEGER NOT NULL, chunks INTEGER NOT NULL, reference_rows INTEGER NOT NULL,
  generation INTEGER NOT NULL,     -- that replaced it
  bytes INTEGER NOT NULL,
  columns BLOB NOT NULL,           -- of the file, its chunks, definitions and fields: zstd of JSON
  text BLOB NOT NULL, lines BLOB, imports BLOB, cut_digest BLOB NOT NULL, checksum BLOB NOT NULL
)
"""
INDEX: Final = """
CREATE INDEX IF NOT EXISTS retained_of_path ON retained (path, file, size, digest, reference_rows)
"""
"""Each update looks for versions by path, and must not read past the packed rows."""


class RetainedVersions(ReferenceTables):
    """The part of :class:`spelunk.store.manifest_writer.ManifestWriter` that concerns retained versions."""

    def __init__(self, directory: str) -> None:
        """See :class:`spelunk.store.manifest_writer.ManifestWriter`."""
        self._changed = False
        self._alive: list[tuple[int, int]] = []
        self._alive_files: list[int] = []
        super().__init__(directory)

    def forget_retained(self) -> None:
        """Forget what the open transaction was to retain or restore; for one that ends."""
        self._changed = False
        self._alive.clear()
        self._alive_files.clear()

    def retain(self, known: Known) -> None:
        """Pack the rows of a published file version away; the caller removes them from their tables."""
        (file,) = self.all("SELECT * FROM files WHERE id = ?", (known.id,))
        (content,) = self.all("SELECT * FROM contents WHERE file = ?", (known.id,))
        columns = FileColumns._make(file)
        span = (known.first_chunk, known.first_chunk + known.chunks)
        rows = [
            [columns.language, columns.flags, columns.encoding, columns.lines],
            self.all("SELECT * FROM chunks WHERE id >= ? AND id < ?", span),
            self.all("SELECT * FROM definitions WHERE chunk >= ? AND chunk < ?", span),
            self.all("SELECT * FROM fields WHERE file = ? ORDER BY rowid", (known.id,)),
        ]
        packed = zstandard.ZstdCompressor(level=1, write_checksum=True).compress(json.dumps(rows).encode())
        _, text, lines, imports, reference_rows, checksum = content
        size = len(packed) + len(text) + len(lines or b"") + len(imports or b"")
        self._run(TABLE)
        self._run(INDEX)
        self._run(
            f"INSERT INTO retained VALUES ({','.join('?' * 15)})",
            (known.id, columns.path, columns.size, columns.digest, known.first_chunk, known.chunks, reference_rows,
             self.generation + 1, size, packed, text, lines, imports, columns.cut_digest, checksum),
        )  # fmt: skip
        self._changed = True

    def retained_version(self, file: int) -> tuple[Any, ...] | None:
        """The rows of a retained version, for :meth:`restore`; None where they are damaged: it is let go then."""
        try:
            return intact_version(self, file)
        except IndexCorruptError:
            self.let_go([file])
            return None

    def let_go(self, files: Iterable[int]) -> None:
        """Let retained versions go: their documents are purged with the next purge."""
        for file in files:
            self._run("INSERT OR IGNORE INTO purges VALUES (?)", (file,))
            self._run("DELETE FROM retained WHERE file = ?", (file,))
            self._changed = True

    def restore(self, file: int, version: tuple[Any, ...], entry: Entry, generation: int) -> int:
        """Show a retained version again, under its own ids; returns the number of its chunks.

        Args:
            file: Its id.
            version: Its rows, from :meth:`retained_version`.
            entry: The file as it was met now, with the content of that version.
            generation: That shows it.
        """
        (language, flags, encoding, line_count), of_chunks, definitions, fields, *rest = version
        path, digest, first, chunks, reference_rows, text, lines, imports, cut, checksum = rest
        columns = FileColumns(
            id=file, path=path, size=entry.size, stamp=entry.stamp, digest=digest, cut_digest=cut,
            language=language, flags=flags, encoding=encoding, first_chunk=first, chunks=chunks,
            lines=line_count, generation=generation,
        )  # fmt: skip
        self._run(f"INSERT INTO files VALUES ({','.join('?' * len(columns))})", columns)
        self._run(
            "INSERT INTO contents VALUES (?, ?, ?, ?, ?, ?)",
            (file, text, lines, imports, reference_rows, checksum),
        )
        self._many("INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", of_chunks)
        self._many("INSERT INTO definitions VALUES (?, ?, ?, ?, ?, ?, ?)", definitions)
        self._many("INSERT INTO fields VALUES (?, ?, ?, ?)", fields)
        self._run("DELETE FROM retained WHERE file = ?", (file,))
        self._changed = True
        self._alive_files.append(file)
        if chunks:
            self._alive.append((first, first + chunks))
        return int(chunks)

    def release_retained(self) -> None:
        """Let all retained versions go: their documents are purged with the next purge."""
        if self.meta(KEY) is not None:
            self._run("INSERT OR IGNORE INTO purges SELECT file FROM retained")
            self._run("DELETE FROM retained")
            self._changed = True

    def settle_retained(self) -> None:
        """Finish what a transaction did to retained versions, before it is committed: let the oldest go,
        tell readers which there are, and record that what was restored is alive."""
        if not self._changed:
            return
        total = 0
        kept: list[int] = []
        leaving: list[int] = []
        for file, size in self.all("SELECT file, bytes FROM retained ORDER BY generation DESC, file DESC"):
            total += size
            (kept if total <= RETAINED_BYTES and len(kept) < RETAINED_FILES else leaving).append(file)
        self._many("INSERT OR IGNORE INTO purges VALUES (?)", ((file,) for file in leaving))
        self._many("DELETE FROM retained WHERE file = ?", ((file,) for file in leaving))
        if kept:
            self.set_meta(KEY, pack_files(kept))
        else:
            self._run("DELETE FROM meta WHERE key = ?", (KEY,))
        if self._alive_files:
            self._revive_references(set(self._alive_files))
        if self._alive:
            self._revive_vectors()

    def _revive_references(self, files: set[int]) -> None:
        noted = self.dead_references()
        for row in self.reference_segments():
            dead = unpack_files(noted.get(row.name))
            if not dead & files:
                continue
            counts = ReferenceSegment(reference_path(self.directory, row.name), row.rows).counts
            still = dead - files
            self.set_dead_references(row.name, pack_files(still), sum(counts[file] for file in still))

    def _revive_vectors(self) -> None:
        """Take restored chunks out of the tombstones; those without a vector, after a merge, wait for one."""
        import numpy as np

        from spelunk.store.segment import Segment, pack_rows

        spans = np.asarray(self._alive, np.int64)
        wanted = np.concatenate([np.arange(first, end) for first, end in self._alive])
        have = np.zeros(0, np.int64)
        tombstones = self.tombstones()
        for row in self.segments():
            near = spans[(spans[:, 0] <= row.last_chunk) & (spans[:, 1] > row.first_chunk)]
            if not len(near):
                continue
            try:
                path = os.path.join(self.directory, VECTORS, row.name)
                segment = Segment(path, row.rows, tombstones.get(row.name))
            except IndexCorruptError:
                continue  # a check reports it
            inside = segment.inside(near)
            have = np.concatenate([have, np.asarray(segment.ids)[inside]])
            dead = ~(segment.live() | inside)
            self.set_tombstones(row.name, pack_rows(dead), int(dead.sum()))
        self.add_pending(np.setdiff1d(wanted, have).tolist())

    def set_tombstones(self, segment: str, bits: bytes, dead: int) -> None:
        """Record the dead rows of a segment.

        Args:
            segment: Its name.
            bits: One bit a row, lowest first.
            dead: How many bits are set.
        """
        self._run("UPDATE segments SET dead = ? WHERE name = ?", (dead, segment))
        self._run("DELETE FROM tombstones WHERE segment = ?", (segment,))
        if dead:
            self._run("INSERT INTO tombstones VALUES (?, ?)", (segment, bits))

    def add_pending(self, chunks: Any) -> None:
        """Record chunks that wait for a vector."""
        self._many("INSERT OR IGNORE INTO pending (chunk) VALUES (?)", ((i,) for i in chunks))


def intact_version(manifest: Manifest, file: int) -> tuple[Any, ...]:
    """The rows of a retained version, verified by the checksum that its file had.

    Returns:
        Columns of the file, its chunks, definitions and fields, then path, digest, first chunk, number of
        chunks, reference rows, text, lines, imports, digest of the settings, and checksum.

    Raises:
        IndexCorruptError: They are not what was retained.
    """
    ((packed, *rest),) = manifest.all(
        "SELECT columns, path, digest, first_chunk, chunks, reference_rows, text, lines, imports,"
        " cut_digest, checksum FROM retained WHERE file = ?",
        (file,),
    )
    path, digest, first, count, reference_rows, text, lines, imports, _, checksum = rest
    try:
        columns, of_chunks, definitions, fields = json.loads(zstandard.ZstdDecompressor().decompress(packed))
        language, flags, encoding, line_count = columns
        defined: dict[int, list[Definition]] = {}
        for chunk, _number, *definition in definitions:
            defined.setdefault(chunk, []).append(Definition._make(definition))
        written = row_checksum(
            FileFacts(decode_path(path), digest, language, flags, encoding, line_count),
            [ChunkRecord._make((row[0] - first, *row[1:], tuple(defined.get(row[0], ())))) for row in of_chunks],
            [FieldRecord(chunk - first, key, value) for chunk, _file, key, value in fields],
            text, lines, imports, reference_rows,
        )  # fmt: skip
    except (zstandard.ZstdError, ValueError, TypeError, OverflowError) as error:
        raise IndexCorruptError(f"a retained version cannot be read: {error}") from None
    if written != checksum or len(of_chunks) != count:
        raise IndexCorruptError("a retained version differs from what was written")
    return (language, flags, encoding, line_count), of_chunks, definitions, fields, *rest


def damaged_retained(manifest: Manifest) -> Iterator[tuple[int, str, str]]:
    """Yield id, path and what is wrong of each retained version that is damaged.

    An id that readers are told without a row, or a row that they are not told, has an empty path.
    """
    if manifest.meta(KEY) is None:
        return
    rows = manifest.all("SELECT file, path FROM retained ORDER BY file")
    for file, path in rows:
        try:
            intact_version(manifest, file)
        except IndexCorruptError as error:
            yield file, decode_path(path), str(error)
    for file in sorted(retained_files(manifest) ^ {file for file, _ in rows}):
        yield file, "", "a retained version is recorded in one of two places"


def retained_chunks(manifest: Manifest) -> list[tuple[int, int]]:
    """First chunk and number of chunks of every retained version: documents that the full text holds, hidden."""
    if manifest.meta(KEY) is None:
        return []
    return [(first, chunks) for first, chunks in manifest.all("SELECT first_chunk, chunks FROM retained")]


def restorable(manifest: Manifest, part: PathRanges | None = None) -> dict[str, list[Retained]]:
    """The retained versions by path whose references are all there still, or those of a part."""
    if manifest.meta(KEY) is None:
        return {}
    rows = list(manifest.of_part("SELECT path, file, size, digest, reference_rows FROM retained", part))
    referenced: set[int] = set()
    for row in manifest.reference_segments() if rows else ():
        try:
            segment = ReferenceSegment(reference_path(manifest.directory, row.name), row.rows)
        except IndexCorruptError:
            continue  # a check reports it
        referenced |= segment.counts.keys()
    out: dict[str, list[Retained]] = {}
    for path, file, size, digest, reference_rows in rows:
        if not reference_rows or file in referenced:
            out.setdefault(decode_path(path), []).append(Retained(file, size, digest))
    return out
