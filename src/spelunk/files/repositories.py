"""Many git repositories as one source: what is committed on their branches, under a name for each.

A file that is the same on several branches is one entry, so its content is
stored, cut and embedded once: ``NAME/PATH`` for what the first branch has, and
``NAME@BRANCH/PATH`` for what another has otherwise. Which branches an entry is
on is in the table of the walk (:mod:`spelunk.files.branches`). No working tree
is read; bare repositories are as good.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from spelunk.config import Options
from spelunk.errors import WorkspaceError
from spelunk.files import fence as fences
from spelunk.files.branches import Branches, Member
from spelunk.files.directory import Directory, decide_file, decide_folder, is_forced, start
from spelunk.files.fence import Seen, rule_file
from spelunk.files.git_dir import Repository, head, head_reference
from spelunk.files.git_tree import (
    LINK,
    REGULAR,
    BlobReader,
    TreeFile,
    blob_at,
    commit_of,
    list_tree,
    open_repository,
    read_all,
)
from spelunk.files.ignore import IGNORE_FILES, parse
from spelunk.files.path_rules import describe
from spelunk.files.source import Walk
from spelunk.files.stamp import folder_stamp, settled
from spelunk.files.walk import too_large
from spelunk.types import Entry, Failed, Skipped

MAX_LIST_BYTES: Final = 16 * 1024 * 1024
"""Of a file that lists repositories."""
OPEN_READERS: Final = 8
"""Processes of git that stay for further files of their repositories."""
DEPTH: Final = 2
"""Levels below a folder at which repositories are looked for: ``REPO`` and ``ORG/REPO``."""


class Listed(NamedTuple):
    """A repository to index.

    Attributes:
        name: First part of the paths of its files; may have a slash.
        path: Absolute path.
        revisions: Branches, tags or other revisions; empty for HEAD.
    """

    name: str
    path: str
    revisions: tuple[str, ...] = ()


def root_of(place: str) -> str:
    """The workspace of a list: its folder, or the folder of repositories itself.

    Raises:
        WorkspaceError: It does not exist.
    """
    real = os.path.realpath(place)
    if not os.path.exists(real):
        raise WorkspaceError(f"{place}: no such file or folder; name a list of repositories, or their folder")
    return real if os.path.isdir(real) else os.path.dirname(real)


def listed(place: str) -> list[Listed]:
    """The repositories of a list or of a folder, by name.

    A list has a repository a line: a path, relative to the list's folder, then
    any revisions. Words are separated as in a shell; ``#`` begins a comment.

    Raises:
        WorkspaceError: It cannot be read, a line means nothing, or there is no repository.
    """
    found = _in_folder(place) if os.path.isdir(place) else _in_file(place)
    if not found:
        raise WorkspaceError(
            f"{place}: no git repositories; name a list of them, or the folder that they are in"
        )
    return found


def _in_file(place: str) -> list[Listed]:
    try:
        with open(place, "rb") as f:
            raw = f.read(MAX_LIST_BYTES)
        lines = raw.decode("utf-8", "surrogateescape").splitlines()
    except OSError as error:
        raise WorkspaceError(f"{place}: cannot be read: {error.strerror}") from None
    paths: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(lines, 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise WorkspaceError(f"{place}, line {number}: {error}; quote a path with blanks") from None
        if words:
            path = os.path.realpath(os.path.join(os.path.dirname(place), os.path.expanduser(words[0])))
            if open_repository(path) is None:
                raise WorkspaceError(f"{place}, line {number}: {words[0]}: no git repository")
            paths[path] = tuple(dict.fromkeys((*paths.get(path, ()), *words[1:])))
    names = _names([*paths])
    return sorted(Listed(name, path, paths[path]) for name, path in zip(names, paths, strict=True))


def _names(paths: Sequence[str]) -> list[str]:
    """The shortest ends of the paths that tell them apart, without ``.git``."""
    parts = [path.removesuffix("/.git").removesuffix(".git").strip("/").split("/") for path in paths]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(part[-depth:]).replace("@", "-") for part in parts]
        if len(set(names)) == len(names):
            return names
    return [path.strip("/").replace("@", "-") for path in paths]


def _in_folder(place: str) -> list[Listed]:
    found: list[Listed] = []
    for path, relative, _ in _folders(place):
        if relative and open_repository(path) is not None:
            found.append(Listed(relative.removesuffix(".git").replace("@", "-"), path))
    return sorted(found)


def _folders(place: str) -> Iterator[tuple[str, str, os.stat_result]]:
    """The folder and those below it in which repositories are looked for, and the repositories."""
    pending = [(place, "")]
    while pending:
        path, relative = pending.pop()
        try:
            st = os.lstat(path)
            yield path, relative, st
            if relative and (relative.count("/") + 1 >= DEPTH or open_repository(path) is not None):
                continue
            with os.scandir(path) as entries:
                names = [e.name for e in entries if e.is_dir(follow_symlinks=False) and e.name[0] != "."]
        except OSError:
            continue
        pending += [(os.path.join(path, name), f"{relative}/{name}" if relative else name) for name in names]


class RepositoriesSource:
    """Implements :class:`spelunk.files.source.Source` over the commits of many repositories.

    Attributes:
        place: The list of repositories, or their folder; absolute.
        branches: Which branches each entry of the last walk is on; None before a walk.
    """

    def __init__(self, place: str) -> None:
        """Name the list; nothing is read yet."""
        self.place = os.path.realpath(place)
        self.branches: Branches | None = None
        self._known: dict[str, Listed] | None = None
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
        walk, found = Walk(), Branches()
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
            for path, relative, st in _folders(self.place)
            if not relative or open_repository(path) is None
        ]

    def unchanged(self, fence: bytes, files: Iterable[tuple[str, bytes]] = ()) -> bool:
        """Whether the list and every branch are as the walk saw them. Contents of a commit never change."""
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

    def _repository(self, path: str) -> tuple[Listed, Repository, str, str] | None:
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
    entry: Listed, repository: Repository, top: Directory, options: Options, walk: Walk, found: Branches
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
        _walk_tree(entry.name, repository, tree, top, options, part)
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
    found.add(entry.name, shown, (Member(stored, tuple(numbers)) for stored, numbers in owners.values()))


def _walk_tree(
    name: str, repository: Repository, tree: dict[str, TreeFile], top: Directory, options: Options, walk: Walk
) -> None:
    """Gather the files of one commit as a walk of its working tree would, its ignore files included."""
    below: dict[str, tuple[dict[str, TreeFile], set[str]]] = {"": ({}, set())}
    for path, file in tree.items():
        folder, _, last = path.rpartition("/")
        while folder not in below:
            below[folder] = ({}, set())
            parent, _, child = folder.rpartition("/")
            below.setdefault(parent, ({}, set()))[1].add(child)
            folder = parent
        below[path.rpartition("/")[0]][0][last] = file
    groups = dict(IGNORE_FILES)
    rule_blobs = read_all(repository, (f.id for p, f in tree.items() if p.rpartition("/")[2] in groups and f.kind == REGULAR))  # fmt: skip
    at: Directory = top
    for part in name.split("/"):
        entered = decide_folder(at, part, options)
        if not isinstance(entered, Directory):
            return
        at = entered
    at.depth, at.repository = 0, True
    pending = [("", at)]
    while pending:
        folder, directory = pending.pop()
        files, folders = below[folder]
        rules = [
            rule
            for file_name, group in IGNORE_FILES
            if file_name in files and files[file_name].id in rule_blobs
            for rule in parse(
                rule_blobs[files[file_name].id], directory.relative + file_name, group, directory.depth
            )
        ]
        if rules and directory.held is None:
            directory.rules = directory.rules.extend(rules)
        for file_name, file in files.items():
            _take(directory, file_name, file, options, walk)
        for child in folders:
            entered = decide_folder(directory, child, options)
            if isinstance(entered, Directory):
                pending.append((f"{folder}/{child}" if folder else child, entered))
            elif isinstance(entered, Skipped) and directory.held is None:
                walk.skipped.append(entered)


def _take(directory: Directory, name: str, file: TreeFile, options: Options, walk: Walk) -> None:
    rule = directory.rules.file(name)
    if decide_file(directory, name, rule, options) is not None:
        return
    path = directory.relative + name
    if file.kind == LINK:
        walk.skipped.append(Skipped(path, "symlink", "not followed"))
        return
    if file.kind != REGULAR:
        walk.skipped.append(Skipped(path, "nested-repository", "a submodule: list its repository"))
        return
    language, own, skip = describe(name)
    if skip is not None and not is_forced(rule):
        walk.skipped.append(Skipped(path, *skip))
    elif file.size > options.max_file_size:
        walk.skipped.append(too_large(path, file.size, options.max_file_size))
    else:
        walk.rows.append((path, file.size, bytes.fromhex(file.id), language, directory.bits | own))
