"""Read the manifest: which files, chunks and segments a generation holds. It decides what exists.

:class:`spelunk.store.manifest_writer.ManifestWriter` adds what the one writer
may do. A reader inside :meth:`Manifest.begin` sees one generation, whatever is
published meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

from spelunk.errors import IndexCorruptError
from spelunk.store import schema
from spelunk.store.path_ranges import PathRanges
from spelunk.store.paths import full_text_name, manifest_name, next_full_text
from spelunk.store.records import (
    ChunkRecord,
    Donor,
    FieldRecord,
    FileContent,
    FileRow,
    Known,
    ReferenceSegmentRow,
    SegmentRow,
)
from spelunk.store.schema import decode_path, encode_path
from spelunk.types import Definition, Failed, Flag, Skipped

VARIABLES: Final = 900
"""Placeholders in one statement; SQLite's oldest limit is 999."""
FEW_SIZES: Final = 500
"""With more sizes than this, all files are read and compared in Python."""


_FILE: Final = "id, path, size, digest, language, flags, first_chunk, chunks, lines, encoding, generation"
_CHUNK: Final = "id, file, start_line, end_line, start, end, kind, symbol, scope"
_DEFINITION: Final = "chunk, name, kind, line, scope, end_line"
PARTS: Final = ("chunks", "contents", "fields")
"""Tables whose rows name the file that they belong to."""


def _file(row: Any) -> FileRow:
    try:
        path, flags = decode_path(row[1]), Flag(row[5])
    except (TypeError, ValueError):  # a NULL where there is none, as after a flipped byte
        raise IndexCorruptError("the manifest has a damaged row; run `spelunk check --repair`") from None
    return FileRow(row[0], path, row[2], row[3], row[4], flags, *row[6:])


def _unindexed(path: str, failed: int, reason: str, detail: str) -> Skipped | Failed:
    return Failed(path, reason, detail) if failed else Skipped(path, reason, detail)


class Manifest:
    """Read access. Usable from one thread at a time.

    Attributes:
        directory: The index directory.
        name: The manifest's file name; a rebuild publishes one of another name.
    """

    def __init__(self, directory: str) -> None:
        """Open the published manifest; see :func:`spelunk.store.schema.connect_reader` for errors."""
        self.directory = directory
        self.db, self.name = self._connect()

    def _connect(self) -> tuple[Any, str]:
        return schema.connect_reader(self.directory)

    def close(self) -> None:
        """Close the connection."""
        self.db.close()

    def __del__(self) -> None:
        # A view that its owner did not close; from 3.13 on Python warns of such connections.
        if hasattr(self, "db"):
            self.db.close()

    def begin(self) -> None:
        """Start a read transaction: see one generation until :meth:`end`.

        A manifest that a rebuild replaced is closed and the new one opened.
        """
        if self.replaced:
            self.db.close()
            self.db, self.name = self._connect()
        self.all("BEGIN")
        self.all("SELECT 1 FROM meta LIMIT 1")

    def end(self) -> None:
        """End the read transaction."""
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    @property
    def replaced(self) -> bool:
        """Whether a rebuild has published another manifest since this one was opened."""
        return manifest_name(self.directory) != self.name

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows of a statement, with errors translated. For this package only."""
        try:
            return list(self.db.execute(sql, values).fetchall())
        except schema.DAMAGE as error:
            raise schema.translate(error, self.directory) from None

    def _by_id(self, select: str, ids: Sequence[int], order: str = "") -> Iterator[Any]:
        for i in range(0, len(ids), VARIABLES):
            part = ids[i : i + VARIABLES]
            yield from self.all(f"{select} ({','.join('?' * len(part))}) {order}", part)

    # The generation

    def meta(self, key: str, default: Any = None) -> Any:
        """Return one value of the table ``meta``."""
        rows = self.all("SELECT value FROM meta WHERE key = ?", (key,))
        return rows[0][0] if rows else default

    @property
    def generation(self) -> int:
        """The newest published generation; 0 before the first."""
        return int(self.meta("generation", 0))

    def published_at(self) -> float:
        """Return when the newest generation was published, in seconds since the epoch; 0.0 without any."""
        return float(self.all("SELECT max(published) FROM generations")[0][0] or 0)

    def counts(self) -> tuple[int, int]:
        """Return the number of files and of chunks published."""
        row = self.all("SELECT count(*), coalesce(sum(chunks), 0) FROM files")[0]
        return int(row[0]), int(row[1])

    def published_counts(self) -> tuple[int, int]:
        """Return what :meth:`counts` does, as it was recorded with the newest generation; counted where it was not."""
        rows = self.all("SELECT files, chunks FROM generations WHERE number = ?", (self.generation,))
        return (int(rows[0][0]), int(rows[0][1])) if rows else self.counts()

    @property
    def full_text_name(self) -> str:
        """Folder of the full-text index that this generation uses."""
        return full_text_name(int(self.meta("lexical", 1)))

    def next_full_text(self) -> int:
        """Return a number that no full-text index has, neither on disk nor in this generation."""
        return max(next_full_text(self.directory), int(self.meta("lexical", 1)) + 1)

    def kinds(self) -> list[str]:
        """Return the names of kinds; a kind's code in the vector segments is its place here."""
        return list(json.loads(self.meta("kinds", "[]")))

    def journalled(self) -> bool:
        """Return whether a writer has begun something that is not published yet, or died over it."""
        return bool(self.all("SELECT 1 FROM intents LIMIT 1"))

    def unfinished(self) -> bool:
        """Return whether a writer left journalled work to undo, or replaced documents to purge."""
        return self.journalled() or bool(self.all("SELECT 1 FROM purges LIMIT 1"))

    def superseded(self) -> list[int]:
        """Return ids of replaced file versions that are still in the full text."""
        return [row[0] for row in self.all("SELECT file FROM purges")]

    # Files

    def known(self, part: PathRanges | None = None) -> dict[str, Known]:
        """Return every indexed file by path, or those of a part."""
        select = "SELECT path, id, stamp, digest, first_chunk, chunks FROM files"
        return {decode_path(r[0]): Known._make(r[1:]) for r in self.of_part(select, part)}

    def unindexed(self, part: PathRanges | None = None) -> dict[str, tuple[Skipped | Failed, bytes]]:
        """Return every file that was offered and skipped, or failed, with its stamp; or those of a part."""
        out: dict[str, tuple[Skipped | Failed, bytes]] = {}
        select = "SELECT path, failed, reason, detail, stamp FROM unindexed"
        for path, failed, reason, detail, stamp in self.of_part(select, part):
            name = decode_path(path)
            out[name] = (_unindexed(name, failed, reason, detail), stamp)
        return out

    def of_part(self, select: str, part: PathRanges | None) -> Iterator[Any]:
        """Yield the rows that a query without conditions gives, or those whose ``path`` is in a part."""
        if part is None:
            yield from self.all(select)
            return
        for condition, values in part.conditions():
            yield from self.all(f"{select} WHERE {condition}", values)

    def unindexed_file(self, path: str) -> Skipped | Failed | None:
        """Return why a file that was offered is not indexed."""
        rows = self.all("SELECT failed, reason, detail FROM unindexed WHERE path = ?", (encode_path(path),))
        return _unindexed(path, *rows[0]) if rows else None

    def stamps(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and stamp of every file that was read."""
        for table in ("files", "unindexed"):
            for path, stamp in self.all(f"SELECT path, stamp FROM {table}"):
                yield decode_path(path), stamp

    def stamp_and_digest(self, path: str) -> tuple[bytes, bytes] | None:
        """Return the stamp and the digest of an indexed file."""
        rows = self.all("SELECT stamp, digest FROM files WHERE path = ?", (encode_path(path),))
        return (rows[0][0], rows[0][1]) if rows else None

    def fence(self) -> bytes:
        """Return what the last walk saw, opaque; empty before the first."""
        rows = self.all("SELECT data FROM fences")
        return rows[0][0] if rows and isinstance(rows[0][0], bytes) else b""

    def file(self, path: str) -> FileRow | None:
        """Return the published version of a file."""
        rows = self.all(f"SELECT {_FILE} FROM files WHERE path = ?", (encode_path(path),))
        return _file(rows[0]) if rows else None

    def files(self, ids: Sequence[int]) -> dict[int, FileRow]:
        """Return published files by id."""
        return {row[0]: _file(row) for row in self._by_id(f"SELECT {_FILE} FROM files WHERE id IN", ids)}

    def all_files(self) -> Iterator[FileRow]:
        """Yield every published file, by path."""
        for row in self.all(f"SELECT {_FILE} FROM files ORDER BY path"):
            yield _file(row)

    def searchable_paths(self) -> list[tuple[int, str]]:
        """Return id and path of every file with chunks."""
        rows = self.all("SELECT id, path FROM files WHERE chunks > 0")
        return [(number, decode_path(path)) for number, path in rows]

    def languages(self) -> list[tuple[str, int]]:
        """Return the number of files by language, most first."""
        return [*map(tuple, self.all("SELECT language, count(*) FROM files GROUP BY 1 ORDER BY 2 DESC, 1"))]

    def donors(self, sizes: Collection[int]) -> list[Donor]:
        """Return the files of these sizes in bytes whose chunks all have a vector."""
        select = "SELECT cut_digest, first_chunk, size FROM files f WHERE chunks > 0"
        if len(sizes) <= FEW_SIZES:
            select += f" AND size IN ({','.join(map(str, sizes))})"
        if any(self.pending()):
            select += (
                " AND NOT EXISTS (SELECT 1 FROM pending WHERE chunk >= f.first_chunk"
                " AND chunk < f.first_chunk + f.chunks)"
            )
        return [donor for donor in map(Donor._make, self.all(select)) if donor.size in sizes]

    # Chunks

    def chunks(self, ids: Sequence[int]) -> dict[int, ChunkRecord]:
        """Return published chunks by id, with their definitions; unknown ids are left out."""
        rows = [*self._by_id(f"SELECT {_CHUNK} FROM chunks WHERE id IN", ids)]
        defined = self._definitions(
            self._by_id(
                f"SELECT {_DEFINITION} FROM definitions WHERE chunk IN", ids, "ORDER BY chunk, number"
            )
        )
        return {row[0]: ChunkRecord._make((*row, defined.get(row[0], ()))) for row in rows}

    def chunks_of(self, file: FileRow) -> list[ChunkRecord]:
        """Return a file's chunks in order, with their definitions."""
        span = (file.first_chunk, file.first_chunk + file.chunks)
        rows = self.all(f"SELECT {_CHUNK} FROM chunks WHERE id >= ? AND id < ? ORDER BY id", span)
        defined = self._definitions(
            self.all(
                f"SELECT {_DEFINITION} FROM definitions WHERE chunk >= ? AND chunk < ? "
                "ORDER BY chunk, number",
                span,
            )
        )
        return [ChunkRecord._make((*row, defined.get(row[0], ()))) for row in rows]

    @staticmethod
    def _definitions(rows: Iterable[Any]) -> dict[int, tuple[Definition, ...]]:
        """Group rows of definitions by chunk, in their order."""
        out: dict[int, list[Definition]] = {}
        for chunk, *definition in rows:
            out.setdefault(chunk, []).append(Definition._make(definition))
        return {chunk: tuple(definitions) for chunk, definitions in out.items()}

    def defining(self, name: str) -> list[int]:
        """Return the ids of the chunks that define exactly this name, ascending."""
        return [i for (i,) in self.all("SELECT chunk FROM definitions WHERE name = ? ORDER BY 1", (name,))]

    def chunk_kinds(self) -> list[tuple[int, str]]:
        """Return id and kind of every chunk of a published file, by id."""
        return self.all("SELECT id, kind FROM chunks WHERE file IN (SELECT id FROM files) ORDER BY id")

    def chunks_by_kind(self) -> dict[str, int]:
        """Return the number of published chunks of each kind."""
        published = "SELECT kind, count(*) FROM chunks WHERE file IN (SELECT id FROM files) GROUP BY kind"
        return dict(self.all(published))

    def kinds_between(self, first: int, end: int) -> list[tuple[int, str]]:
        """Return id and kind of the published chunks from ``first`` to ``end - 1``, by id."""
        return self.all("SELECT id, kind FROM chunks WHERE id >= ? AND id < ? ORDER BY id", (first, end))

    def content(self, file: int) -> FileContent:
        """Return what is stored of a file version's text and relations."""
        rows = self.all("SELECT text, lines, imports, reference_rows FROM contents WHERE file = ?", (file,))
        if not rows:
            raise IndexCorruptError(
                f"{self.directory}: text of file {file} missing; run `spelunk check --repair`"
            )
        return FileContent._make(rows[0])

    def checksums(self) -> dict[int, bytes]:
        """Return the checksum over each file's rows, by file id."""
        return dict(self.all("SELECT file, checksum FROM contents"))

    # Front-matter fields

    def fields_of(self, chunks: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
        """Return the front-matter fields of chunks."""
        out: dict[int, list[tuple[str, str]]] = {}
        for chunk, key, value in self._by_id("SELECT chunk, key, value FROM fields WHERE chunk IN", chunks):
            out.setdefault(chunk, []).append((key, value))
        return out

    def fields_of_file(self, file: FileRow) -> list[FieldRecord]:
        """Return the front-matter fields of a file as they were written, chunks numbered from 0."""
        rows = self.all(
            "SELECT chunk - ?, key, value FROM fields WHERE file = ? ORDER BY rowid",
            (file.first_chunk, file.id),
        )
        return [FieldRecord._make(row) for row in rows]

    def files_having_field(self, key: str) -> dict[int, list[str]]:
        """Return the values of a front-matter field by file id; ASCII case of the key does not count."""
        out: dict[int, list[str]] = {}
        for file, value in self.all("SELECT file, value FROM fields WHERE key = ? COLLATE NOCASE", (key,)):
            out.setdefault(file, []).append(value)
        return out

    def field_keys(self) -> set[str]:
        """Return the name of every front-matter field."""
        return {row[0] for row in self.all("SELECT DISTINCT key FROM fields")}

    # Vectors

    def segments(self) -> list[SegmentRow]:
        """Return the vector segments of this generation, by first chunk."""
        rows = self.all("SELECT name, rows, dead, first_chunk, last_chunk FROM segments ORDER BY first_chunk")
        return [*map(SegmentRow._make, self._sound(rows))]

    def _sound(self, rows: list[Any]) -> list[Any]:
        for name, *numbers in rows:
            if not isinstance(name, str) or "/" in name or not all(isinstance(n, int) for n in numbers):
                raise IndexCorruptError(
                    f"{self.directory}: damaged (a segment); run `spelunk check --repair`"
                )
        return rows

    def tombstones(self) -> dict[str, bytes]:
        """Return the dead rows of each segment that has any: one bit a row, lowest first."""
        return dict(self.all("SELECT segment, bits FROM tombstones"))

    def reference_segments(self) -> list[ReferenceSegmentRow]:
        """Return the reference segments of this generation, by first file."""
        select = "SELECT name, rows, dead, first_file, last_file FROM reference_segments"
        rows = self.all(f"{select} ORDER BY first_file, name")
        return [*map(ReferenceSegmentRow._make, self._sound(rows))]

    def dead_references(self) -> dict[str, bytes]:
        """Return the ids of dead files of each reference segment that has any, as uint32."""
        return dict(self.all("SELECT segment, files FROM dead_references"))

    def pending(self) -> tuple[int, int]:
        """Return the number of chunks whose vector is still to be made, and of those refused."""
        row = self.all("SELECT count(*), count(refused) FROM pending")[0]
        return int(row[0]) - int(row[1]), int(row[1])

    def pending_chunks(self, after: int = 0, limit: int = -1, *, refused: bool = False) -> list[int]:
        """Return ids of chunks without a vector, ascending.

        Args:
            after: Only ids above this one.
            limit: At most so many; -1 for all.
            refused: Include those of which no vector can be made.
        """
        condition = "" if refused else "refused IS NULL AND "
        rows = self.all(
            f"SELECT chunk FROM pending WHERE {condition}chunk > ? ORDER BY chunk LIMIT ?", (after, limit)
        )
        return [row[0] for row in rows]

    def refused(self, limit: int) -> list[tuple[str, int, int, str]]:
        """Return chunks of which no vector can be made: (path, first line, last line, why), by place."""
        rows = self.all(
            "SELECT f.path, c.start_line, c.end_line, p.refused FROM pending p "
            "JOIN chunks c ON c.id = p.chunk JOIN files f ON f.id = c.file "
            "WHERE p.refused IS NOT NULL ORDER BY f.path, c.id LIMIT ?",
            (limit,),
        )
        return [(decode_path(path), first, last, why) for path, first, last, why in rows]

    # Integrity

    def integrity_errors(self) -> list[str]:
        """Return the first errors that SQLite's own check reports; empty where there are none.

        Raises:
            IndexCorruptError, StorageError: The database cannot be read.
        """
        rows = [str(row[0]).replace("\n", " ") for row in self.all("PRAGMA integrity_check(5)")]
        return [] if rows == ["ok"] else rows

    def highest(self, table: str) -> int:
        """Return the highest id in ``chunks`` or ``files``; 0 without any."""
        return int(self.all(f"SELECT coalesce(max(id), 0) FROM {table}")[0][0])

    def orphans(self) -> dict[str, int]:
        """Return the number of rows that belong to no file or chunk, by table; tables without any are left out."""
        counts = {
            table: self.all(f"SELECT count(*) FROM {table} WHERE file NOT IN (SELECT id FROM files)")[0][0]
            for table in PARTS
        }
        counts["definitions"] = self.all(
            "SELECT count(*) FROM definitions WHERE chunk NOT IN (SELECT id FROM chunks)"
        )[0][0]
        return {table: count for table, count in counts.items() if count}
