"""Bring the index of commits up to date. Whatever fails here never fails the update of the files."""

from __future__ import annotations

import os
import time
from typing import Final

from spelunk.config import Options
from spelunk.errors import IndexBusyError, IndexCorruptError, SpelunkError
from spelunk.history.current import is_current, is_wanted, options_of
from spelunk.history.source import CommitSource
from spelunk.observe import Observer, null_observer
from spelunk.observe.events import HistoryUpdated
from spelunk.pipeline.job import Job
from spelunk.pipeline.update import update
from spelunk.store.commit_writer import CommitWriter
from spelunk.store.paths import HISTORY
from spelunk.store.schema import SqlError
from spelunk.types import HistoryReport
from spelunk.workspace import locate

READ_IN_SEARCH: Final = 500
"""New commits that a search reads first, some 0.3 s; `spelunk index` reads the others."""


def update_history(
    root: str,
    directory: str,
    options: Options,
    *,
    whole: bool = True,
    rebuild: bool = False,
    wait: bool = False,
    observer: Observer = null_observer,
) -> HistoryReport | None:
    """Index the messages of new commits and forget those out of reach; None where none are wanted.

    Args:
        root: The workspace.
        directory: The index directory.
        options: Its settings.
        whole: Read all new commits, not only the first :data:`READ_IN_SEARCH`.
        rebuild: Read and index all again.
        wait: Wait for another process that does the same.
        observer: Is sent one event at the end, and those of the run are not passed on: they count files.
    """
    folder = os.path.join(directory, HISTORY)
    began = time.monotonic()
    if not is_wanted(root, options):
        _delete(folder)
        return None
    if not rebuild and is_current(root, directory, options, whole=whole):
        return None
    if rebuild:
        _delete(folder)
    source = CommitSource(root, folder, options.history, None if whole else READ_IN_SEARCH)
    job = Job(root, folder, options_of(options), command="history", source=source, part=HISTORY, wait=wait)
    try:
        try:
            done = update(job)
        except IndexCorruptError:  # it is made of git alone: nothing is lost
            _delete(folder)
            done = update(job)
    except IndexBusyError:
        return None
    except (SpelunkError, SqlError, OSError) as error:
        reason = str(error) if isinstance(error, SpelunkError) else f"{type(error).__name__}: {error}"
        _note_failure(folder, source, reason)
        return _told(observer, HistoryReport(error=reason, seconds=time.monotonic() - began))
    finally:
        source.close()
    files = done.files
    report = HistoryReport(
        commits=files.indexed + files.unchanged,
        added=files.indexed,
        removed=files.removed,
        left=source.left,
        seconds=time.monotonic() - began,
    )
    return _told(observer, report)


def _told(observer: Observer, report: HistoryReport) -> HistoryReport:
    """The report, after the observer was sent it."""
    observer(
        HistoryUpdated(
            report.commits, report.added, report.removed, report.left, report.seconds, report.error
        )
    )
    return report


def _delete(folder: str) -> None:
    try:
        locate.delete(folder)
    except OSError:
        pass  # there is none, or the disk refuses


def _note_failure(folder: str, source: CommitSource, reason: str) -> None:
    """Remember a failure, so that not every search tries again before HEAD moves."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with CommitWriter(folder) as store:
            store.set_meta(error=reason, failed=source.fence())
    except (SqlError, OSError):
        pass
