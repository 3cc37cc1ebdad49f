"""Here is a generation: which files, chunks and segments exist. The single truth.

:class:`Manifest` reads; :class:`ManifestWriter` adds what the one writer may
do. A reader inside :meth:`Manifest.begin` sees one generation, whatever is
published meanwhile.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from spelunk import faults
from spelunk.errors import IndexCorruptError
from spelunk.store import schema
from spelunk.store.packet import unpack_definitions
from spelunk.store.schema import decode_path, encode_path
from spelunk.types import Definition, Entry, Failed, Flag, Skipped

VARIABLES: Final = 900
"""Placeholders a statement; SQLite's oldest limit is 999."""


class Known(NamedTuple):
    """What is known of an indexed file without reading it."""

    id: int
    stamp: bytes
    digest: bytes
    first_chunk: int
    chunks: int


@dataclass(frozen=True, slots=True)
class FileRow:
    """An indexed file version."""

    id: int
    path: str
    size: int
    digest: bytes
    language: str
    flags: Flag
    first_chunk: int
    chunks: int
    lines: int


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A published chunk; ``id`` is internal and changes when its file does.

    ``defined`` is what it defines, packed (:func:`spelunk.store.packet.pack_definitions`):
    a header can define hundreds of names, and a search looks at hundreds of chunks.
    """

    id: int
    file: int
    start_line: int
    end_line: int
    start: int
    end: int
    kind: str
    symbol: str
    scope: str
    defined: str = ""

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """Every name defined here; unpacked anew at each access.

        Raises:
            IndexCorruptError: The row is damaged.
        """
        try:
            return unpack_definitions(self.defined)
        except ValueError:
            raise IndexCorruptError(
                f"a stored chunk is damaged (chunk {self.id}); run `spelunk check --repair`"
            ) from None


class SegmentRow(NamedTuple):
    """A vector segment: ``dead`` of its rows belong to no file any more."""

    name: str
    rows: int
    dead: int
    first_chunk: int
    last_chunk: int


def segment_count(directory: str, name: str, rows: int, first: int, last: int) -> int:
    """How many of the chunks ``first`` to ``last - 1`` a segment has; 0 for one that cannot be read."""
    import numpy as np

    from spelunk.errors import IndexCorruptError
    from spelunk.store.paths import VECTORS
    from spelunk.store.scan import Segment

    try:
        ids = Segment(os.path.join(directory, VECTORS, name), rows).ids
    except IndexCorruptError:
        return 0  # a check says so
    found = np.searchsorted(ids, [first, last])
    return int(found[1] - found[0])


_FILE: Final = "id, path, size, digest, language, flags, first_chunk, chunks, lines"
_CHUNK: Final = "id, file, start_line, end_line, start, end, kind, symbol, scope, definitions"


def _file(row: Any) -> FileRow:
    try:
        path, flags = decode_path(row[1]), Flag(row[5])
    except (TypeError, ValueError):  # a NULL where there is none, as after a flipped byte
        raise IndexCorruptError("the manifest has a damaged row; run `spelunk check --repair`") from None
    return FileRow(row[0], path, row[2], row[3], row[4], flags, row[6], row[7], row[8])


def _chunk(row: Any) -> ChunkRow:
    return ChunkRow(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9] or "")


class Manifest:
    """Read access. Usable from one thread at a time."""

    def __init__(self, directory: str, *, write: bool = False, create: bool = False) -> None:
        """Open; see :func:`spelunk.store.schema.connect` for what it raises."""
        self.directory = directory
        self.db = schema.connect(directory, write=write, create=create)

    def close(self) -> None:
        """Close the connection."""
        self.db.close()

    def begin(self) -> None:
        """Hold on to the generation visible now."""
        self.db.execute("BEGIN")
        self.db.execute("SELECT 1 FROM meta LIMIT 1").fetchone()

    def end(self) -> None:
        """Let go of the generation."""
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Rows of a statement, with errors translated."""
        try:
            return self.db.execute(sql, values).fetchall()
        except schema.DAMAGE as error:
            raise schema.translate(error, self.directory) from None

    def meta(self, key: str, default: Any = None) -> Any:
        """One value of the ``meta`` table."""
        rows = self.all("SELECT value FROM meta WHERE key = ?", (key,))
        return rows[0][0] if rows else default

    @property
    def generation(self) -> int:
        """The newest published generation; 0 before the first."""
        return int(self.meta("generation", 0))

    def unfinished(self) -> bool:
        """Whether a writer left journalled work to undo, or replaced documents to purge."""
        return bool(self.all("SELECT 1 FROM intents LIMIT 1") or self.all("SELECT 1 FROM purges LIMIT 1"))

    def counts(self) -> tuple[int, int]:
        """Files and chunks published."""
        row = self.all("SELECT count(*), coalesce(sum(chunks), 0) FROM files")[0]
        return int(row[0]), int(row[1])

    def known(self) -> dict[str, Known]:
        """Every indexed file by path."""
        rows = self.all("SELECT path, id, stamp, digest, first_chunk, chunks FROM files")
        return {decode_path(r[0]): Known._make(r[1:]) for r in rows}

    def others(self) -> dict[str, tuple[Skipped | Failed, bytes]]:
        """Every file skipped or failed after it was offered, with its stamp."""
        out: dict[str, tuple[Skipped | Failed, bytes]] = {}
        for path, failed, reason, detail, stamp in self.all(
            "SELECT path, failed, reason, detail, stamp FROM others ORDER BY path"
        ):
            name = decode_path(path)
            out[name] = (Failed(name, reason, detail) if failed else Skipped(name, reason, detail), stamp)
        return out

    def stamps(self) -> Iterator[tuple[str, bytes]]:
        """Path and stamp of every file that was read."""
        for table in ("files", "others"):
            for path, stamp in self.all(f"SELECT path, stamp FROM {table}"):
                yield decode_path(path), stamp

    def stamp_and_digest(self, path: str) -> tuple[bytes, bytes] | None:
        """The stamp and the digest of a published file."""
        rows = self.all("SELECT stamp, digest FROM files WHERE path = ?", (encode_path(path),))
        return (rows[0][0], rows[0][1]) if rows else None

    def fence(self) -> bytes:
        """What the last walk saw, opaque; empty before the first."""
        rows = self.all("SELECT data FROM fences")
        return bytes(rows[0][0]) if rows else b""

    def segments(self) -> list[SegmentRow]:
        """Vector segments of this generation, by first chunk."""
        rows = self.all("SELECT name, rows, dead, first_chunk, last_chunk FROM segments ORDER BY first_chunk")
        for name, *numbers in rows:
            if not isinstance(name, str) or "/" in name or not all(isinstance(n, int) for n in numbers):
                raise IndexCorruptError(
                    f"{self.directory}: damaged (a segment); run `spelunk check --repair`"
                )
        return [SegmentRow._make(r) for r in rows]

    def chunks(self, ids: Sequence[int]) -> dict[int, ChunkRow]:
        """Published chunks by id; ids of nothing published are left out."""
        return {row[0]: _chunk(row) for row in self._by_id(f"SELECT {_CHUNK} FROM chunks WHERE id IN", ids)}

    def files(self, ids: Sequence[int]) -> dict[int, FileRow]:
        """Published files by id."""
        return {row[0]: _file(row) for row in self._by_id(f"SELECT {_FILE} FROM files WHERE id IN", ids)}

    def _by_id(self, select: str, ids: Sequence[int]) -> Iterator[Any]:
        for i in range(0, len(ids), VARIABLES):
            part = ids[i : i + VARIABLES]
            yield from self.all(f"{select} ({','.join('?' * len(part))})", part)

    def file(self, path: str) -> FileRow | None:
        """The published version of a file."""
        rows = self.all(f"SELECT {_FILE} FROM files WHERE path = ?", (encode_path(path),))
        return _file(rows[0]) if rows else None

    def other(self, path: str) -> Skipped | Failed | None:
        """Why a file that was offered is not indexed."""
        rows = self.all("SELECT failed, reason, detail FROM others WHERE path = ?", (encode_path(path),))
        if not rows:
            return None
        failed, reason, detail = rows[0]
        return Failed(path, reason, detail) if failed else Skipped(path, reason, detail)

    def all_files(self) -> Iterator[FileRow]:
        """Every published file, by path."""
        for row in self.all(f"SELECT {_FILE} FROM files ORDER BY path"):
            yield _file(row)

    def chunks_of(self, file: FileRow) -> list[ChunkRow]:
        """A file's chunks in order."""
        rows = self.all(
            f"SELECT {_CHUNK} FROM chunks WHERE id >= ? AND id < ? ORDER BY id",
            (file.first_chunk, file.first_chunk + file.chunks),
        )
        return [_chunk(r) for r in rows]

    def content(self, file: int) -> tuple[bytes, bytes | None]:
        """A file version's compressed text, and its line map if it has one."""
        rows = self.all("SELECT text, lines FROM contents WHERE file = ?", (file,))
        if not rows:
            raise IndexCorruptError(
                f"{self.directory}: text of file {file} missing; run `spelunk check --repair`"
            )
        return rows[0][0], rows[0][1]

    def fields_of(self, chunks: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
        """Front-matter fields of chunks."""
        out: dict[int, list[tuple[str, str]]] = {}
        for chunk, key, value in self._by_id("SELECT chunk, key, value FROM fields WHERE chunk IN", chunks):
            out.setdefault(chunk, []).append((key, value))
        return out

    def pending(self) -> tuple[int, int]:
        """Chunks without a vector: those still to be made, and those refused."""
        if not self.all("SELECT 1 FROM sqlite_master WHERE name = 'pending'"):
            return 0, 0
        row = self.all("SELECT count(*), count(refused) FROM pending")[0]
        return int(row[0]) - int(row[1]), int(row[1])

    def refused(self, limit: int) -> list[tuple[str, int, int, str]]:
        """Chunks that no vector can be made of: (path, first line, last line, why), by place."""
        if not self.pending()[1]:
            return []
        rows = self.all(
            "SELECT f.path, c.start_line, c.end_line, p.refused FROM pending p "
            "JOIN chunks c ON c.id = p.chunk JOIN files f ON f.id = c.file "
            "WHERE p.refused IS NOT NULL ORDER BY f.path, c.id LIMIT ?",
            (limit,),
        )
        return [(decode_path(path), first, last, why) for path, first, last, why in rows]

    def kinds(self) -> list[str]:
        """Kind names; a kind's code in the vector segments is its place here."""
        return list(json.loads(self.meta("kinds", "[]")))


class ManifestWriter(Manifest):
    """What the one writer may do. Changes show when :meth:`publish` commits."""

    def __init__(self, directory: str) -> None:
        super().__init__(directory, write=True, create=True)

    def set_meta(self, key: str, value: Any) -> None:
        """Set one value of the ``meta`` table."""
        self.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Execute a statement; the number of rows it changed."""
        try:
            return self.db.execute(sql, values).rowcount
        except schema.DAMAGE as error:
            raise schema.translate(error, self.directory) from None

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute a statement for each row."""
        try:
            self.db.executemany(sql, rows)
        except schema.DAMAGE as error:
            raise schema.translate(error, self.directory) from None

    def start(self) -> None:
        """Begin a transaction that changes things."""
        self.run("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make the transaction durable and visible."""
        self.run("COMMIT")

    def abandon(self) -> None:
        """Forget the open transaction, if there is one."""
        if self.db.in_transaction:
            try:
                self.db.execute("ROLLBACK")
            except sqlite3.Error:
                pass  # the disk's error was reported by the statement that met it

    def add_file(self, row: Sequence[Any]) -> None:
        """Add a file version: the columns of ``files`` in order."""
        self.run("INSERT INTO files VALUES (" + ",".join("?" * 13) + ")", row)

    def remove_file(self, known: Known) -> None:
        """Remove a file version and all that hangs on it; it is purged elsewhere later."""
        self.run("DELETE FROM files WHERE id = ?", (known.id,))
        self.run("DELETE FROM contents WHERE file = ?", (known.id,))
        self.run("DELETE FROM seals WHERE file = ?", (known.id,))
        self.run("DELETE FROM fields WHERE file = ?", (known.id,))
        if known.chunks:
            last = known.first_chunk + known.chunks
            self.run("DELETE FROM chunks WHERE id >= ? AND id < ?", (known.first_chunk, last))
            without = self.run(
                "DELETE FROM pending WHERE chunk >= ? AND chunk < ?", (known.first_chunk, last)
            )
            if without < known.chunks:
                self._bury(known.first_chunk, last, known.chunks - without)
            self.run("INSERT OR IGNORE INTO purges VALUES (?)", (known.id,))

    def _bury(self, first: int, last: int, vectors: int) -> None:
        """Count the vectors of the chunks ``first`` to ``last - 1`` as dead where they lie."""
        holders = self.all(
            "SELECT name, rows FROM segments WHERE first_chunk < ? AND last_chunk >= ?", (last, first)
        )
        for name, rows in holders:
            # Ranges of segments that were filled in later overlap: only their ids tell then.
            here = vectors if len(holders) == 1 else segment_count(self.directory, name, rows, first, last)
            if here:
                self.run("UPDATE segments SET dead = dead + ? WHERE name = ?", (here, name))

    def set_other(self, what: Skipped | Failed, stamp: bytes) -> None:
        """Record a file that was offered and is not indexed."""
        failed = isinstance(what, Failed)
        reason = what.stage if isinstance(what, Failed) else what.reason
        detail = what.error if isinstance(what, Failed) else what.detail
        self.run(
            "INSERT OR REPLACE INTO others VALUES (?, ?, ?, ?, ?)",
            (encode_path(what.path), int(failed), reason, detail, stamp),
        )

    def remove_other(self, path: str) -> None:
        """Forget a file that was skipped or failed."""
        self.run("DELETE FROM others WHERE path = ?", (encode_path(path),))

    def set_fence(self, fence: bytes) -> None:
        """Replace what is recorded of the last walk."""
        self.run("DELETE FROM fences")
        self.run("INSERT INTO fences VALUES (?)", (fence,))

    def update_stamp(self, entry: Entry) -> None:
        """Record the stamp of a file whose content did not change."""
        self.run(
            "UPDATE files SET size = ?, stamp = ? WHERE path = ?",
            (entry.size, entry.stamp, encode_path(entry.path)),
        )

    def publish(self, segments: Sequence[SegmentRow], *, settled: bool = True) -> int:
        """Commit the open transaction as the next generation.

        Args:
            segments: Vector segments that it adds.
            settled: Nothing of what was intended is left to be done.

        Returns:
            The generation's number.
        """
        number = self.generation + 1
        faults.reach("publish.manifest.rows")
        self.many("INSERT INTO segments VALUES (?, ?, ?, ?, ?)", segments)
        self.set_meta("generation", number)
        files, chunks = self.counts()
        self.run("INSERT INTO generations VALUES (?, ?, ?, ?)", (number, time.time(), files, chunks))
        self.run("DELETE FROM generations WHERE number <= ?", (number - 100,))
        if settled:
            self.run("DELETE FROM intents")
        faults.reach("publish.manifest.before")
        self.commit()
        faults.reach("publish.manifest.after")
        return number
