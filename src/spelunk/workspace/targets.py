"""Resolve PATH arguments to workspaces, and to the files and folders within them that are meant.

A PATH that has an index of its own is that workspace. A PATH below a folder
that has one is searched there, so that no second index of the same files is
made; of several such folders the nearest counts. Any other folder becomes a
workspace. With ``--index-dir`` the workspace is the one whose index is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from msgspec import Struct

from spelunk.errors import WorkspaceError
from spelunk.workspace import locate


class Target(Struct, frozen=True):
    """A workspace, and the files and folders within it to search.

    Attributes:
        root: The workspace.
        within: Paths relative to the root; empty for the whole workspace.
    """

    root: str
    within: tuple[str, ...] = ()


def target_of(path: str, index_dir: str | None = None) -> Target:
    """Resolve one PATH.

    Raises:
        WorkspaceError: It does not exist, is a file outside every workspace, or is outside
            the workspace whose index ``index_dir`` holds.
    """
    absolute = os.path.realpath(os.path.expanduser(path))
    if not os.path.exists(absolute):
        raise WorkspaceError(f"{path}: no such file or folder")
    owner = locate.owner_of(locate.index_dir("", index_dir)) if index_dir else None
    for folder in [owner] if owner else [] if index_dir else _upwards(absolute):
        if absolute == folder:
            return Target(folder)
        if locate.is_within(absolute, folder):
            return Target(folder, (os.path.relpath(absolute, folder),))
    if owner:
        raise WorkspaceError(f"{path}: not in {owner}, whose index {index_dir} is")
    if os.path.isfile(absolute):
        raise WorkspaceError(
            f"{path}: not in an indexed folder; name its folder, or `spelunk index` that first"
        )
    return Target(locate.resolve_root(path))


def indexed_above(path: str) -> str | None:
    """The nearest folder that has an index: the path itself or one above it; the path is absolute and real."""
    return next(_upwards(path), None)


def _upwards(path: str) -> Iterator[str]:
    """Yield the path and the folders above it that have an index, nearest first."""
    while True:
        if locate.known(path) is not None:
            yield path
        above = os.path.dirname(path)
        if above == path:
            return
        path = above


def targets(paths: Sequence[str], index_dir: str | None = None) -> list[Target]:
    """Resolve all PATHs: each workspace once, in the order given. Without a PATH the current folder is meant.

    Raises:
        WorkspaceError: As for :func:`target_of`.
    """
    if not paths:
        owner = locate.owner_of(locate.index_dir("", index_dir)) if index_dir else None
        if owner:
            return [target_of("." if locate.is_within(os.path.realpath("."), owner) else owner, index_dir)]
        paths = ["."]
    parts: dict[str, set[str] | None] = {}
    for target in (target_of(path, index_dir) for path in paths):
        earlier = parts.get(target.root, set())
        # A PATH that means the whole workspace includes its parts.
        parts[target.root] = earlier | set(target.within) if target.within and earlier is not None else None
    return [Target(root, tuple(sorted(within or ()))) for root, within in parts.items()]


def file_in(path: str, index_dir: str | None = None) -> Target:
    """Resolve the path of one file, which need not exist.

    A name that the current folder does not have is taken relative to the root
    of the current workspace, as search prints it. A current folder without an
    index gives way to an indexed folder that holds the file.

    Raises:
        WorkspaceError: It is in no workspace.
    """
    here = targets([], index_dir)[0].root
    absolute = os.path.abspath(os.path.expanduser(path))
    missing = not os.path.lexists(absolute) and not os.path.isabs(path)
    if missing and os.path.lexists(os.path.join(here, path)):
        return Target(here, (os.path.normpath(path),))
    # Only the links of the folder are resolved: a link itself is a file of the workspace.
    folder = os.path.realpath(os.path.dirname(absolute))
    absolute = os.path.join(folder, os.path.basename(absolute))
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    root, inside = here, locate.is_within(absolute, here)
    if not inside or (not index_dir and locate.known(here) is None):
        indexed = None if index_dir else indexed_above(folder)
        root = indexed or (here if inside or missing else target_of(folder, index_dir).root)
    return Target(root, (os.path.relpath(absolute, root),))


def file_only(path: str, index_dir: str | None = None) -> Target:
    """:func:`file_in`, of a path that is no folder.

    Raises:
        WorkspaceError: It is one, or in no workspace.
    """
    target = file_in(path, index_dir)
    if os.path.isdir(os.path.join(target.root, *target.within)):
        raise WorkspaceError(f"{path}: a folder; name a file in it")
    return target
