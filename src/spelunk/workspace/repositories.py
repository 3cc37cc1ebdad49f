"""Indexes of many repositories: where their list is, and which branches their entries are on.

``repositories.json`` in the index directory makes an index one of many
repositories, and ``branches.json`` is the table of its last walk. The table is
written before the walk's contents are published, so a search beside an update
may leave out, or show, a file that has just changed.
"""

from __future__ import annotations

import json
import os
from typing import Final

from spelunk.errors import StorageError, WorkspaceError
from spelunk.files.branches import BranchTable
from spelunk.files.folder import FolderSource
from spelunk.files.git_dir import is_bare
from spelunk.files.source import Source
from spelunk.io import atomic
from spelunk.io.json_file import read_object
from spelunk.workspace import locate

LIST: Final = "repositories.json"
BRANCHES: Final = "branches.json"
MAX_TABLE_BYTES: Final = 1024**3
"""A table of ten million paths."""


def place_of(directory: str) -> str | None:
    """The list of the repositories that an index is of, or their folder; None where it is of a folder's files."""
    place = (read_object(os.path.join(directory, LIST)) or {}).get("place")
    return place if isinstance(place, str) and os.path.isabs(place) else None


def named(
    path: str | os.PathLike[str], repositories: str | os.PathLike[str] | None
) -> tuple[str, str | None]:
    """The workspace of a folder, or of a list of repositories and then that list; absolute.

    Raises:
        WorkspaceError: There is no such folder or list.
    """
    if repositories is None:
        return locate.resolve_root(os.path.expanduser(os.fspath(path))), None
    from spelunk.files.repository_list import root_of

    place = os.path.realpath(os.path.expanduser(os.fspath(repositories)))
    return locate.resolve_root(root_of(place)), place


def source_of(root: str, directory: str, place: str | None = None) -> Source:
    """Where an index's files come from: the repositories of ``place`` or of its record, else the folder.

    A bare repository has no files of its own: what it has committed is meant.
    """
    place = place or place_of(directory) or (root if is_bare(root) else None)
    if place is None:
        return FolderSource(root)
    from spelunk.files.repositories import RepositoriesSource  # git and its processes: a folder needs none

    return RepositoriesSource(place)


def record(root: str, directory: str, source: Source) -> None:
    """Make an index one of many repositories, if its source is.

    Raises:
        WorkspaceError: There is an index of the folder's own files, or there are no repositories.
        StorageError: It cannot be written.
    """
    if isinstance(source, FolderSource):
        return
    held, place = place_of(directory), source.location
    if held is None and locate.has_index(directory):
        raise WorkspaceError(
            f"{root}: indexed as a folder of files; choose another --index-dir, or `spelunk clear` it first"
        )
    if held is None:
        from spelunk.files.repository_list import listed

        listed(place)  # or the folder would stay one of repositories, without any
    locate.claim(directory, root)
    if held != place:
        _write(os.path.join(directory, LIST), {"place": place})


def save_branches(directory: str, branches: BranchTable) -> None:
    """Write the table of a walk.

    Raises:
        StorageError: It cannot be written.
    """
    _write(os.path.join(directory, BRANCHES), {"repositories": branches.as_json()})


def load_branches(directory: str) -> BranchTable | None:
    """The table of the last walk; None where there is none."""
    value = read_object(os.path.join(directory, BRANCHES), MAX_TABLE_BYTES)
    try:
        return BranchTable.from_json((value or {})["repositories"])
    except (KeyError, ValueError, TypeError):
        return None


def _write(path: str, value: object) -> None:
    try:
        text = json.dumps(value, ensure_ascii=False)
        atomic.write_bytes(path, text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from None
