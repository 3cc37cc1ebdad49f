"""Write the commits of a workspace: add new ones, forget those out of reach, work out what they say of files."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from spelunk.store.commits import FORMAT, CommitStore
from spelunk.store.schema import encode_path

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


class CommitWriter(CommitStore):
    """The stored commits, to be written; the caller holds the writer's lock of the folder.

    A file that is damaged or of another format is replaced by an empty one.
    """

    def _open(self) -> sqlite3.Connection:
        return self._create()

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

    def forget(self, ids: Collection[str]) -> None:
        """Remove commits, to be read again."""
        wanted = json.dumps([*ids])
        for table in ("changes", "commits"):
            self._db.execute(
                f"DELETE FROM {table} WHERE number IN"
                " (SELECT number FROM commits WHERE id IN (SELECT value FROM json_each(?)))",
                (wanted,),
            )

    def unknown(self, ids: Sequence[str]) -> list[str]:
        """Those of the ids that are not stored, in their order."""
        known = {row[0] for row in self._db.execute("SELECT id FROM commits")}
        return [i for i in ids if i not in known]

    def add(self, commits: Iterable[CommitRow]) -> int:
        """Store commits; returns how many. Their positions are set by :meth:`settle`."""
        db, count = self._db, 0
        numbers: dict[str | bytes, int] = dict(db.execute("SELECT path, number FROM paths"))
        free = max(numbers.values(), default=0) + 1
        new_paths: list[tuple[int, str | bytes, int]] = []

        def number_of(path: str) -> int:
            key = encode_path(path)
            number = numbers.get(key)
            if number is None:
                number = numbers[key] = free + len(new_paths)
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
        stored = db.execute("SELECT id, position FROM commits ORDER BY position").fetchall()
        if stored == [(i, n) for n, i in enumerate(order)]:
            return 0  # as it was settled before; a commit that was added since has no position
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


def _end(path: int, renamed: dict[int, int]) -> int:
    """The last name of a file that was renamed; a circle ends where it began."""
    seen = {path}
    while (following := renamed.get(path)) is not None and following not in seen:
        path = following
        seen.add(path)
    return path
