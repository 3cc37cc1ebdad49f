"""Advisory locks on files (``flock``), released by the system when their holder ends."""

from __future__ import annotations

import fcntl
import os
import time
from typing import Final

POLL_SECONDS: Final = 0.02
"""Pause between two tries to take a lock."""


def open_lock(path: str, *, mode: int = 0o600, create: bool = True) -> int:
    """Open a lock file and return its descriptor; it is not inherited by other programs.

    Raises:
        OSError: The file cannot be opened or created.
    """
    return os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), mode)


def acquire(fd: int, *, exclusive: bool = True, timeout: float | None = 0.0) -> bool:
    """Take the lock on an open descriptor.

    Args:
        fd: From :func:`open_lock`, or a folder opened for reading.
        exclusive: An exclusive lock; otherwise a shared one.
        timeout: Seconds to wait; 0 tries once, None waits without a limit.

    Returns:
        Whether the lock is held now. Closing the descriptor releases it.

    Raises:
        OSError: The file system has no locks.
    """
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
