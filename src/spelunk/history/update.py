"""Bring the index of commits up to date. Whatever fails here never fails the update of the files."""

from __future__ import annotations

import os
import sqlite3
import time
from dataclasses import dataclass, replace
from typing import Final

from spelunk import embed
from spelunk.config import BUILT_IN, DEFAULTS, Options
from spelunk.errors import IndexBusyError, IndexCorruptError, SpelunkError
from spelunk.files.git_dir import repository_of
from spelunk.history.source import CommitSource
from spelunk.pipeline.update import Job, update
from spelunk.store.commits import CommitStore
from spelunk.store.manifest import Manifest
from spelunk.store.paths import HISTORY
from spelunk.types import HistoryReport
from spelunk.workspace import locate
from spelunk.workspace.state import embeds, fingerprint

READ_IN_SEARCH: Final = 500
"""New commits that a search reads first, some 0.3 s; `spelunk index` reads the others."""


@dataclass(frozen=True, slots=True)
class HistoryState:
    """What is stored of the commits.

    Attributes:
        commits: How many.
        left: Commits that the next `spelunk index` reads.
        error: Why git could not be read; "" if it could.
    """

    commits: int = 0
    left: int = 0
    error: str = ""


def options_of(options: Options) -> Options:
    """The settings of the index of commits: vectors come from an embedder of the package, or not at all."""
    return replace(
        DEFAULTS,
        embedder=options.embedder if options.embedder in BUILT_IN else DEFAULTS.embedder,
        workers=options.workers,
        mode=options.mode,
        memory_limit=options.memory_limit,
        storage=options.storage,
        io_threads=options.io_threads,
        history=options.history,
    )


def is_wanted(root: str, options: Options) -> bool:
    """Whether there is a repository, and the settings want its commits."""
    return options.history > 0 and repository_of(root) is not None


def is_current(root: str, directory: str, options: Options, *, whole: bool = False) -> bool:
    """Whether HEAD is where it was at the last update; a few stats and one row.

    Args:
        root: The workspace.
        directory: The index directory.
        options: Its settings.
        whole: Also whether no commit was left to read, and git did not fail.
    """
    folder = os.path.join(directory, HISTORY)
    if not is_wanted(root, options):
        return not os.path.isdir(folder)
    fence = CommitSource(root, folder, options.history).fence()
    try:
        with CommitStore(folder) as store:
            if store.meta("failed", b"") == fence:
                return not whole
            if whole and store.meta("left", 0):
                return False
        manifest = Manifest(folder)
        try:
            wanted = options_of(options)
            return (
                manifest.fence() == fence
                and bool(manifest.meta("complete", 0))
                and manifest.meta("fingerprint") == fingerprint(wanted)
                and embeds(manifest.meta("embedder"), wanted)
                and not (embed.in_workers(wanted) and manifest.pending()[0])
            )
        finally:
            manifest.close()
    except (SpelunkError, sqlite3.Error, OSError):
        return False


def update_history(
    root: str,
    directory: str,
    options: Options,
    *,
    whole: bool = True,
    rebuild: bool = False,
    wait: bool = False,
) -> HistoryReport | None:
    """Index the messages of new commits and forget those out of reach; None where none are wanted.

    Args:
        root: The workspace.
        directory: The index directory.
        options: Its settings.
        whole: Read all new commits, not only the first :data:`READ_IN_SEARCH`.
        rebuild: Read and index all again.
        wait: Wait for another process that does the same.
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
    job = Job(root, folder, options_of(options), command="history", source=source, wait=wait)
    try:
        try:
            done = update(job)
        except IndexCorruptError:  # it is made of git alone: nothing is lost
            _delete(folder)
            done = update(job)
    except IndexBusyError:
        return None
    except (SpelunkError, sqlite3.Error, OSError) as error:
        reason = str(error) if isinstance(error, SpelunkError) else f"{type(error).__name__}: {error}"
        _note_failure(folder, source, reason)
        return HistoryReport(error=reason, seconds=time.monotonic() - began)
    finally:
        source.close()
    files = done.files
    return HistoryReport(
        commits=files.indexed + files.unchanged,
        added=files.indexed,
        removed=files.removed,
        left=source.left,
        seconds=time.monotonic() - began,
    )


def read_state(directory: str) -> HistoryState | None:
    """What is stored of the commits; None where nothing is."""
    try:
        with CommitStore(os.path.join(directory, HISTORY)) as store:
            return HistoryState(
                len(store.entries()), int(store.meta("left", 0)), str(store.meta("error", ""))
            )
    except (sqlite3.Error, OSError, ValueError):
        return None


def _delete(folder: str) -> None:
    try:
        locate.delete(folder)
    except OSError:
        pass  # there is none, or the disk refuses


def _note_failure(folder: str, source: CommitSource, reason: str) -> None:
    """Remember a failure, so that not every search tries again before HEAD moves."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with CommitStore(folder, write=True) as store:
            store.set_meta(error=reason, failed=source.fence())
    except (sqlite3.Error, OSError):
        pass
