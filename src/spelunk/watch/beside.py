"""Names that matter to a workspace beside its files: git's HEAD, ignore files elsewhere, the user's settings."""

from __future__ import annotations

import os
from collections.abc import Collection

from spelunk.config import user_file
from spelunk.files.git_dir import repository_of
from spelunk.workspace.locate import is_within


def names_beside(root: str, folders: Collection[str], rules: Collection[str]) -> dict[str, set[str]]:
    """The folders to watch beside those of the workspace, and the names in each that matter.

    Args:
        root: The workspace.
        folders: Its folders that are watched, relative.
        rules: Absolute paths of the rule files of the last walk, whether they exist or not.
    """
    kept = set(folders)
    paths = [*rules, user_file()]
    repository = repository_of(root)
    if repository is not None:
        paths += [os.path.join(repository.git_dir, name) for name in ("HEAD", "index")]
    beside: dict[str, set[str]] = {}
    for path in paths:
        folder, name = os.path.split(path)
        if os.path.exists(path) and not os.path.isfile(path):
            continue  # GIT_CONFIG_GLOBAL=/dev/null, into which every process writes
        if folder and not (is_within(folder, root) and folder[len(root) + 1 :] in kept):
            beside.setdefault(folder, set()).add(name)
    return beside
