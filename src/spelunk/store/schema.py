"""The manifest's tables, and how a connection to them is opened.

The database runs in WAL mode: readers never wait for the writer, and each
read transaction sees one generation. ``synchronous=FULL`` because a publish
must be on disk before the documents it replaces are purged elsewhere.
"""

from __future__ import annotations

import os
import sqlite3
from typing import Final
from urllib.parse import quote

from spelunk import faults
from spelunk.errors import IndexCorruptError, IndexFormatError, IndexMissingError, StorageError

FORMAT: Final = 3
"""The on-disk format this release writes. One with a higher number is refused; one with a
lower counts as no index, and the next update makes it anew."""

MANIFEST: Final = "manifest.sqlite"

BUSY_SECONDS: Final = 30.0

DAMAGE: Final = (sqlite3.Error, UnicodeDecodeError)
"""What a damaged database raises; the second where SQLite quotes it in a message."""

SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE files (
  id INTEGER PRIMARY KEY,          -- a new one for every version of a file
  path NOT NULL,                   -- TEXT, or BLOB where the name is not UTF-8
  size INTEGER NOT NULL,
  stamp BLOB NOT NULL,             -- of the source; empty: equal to nothing
  digest BLOB NOT NULL, layout BLOB NOT NULL,
  language TEXT NOT NULL, flags INTEGER NOT NULL, encoding TEXT NOT NULL,
  first_chunk INTEGER NOT NULL, chunks INTEGER NOT NULL,
  lines INTEGER NOT NULL, generation INTEGER NOT NULL
);
CREATE UNIQUE INDEX files_path ON files (path);
CREATE INDEX files_chunk ON files (first_chunk);
CREATE TABLE others (              -- files seen and not indexed
  path PRIMARY KEY, failed INTEGER NOT NULL,
  reason TEXT NOT NULL, detail TEXT NOT NULL,
  stamp BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE chunks (
  id INTEGER PRIMARY KEY, file INTEGER NOT NULL,
  start_line INTEGER NOT NULL, end_line INTEGER NOT NULL,
  start INTEGER NOT NULL, end INTEGER NOT NULL,
  kind TEXT NOT NULL, symbol TEXT NOT NULL, scope TEXT NOT NULL,
  definitions TEXT                 -- name TAB kind TAB line, one a row; NULL if none
);
CREATE TABLE contents (file INTEGER PRIMARY KEY, text BLOB NOT NULL, lines BLOB);
CREATE TABLE seals (file INTEGER PRIMARY KEY, seal BLOB NOT NULL);  -- over all rows of a file
CREATE TABLE fields (chunk INTEGER NOT NULL, file INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL);
CREATE INDEX fields_key ON fields (key, value);
CREATE INDEX fields_file ON fields (file);
CREATE TABLE fences (data BLOB NOT NULL);  -- one row: what the last walk saw, for the source to compare
CREATE TABLE segments (
  name TEXT PRIMARY KEY, rows INTEGER NOT NULL, dead INTEGER NOT NULL,
  first_chunk INTEGER NOT NULL, last_chunk INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE intents (             -- work begun and not yet published
  id INTEGER PRIMARY KEY, what TEXT NOT NULL, first_chunk INTEGER, segment TEXT, started REAL NOT NULL
);
CREATE TABLE purges (file INTEGER PRIMARY KEY);  -- superseded, still in the full-text index
CREATE TABLE generations (number INTEGER PRIMARY KEY, published REAL NOT NULL, files INTEGER, chunks INTEGER);
"""

PENDING: Final = """
CREATE TABLE pending (             -- chunks without a vector of this index's embedder
  chunk INTEGER PRIMARY KEY,
  refused TEXT                     -- why none can be made; NULL where it is still to be made
);
"""
"""Apart, because an index without it is not old: nothing was pending in it."""


def encode_path(path: str) -> str | bytes:
    """A relative path as the manifest keeps it."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def decode_path(value: str | bytes) -> str:
    """The inverse of :func:`encode_path`.

    Raises:
        IndexCorruptError: No path was stored.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, bytes):
        raise IndexCorruptError("a stored path is damaged; run `spelunk check --repair`")
    return os.fsdecode(value)


def exists(directory: str) -> bool:
    """Is there a manifest here?"""
    return os.path.exists(os.path.join(directory, MANIFEST))


def connect(directory: str, *, write: bool, create: bool = False) -> sqlite3.Connection:
    """A connection to the manifest in autocommit mode, checked for its format.

    Raises:
        IndexMissingError: There is none, and ``create`` is false; or it is of an older format.
        IndexFormatError: It was written by a newer Spelunk.
        IndexCorruptError: It is not a manifest, or is damaged.
        StorageError: The disk refuses.
    """
    path = os.path.join(directory, MANIFEST)
    if not create and not os.path.exists(path):
        raise IndexMissingError(f"{directory}: no index here; run `spelunk index`")
    try:
        if write:
            db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        else:
            db = _connect_reader(path)
        db.execute("PRAGMA cache_size = -16000")
        if create and not db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            faults.reach("create.manifest.before")
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(f"BEGIN;{SCHEMA};{PENDING};INSERT INTO meta VALUES ('format', {FORMAT});COMMIT")
            faults.reach("create.manifest.after")
        if write:
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA wal_autocheckpoint = 4000")
        row = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    except DAMAGE as error:
        if not write and _is_empty(path):
            raise IndexMissingError(f"{directory}: no index here; run `spelunk index`") from None
        raise translate(error, path) from None
    if row is None or not isinstance(row[0], int):
        raise IndexCorruptError(f"{path}: no format number; run `spelunk check --repair`")
    if row[0] > FORMAT:
        db.close()
        raise IndexFormatError(
            f"{path}: format {row[0]} is newer than this Spelunk reads ({FORMAT}); upgrade Spelunk, "
            "or run `spelunk index --rebuild` to start over"
        )
    if row[0] < FORMAT:
        db.close()
        raise IndexMissingError(
            f"{directory}: an index in an older format ({row[0]}); `spelunk index` makes it anew"
        )
    if write:
        _complete(db, path)
    return db


def outdated(directory: str) -> bool:
    """Is there a manifest of an older format here?"""
    path = os.path.join(directory, MANIFEST)
    try:
        db = _connect_reader(path)
        try:
            row = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
        finally:
            db.close()
    except DAMAGE:
        return False
    return row is not None and isinstance(row[0], int) and row[0] < FORMAT


def _complete(db: sqlite3.Connection, path: str) -> None:
    try:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'pending'").fetchone():
            db.executescript(f"BEGIN;{PENDING};COMMIT")
    except sqlite3.Error as error:
        raise translate(error, path) from None


def _is_empty(path: str) -> bool:
    """A writer died before it made the tables."""
    try:
        db = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)
        try:
            return not db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        finally:
            db.close()
    except DAMAGE:
        return False


def _connect_reader(path: str) -> sqlite3.Connection:
    uri = f"file:{quote(path)}?mode=ro"
    db = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        db.execute("SELECT 1 FROM meta LIMIT 1")
    except sqlite3.OperationalError:
        # A read-only disk cannot hold the shared-memory file of WAL; nothing can write there either.
        if os.access(os.path.dirname(path), os.W_OK):
            raise
        db.close()
        db = sqlite3.connect(uri + "&immutable=1", uri=True, isolation_level=None, check_same_thread=False)
    return db


def translate(error: Exception, path: str) -> Exception:
    """The error of ours that says the same, with what to do."""
    if isinstance(error, UnicodeDecodeError):
        return IndexCorruptError(f"{path}: damaged (not UTF-8); run `spelunk check --repair`")
    text = str(error)
    code = getattr(error, "sqlite_errorname", "") or ""
    if "SQLITE_FULL" in code or "disk is full" in text:
        return StorageError(f"{path}: the disk is full; free some space and run `spelunk index` again")
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return StorageError(f"{path}: cannot be written ({text}); choose another place with --index-dir")
    if code.startswith("SQLITE_IOERR"):
        return StorageError(f"{path}: input/output error ({text})")
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "malformed" in text or "no such" in text:
        return IndexCorruptError(f"{path}: damaged ({text}); run `spelunk check --repair`")
    return StorageError(f"{path}: {text}")
