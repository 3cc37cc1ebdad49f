"""What this process is parsing right now, so that the next run knows what killed it.

A grammar can crash on hostile input. In a worker that costs one file; in the
process that writes, which also works when there is little to do, it ends the
run. The files at hand are noted before each piece, and a note that is found
by the next run names suspects: each is then done in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from spelunk import faults

NOTE: Final = "at-work"


class Flight:
    """The note of one run; the writer's lock is held."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, NOTE)
        self._fd: int | None = None

    def suspects(self) -> set[str]:
        """Paths a run that died was at; empty after one that ended by itself."""
        try:
            with open(self._path, "rb") as f:
                return {os.fsdecode(p) for p in f.read().split(b"\0") if p}
        except OSError:
            return set()

    def note(self, paths: Iterable[str]) -> None:
        """These are at hand now."""
        if self._fd is None:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        data = b"\0".join(map(os.fsencode, paths))
        fd = self._fd
        faults.write("worker.note", lambda part: os.pwrite(fd, part, 0), data)
        os.ftruncate(self._fd, len(data))

    def landed(self) -> None:
        """The run ended by itself, well or not: nobody is suspect."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)
        try:
            os.unlink(self._path)
        except OSError:
            pass
