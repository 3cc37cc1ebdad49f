"""The commits behind a workspace's files: a SQLite file with messages, changed files and what follows from them.

It lies in the folder ``history`` of the index directory, beside the full text
and the vectors of the messages. Positions count from 0, the newest commit.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from spelunk.store.paths import COMMITS
from spelunk.store.schema import decode_path, encode_path

FORMAT: Final = 1
"""A file with another number is built again: nothing in it is lost but time."""

SWEEPING: Final = 30
"""Files of a commit from which it says nothing of what belongs together: a reformat, a rename of a name."""

MAX_SEED_COMMITS: Final = 200
"""Newest commits of a file that are looked at for files changed with it."""

_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE commits (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
  position INTEGER NOT NULL,       -- 0 is the newest
  author TEXT NOT NULL, time INTEGER NOT NULL, merge INTEGER NOT NULL,
  message TEXT NOT NULL,
  files INTEGER NOT NULL           -- changed in the workspace; 0: none of it
);
CREATE INDEX commits_position ON commits (position);
CREATE TABLE changes (             -- files that a commit changed
  number INTEGER NOT NULL, path INTEGER NOT NULL, status TEXT NOT NULL,
  old INTEGER,                     -- the former path of a renamed file
  PRIMARY KEY (number, path)
) WITHOUT ROWID;
CREATE INDEX changes_path ON changes (path, number);
CREATE TABLE paths (
  number INTEGER PRIMARY KEY, path NOT NULL UNIQUE,
  now INTEGER NOT NULL,            -- number of the path that the file has today
  commits INTEGER NOT NULL DEFAULT 0, last INTEGER  -- of the file that has this path today; merges do not count
);
CREATE INDEX paths_now ON paths (now);
"""


class CommitRow(NamedTuple):
    """A commit to store.

    Attributes:
        id: Its full id.
        author: The author's name.
        time: The author's time, in seconds since the epoch.
        merge: Whether it has several parents.
        message: Subject and body.
        changes: (status, path, former path or "") of the files it changed in the workspace.
        files: How many those are; more than ``changes`` where these are cut.
    """

    id: str
    author: str
    time: int
    merge: bool
    message: str
    changes: tuple[tuple[str, str, str], ...] = ()
    files: int = 0


class StoredCommit(NamedTuple):
    """A commit as it is read.

    Attributes:
        id: Its full id.
        author: The author's name.
        time: The author's time, in seconds since the epoch.
        message: Subject and body.
        paths: Files that it changed, under today's paths.
        files: How many it changed.
        position: 0 for the newest.
        merge: Whether it has several parents.
    """

    id: str
    author: str
    time: int
    message: str
    paths: tuple[str, ...]
    files: int
    position: int
    merge: bool


class FileHistory(NamedTuple):
    """What is known of a file's changes.

    Attributes:
        commits: Commits that changed it, under former names too; merges do not count.
        last: Position of the newest of them.
    """

    commits: int
    last: int


class CommitStore:
    """The commits of one workspace. Usable from one thread at a time; close it."""

    def __init__(self, directory: str, *, write: bool = False) -> None:
        """Open the store in a folder.

        Args:
            directory: The folder.
            write: Create what is missing, and replace a file that is damaged or of another format.

        Raises:
            sqlite3.Error: It is missing, damaged or of another format, or the disk refuses.
        """
        self.path = os.path.join(directory, COMMITS)
        self._db = self._create() if write else self._connect("ro")

    def _connect(self, mode: str) -> sqlite3.Connection:
        uri = f"file:{quote(self.path)}?mode={mode}"
        db = sqlite3.connect(uri, uri=True, timeout=5.0, isolation_level=None, check_same_thread=False)
        try:
            found = db.execute("PRAGMA user_version").fetchone()[0]
            if found != FORMAT and mode == "ro":
                raise sqlite3.DatabaseError(f"format {found}")
        except BaseException:
            db.close()
            raise
        return db

    def _create(self) -> sqlite3.Connection:
        for attempt in range(2):
            db = None
            try:
                db = self._connect("rwc")
                if db.execute("PRAGMA user_version").fetchone()[0] == FORMAT:
                    db.execute("SELECT 1 FROM commits LIMIT 1")
                    return db
                if db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
                    raise sqlite3.DatabaseError("another format")
                db.execute("PRAGMA journal_mode = WAL")
                db.executescript(f"BEGIN;{_SCHEMA};PRAGMA user_version = {FORMAT};COMMIT")
                return db
            except sqlite3.DatabaseError as error:
                if db is not None:
                    db.close()
                if attempt or isinstance(error, sqlite3.OperationalError):
                    raise
                for suffix in ("", "-wal", "-shm"):
                    if os.path.lexists(self.path + suffix):
                        os.unlink(self.path + suffix)
        raise AssertionError

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def __enter__(self) -> CommitStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def meta(self, key: str, default: Any = None) -> Any:
        """A stored value."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return default if row is None else row[0]

    def set_meta(self, **values: Any) -> None:
        """Store values."""
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is written inside."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # --- writing ------------------------------------------------------------------------------

    def unknown(self, ids: Sequence[str]) -> list[str]:
        """Those of the ids that are not stored, in their order."""
        known = {row[0] for row in self._db.execute("SELECT id FROM commits")}
        return [i for i in ids if i not in known]

    def add(self, commits: Iterable[CommitRow]) -> int:
        """Store commits; returns how many. Their positions are set by :meth:`settle`."""
        db, count = self._db, 0
        numbers: dict[str | bytes, int] = dict(db.execute("SELECT path, number FROM paths"))
        new_paths: list[tuple[int, str | bytes, int]] = []

        def number_of(path: str) -> int:
            key = encode_path(path)
            number = numbers.get(key)
            if number is None:
                number = numbers[key] = len(numbers) + 1
                new_paths.append((number, key, number))
            return number

        first = (db.execute("SELECT MAX(number) FROM commits").fetchone()[0] or 0) + 1
        rows: list[tuple[Any, ...]] = []
        changes: list[tuple[Any, ...]] = []
        for count, c in enumerate(commits, 1):
            number = first + count - 1
            rows.append((number, c.id, -1, c.author, c.time, int(c.merge), c.message, c.files))
            changes += [
                (number, number_of(path), status, number_of(old) if old else None)
                for status, path, old in c.changes
            ]
        db.executemany("INSERT OR REPLACE INTO commits VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        db.executemany("INSERT OR REPLACE INTO changes VALUES (?, ?, ?, ?)", changes)
        db.executemany("INSERT INTO paths (number, path, now) VALUES (?, ?, ?)", new_paths)
        return count

    def settle(self, order: Sequence[str]) -> int:
        """Keep the commits in ``order``, newest first, and remove all others; returns how many were removed.

        What is known of each file is worked out anew, so that it is the same whatever was stored before.
        """
        db = self._db
        db.execute("UPDATE commits SET position = -1")
        db.executemany("UPDATE commits SET position = ? WHERE id = ?", enumerate(order))
        db.execute("DELETE FROM changes WHERE number IN (SELECT number FROM commits WHERE position < 0)")
        removed = db.execute("DELETE FROM commits WHERE position < 0").rowcount
        self._digest_changes()
        return removed

    def _digest_changes(self) -> None:
        """Work out each path's name today, and for each file its number of commits and the newest one."""
        rows = self._db.execute(
            "SELECT c.path, c.status, c.old, m.merge, m.position FROM changes c"
            " JOIN commits m ON m.number = c.number ORDER BY m.position"
        ).fetchall()
        gone: dict[int, bool] = {}  # by path: whether the newest change took it away
        renamed: dict[int, int] = {}
        for path, status, old, merge, _ in rows:
            gone.setdefault(path, status == "D")
            if old is not None and not merge and gone.setdefault(old, True):
                renamed.setdefault(old, path)
        now = {path: _end(path, renamed) for path in gone}
        counts: dict[int, int] = {}
        last: dict[int, int] = {}
        for path, _, _, merge, position in rows:
            if not merge:
                file = now[path]
                counts[file] = counts.get(file, 0) + 1
                last.setdefault(file, position)
        db = self._db
        db.execute("DELETE FROM paths WHERE number NOT IN (SELECT path FROM changes UNION SELECT old FROM changes"
                   " WHERE old IS NOT NULL)")  # fmt: skip
        db.executemany(
            "UPDATE paths SET now = ?, commits = ?, last = ? WHERE number = ?",
            ((file, counts.get(path, 0), last.get(path), path) for path, file in now.items()),
        )

    # --- reading ------------------------------------------------------------------------------

    def count(self) -> int:
        """How many commits are stored that changed a file of the workspace."""
        return int(self._db.execute("SELECT COUNT(*) FROM commits WHERE files > 0 OR merge").fetchone()[0])

    def entries(self) -> list[tuple[str, int]]:
        """Id and length of the message of every commit that is searched, by id."""
        return self._db.execute(
            "SELECT id, LENGTH(message) FROM commits WHERE message <> '' AND files > 0 ORDER BY id"
        ).fetchall()

    def commit(self, commit: str) -> StoredCommit | None:
        """A commit by its full id."""
        return self.commits([commit]).get(commit)

    def commits(self, ids: Collection[str]) -> dict[str, StoredCommit]:
        """Commits by id; ids that are not stored are left out."""
        wanted = json.dumps([*ids])
        paths: dict[int, list[str]] = {}
        for number, path in self._db.execute(
            "SELECT m.number, t.path FROM commits m JOIN changes c ON c.number = m.number"
            " JOIN paths p ON p.number = c.path JOIN paths t ON t.number = p.now"
            " WHERE m.id IN (SELECT value FROM json_each(?)) ORDER BY m.number, t.path",
            (wanted,),
        ):
            paths.setdefault(number, []).append(decode_path(path))
        rows = self._db.execute(
            "SELECT number, id, author, time, message, files, position, merge FROM commits"
            " WHERE id IN (SELECT value FROM json_each(?))",
            (wanted,),
        )
        return {
            row[1]: StoredCommit(
                row[1], row[2], row[3], row[4], tuple(dict.fromkeys(paths.get(row[0], ()))), row[5], row[6],
                bool(row[7]),
            )
            for row in rows
        }  # fmt: skip

    def newest(self, limit: int, only: Collection[str] | None = None) -> list[StoredCommit]:
        """The newest commits that are searched, of those given."""
        rows = self._db.execute(
            "SELECT id FROM commits WHERE files > 0 AND (?1 IS NULL OR id IN (SELECT value FROM json_each(?1)))"
            " ORDER BY position LIMIT ?2",
            (None if only is None else json.dumps([*only]), limit),
        ).fetchall()
        found = self.commits([row[0] for row in rows])
        return [found[row[0]] for row in rows]

    def message(self, commit: str) -> tuple[str, list[str | bytes]] | None:
        """The message of a commit and the paths that it changed, as they were called and are stored."""
        row = self._db.execute("SELECT number, message FROM commits WHERE id = ?", (commit,)).fetchone()
        if row is None:
            return None
        paths = self._db.execute(
            "SELECT p.path FROM changes c JOIN paths p ON p.number = c.path WHERE c.number = ? ORDER BY p.path",
            (row[0],),
        )
        return row[1], [path for (path,) in paths]

    def files(self, paths: Collection[str]) -> dict[str, FileHistory]:
        """What is known of files by their path today; files that no commit changed are left out."""
        names = {encode_path(path): path for path in paths}
        found: dict[str, FileHistory] = {}
        for name, path in names.items():
            row = self._db.execute(
                "SELECT commits, last FROM paths WHERE path = ? AND commits > 0", (name,)
            ).fetchone()
            if row is not None:
                found[path] = FileHistory(row[0], row[1])
        return found

    def together(self, path: str, limit: int) -> dict[str, float]:
        """Files changed in the same commits as a file, most often first.

        Each common commit counts 1 divided by the number of its other files.
        Merges and commits of more than :data:`SWEEPING` files do not count.

        Args:
            path: The file, as it is called today.
            limit: How many files.
        """
        rows = self._db.execute(
            "WITH seed AS (SELECT number FROM paths WHERE path = ?),"
            " mine AS (SELECT DISTINCT m.number, m.files FROM paths p JOIN changes c ON c.path = p.number"
            "  JOIN commits m ON m.number = c.number WHERE p.now = (SELECT number FROM seed)"
            "  AND NOT m.merge AND m.files BETWEEN 2 AND ? ORDER BY m.position LIMIT ?)"
            " SELECT t.path, SUM(1.0 / (mine.files - 1)) AS worth FROM mine JOIN changes c ON c.number = mine.number"
            " JOIN paths p ON p.number = c.path JOIN paths t ON t.number = p.now"
            " WHERE p.now <> (SELECT number FROM seed) GROUP BY t.path ORDER BY worth DESC, t.path LIMIT ?",
            (encode_path(path), SWEEPING, MAX_SEED_COMMITS, limit),
        )
        return {decode_path(name): worth for name, worth in rows}

    def matching(
        self,
        authors: Sequence[str],
        since: int | None,
        until: int | None,
        paths: Callable[[str], bool] | None,
    ) -> list[str]:
        """Ids of the commits that pass every filter given.

        Args:
            authors: Parts of an author's name in any case; any of them.
            since: The earliest time, in seconds since the epoch.
            until: The first time that is too late.
            paths: Accepts a path that the commit changed, under the name of then or of today.
        """
        rows = self._db.execute(
            "SELECT number, id, author FROM commits WHERE (?1 IS NULL OR time >= ?1) AND (?2 IS NULL OR time < ?2)",
            (since, until),
        ).fetchall()
        if authors:
            parts = [a.casefold() for a in authors]
            rows = [row for row in rows if any(part in row[2].casefold() for part in parts)]
        if paths is not None:
            known = self._db.execute("SELECT number, path, now FROM paths").fetchall()
            accepted = {number for number, path, _ in known if paths(decode_path(path))}
            accepted |= {number for number, _, now in known if now in accepted}
            touching = {
                row[0]
                for row in self._db.execute(
                    "SELECT DISTINCT number FROM changes WHERE path IN (SELECT value FROM json_each(?1))"
                    " OR old IN (SELECT value FROM json_each(?1))",
                    (json.dumps(sorted(accepted)),),
                )
            }
            rows = [row for row in rows if row[0] in touching]
        return [row[1] for row in rows]


def _end(path: int, renamed: dict[int, int]) -> int:
    """The last name of a file that was renamed; a circle ends where it began."""
    seen = {path}
    while (following := renamed.get(path)) is not None and following not in seen:
        path = following
        seen.add(path)
    return path
