"""Verify an index and its index of commits, and repair what does not agree."""

from __future__ import annotations

import os
from collections.abc import Callable

from msgspec.structs import replace

from spelunk.config import DEFAULTS, LOCAL, Options
from spelunk.errors import IndexFormatError, IndexMissingError
from spelunk.observe.check_report import CLUSTER, CheckReport, Problem
from spelunk.store import check as stores
from spelunk.store.commits import CommitStore
from spelunk.store.paths import HISTORY, manifest_name
from spelunk.store.writer_lock import WriterLock
from spelunk.workspace import locate


def check(directory: str, options: Options = DEFAULTS) -> CheckReport:
    """Verify the stores of an index; what is wrong with the commits has ``history`` as its place.

    Args:
        directory: The index directory.
        options: Where the chunks are kept, and how it is called.

    Raises:
        IndexMissingError: There is no index.
    """
    report = stores.check(directory, options)
    damage = _damage_of_history(directory)
    if damage is None:
        return report
    return replace(report, ok=False, problems=(*report.problems, damage))


def mend(directory: str, options: Options, update: Callable[[bool], object]) -> CheckReport:
    """Repair what does not agree, without embedding again what is intact.

    Args:
        directory: The index directory.
        options: The settings of the index.
        update: Brings the index up to date; called with whether to rebuild it.

    Raises:
        IndexMissingError: There is no index.
        IndexBusyError: Another process is writing.
    """
    from spelunk.store.repair import repair

    writer = WriterLock(directory)
    writer.acquire("check --repair")
    try:
        before = check(directory, options)
        if before.ok or any(p.what == CLUSTER for p in before.problems):
            return before
        rebuild = any(p.what == stores.MANIFEST_DAMAGED and p.where != HISTORY for p in before.problems)
        of_files = tuple(p for p in before.problems if p.where != HISTORY)
        unread = not rebuild and bool(of_files) and repair(directory, of_files, options)
        if len(of_files) < len(before.problems):  # it is made of git alone: built again, nothing is lost
            locate.delete(os.path.join(directory, HISTORY))
    finally:
        writer.release()
    lost = any(p.what == stores.VECTOR or options.store != LOCAL for p in of_files)
    # An update reads files again, makes the vectors that are pending now, and reads commits.
    if rebuild or unread or lost or len(of_files) < len(before.problems):
        update(rebuild)
    after = check(directory, options)
    if not after.ok:
        return after
    return replace(
        before.mended(), files=after.files, chunks=after.chunks, vectors=after.vectors, pending=after.pending
    )


def _damage_of_history(directory: str) -> Problem | None:
    """What is wrong with the index of commits; None where nothing is, or there is none."""
    from spelunk.store.schema import SqlError

    folder = os.path.join(directory, HISTORY)
    if manifest_name(folder) is None:
        return None
    try:
        found = stores.check(folder).problems
    except (IndexMissingError, IndexFormatError):
        return None  # of another release: the next update builds it again
    if found:
        return Problem(found[0].what, HISTORY, f"{found[0].where}: {found[0].detail}")
    try:
        with CommitStore(folder) as store:
            store.entries()
    except SqlError as error:
        return Problem(stores.MANIFEST_DAMAGED, HISTORY, f"{CommitStore.__name__}: {error}")
    return None
