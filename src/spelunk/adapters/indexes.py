"""Open indexes, shared by all clients of a server, and what is being done to each."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from spelunk.adapters.keeping import IndexKeeper, can_keep
from spelunk.errors import SpelunkError
from spelunk.index import Index
from spelunk.observe.events import BackfillProgress, Event, RunEnded, RunStarted
from spelunk.observe.progress import FileProgress
from spelunk.workspace.targets import Target

if TYPE_CHECKING:
    from spelunk.config import Options
    from spelunk.pipeline.job import Job
    from spelunk.types import Report

COMMAND: Final = "mcp"
"""Name of the writer that completes an index, as other processes see it."""
MAX_OPEN: Final = 16
"""Indexes kept open; each has some open files and mapped segments."""


class IndexingProgress(NamedTuple):
    """How far an update is."""

    done: int
    total: int
    unit: str

    def __str__(self) -> str:
        return f"{self.done:,} of {self.total:,} {self.unit}"


class Activity:
    """An observer that remembers how far the running update of one index is.

    Attributes:
        progress: None where no update of this process is running.
    """

    def __init__(self) -> None:
        self.progress: IndexingProgress | None = None
        self._files = FileProgress(self._note_files)

    def __call__(self, event: Event) -> None:
        """Note an event of an update; ignore others."""
        if isinstance(event, RunStarted):
            self.progress = IndexingProgress(0, 0, "files")
        elif isinstance(event, RunEnded):
            self.progress = None
        elif isinstance(event, BackfillProgress):
            self.progress = IndexingProgress(event.done, event.total, "vectors")
        else:
            self._files(event)

    def _note_files(self, files: int, all_files: int, _done: int, _total: int) -> None:
        self.progress = IndexingProgress(files, all_files, "files")


class OpenIndexes:
    """The indexes that calls use, opened once. Usable from several threads."""

    def __init__(self, *, keep: bool = False, updater: Callable[[Job], Report] | None = None) -> None:
        """None is open yet.

        Args:
            keep: Watch each workspace whose index is used and published.
            updater: Runs updates; None runs them in this process.
        """
        self._keep = keep and can_keep()
        self._updater = updater
        self._guard = threading.Lock()
        self._open: OrderedDict[tuple[str, str], tuple[Index, Activity]] = OrderedDict()
        self._keepers: dict[Index, IndexKeeper] = {}

    def index(self, target: Target, index_dir: str | None = None) -> Index:
        """The index of a workspace, with its settings as they are now.

        Raises:
            WorkspaceError: The folder is gone or cannot be read.
            ConfigError: A setting cannot be used.
        """
        activity = Activity()
        # Opening reads settings alone: a change of them counts with the next call.
        fresh = Index.open(target.root, index_dir=index_dir, observer=activity)
        fresh.updater = self._updater
        fresh.waits = False
        if self._updater is not None:
            fresh.complete_later = self._complete_later
        key = (fresh.root, fresh.directory)
        evicted: list[Index] = []
        with self._guard:
            known = self._open.pop(key, None)
            if known is not None and known[0].options != fresh.options:
                evicted.append(known[0])
                known = None
            self._open[key] = known or (fresh, activity)
            while len(self._open) > MAX_OPEN:
                evicted.append(self._open.popitem(last=False)[1][0])
            index = self._open[key][0]
            self._keep_up(index)
            keepers = [self._keepers.pop(old, None) for old in evicted]
        for keeper in filter(None, keepers):
            keeper.close(0)
        for old in evicted:
            old.close()
        return index

    def _keep_up(self, index: Index) -> None:
        """Give a published index a keeper, if it had none yet."""
        if self._keep and index not in self._keepers and index.has_published():
            self._keepers[index] = IndexKeeper(index)

    def _complete_later(self, root: str, directory: str, _: Options) -> None:
        """Index the rest of a workspace of which a first search indexed a part, in a thread."""
        with self._guard:
            known = self._open.get((root, directory))
        if known is not None:
            threading.Thread(target=_complete, args=(known[0],), name=f"complete {root}", daemon=True).start()

    def progress(self, root: str) -> IndexingProgress | None:
        """How far the update of a workspace in this process is; None where none is running."""
        with self._guard:
            found = [a.progress for (r, _), (_, a) in self._open.items() if r == root]
        return next((p for p in found if p is not None), None)

    def running(self) -> IndexingProgress | None:
        """The progress of any running update."""
        with self._guard:
            found = [a.progress for _, a in self._open.values()]
        return next((p for p in found if p is not None), None)

    def close(self) -> None:
        """Close all of them."""
        with self._guard:
            indexes = [index for index, _ in self._open.values()]
            keepers = [*self._keepers.values()]
            self._open.clear()
            self._keepers.clear()
        for keeper in keepers:
            keeper.close()
        for index in indexes:
            index.close()


def _complete(index: Index) -> None:
    """Update an index; what fails is told by the next call, which tries again."""
    try:
        index.update(wait=True, command=COMMAND)
    except SpelunkError:
        pass
