"""The no-change check: has the set of files below a root changed since a walk?

Apart from :mod:`spelunk.files.walk` because every search asks it, and most get
``True`` and need nothing else of discovery.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

Signature = tuple[str, int, int, int]
"""Absolute path, mtime in ns (-1: not to be trusted), size, inode; all -1 behind the path of a missing file."""


def unchanged(root: str, dirs: Iterable[tuple[str, int]], rule_files: Iterable[Signature]) -> bool:
    """Whether the set of files below a root is what a walk found.

    Additions, removals and renames show in the directories' times, new rules
    in the signatures. Changes *inside* files do not: those are for the caller
    to look for, file by file.

    Args:
        root: The root that was walked.
        dirs: :attr:`spelunk.files.walk.Walk.dirs` of that walk.
        rule_files: :attr:`spelunk.files.walk.Walk.rule_files` of that walk.
    """
    look = os.stat
    try:
        for path, mtime, size, inode in rule_files:
            try:
                st = look(path)
            except OSError:
                if size != -1:
                    return False
            else:
                if st.st_mtime_ns != mtime or st.st_size != size or st.st_ino != inode:
                    return False
        fd = os.open(os.path.realpath(root), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for path, mtime in dirs:
                if look(path or ".", dir_fd=fd).st_mtime_ns != mtime:
                    return False
        finally:
            os.close(fd)
    except OSError:
        return False
    return True
