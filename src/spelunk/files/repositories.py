"""Many git repositories as one source: what is committed on their branches, under a name for each.

A file that is the same on several branches is one entry, so its content is
stored, cut and embedded once: ``NAME/PATH`` for what the first branch has, and
``NAME@BRANCH/PATH`` for what another has otherwise. Which branches an entry is
on is in the table of the walk (:mod:`spelunk.files.branches`). No working tree
is read; bare repositories are as good.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from typing import Final

from spelunk.config import Options
from spelunk.errors import WorkspaceError
from spelunk.files import fence as fences
from spelunk.files.branches import BranchTable, OnBranches
from spelunk.files.directory import Directory, start
from spelunk.files.fence import Seen, rule_file
from spelunk.files.git_dir import Repository, head, head_reference
from spelunk.files.git_tree import (
    BlobReader,
    blob_at,
    commit_of,
    list_tree,
    open_repository,
)
from spelunk.files.repository_list import ListedRepository, folders, listed, root_of
from spelunk.files.source import Walk
from spelunk.files.stamp import folder_stamp, settled
from spelunk.files.tree_walk import walk_tree
from spelunk.files.walk import too_large
from spelunk.types import Entry, Failed, Skipped

OPEN_READERS: Final = 8
"""Processes of git that stay for further files of their repositories."""


class RepositoriesSource:
    """Implements :class:`spelunk.files.source.Source` over the commits of many repositories.

    Attributes:
        place: The list of repositories, or their folder; absolute.
        branches: Which branches each entry of the last walk is on; None before a walk.
    """

    def __init__(self, place: str) -> None:
        """Name the list; nothing is read yet."""
        self.place = os.path.realpath(place)
        self.branches: BranchTable | None = None
        self._known: dict[str, ListedRepository] | None = None
        self._readers: tuple[int, dict[str, BlobReader]] = (0, {})

    def __getstate__(self) -> str:
        return self.place

    def __setstate__(self, place: str) -> None:
        RepositoriesSource.__init__(self, place)

    @property
    def id(self) -> str:
        """``repositories:`` and the path of the list."""
        return f"repositories:{self.place}"

    @property
    def location(self) -> str:
        """The list, or the folder."""
        return self.place

    def walk(self, options: Options) -> Walk:
        """List the files of every repository.

        A repository that git cannot read is reported as failed.

        Raises:
            WorkspaceError: The list cannot be read.
        """
        now = time.time_ns()
        walk, found = Walk(), BranchTable()
        seen = self._fence_of_list(now)
        top, rules_above = start(root_of(self.place), options, now)
        seen += rules_above
        repositories = listed(self.place)
        self._known = {r.name: r for r in repositories}
        for entry in repositories:
            repository = open_repository(entry.path)
            if repository is None:
                continue
            seen += _references(repository, entry.revisions, now)
            try:
                _walk_repository(entry, repository, top, options, walk, found)
            except WorkspaceError as error:
                walk.failed.append(Failed(entry.name, "discover", str(error)))
        walk.rows.sort()
        walk.skipped.sort(key=lambda skipped: skipped.path)
        walk.fence = fences.build(self._seen_folders(now), seen)
        self.branches = found
        return walk

    def _fence_of_list(self, now: int) -> list[Seen]:
        return [] if os.path.isdir(self.place) else [rule_file(self.place, now)]

    def _seen_folders(self, now: int) -> list[Seen]:
        if not os.path.isdir(self.place):
            return []
        return [
            (relative, settled(folder_stamp(st), st, now))
            for path, relative, st in folders(self.place)
            if not relative or open_repository(path) is None
        ]

    def unchanged(self, fence: bytes, files: Iterable[tuple[str, bytes]] = ()) -> bool:
        """Whether the list and every branch are as the walk saw them. Contents of a commit never change."""
        if any(not stamp for _, stamp in files):
            return False
        try:
            fd = os.open(root_of(self.place), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                return fences.holds(fence, fd)
            finally:
                os.close(fd)
        except (OSError, ValueError, WorkspaceError):
            return False

    def stamp(self, path: str) -> bytes | None:
        """The id of the content that the branch has at that path now."""
        blob = self._blob(path)
        return bytes.fromhex(blob) if blob else None

    def read(self, entry: Entry, limit: int) -> bytes | Skipped | Failed:
        """The contents of a file, as they were committed."""
        blob = entry.stamp.hex() or self._blob(entry.path)
        found = self._repository(entry.path)
        if found is None or not blob:
            return Failed(entry.path, "read", "no longer in the repository")
        try:
            data = self._reader(found[1]).read(blob)
        except OSError as error:
            return Failed(entry.path, "read", str(error))
        if data is None:
            return Failed(entry.path, "read", "no longer in the repository")
        return too_large(entry.path, len(data), limit) if len(data) > limit else data

    def prefetch(self, entries: Sequence[Entry]) -> None:
        """Nothing is read ahead."""

    def _repository(self, path: str) -> tuple[ListedRepository, Repository, str, str] | None:
        """The repository of a path, its revision, and the path inside."""
        if self._known is None:
            try:
                self._known = {r.name: r for r in listed(self.place)}
            except WorkspaceError:
                return None
        parts = path.split("/")
        for depth in range(1, len(parts)):
            first, inner = "/".join(parts[:depth]), "/".join(parts[depth:])
            name, at, _ = first.partition("@")
            entry = self._known.get(name)
            if entry is None:
                continue
            revisions = entry.revisions or ("HEAD",)
            wanted = [r for r in revisions if path.startswith(f"{name}@{r}/")] if at else [revisions[0]]
            repository = open_repository(entry.path) if wanted else None
            if repository is not None:
                inner = path.removeprefix(f"{name}@{wanted[0]}/") if at else inner
                return entry, repository, wanted[0], inner
        return None

    def _blob(self, path: str) -> str:
        found = self._repository(path)
        return blob_at(found[1], found[2], found[3]) if found is not None else ""

    def _reader(self, repository: Repository) -> BlobReader:
        """The process that reads a repository's files; it does not survive a fork."""
        pid, readers = self._readers
        if pid != os.getpid():
            readers = {}
            self._readers = os.getpid(), readers
        reader = readers.pop(repository.common, None) or BlobReader(repository)
        if len(readers) >= OPEN_READERS:
            readers.pop(next(iter(readers))).close()
        readers[repository.common] = reader
        return reader

    def close(self) -> None:
        """End the processes of git."""
        pid, readers = self._readers
        self._readers = 0, {}
        if pid == os.getpid():
            for reader in readers.values():
                reader.close()


def _references(repository: Repository, revisions: Sequence[str], now: int) -> list[Seen]:
    """The files of git that change when a branch moves."""
    common = os.path.join(repository.top, repository.common)
    own = [os.path.join(repository.top, repository.git_dir, "HEAD")]
    names = [f"refs/{kind}/{r}" for r in revisions for kind in ("heads", "tags", "remotes")]
    if not revisions and head_reference(repository):
        names.append(head_reference(repository))
    shared = ["packed-refs", "reftable/tables.list", *names]
    return [
        rule_file(os.path.normpath(path), now) for path in (*own, *(os.path.join(common, n) for n in shared))
    ]


def _walk_repository(
    entry: ListedRepository,
    repository: Repository,
    top: Directory,
    options: Options,
    walk: Walk,
    found: BranchTable,
) -> None:
    """Add the files of a repository, each content of a path once.

    Raises:
        WorkspaceError: git cannot read it.
    """
    revisions = entry.revisions or ("HEAD",)
    shown = [head(repository) or "HEAD"] if not entry.revisions else list(revisions)
    owners: dict[tuple[str, str], tuple[str, list[int]]] = {}
    for number, revision in enumerate(revisions):
        commit = commit_of(repository, revision)
        if not commit:
            continue  # no commit yet
        tree = list_tree(repository, commit)
        prefix = f"{entry.name}/" if number == 0 else f"{entry.name}@{revision}/"
        part = Walk()
        walk_tree(entry.name, repository, tree, top, options, part)
        cut = len(entry.name) + 1
        for path, size, stamp, language, bits in part.rows:
            inner = path[cut:]
            owned = owners.get((inner, stamp.hex()))
            if owned is not None:
                owned[1].append(number)
                continue
            stored = prefix + inner
            owners[inner, stamp.hex()] = (stored, [number])
            walk.rows.append((stored, size, stamp, language, bits))
        if number == 0:  # what another branch has besides is left out for the same reasons
            walk.skipped += part.skipped
    found.add(entry.name, shown, (OnBranches(stored, tuple(numbers)) for stored, numbers in owners.values()))
