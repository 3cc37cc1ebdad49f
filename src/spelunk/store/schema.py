"""Tables of the manifest, and connections to it.

The database runs in WAL mode: readers never wait for the writer, and each
read transaction sees one generation. ``synchronous=FULL`` because a publish
must be on disk before the documents it replaces are purged from the full text.
"""

from __future__ import annotations

import os
import sqlite3
from typing import Final

from spelunk import faults
from spelunk.errors import (
    IndexBusyError,
    IndexCorruptError,
    IndexFormatError,
    IndexMissingError,
    StorageError,
)
from spelunk.store.paths import BUILDING, MANIFEST, manifest_name

SqlError = sqlite3.Error
"""What a database raises, for those who may not import its module."""

FORMAT: Final = 5
"""The on-disk format this release writes. An index with a higher number is refused; one with
a lower number counts as missing, and the next update builds it again."""

READER_WAIT_SECONDS: Final = 5.0
"""A reader never waits for Spelunk's writer; only a foreign program locks the file for longer."""
WRITER_WAIT_SECONDS: Final = 30.0

DAMAGE: Final = (sqlite3.Error, UnicodeDecodeError)
"""What a damaged database raises; the second where SQLite quotes it in a message."""

SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE files (
  id INTEGER PRIMARY KEY,          -- a new one for every version of a file
  path NOT NULL,                   -- TEXT, or BLOB where the name is not UTF-8
  size INTEGER NOT NULL,
  stamp BLOB NOT NULL,             -- of the source; empty: equal to nothing
  digest BLOB NOT NULL,
  cut_digest BLOB NOT NULL,        -- over content and cuts: where it is equal, the vectors are
  language TEXT NOT NULL, flags INTEGER NOT NULL, encoding TEXT NOT NULL,
  first_chunk INTEGER NOT NULL, chunks INTEGER NOT NULL,
  lines INTEGER NOT NULL, generation INTEGER NOT NULL
);
CREATE UNIQUE INDEX files_path ON files (path);
CREATE INDEX files_chunk ON files (first_chunk);
CREATE TABLE unindexed (           -- files that were offered and skipped, or failed
  path PRIMARY KEY, failed INTEGER NOT NULL,
  reason TEXT NOT NULL, detail TEXT NOT NULL,
  stamp BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE chunks (
  id INTEGER PRIMARY KEY, file INTEGER NOT NULL,
  start_line INTEGER NOT NULL, end_line INTEGER NOT NULL,
  start INTEGER NOT NULL, end INTEGER NOT NULL,
  kind TEXT NOT NULL, symbol TEXT NOT NULL, scope TEXT NOT NULL
);
CREATE TABLE definitions (
  chunk INTEGER NOT NULL, number INTEGER NOT NULL,  -- 0 is the chunk's main definition
  name TEXT NOT NULL, kind TEXT NOT NULL, line INTEGER NOT NULL,
  scope TEXT NOT NULL, end_line INTEGER NOT NULL,
  PRIMARY KEY (chunk, number)
) WITHOUT ROWID;
CREATE INDEX definitions_name ON definitions (name);
CREATE TABLE contents (
  file INTEGER PRIMARY KEY, text BLOB NOT NULL, lines BLOB,
  imports BLOB,                    -- NULL without any
  reference_rows INTEGER NOT NULL, -- rows that the file has in its reference segment
  checksum BLOB NOT NULL           -- over all rows of the file
);
CREATE TABLE fields (chunk INTEGER NOT NULL, file INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL);
CREATE INDEX fields_key ON fields (key, value);
CREATE INDEX fields_file ON fields (file);
CREATE TABLE fences (data BLOB NOT NULL);  -- one row: what the last walk saw, for the source to compare
CREATE TABLE segments (
  name TEXT PRIMARY KEY, rows INTEGER NOT NULL, dead INTEGER NOT NULL,
  first_chunk INTEGER NOT NULL, last_chunk INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE tombstones (          -- dead rows of a segment, one bit a row; only where there are any
  segment TEXT PRIMARY KEY, bits BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE reference_segments (
  name TEXT PRIMARY KEY, rows INTEGER NOT NULL, dead INTEGER NOT NULL,
  first_file INTEGER NOT NULL, last_file INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE dead_references (     -- ids of a segment's dead files, uint32; only where there are any
  segment TEXT PRIMARY KEY, files BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE pending (             -- chunks without a vector of this index's embedder
  chunk INTEGER PRIMARY KEY,
  refused TEXT                     -- why none can be made; NULL where it is still to be made
);
CREATE TABLE intents (             -- work begun and not yet published
  id INTEGER PRIMARY KEY, what TEXT NOT NULL, first_chunk INTEGER, segment TEXT, started REAL NOT NULL
);
CREATE TABLE purges (file INTEGER PRIMARY KEY);  -- superseded, still in the full-text index
CREATE TABLE generations (number INTEGER PRIMARY KEY, published REAL NOT NULL, files INTEGER, chunks INTEGER);
"""

REPLACED_TRIES: Final = 20
"""Tries to open a manifest that rebuilds replace meanwhile."""


def encode_path(path: str) -> str | bytes:
    """A relative path as the manifest stores it: text where its bytes are UTF-8, whatever the locale."""
    if path.isascii():
        return path
    raw = os.fsencode(path)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def path_order(path: str) -> tuple[bool, str | bytes]:
    """Orders paths as the manifest does: names that are not UTF-8 last."""
    encoded = encode_path(path)
    return isinstance(encoded, bytes), encoded


def decode_path(value: str | bytes) -> str:
    """The inverse of :func:`encode_path`: a name that this process can open.

    Raises:
        IndexCorruptError: No path was stored.
    """
    if isinstance(value, str):
        return value if value.isascii() else os.fsdecode(value.encode("utf-8", "surrogatepass"))
    if not isinstance(value, bytes):
        raise IndexCorruptError("a stored path is damaged; run `spelunk check --repair`")
    return os.fsdecode(value)


def exists(directory: str) -> bool:
    """Return whether a manifest is published in the directory, readable or not."""
    return manifest_name(directory) is not None


def connect_reader(directory: str) -> tuple[sqlite3.Connection, str]:
    """Open the published manifest for reading, in autocommit mode.

    Returns:
        The connection, and the manifest's file name.

    Raises:
        IndexMissingError: There is none, or it is of an older format.
        IndexFormatError: It was written by a newer Spelunk.
        IndexCorruptError: It is not a manifest, or is damaged.
        IndexBusyError: Another program holds a lock on it.
        StorageError: The disk refuses.
    """
    looked_again = False
    for _ in range(REPLACED_TRIES):
        name = manifest_name(directory)
        if name is None:
            raise IndexMissingError(f"{directory}: no index here; run `spelunk index`")
        path = os.path.join(directory, name)
        try:
            db = _connect_reader(path)
            try:
                _check_format(db, directory, name)
            except BaseException:
                db.close()
                raise
        except (*DAMAGE, IndexCorruptError) as error:
            if manifest_name(directory) != name:
                continue  # a rebuild replaced it between the look at its name and the open
            if isinstance(error, IndexCorruptError):
                raise
            if not _locked(error):
                if _is_empty(path):
                    raise IndexMissingError(f"{directory}: no index here; run `spelunk index`") from None
                if not looked_again:
                    looked_again = True
                    continue  # a writer made the tables, in one transaction, after the first look
            raise translate(error, path) from None
        if manifest_name(directory) == name:
            return db, name
        db.close()
    raise IndexBusyError(f"{directory}: rebuilt again and again; try again")


def connect_writer(directory: str, building: str | None = None) -> tuple[sqlite3.Connection, str]:
    """Open the manifest for writing, in autocommit mode; create it if there is none. The lock is held.

    Args:
        directory: The index directory.
        building: Name of a manifest that a rebuild makes, instead of the published one.

    Returns:
        The connection, and the manifest's name once it is published.

    Raises:
        As :func:`connect_reader`.
    """
    name = building or manifest_name(directory) or MANIFEST
    path = os.path.join(directory, name + (BUILDING if building else ""))
    try:
        db = sqlite3.connect(path, timeout=WRITER_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA cache_size = -16000")
            if not db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
                faults.reach("create.manifest.before")
                db.execute("PRAGMA journal_mode = WAL")
                db.executescript(f"BEGIN;{SCHEMA};INSERT INTO meta VALUES ('format', {FORMAT});COMMIT")
                faults.reach("create.manifest.after")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA wal_autocheckpoint = 4000")
            _check_format(db, directory, name)
        except BaseException:
            db.close()
            raise
    except DAMAGE as error:
        raise translate(error, path) from None
    return db, name


def _check_format(db: sqlite3.Connection, directory: str, name: str) -> None:
    row = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    path = os.path.join(directory, name)
    if row is None or not isinstance(row[0], int):
        raise IndexCorruptError(f"{path}: no format number; run `spelunk check --repair`")
    if row[0] > FORMAT:
        raise IndexFormatError(
            f"{path}: format {row[0]} is newer than this Spelunk reads ({FORMAT}); upgrade Spelunk, "
            "or run `spelunk index --rebuild` to start over"
        )
    if row[0] < FORMAT:
        raise IndexMissingError(
            f"{directory}: an index in an older format ({row[0]}); `spelunk index` builds it again"
        )


def outdated(directory: str) -> bool:
    """Return whether the published manifest is of an older format."""
    name = manifest_name(directory)
    if name is None:
        return False
    try:
        db = _connect_reader(os.path.join(directory, name))
        try:
            row = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
        finally:
            db.close()
    except DAMAGE:
        return False
    return row is not None and isinstance(row[0], int) and row[0] < FORMAT


def uri_of(path: str, mode: str) -> str:
    """The URI of a database file with what SQLite's URIs need escaped (sqlite.org/uri.html); ``mode`` is ``ro`` or ``rw``.

    ``urllib.parse`` is not imported for it: that takes as long as a search of a small index.
    """
    escaped = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{escaped}?mode={mode}"


def _is_empty(path: str) -> bool:
    """Return whether a writer died before it made the tables."""
    try:
        db = sqlite3.connect(uri_of(path, "ro"), uri=True)
        try:
            return not db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        finally:
            db.close()
    except DAMAGE:
        return False


def _connect_reader(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(
        uri_of(path, "ro"),
        uri=True,
        timeout=READER_WAIT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        db.execute("PRAGMA cache_size = -16000")
        db.execute("SELECT 1 FROM meta LIMIT 1")
    except sqlite3.OperationalError as error:
        db.close()
        # A read-only disk cannot hold the shared-memory file of WAL; nothing can write there either.
        if _locked(error) or os.access(os.path.dirname(path), os.W_OK):
            raise
        db = sqlite3.connect(
            uri_of(path, "ro") + "&immutable=1", uri=True, isolation_level=None, check_same_thread=False
        )
    except BaseException:
        db.close()
        raise
    return db


def _locked(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorname", "") or ""
    return code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def translate(error: Exception, path: str) -> Exception:
    """Return the corresponding error of Spelunk, with what to do."""
    if isinstance(error, UnicodeDecodeError):
        return IndexCorruptError(f"{path}: damaged (not UTF-8); run `spelunk check --repair`")
    text = str(error)
    code = getattr(error, "sqlite_errorname", "") or ""
    if _locked(error):
        return IndexBusyError(f"{path}: locked by another program; try again when it has finished")
    if "SQLITE_FULL" in code or "disk is full" in text:
        return StorageError(f"{path}: the disk is full; free some space and run `spelunk index` again")
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return StorageError(f"{path}: cannot be written ({text}); choose another place with --index-dir")
    if code.startswith("SQLITE_IOERR"):
        return StorageError(f"{path}: input/output error ({text})")
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "malformed" in text or "no such" in text:
        return IndexCorruptError(f"{path}: damaged ({text}); run `spelunk check --repair`")
    return StorageError(f"{path}: {text}")
