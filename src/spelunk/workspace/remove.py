"""Delete the index of a workspace under the writer's lock, and forget where it was."""

from __future__ import annotations

from collections.abc import Callable

from spelunk.errors import StorageError, WorkspaceError
from spelunk.store.writer_lock import WriterLock
from spelunk.workspace import locate


def remove(root: str, directory: str, before: Callable[[], None]) -> bool:
    """Delete every file that Spelunk wrote, and the index directory unless other files are in it.

    Args:
        root: The workspace.
        directory: Its index directory.
        before: Called under the lock before anything is deleted.

    Returns:
        Whether there was an index.

    Raises:
        WorkspaceError: The index directory holds the index of another workspace.
        IndexBusyError: Another process is writing to it.
        StorageError: A file cannot be deleted.
    """
    owner = locate.owner_of(directory)
    if owner is None:
        return False
    if owner != root:
        raise WorkspaceError(f"{directory}: the index of {owner}, not of {root}")
    writer = WriterLock(directory)
    writer.acquire("clear")
    try:
        before()
        locate.delete(directory)
        locate.forget(root)
    except OSError as error:
        raise StorageError(f"{directory}: cannot be deleted: {error.strerror or error}") from None
    finally:
        writer.release()
    return True
