"""Hints from inotify: one watch for each folder that the ignore rules keep, and for some names beside them."""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Callable, Collection
from typing import Final

from spelunk.watch import inotify
from spelunk.watch.hints import Hints, WatchLimitError
from spelunk.watch.inotify import Inotify, Notice

READ_PAUSE_SECONDS: Final = 0.01
"""Pause after a read: equal events of a file that is written all the time are merged meanwhile."""
MASK_ADD: Final = 0x2000_0000
"""Add to the mask of a folder that is watched already (inotify(7))."""

LIMITS: Final = {
    errno.ENOSPC: "the limit of watches is reached; raise it: `sysctl fs.inotify.max_user_watches=1048576`",
    errno.EMFILE: "too many inotify instances; raise it: `sysctl fs.inotify.max_user_instances=1024`",
    errno.ENOMEM: "no memory for more watches",
    errno.ENOSYS: "no inotify here",
}
"""Errors after which not everything can be watched, and what to do."""


def opened() -> Inotify:
    """An inotify instance.

    Raises:
        WatchLimitError: There is none.
    """
    try:
        return Inotify()
    except OSError as error:
        raise WatchLimitError(LIMITS.get(error.errno or 0, error.strerror or str(error))) from None


class InotifyHints:
    """Implements :class:`~spelunk.watch.hints.HintSource`."""

    name = "inotify"

    def __init__(self, root: str, make: Callable[[], Inotify] = opened) -> None:
        """Watch nothing yet.

        Raises:
            WatchLimitError: There is no inotify, or no instance left.
        """
        self.root = root
        self._make = make
        self._inotify = make()
        self._watches: dict[str, int] = {}
        self._folders: dict[int, set[str]] = {}
        self._beside: dict[int, set[str]] = {}
        self._beside_watches: dict[str, int] = {}

    def follow(self, folders: Collection[str], beside: dict[str, set[str]]) -> set[str]:
        """See :meth:`HintSource.follow`."""
        wanted = set(folders)
        for folder in self._watches.keys() - wanted:
            self._forget(folder)
        new: set[str] = set()
        for folder in sorted(wanted - self._watches.keys()):
            if self._add(folder, wanted):
                new.add(folder)
        self._follow_beside(beside)
        return new

    def _add(self, folder: str, wanted: set[str]) -> bool:
        watch = self._try(os.path.join(self.root, folder) if folder else self.root, inotify.CONTENTS)
        if watch is None:
            return False
        others = {other for other in self._folders.get(watch, ()) if other in wanted and other != folder}
        for other in self._folders.get(watch, set()) - others:
            self._watches.pop(other, None)  # it was moved here
        self._folders[watch] = {*others, folder}
        self._watches[folder] = watch
        return True

    def _try(self, path: str, mask: int) -> int | None:
        try:
            return self._inotify.add(path, mask)
        except OSError as error:
            if error.errno in LIMITS:
                raise WatchLimitError(LIMITS[error.errno]) from None
            return None  # gone or unreadable; the folder above shows when that changes

    def _follow_beside(self, beside: dict[str, set[str]]) -> None:
        for path in self._beside_watches.keys() - beside.keys():
            watch = self._beside_watches.pop(path)
            self._beside.pop(watch, None)
            if watch not in self._folders:
                self._inotify.remove(watch)
        for path, names in beside.items():
            number = self._beside_watches.get(path)
            if number is None:
                number = self._try(path, inotify.NAMES | MASK_ADD)
            if number is not None:
                self._beside_watches[path] = number
                self._beside[number] = names

    def _forget(self, folder: str) -> None:
        watch = self._watches.pop(folder, None)
        if watch is None:
            return
        names = self._folders.get(watch, set())
        names.discard(folder)
        if not names:
            self._folders.pop(watch, None)
            if watch not in self._beside:
                self._inotify.remove(watch)

    def _restart(self) -> None:
        """Watch nothing again: the root is another folder now, or none."""
        self._inotify.close()
        self._watches.clear()
        self._folders.clear()
        self._beside.clear()
        self._beside_watches.clear()
        self._inotify = self._make()

    def wait(self, seconds: float | None, wake: int) -> None:
        """See :meth:`HintSource.wait`."""
        poller = select.poll()
        poller.register(self._inotify.fd, select.POLLIN)
        poller.register(wake, select.POLLIN)
        poller.poll(None if seconds is None else max(0.0, seconds) * 1000)

    def quiet(self) -> bool:
        """See :meth:`HintSource.quiet`: the kernel queues an event before the call that makes it returns."""
        poller = select.poll()
        poller.register(self._inotify.fd, select.POLLIN)
        return not poller.poll(0)

    def take(self) -> Hints:
        """See :meth:`HintSource.take`."""
        hints = Hints()
        if not self.quiet():
            for notice in self._inotify.read():
                if self._take(notice, hints):
                    self._restart()
                    hints.everything = True
                    return hints
            time.sleep(READ_PAUSE_SECONDS)
        return hints

    def _take(self, notice: Notice, hints: Hints) -> bool:
        """Add a notice to the hints; whether the root itself has moved or gone."""
        watch, mask, name = notice
        if mask & inotify.OVERFLOW:
            hints.overflow = hints.everything = True
            return False
        if watch in self._beside and name in self._beside[watch]:
            if name == "index":
                hints.look = True  # git rewrites it often, and mostly no file has changed
            else:
                hints.everything = True
        folders = set(self._folders.get(watch, ()))
        if mask & inotify.IGNORED:
            self._ended(watch)
        if mask & inotify.UNMOUNT:
            hints.everything = True
        for folder in folders:
            if mask & (inotify.DELETE_SELF | inotify.MOVE_SELF | inotify.UNMOUNT):
                if not folder:
                    return True
                hints.paths.add(folder)
            elif name:
                path = f"{folder}/{name}" if folder else name
                if mask & inotify.IS_DIR and mask & inotify.MOVED_FROM:
                    self._moved(path)
                hints.paths.add(path)
        return False

    def _ended(self, watch: int) -> None:
        for folder in self._folders.pop(watch, ()):
            if self._watches.get(folder) == watch:
                del self._watches[folder]
        self._beside.pop(watch, None)
        self._beside_watches = {p: w for p, w in self._beside_watches.items() if w != watch}

    def _moved(self, path: str) -> None:
        """End the watches of a folder that was moved away: they go on under its new name, wherever that is."""
        below = path + "/"
        for folder in [f for f in self._watches if f == path or f.startswith(below)]:
            self._forget(folder)

    def close(self) -> None:
        """See :meth:`HintSource.close`."""
        self._inotify.close()
