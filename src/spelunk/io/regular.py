"""Read a regular file without blocking and within a limit; raises OSError for everything else.

For every path that another person may have chosen: a name in a workspace, a
path in a repository's configuration. It may be a FIFO (opening it waits), a
device (opening it may have effects), a pseudo file of the kernel (its size is
wrong), or simply too large.
"""

from __future__ import annotations

import errno
import os
import stat
from functools import cache
from typing import Final

MAX_BYTES: Final = 16 * 1024 * 1024
"""Limit for settings, ignore files and the like; all are far smaller."""

KERNEL_FOLDERS: Final = ("/proc", "/sys")
"""Mounts of the kernel's pseudo file systems; no file of a workspace is there."""

_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOCTTY", 0)


@cache
def _kernel_devices() -> frozenset[int]:
    """Device numbers of the kernel's pseudo file systems. They stay the same while a process runs.

    A folder that is no mount of its own (macOS has no ``/proc``; a container
    may have a plain ``/dev``) has the number of its parent and is left out.
    """
    found = set()
    for folder in KERNEL_FOLDERS:
        try:
            device = os.stat(folder).st_dev
            if device != os.stat("/").st_dev:
                found.add(device)
        except OSError:
            pass
    return frozenset(found)


def _refusal(st: os.stat_result) -> str:
    if not stat.S_ISREG(st.st_mode):
        return "not a regular file"
    return "a file of the kernel" if st.st_dev in _kernel_devices() else ""


def read_regular(path: str, limit: int = MAX_BYTES, *, follow: bool = True) -> bytes:
    """The contents of a regular file.

    Args:
        path: Any path.
        limit: A file with more bytes is refused.
        follow: Whether the last name of the path may be a symbolic link.

    Raises:
        OSError: It cannot be read, is no regular file (EINVAL) or too large (EFBIG).
    """
    return _read(path, limit, follow, whole=True)


def read_head(path: str, limit: int, *, follow: bool = True) -> bytes:
    """The first ``limit`` bytes of a regular file of any size; arguments and errors as :func:`read_regular`."""
    return _read(path, limit, follow, whole=False)


def read_small(path: str, *, follow: bool = True) -> bytes | None:
    """The contents of a regular file of at most :data:`MAX_BYTES`, or None."""
    try:
        return read_regular(path, follow=follow)
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None


def _read(path: str, limit: int, follow: bool, *, whole: bool) -> bytes:
    # Looked at before it is opened: opening a device can have effects.
    if refusal := _refusal(os.stat(path, follow_symlinks=follow)):
        if not follow and stat.S_ISLNK(os.lstat(path).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        raise OSError(errno.EINVAL, refusal, path)
    fd = os.open(path, _FLAGS | (0 if follow else os.O_NOFOLLOW))
    try:
        st = os.fstat(fd)
        if refusal := _refusal(st):
            raise OSError(errno.EINVAL, refusal, path)
        if whole and st.st_size > limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        # Never more than the size it claims: a pseudo file of size 0 may have no end.
        left = min(limit, st.st_size)
        parts = []
        while left > 0 and (part := os.read(fd, min(left, 1 << 20))):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
    finally:
        os.close(fd)
