"""Watchers behind the indexes of a server: they keep them up to date, so that searches need not compare files."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from spelunk.watch import events
from spelunk.watch.watcher import Watcher

if TYPE_CHECKING:
    from spelunk.index import Index
    from spelunk.types import Report
    from spelunk.watch.events import WatchEvent


def can_keep() -> bool:
    """Whether this system tells of changes in a way that a search can rely on: Linux with inotify."""
    return os.path.exists("/proc/self/mountinfo")


class IndexKeeper:
    """A watcher as the keeper of one index. It ends by itself where it could only poll."""

    def __init__(self, index: Index, update: Callable[..., Report] | None = None) -> None:
        """Start to watch; the first thing it does is an update.

        Args:
            index: An open index with a published generation. It is told of its keeper.
            update: Called in place of ``index.update``.
        """
        self._index = index
        self._watcher = Watcher(index, self._hear, update=update)
        index.keeper = self._watcher
        self._watcher.start()

    def _hear(self, event: WatchEvent) -> None:
        if event.kind in (events.POLLING, events.AWAY):
            self.close(0)  # searches compare by themselves, as without a keeper

    def close(self, timeout: float = 5.0) -> None:
        """End it."""
        if self._index.keeper is self._watcher:
            self._index.keeper = None
        self._watcher.close(timeout)
