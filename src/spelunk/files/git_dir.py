"""Locate git's directories of a working tree and read its HEAD, without running git.

A repository may point anywhere: ``.git`` can be a link or a file with a path,
``commondir`` can hold another. Everything read through them goes through
:mod:`spelunk.io.regular`, so a device or a pseudo file counts as not there.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Final

from msgspec import Struct

from spelunk.io.regular import read_regular

MAX_POINTER_BYTES: Final = 64 * 1024
"""Limit for ``.git`` files, ``commondir`` and ``HEAD``: one path or one reference each."""

_COMMIT_ID: Final = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})$", re.MULTILINE)


class Repository(Struct, frozen=True):
    """A git repository.

    Attributes:
        top: Absolute path of its working tree.
        git_dir: Its git directory; of a linked working tree, that tree's own.
        common: The git directory that all its working trees share.
    """

    top: str
    git_dir: str
    common: str


def repository_at(directory: str) -> Repository | None:
    """The repository whose working tree starts at a directory, or None."""
    dot_git = os.path.join(directory, ".git")
    try:
        mode = os.stat(dot_git).st_mode
    except OSError:
        return None
    if stat.S_ISREG(mode):
        content = _pointer(dot_git)
        if not content.startswith("gitdir:"):
            return None
        git_dir = os.path.join(directory, content[7:].strip())
        common = _pointer(os.path.join(git_dir, "commondir")).strip() or "."
        return Repository(directory, git_dir, os.path.normpath(os.path.join(git_dir, common)))
    if not os.path.lexists(os.path.join(dot_git, "HEAD")):
        return None
    return Repository(directory, dot_git, dot_git)


def repository_of(root: str) -> Repository | None:
    """The repository that holds a directory, looking upwards."""
    directory = root
    while True:
        repository = repository_at(directory)
        if repository is not None:
            return repository
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent


def is_bare(directory: str) -> bool:
    """Whether a directory is a bare repository, or the git directory of a working tree."""
    if not all(os.path.exists(os.path.join(directory, name)) for name in ("HEAD", "objects", "refs")):
        return False
    first = _pointer(os.path.join(directory, "HEAD"))
    return first.startswith("ref: refs/") or _COMMIT_ID.match(first) is not None


def branch_of(root: str) -> str:
    """The branch checked out in a workspace; the commit of a detached HEAD; empty where there is none."""
    repository = repository_of(root)
    return head(repository) if repository is not None else ""


def head(repository: Repository) -> str:
    """The branch or commit in a repository's HEAD; empty where it cannot be read or printed."""
    first = _pointer(os.path.join(repository.git_dir, "HEAD")).partition("\n")[0].strip()
    return first.removeprefix("ref: refs/heads/") if first.isprintable() else ""


def head_reference(repository: Repository) -> str:
    """The reference that HEAD points to, such as ``refs/heads/main``; empty on a detached HEAD."""
    first = _pointer(os.path.join(repository.git_dir, "HEAD")).partition("\n")[0].strip()
    return first.removeprefix("ref: ") if first.startswith("ref: ") else ""


def _pointer(path: str) -> str:
    """A small text file; empty where it cannot be read. Bytes that are not UTF-8 stay part of a path."""
    try:
        return os.fsdecode(read_regular(path, MAX_POINTER_BYTES))
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return ""
