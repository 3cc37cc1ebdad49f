"""One writer per index: the operating system's lock, and who holds it.

The lock is ``flock`` on ``writer.lock``; it ends with its holder, however that
ends, so no stale lock ever needs a person. ``writer.json`` beside it says who
holds it and is believed only while the lock is held.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from typing import Any, Final

from spelunk import faults
from spelunk.errors import IndexBusyError, StorageError

LOCK: Final = "writer.lock"
HOLDER: Final = "writer.json"
POLL_SECONDS: Final = 0.05
GRACE_SECONDS: Final = 0.2
"""A look at the holder takes the lock for microseconds; a writer that met one tries again."""


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
        path = os.path.join(self._directory, LOCK)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(
                f"{self._directory}: cannot be written ({error.strerror}); choose another place with --index-dir"
            ) from None
        patience = time.monotonic() + GRACE_SECONDS
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not wait and time.monotonic() > patience:
                    os.close(fd)
                    raise IndexBusyError(describe(self._directory)) from None
                time.sleep(POLL_SECONDS)
            except BaseException:
                os.close(fd)
                raise
        self._fd = fd
        faults.reach("lock.taken")
        info = {"pid": os.getpid(), "host": os.uname().nodename, "command": command, "since": time.time()}
        aside = os.path.join(self._directory, f"{HOLDER}.new")  # the lock is held: nobody else writes it
        try:
            with open(aside, "wb") as f:
                faults.write("lock.registry", f.write, json.dumps(info).encode())
            os.replace(aside, os.path.join(self._directory, HOLDER))
        except OSError as error:
            self.release()
            raise StorageError(
                f"{self._directory}: cannot be written ({error.strerror}); choose another place with --index-dir"
            ) from None
        faults.reach("lock.ready")

    def release(self) -> None:
        """Give the lock back; harmless when not held."""
        if self._fd is not None:
            fd, self._fd = self._fd, None  # first: a signal between the two must not close it twice
            os.close(fd)

    def forget(self) -> None:
        """In a forked child: close the inherited descriptor's copy; the parent keeps the lock."""
        self.release()


def holder(directory: str) -> dict[str, Any] | None:
    """Who writes to this index now: pid, host, command, since; None when nobody does."""
    try:
        fd = os.open(os.path.join(directory, LOCK), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    else:
        return None
    finally:
        os.close(fd)
    try:
        with open(os.path.join(directory, HOLDER), encoding="utf-8") as f:
            info = json.load(f)
    except (OSError, ValueError):
        return {}
    return info if isinstance(info, dict) else {}


def describe(directory: str) -> str:
    """One line for someone who was refused."""
    info = holder(directory) or {}
    if not info.get("pid"):
        return f"{directory}: another process is writing to this index; try again or use --wait"
    age = max(0, int(time.time() - float(info.get("since", 0))))
    return (
        f"{directory}: `{info.get('command')}` (pid {info['pid']} on {info.get('host')}) has been writing for "
        f"{age} s; wait for it with --wait"
    )


def command_line() -> str:
    """This process's command as people typed it."""
    return " ".join([os.path.basename(sys.argv[0]) or "python", *sys.argv[1:3]])
