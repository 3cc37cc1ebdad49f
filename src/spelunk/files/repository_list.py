"""The list of an index of many repositories: a file that names them, their folder, or one bare repository."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from spelunk.errors import WorkspaceError
from spelunk.files.git_dir import is_bare
from spelunk.files.git_tree import open_repository

MAX_LIST_BYTES: Final = 16 * 1024 * 1024
"""Of a file that lists repositories."""
DEPTH: Final = 2
"""Levels below a folder at which repositories are looked for: ``REPO`` and ``ORG/REPO``."""


class ListedRepository(NamedTuple):
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


def listed(place: str) -> list[ListedRepository]:
    """The repositories of a list or of a folder, by name; a bare repository is its own list.

    A list has a repository a line: a path, relative to the list's folder, then
    any revisions. Words are separated as in a shell; ``#`` begins a comment.

    Raises:
        WorkspaceError: It cannot be read, a line means nothing, or there is no repository.
    """
    if is_bare(place):
        return [ListedRepository(_names([place])[0], place)]
    found = _in_folder(place) if os.path.isdir(place) else _in_file(place)
    if not found:
        raise WorkspaceError(
            f"{place}: no git repositories; name a list of them, or the folder that they are in"
        )
    return found


def _in_file(place: str) -> list[ListedRepository]:
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
    return sorted(ListedRepository(name, path, paths[path]) for name, path in zip(names, paths, strict=True))


def _names(paths: Sequence[str]) -> list[str]:
    """The shortest ends of the paths that tell them apart, without ``.git``."""
    parts = [path.removesuffix("/.git").removesuffix(".git").strip("/").split("/") for path in paths]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(part[-depth:]).replace("@", "-") for part in parts]
        if len(set(names)) == len(names):
            return names
    return [path.strip("/").replace("@", "-") for path in paths]


def _in_folder(place: str) -> list[ListedRepository]:
    found: list[ListedRepository] = []
    for path, relative, _ in folders(place):
        if relative and open_repository(path) is not None:
            found.append(ListedRepository(relative.removesuffix(".git").replace("@", "-"), path))
    return sorted(found)


def folders(place: str) -> Iterator[tuple[str, str, os.stat_result]]:
    """The folder and those below it in which repositories are looked for, and the repositories.

    None of a bare repository: what is in it is git's.
    """
    pending = [] if is_bare(place) else [(place, "")]
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
