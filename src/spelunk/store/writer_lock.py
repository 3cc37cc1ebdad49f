"""The lock that makes one process the writer of an index, and the record of who holds it.

The lock is ``flock`` on ``writer.lock``; the system releases it when its holder
ends, however that happens, so no stale lock ever has to be removed by hand.
``writer.json`` beside it names the holder and is believed only while the lock is held.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any, Final

from spelunk import faults
from spelunk.errors import IndexBusyError, StorageError
from spelunk.io import filelock
from spelunk.io.atomic import write_bytes
from spelunk.io.json_file import read_object

LOCK: Final = "writer.lock"
HOLDER: Final = "writer.json"
GRACE_SECONDS: Final = 0.2
"""A look at the holder takes the lock for microseconds; a writer that met one tries again."""
MAX_PID: Final = 2**32
MAX_TIME: Final = 1e11
"""Seconds since the epoch; the year 5138."""


class WriterLock:
    """Held from :meth:`acquire` to :meth:`release`, or until the process dies."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._fd: int | None = None

    def acquire(self, command: str, *, wait: bool = False) -> None:
        """Take the lock.

        Args:
            command: What the holder does, for others to read.
            wait: Wait for the holder instead of raising.

        Raises:
            IndexBusyError: Held by another; names pid, host, command and age.
            StorageError: The lock file cannot be made.
        """
        try:
            fd = filelock.open_lock(os.path.join(self._directory, LOCK))
            try:
                taken = filelock.acquire(fd, timeout=None if wait else GRACE_SECONDS)
                if not taken:
                    raise IndexBusyError(describe(self._directory))
            except BaseException:
                os.close(fd)
                raise
            self._fd = fd
            faults.reach("lock.taken")
            info = {"pid": os.getpid(), "host": os.uname().nodename, "command": command, "since": time.time()}
            write_bytes(
                os.path.join(self._directory, HOLDER),
                json.dumps(info).encode(),
                write=lambda write, data: faults.write("lock.registry", write, data),
            )
        except OSError as error:
            self.release()
            raise StorageError(
                f"{self._directory}: cannot be written ({error.strerror}); choose another place with --index-dir"
            ) from None
        faults.reach("lock.ready")

    def release(self) -> None:
        """Release the lock; does nothing when it is not held."""
        if self._fd is not None:
            fd, self._fd = self._fd, None  # first: a signal between the two must not close it twice
            os.close(fd)

    def forget(self) -> None:
        """In a forked child: close the inherited copy of the descriptor; the parent keeps the lock."""
        self.release()


def holder(directory: str) -> dict[str, Any] | None:
    """Return who writes to an index now, or None when nobody does.

    Returns:
        ``pid`` (int), ``host`` (str), ``command`` (str) and ``since`` (seconds since
        the epoch), those of them that the holder's record gives.
    """
    try:
        fd = filelock.open_lock(os.path.join(directory, LOCK), create=False)
    except OSError:
        return None
    try:
        if filelock.acquire(fd, exclusive=False):
            return None
    except OSError:
        return None
    finally:
        os.close(fd)
    info = read_object(os.path.join(directory, HOLDER)) or {}
    out: dict[str, Any] = {key: info[key] for key in ("host", "command") if isinstance(info.get(key), str)}
    for key, kinds, limit in (("pid", int, MAX_PID), ("since", (int, float), MAX_TIME)):
        value = info.get(key)
        if isinstance(value, kinds) and not isinstance(value, bool) and 0 < value < limit:
            out[key] = value
    return out


def describe(directory: str) -> str:
    """Return one line for a user whose command was refused because another process writes."""
    info = holder(directory) or {}
    if "pid" not in info:
        return f"{directory}: another process is writing to this index; try again or use --wait"
    line = f"{directory}: `{info.get('command', 'another command')}` (pid {info['pid']}"
    if "host" in info:
        line += f" on {info['host']}"
    line += ") has been writing"
    if "since" in info:
        line += f" for {max(0, int(time.time() - info['since']))} s"
    return f"{line}; wait for it with --wait"


def command_line() -> str:
    """Return this process's command as people typed it."""
    return " ".join([os.path.basename(sys.argv[0]) or "python", *sys.argv[1:3]])
