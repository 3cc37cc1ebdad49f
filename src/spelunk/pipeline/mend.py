"""Check the stores of an index, repair them, and index again what a repair cannot restore."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from spelunk.store.check import MANIFEST_DAMAGED, VECTOR, check
from spelunk.store.repair import repair
from spelunk.store.writer_lock import WriterLock
from spelunk.types import CheckReport


def check_and_repair(
    directory: str, update: Callable[[bool], object], close: Callable[[], None]
) -> CheckReport:
    """Verify that the stores agree, and repair what does not.

    Args:
        directory: The index directory.
        update: Called to update the index, with whether to rebuild it.
        close: Called before the stores are opened again.

    Raises:
        IndexMissingError: There is no index.
        IndexBusyError: Another process is writing.
    """
    writer = WriterLock(directory)
    writer.acquire("check --repair")
    try:
        before = check(directory)
        if before.ok:
            return before
        rebuild = any(p.what == MANIFEST_DAMAGED for p in before.problems)
        unread = not rebuild and repair(directory, before.problems)
    finally:
        writer.release()
    lost = any(p.what == VECTOR for p in before.problems)
    if rebuild or unread or lost:  # reads files again and makes the vectors that are pending now
        update(rebuild)
    close()
    after = check(directory)
    if not after.ok:
        return after
    return replace(
        before.mended(), files=after.files, chunks=after.chunks, vectors=after.vectors, pending=after.pending
    )
