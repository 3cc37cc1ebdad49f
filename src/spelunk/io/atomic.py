"""Replace files atomically: write a temporary file beside the target, then rename it into place.

A reader sees the old content or the new content, never a part of it. The
temporary file is removed when anything fails. Every file is created with an
explicit mode, so the process's umask is never touched.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

PRIVATE: Final = 0o600
"""Mode of files in an index directory: readable by their owner alone."""


_synced = [0.0]
"""Seconds that this process has waited for :func:`sync`, over all threads; it only grows."""


def sync(fd: int) -> None:
    """Flush an open file to disk.

    Raises:
        OSError: The disk refuses.
    """
    began = time.perf_counter()
    os.fsync(fd)
    _synced[0] += time.perf_counter() - began


def synced_seconds() -> float:
    """Seconds that this process has waited for :func:`sync` so far."""
    return _synced[0]


def temporary_name(path: str) -> str:
    """The temporary name beside ``path`` that this process writes to."""
    return f"{path}.{os.getpid()}.tmp"


@contextmanager
def replacing(path: str, *, durable: bool = False) -> Iterator[str]:
    """Yield a temporary path; rename it to ``path`` when the block ends without an error.

    Args:
        path: The target.
        durable: Flush the renamed entry's folder to disk. Flushing the file is the block's task.

    Raises:
        OSError: The rename failed. The temporary file is removed whatever the block raised.
    """
    aside = temporary_name(path)
    try:
        yield aside
        os.replace(aside, path)
    finally:
        if os.path.lexists(aside):
            os.unlink(aside)
    if durable:
        sync_directory(os.path.dirname(path) or ".")


def write_bytes(
    path: str,
    data: bytes,
    *,
    mode: int = PRIVATE,
    durable: bool = False,
    write: Callable[[Callable[[bytes], object], bytes], object] = lambda write, data: write(data),
) -> None:
    """Replace ``path`` by a file that holds ``data``.

    Args:
        path: The target.
        data: The new content.
        mode: Permission bits of the new file.
        durable: Flush file and folder to disk before returning.
        write: Called with the file's write method and the data; fault injection passes its own.

    Raises:
        OSError: The file cannot be written; the old one is untouched.
    """
    with replacing(path, durable=durable) as aside:
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        with open(fd, "wb") as file:
            os.fchmod(fd, mode)
            write(file.write, data)
            if durable:
                file.flush()
                sync(fd)


def sync_directory(path: str) -> None:
    """Flush the entries of a folder to disk, so that a rename in it survives a power loss.

    Raises:
        OSError: The folder cannot be opened or flushed.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync(fd)
    finally:
        os.close(fd)
