"""Limit of concurrent reads over processes: a context held while a file is read.

On a disk that seeks, many readers at once are slower than a few. The slots are
record locks on one unlinked file, which the kernel releases when their holder
dies: a worker that is killed while it reads takes no slot with it.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from typing import Final

FIRST_FREE_FD: Final = 3
"""Descriptors below are standard input, output and error, which a host may have closed."""


def above_standard(fd: int) -> int:
    """Move a descriptor above standard input, output and error; it is not inherited by other programs."""
    if fd >= FIRST_FREE_FD:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_FD)
    finally:
        os.close(fd)


class ReadLimiter:
    """At most ``slots`` processes are inside the context at a time. One thread of a process may use it."""

    def __init__(self, fd: int, slots: int) -> None:
        """Use the slots of :meth:`create`.

        Args:
            fd: An open file; forked and spawned workers inherit it.
            slots: Readers at a time.
        """
        self.fd = fd
        self.slots = slots
        self._held = 0

    @classmethod
    def create(cls, slots: int) -> ReadLimiter:
        """Make ``slots`` slots.

        Raises:
            OSError: No temporary file can be made, or its file system has no locks.
        """
        with tempfile.TemporaryFile() as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
            return cls(above_standard(os.dup(file.fileno())), slots)

    def __enter__(self) -> None:
        for slot in range(self.slots):
            try:
                fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
            except (BlockingIOError, PermissionError):  # taken; which of the two depends on the system
                continue
            self._held = slot
            return
        self._held = os.getpid() % self.slots  # all are taken: wait for one
        fcntl.lockf(self.fd, fcntl.LOCK_EX, 1, self._held)

    def __exit__(self, *_: object) -> None:
        fcntl.lockf(self.fd, fcntl.LOCK_UN, 1, self._held)

    def close(self) -> None:
        """Close this process's descriptor, which gives its slot back."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)
