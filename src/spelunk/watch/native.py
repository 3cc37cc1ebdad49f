"""Hints from the package watchfiles (extra ``watch``), for systems without inotify: macOS, Windows."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Collection

from spelunk.watch.hints import Hints, WatchLimitError

MAX_PATHS = 2_000
"""For more paths than this at a time everything is walked."""


class WatchfilesHints:
    """Implements :class:`~spelunk.watch.hints.HintSource`. The whole root is watched; what is ignored is dropped."""

    name = "watchfiles"

    def __init__(self, root: str) -> None:
        """Start a thread that receives the changes.

        Raises:
            WatchLimitError: The package is not installed.
        """
        try:
            import watchfiles
        except ImportError:
            raise WatchLimitError(
                "the package watchfiles is not installed; `pip install 'spelunk[watch]'`"
            ) from None
        self._root = root
        self._folders: frozenset[str] = frozenset()
        self._guard = threading.Lock()
        self._told: set[str] = set()
        self._lost = False
        self._stop = threading.Event()
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._started = threading.Event()
        self._thread = threading.Thread(
            target=self._receive, args=(watchfiles,), name="watchfiles", daemon=True
        )
        self._thread.start()
        self._started.wait(10)

    def _receive(self, watchfiles: object) -> None:
        watch = watchfiles.watch  # type: ignore[attr-defined]
        try:
            for changes in watch(
                self._root,
                watch_filter=None,
                debounce=50,
                step=20,
                rust_timeout=200,
                yield_on_timeout=True,
                stop_event=self._stop,
                raise_interrupt=False,
                recursive=True,
            ):
                self._started.set()
                if changes:
                    self._tell({path for _, path in changes})
        except Exception:
            self._tell(None)
        self._started.set()

    def _tell(self, paths: set[str] | None) -> None:
        with self._guard:
            if paths is None or len(self._told) + len(paths) > MAX_PATHS:
                self._lost = True
                self._told.clear()
            else:
                self._told |= paths
        try:
            os.write(self._write, b"x")
        except OSError:
            pass  # full: the reader is woken already; or closed

    def follow(self, folders: Collection[str], beside: dict[str, set[str]]) -> set[str]:
        """See :meth:`HintSource.follow`."""
        before, self._folders = self._folders, frozenset(folders)
        return set(self._folders - before)

    def wait(self, seconds: float | None, wake: int) -> None:
        """See :meth:`HintSource.wait`."""
        poller = select.poll()
        poller.register(self._read, select.POLLIN)
        poller.register(wake, select.POLLIN)
        poller.poll(None if seconds is None else max(0.0, seconds) * 1000)

    def quiet(self) -> bool:
        """See :meth:`HintSource.quiet`; watchfiles tells of a change some time after it."""
        return False

    def take(self) -> Hints:
        """See :meth:`HintSource.take`."""
        poller = select.poll()
        poller.register(self._read, select.POLLIN)
        if not poller.poll(0):
            return Hints()
        os.read(self._read, 4096)
        with self._guard:
            told, self._told = self._told, set()
            lost, self._lost = self._lost, False
        if not os.path.isdir(self._root):
            return Hints(everything=True)
        hints = Hints(everything=lost)
        for path in told:
            relative = os.path.relpath(path, self._root)
            if relative == os.path.join(".git", "HEAD"):
                hints.everything = True
            elif os.path.dirname(relative) in self._folders:
                hints.paths.add(relative)
        return hints

    def close(self) -> None:
        """See :meth:`HintSource.close`."""
        self._stop.set()
        self._thread.join(5)
        os.close(self._read)
        os.close(self._write)
