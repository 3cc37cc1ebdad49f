"""The commits behind HEAD as a source of files: one for each message.

A walk reads from git what is new and stores it (:mod:`spelunk.store.commits`);
texts are then read from there. So an update of the index of messages is an
update like any other, and another process may read the texts without git.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from spelunk.config import Options
from spelunk.errors import WorkspaceError
from spelunk.files.git_dir import Repository, repository_of
from spelunk.files.git_log import Change, LoggedCommit, newest, read_commits, shallow_edge
from spelunk.files.source import Row, Walk
from spelunk.history.fence import fence_of
from spelunk.store.commit_writer import CommitRow, CommitWriter
from spelunk.store.commits import CommitStore
from spelunk.store.schema import decode_path
from spelunk.types import COMMIT, Entry, Failed, Skipped


class CommitSource:
    """Implements :class:`spelunk.files.source.Source`; an entry's path is the id of its commit.

    Attributes:
        directory: The folder with the stored commits.
        read_at_once: New commits that one walk reads; None for all.
        left: Commits that the last walk left out for that.
    """

    def __init__(self, root: str, directory: str, limit: int, read_at_once: int | None = None) -> None:
        """Name the workspace; nothing is read yet.

        Args:
            root: Absolute path of the workspace.
            directory: The folder with the stored commits.
            limit: Newest commits that are kept.
            read_at_once: New commits that one walk may read, the newest; None for all.
        """
        self.root, self.directory, self.limit = root, directory, limit
        self.read_at_once = read_at_once
        self.left = 0
        self._store: tuple[int, CommitStore] | None = None

    def __getstate__(self) -> tuple[str, str, int, int | None]:
        return self.root, self.directory, self.limit, self.read_at_once

    def __setstate__(self, state: tuple[str, str, int, int | None]) -> None:
        CommitSource.__init__(self, *state)

    @property
    def id(self) -> str:
        """``commits:`` and the workspace's path."""
        return f"commits:{self.root}"

    @property
    def location(self) -> str:
        """The folder with the stored commits."""
        return self.directory

    def fence(self) -> bytes:
        """A digest that stays the same while HEAD and the limit do; empty where there is no repository."""
        return fence_of(self.root, self.limit)

    def walk(self, options: Options) -> Walk:
        """Read new commits from git, forget those out of reach, and list all.

        The caller holds the writer's lock of the folder.

        Raises:
            WorkspaceError: There is no repository.
            GitError: git is missing, refuses or does not answer.
        """
        fence = self.fence()  # before git is asked: a commit made meanwhile is seen the next time
        repository = repository_of(self.root)
        if repository is None:
            raise WorkspaceError(f"{self.root}: in no git repository")
        order = newest(repository, self.limit)
        with CommitWriter(self.directory) as store:
            edge = shallow_edge(repository)
            before = set(str(store.meta("edge", "")).split())
            if edge != before:  # a clone that was deepened knows their files now
                store.forget(edge ^ before)
            new = store.unknown(order)
            skipped = set(new[self.read_at_once :]) if self.read_at_once is not None else set()
            self.left = len(skipped)
            wanted = [i for i in new if i not in skipped]
            with store.transaction():
                store.add(self._rows(repository, wanted))
                store.settle([i for i in order if i not in skipped])
                store.set_meta(left=self.left, error="", failed=b"", edge=" ".join(sorted(edge)))
            rows: list[Row] = [(i, size, i.encode(), COMMIT, 0) for i, size in store.entries()]
        return Walk(rows=rows, fence=fence)

    def _rows(self, repository: Repository, ids: Sequence[str]) -> Iterator[CommitRow]:
        inside = os.path.relpath(self.root, os.path.realpath(repository.top))
        prefix = "" if inside == "." else inside + "/"
        for commit in read_commits(repository, ids):
            yield row_below(commit, prefix)

    def unchanged(self, fence: bytes, files: Iterable[tuple[str, bytes]] = ()) -> bool:
        """Whether HEAD is where it was; commits themselves never change."""
        return fence == self.fence()

    def stamp(self, path: str) -> bytes | None:
        """The id itself, if the commit is stored."""
        return path.encode() if self._opened().commit(path) is not None else None

    def read(self, entry: Entry, limit: int) -> bytes | Skipped | Failed:
        """The message, and behind a NUL each the paths that the commit changed, as they were called."""
        told = self._opened().message(entry.path)
        if told is None:
            return Failed(entry.path, "read", "the commit is no longer stored")
        message, paths = told
        texts = [message, *(decode_path(p) for p in paths)]
        return "\0".join(texts).encode("utf-8", "surrogateescape")

    def prefetch(self, entries: Sequence[Entry]) -> None:
        """Nothing is read ahead."""

    def _opened(self) -> CommitStore:
        # A connection does not survive a fork.
        if self._store is None or self._store[0] != os.getpid():
            self._store = os.getpid(), CommitStore(self.directory)
        return self._store[1]

    def close(self) -> None:
        """Release the stored commits."""
        if self._store is not None and self._store[0] == os.getpid():
            self._store[1].close()
        self._store = None


def row_below(commit: LoggedCommit, prefix: str) -> CommitRow:
    """A commit with the changes below a folder of the repository, paths relative to it."""
    changes = tuple(c for change in commit.changes if (c := _below(change, prefix)) is not None)
    files = commit.files if not prefix or (changes and len(changes) == len(commit.changes)) else len(changes)
    return CommitRow(
        commit.id, commit.author, commit.time, commit.parents > 1, commit.message, changes, files
    )


def _below(change: Change, prefix: str) -> tuple[str, str, str] | None:
    """A change as the folder sees it: a file that came into it was added, one that left it deleted."""
    if not prefix:
        return change.status, change.path, change.old
    if change.path.startswith(prefix):
        old = change.old[len(prefix) :] if change.old.startswith(prefix) else ""
        status = "A" if change.old and not old else change.status
        return status, change.path[len(prefix) :], old
    if change.old.startswith(prefix):
        return "D", change.old[len(prefix) :], ""
    return None
