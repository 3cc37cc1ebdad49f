"""Here is a path in somebody's folder, get its bytes: of a regular file, and never for long.

A workspace may hold a FIFO or a device where a small file is looked for;
opening one in the usual way waits for ever.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

MAX_BYTES: Final = 16 * 1024 * 1024
"""Settings, ignore files and the like are smaller."""


def read_plain(path: str, most: int = MAX_BYTES, *, follow: bool = True) -> bytes:
    """The first ``most`` bytes of a regular file.

    Args:
        follow: Whether the path itself may be a symbolic link.

    Raises:
        OSError: It cannot be read, or is no regular file.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOCTTY", 0)
    fd = os.open(path, flags | (0 if follow else os.O_NOFOLLOW))
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        parts = []
        while most > 0 and (part := os.read(fd, min(most, 1 << 20))):
            parts.append(part)
            most -= len(part)
        return b"".join(parts)
    finally:
        os.close(fd)
