"""Commits as callers see them: subject apart from body, the time in UTC."""

from __future__ import annotations

import datetime

from spelunk.store.commit_writer import CommitRow
from spelunk.store.commits import StoredCommit
from spelunk.types import Commit


def commit_of(commit: StoredCommit) -> Commit:
    """A stored commit as callers see it."""
    return _commit(commit.id, commit.message, commit.author, commit.time, commit.paths, commit.files)


def commit_of_row(row: CommitRow) -> Commit:
    """A commit read from git as callers see it; its files are called as they were."""
    paths = tuple(sorted(path for _, path, _ in row.changes))
    return _commit(row.id, row.message, row.author, row.time, paths, row.files)


def _commit(
    number: str, message: str, author: str, seconds: int, paths: tuple[str, ...], files: int
) -> Commit:
    subject, _, body = message.partition("\n")
    return Commit(number, subject.strip(), body.strip(), author, iso(seconds), paths, files)


def iso(seconds: int) -> str:
    """A time in UTC, ``2024-03-11T10:22:05Z``; one that no calendar has is written as the epoch."""
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "1970-01-01T00:00:00Z"
