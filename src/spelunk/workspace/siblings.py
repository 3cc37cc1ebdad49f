"""Find the indexes of the same folder in other worktrees of the same git repository."""

from __future__ import annotations

import os

from spelunk.files.git_dir import repository_of
from spelunk.io.cache_dir import index_home
from spelunk.workspace import locate


def sibling_indexes(root: str) -> list[str]:
    """The index directories, in this user's cache folder, of other worktrees' folder of this name.

    Args:
        root: Absolute path of a workspace: a worktree's top or a folder below it.
    """
    own = _place(root)
    if own is None:
        return []
    home, found = index_home(), []
    for other, directory in locate.known_workspaces():
        try:
            mine = os.path.dirname(directory) == home and os.lstat(directory).st_uid == os.geteuid()
        except OSError:
            continue
        # A removed worktree's folder lies in no repository, or in another place of an outer one.
        if mine and other != root and locate.has_index(directory) and _place(other) == own:
            found.append(directory)
    return found


def _place(root: str) -> tuple[str, str] | None:
    """The git directory that all worktrees share, and the folder's path in its worktree."""
    repository = repository_of(root)
    if repository is None or not os.path.isdir(root):
        return None
    return os.path.realpath(repository.common), os.path.relpath(root, os.path.realpath(repository.top))
