"""Check an index and repair what is damaged: in the stores under the writer's lock, then by an update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from spelunk.store.check import MANIFEST_DAMAGED, VECTOR, check
from spelunk.store.repair import repair
from spelunk.store.writer_lock import WriterLock
from spelunk.types import CheckReport


def check_and_repair(
    directory: str, update: Callable[[bool], None], close: Callable[[], None]
) -> CheckReport:
    """Repair what does not agree, without embedding again what is intact.

    Args:
        directory: The index directory.
        update: Called where files have to be read again or vectors made; its argument is
            whether the index has to be rebuilt.
        close: Closes the open views of the index.

    Returns:
        The problems found, marked as repaired; or those that are left.

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
    if rebuild or unread or lost:  # an update reads files again and makes the vectors that are pending now
        update(rebuild)
    close()
    after = check(directory)
    if not after.ok:
        return after
    mended = before.mended()
    return replace(
        mended, files=after.files, chunks=after.chunks, vectors=after.vectors, pending=after.pending
    )
