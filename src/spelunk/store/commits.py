"""The commits behind a workspace's files: a SQLite file with messages, changed files and what follows from them.

It lies in the folder ``history`` of the index directory, beside the full text
and the vectors of the messages. Positions count from 0, the newest commit.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, NamedTuple, Self

from spelunk.store.paths import COMMITS, HISTORY
from spelunk.store.schema import decode_path, encode_path, uri_of

FORMAT: Final = 1
"""A file with another number is built again: nothing in it is lost but time."""

SWEEPING: Final = 30
"""Files of a commit from which it says nothing of what belongs together: a reformat, a rename of a name."""

MAX_SEED_COMMITS: Final = 200
"""Newest commits of a file that are looked at for files changed with it."""


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


class CommitCounts(NamedTuple):
    """What is stored of a workspace's commits.

    Attributes:
        commits: Commits whose messages are searched.
        left: Commits that the next ``spelunk index`` reads.
        error: Why git could not be read the last time; "" if it could.
    """

    commits: int = 0
    left: int = 0
    error: str = ""


def counts_in(directory: str) -> CommitCounts | None:
    """What is stored of the commits in an index directory; None where nothing is."""
    try:
        with CommitStore(os.path.join(directory, HISTORY)) as store:
            left, error = store.meta("left", 0), store.meta("error", "")
            return CommitCounts(len(store.entries()), int(left), str(error))
    except (sqlite3.Error, ValueError):
        return None


class CommitStore:
    """The commits of one workspace. Usable from one thread at a time; close it."""

    def __init__(self, directory: str) -> None:
        """Open the store in a folder.

        Raises:
            sqlite3.Error: It is missing, damaged or of another format, or the disk refuses.
        """
        self.path = os.path.join(directory, COMMITS)
        self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        return self._connect("ro")

    def _connect(self, mode: str) -> sqlite3.Connection:
        db = sqlite3.connect(
            uri_of(self.path, mode), uri=True, timeout=5.0, isolation_level=None, check_same_thread=False
        )
        try:
            found = db.execute("PRAGMA user_version").fetchone()[0]
            if found != FORMAT and mode == "ro":
                raise sqlite3.DatabaseError(f"format {found}")
        except BaseException:
            db.close()
            raise
        return db

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def meta(self, key: str, default: Any = None) -> Any:
        """A stored value."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return default if row is None else row[0]

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
