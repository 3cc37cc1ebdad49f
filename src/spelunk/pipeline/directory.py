"""Hold an index directory for an update: take its lock, tell whoever waits, and keep its files private."""

from __future__ import annotations

import os

from spelunk.errors import IndexBusyError
from spelunk.observe import Observer, events
from spelunk.store.writer_lock import WriterLock, holder


def acquire(lock: WriterLock, directory: str, command: str, observer: Observer, *, wait: bool) -> None:
    """Take the writer's lock.

    Raises:
        IndexBusyError: Another process writes, and ``wait`` is false.
    """
    try:
        lock.acquire(command)
    except IndexBusyError:
        if not wait:
            raise
        other = holder(directory) or {}
        observer(events.LockAwaited(int(other.get("pid", 0)), str(other.get("command", ""))))
        lock.acquire(command, wait=True)


def make_private(directory: str) -> None:
    """Leave the files of the index to their owner, whatever the umask was when a store created them.

    The folder itself is 0700 from the beginning, so that no other user reaches a file before this.
    """
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.stat(follow_symlinks=False).st_mode & 0o077 and not entry.is_symlink():
                    os.chmod(entry.path, 0o700 if entry.is_dir() else 0o600)
    except OSError:
        pass  # a read-only disk, or a file that went away
