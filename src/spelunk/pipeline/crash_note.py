"""Crash note: the files in progress in this process, for the next run to find after a crash.

A grammar can crash on hostile input. In a worker that costs one file; in the
process that writes, which also works when there is little to do, it ends the
run. The files of each piece are noted before it is done. A note that the next
run finds names suspects, and each is done in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from spelunk import faults

NOTE: Final = "at-work"


class CrashNote:
    """The note of one run; the writer's lock is held."""

    def __init__(self, directory: str) -> None:
        """Use the note in the index directory."""
        self._path = os.path.join(directory, NOTE)
        self._fd: int | None = None

    def suspects(self) -> set[str]:
        """Paths that were in progress when a run crashed; empty where the last run ended by itself."""
        try:
            with open(self._path, "rb") as f:
                return {os.fsdecode(p) for p in f.read().split(b"\0") if p}
        except OSError:
            return set()

    def write(self, paths: Iterable[str]) -> None:
        """Replace the note by the paths of the piece that begins.

        Raises:
            OSError: The disk refuses.
        """
        if self._fd is None:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        data = b"\0".join(map(os.fsencode, paths))
        fd = self._fd
        faults.write("worker.note", lambda part: os.pwrite(fd, part, 0), data)
        os.ftruncate(self._fd, len(data))

    def clear(self, *, keep: Iterable[str] = ()) -> None:
        """Remove the note: the run ended by itself, with or without an error.

        Args:
            keep: Suspects that this run left to a later one: the note names them and stays.
        """
        kept = list(keep)
        if kept:
            self.write(kept)
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)
        if kept:
            return
        try:
            os.unlink(self._path)
        except OSError:
            pass
