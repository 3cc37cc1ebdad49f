"""Watcher: keep the index of one workspace up to date while it runs.

Events of the system are hints. What an update does follows from its own walk of the folders
that were named, and everything is compared now and then. A watcher is an object with a loop:
:meth:`Watcher.run` in a thread of the caller's, or :meth:`Watcher.start` in one of its own.
It handles no signals and keeps no state outside itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from spelunk.errors import IndexBusyError, SpelunkError, UsageError, WorkspaceError
from spelunk.files.folder import FolderSource
from spelunk.settings_files import WORKSPACE_FILES
from spelunk.watch import events
from spelunk.watch.beside import names_beside
from spelunk.watch.events import WatchEvent, made, summary
from spelunk.watch.hints import Hints, HintSource, WatchLimitError
from spelunk.watch.mounts import polled_mount, read_mounts
from spelunk.watch.pending import Batch, Pending
from spelunk.watch.poll import PollingHints
from spelunk.watch.tree import InotifyHints
from spelunk.workspace import freshness

if TYPE_CHECKING:
    from spelunk.index import Index
    from spelunk.types import Report

POLL_SECONDS: Final = 2.0
POLL_SHARE: Final = 10
"""While polling, the next comparison is not before so many times what the last one took."""
ROOT_SECONDS: Final = 5.0
"""How often the root is looked at: a folder above it can be moved without an event."""
AWAY_SECONDS: Final = 1.0
"""How often a root that vanished is looked for."""
WHOLE_SECONDS: Final = 15 * 60.0
"""How often everything is compared although no event came: what is written through a memory map has none."""
LOOK_DELAY_SECONDS: Final = 3.0
LOOK_GAP_SECONDS: Final = 60.0
"""Everything is compared so long after git wrote its index, and not more often than that."""
BUSY_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 5.0
MAX_RETRY_SECONDS: Final = 60.0
"""Waits after a failed update: doubled from the one to the other."""
PENDING_VECTORS_SECONDS: Final = 60.0
"""When vectors that a provider could not make are tried again."""
READ_AGAIN: Final = 3
"""How often a file is looked at again that could not be read, without an event."""
MANY_FOLDERS: Final = 200
"""For more new folders than this everything is walked once more."""
SETTLE_SECONDS: Final = 0.05
"""How often one that waits for the watcher looks again by itself: hints may be there and not yet taken."""
BACKENDS: Final = ("auto", "inotify", "watchfiles", "poll")

Tell = Callable[[WatchEvent], None]


class _Closed(BaseException):
    """The watcher was closed during an update."""


class Watcher:
    """Keeps one index up to date from :meth:`start` to :meth:`close`.

    Attributes:
        index: The index.
        how: What is used now: ``inotify``, ``watchfiles``, ``polling``; empty before the first update.
    """

    def __init__(
        self,
        index: Index,
        tell: Tell = lambda event: None,
        *,
        backend: str = "auto",
        poll_seconds: float = POLL_SECONDS,
        whole_seconds: float = WHOLE_SECONDS,
        update: Callable[..., Report] | None = None,
    ) -> None:
        """Watch nothing yet.

        Args:
            index: An open index. Others may search and update it meanwhile.
            tell: Called with each event, in the thread of the watcher.
            backend: One of :data:`BACKENDS`; ``auto`` is inotify on Linux, watchfiles elsewhere,
                and polling where neither reports every change.
            poll_seconds: How often everything is compared where there are no events.
            whole_seconds: How often it is compared although there are events.
            update: Called like ``index.update`` in its place, for updates in another process.

        Raises:
            UsageError: No such backend.
        """
        if backend not in BACKENDS:
            raise UsageError(f"backend = {backend!r}: use one of {', '.join(BACKENDS)}")
        self.index = index
        self.how = ""
        self._tell = tell
        self._backend = backend if isinstance(index.source, FolderSource) else "poll"  # branches move
        self._poll_seconds = poll_seconds
        self._whole_seconds = whole_seconds
        self._update = update or index.update
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._at_work = threading.Lock()
        """Held by the watcher's thread but while it waits for hints."""
        self._turned = threading.Condition()
        """Notified whenever it begins to wait."""
        self._wake = self._waker = -1
        self._thread: threading.Thread | None = None
        self._source: HintSource | None = None
        self._pending = Pending()
        self._told: set[str] = set()
        self._retry = RETRY_SECONDS
        self._not_before = 0.0
        self._look_at = self._looked = 0.0
        self._unread: dict[str, int] = {}
        self._root: tuple[int, int] | None = None

    # The life of a watcher

    def start(self) -> Watcher:
        """Run in a thread of its own; returns the watcher."""
        self._thread = threading.Thread(target=self.run, name=f"watch {self.index.root}", daemon=True)
        self._thread.start()
        return self

    def close(self, timeout: float | None = 10.0) -> bool:
        """Stop: an update that is under way ends at its next file, and what it published stays.

        Returns:
            Whether the watcher has stopped within ``timeout`` seconds.
        """
        self._stop.set()
        with self._guard:
            if self._waker >= 0:
                os.write(self._waker, b"x")
        if self._thread is None or self._thread is threading.current_thread():
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def __enter__(self) -> Watcher:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self) -> None:
        """Watch until :meth:`close` is called from another thread."""
        with self._guard:
            self._wake, self._waker = os.pipe()
        self._at_work.acquire()
        try:
            self._pending.add_everything(time.monotonic())
            while not self._stop.is_set():
                if self._is_there():
                    self._turn()
                else:
                    self._source_closed()
                    self._wait(AWAY_SECONDS)
        except _Closed:
            pass
        finally:
            self._source_closed()
            self._at_work.release()
            self._at_rest()
            with self._guard:
                os.close(self._wake)
                os.close(self._waker)
                self._waker = -1
            self._event(events.STOPPED, "stopped")

    def _turn(self) -> None:
        """Wait for hints, then make the update that is due."""
        now = time.monotonic()
        due = self._pending.due_at()
        if due is None or max(due, self._not_before) > now:
            wake_at = [now + ROOT_SECONDS, self._look_at or self._looked + self._whole_seconds]
            if due is not None:
                wake_at.append(max(due, self._not_before))
            self._take(self._wait(min(wake_at) - now))
            return
        batch = self._pending.take(now)
        if self._settings_changed(batch):
            batch = batch._replace(everything=True)
        self._make(batch)

    def _wait(self, seconds: float) -> Hints:
        source = self._source or PollingHints(seconds)
        self._at_work.release()
        try:
            self._at_rest()
            source.wait(max(0.0, seconds), self._wake)
        finally:
            self._at_work.acquire()
        return source.take()

    def _at_rest(self) -> None:
        with self._turned:
            self._turned.notify_all()

    # What others may ask it

    def settled(self) -> bool:
        """Whether the index holds every change that was made before this call, as far as events tell.

        True only with inotify, which queues the event of a change before the call that makes the
        change returns. What is written through a memory map has no event.
        """
        if not self._at_work.acquire(blocking=False):
            return False
        try:
            source = self._source
            return source is not None and not self._pending and not self._look_at and source.quiet()
        finally:
            self._at_work.release()

    def caught_up(self, seconds: float) -> bool:
        """Wait until it is :meth:`settled`, for at most so long.

        Not waited for are files that change all the time, and a source that cannot tell.
        """
        deadline = time.monotonic() + seconds
        with self._turned:
            while not self.settled():
                if self._stop.is_set() or self.how != InotifyHints.name or self._pending.only_paced():
                    return False
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._turned.wait(min(left, SETTLE_SECONDS))
        return True

    def _take(self, hints: Hints) -> None:
        now = time.monotonic()
        if hints.overflow:
            self._event(events.OVERFLOW, "more changes than the system reports; comparing everything")
        if hints.everything:
            self._pending.add_everything(now)
        for path in hints.paths:
            self._unread.pop(path, None)
            self._pending.add(path, now)
        polled = isinstance(self._source, PollingHints)
        if hints.look and not polled and not self._look_at:
            self._look_at = max(now + LOOK_DELAY_SECONDS, self._looked + LOOK_GAP_SECONDS)
        if (polled and hints.look) or now >= (self._look_at or self._looked + self._whole_seconds):
            self._look()

    def _look(self) -> None:
        """Compare everything; nothing is written where nothing changed."""
        began = time.monotonic()
        index = self.index
        current = freshness.look(index.directory, index.source, index.options)
        self._look_at, self._looked = 0.0, time.monotonic()
        if isinstance(self._source, PollingHints):
            self._source.seconds = max(self._poll_seconds, POLL_SHARE * (self._looked - began))
        if not current:
            self._pending.add_everything(began)

    def _is_there(self) -> bool:
        """Whether the root is there; told when that changes. Another folder in its place counts as changed."""
        try:
            st = os.stat(self.index.root)
            found = (st.st_dev, st.st_ino) if os.path.isdir(self.index.root) else None
        except OSError:
            found = None
        if found is None:
            self._once(events.AWAY, "the folder is gone; waiting for it, the index stays as it is")
            self._root = None
            return False
        if self._root != found:
            if self._root is not None or events.AWAY in self._told:
                self._source_closed()
                self._pending.add_everything(time.monotonic())
            self._root = found
        if events.AWAY in self._told:
            self._told.discard(events.AWAY)
            self._event(events.BACK, "the folder is back")
        return True

    # Updates

    def _settings_changed(self, batch: Batch) -> bool:
        """Whether settings have to be read again: then the files may be others."""
        return any(path in WORKSPACE_FILES for path in batch.paths)

    def _make(self, batch: Batch) -> None:
        """Make an update for a batch; where it fails, the batch waits for another try."""
        try:
            more: dict[str, Any] = {}
            if batch.everything:
                self.index.reload()
            else:
                more["changed"] = sorted(batch.paths)
            report = self._update(command="watch", progress=self._check_closed, **more)
            if batch.everything:
                self._looked, self._look_at = time.monotonic(), 0.0
            self._follow()  # what is watched only now is looked at again
        except IndexBusyError as error:
            self._again(batch, BUSY_SECONDS)
            self._once(events.BUSY, f"waiting: {str(error).removesuffix('; wait for it with --wait')}")
        except WorkspaceError as error:
            self._again(batch, AWAY_SECONDS)
            if os.path.isdir(self.index.root):
                self._once(events.FAILED, str(error))
        except Exception as error:
            self._again(batch, self._retry)
            self._retry = min(2 * self._retry, MAX_RETRY_SECONDS)
            told = str(error) if isinstance(error, SpelunkError) else f"{type(error).__name__}: {error}"
            self._once(events.FAILED, f"{told}; trying again later")
        else:
            self._done(batch, report)

    def _check_closed(self, *_: int) -> None:
        if self._stop.is_set():
            raise _Closed

    def _again(self, batch: Batch, seconds: float) -> None:
        now = time.monotonic()
        self._pending.put_back(batch, now)
        self._not_before = now + seconds

    def _done(self, batch: Batch, report: Report) -> None:
        now = time.monotonic()
        self._retry, self._not_before = RETRY_SECONDS, 0.0
        self._pending.done(batch, now)
        if self._told & {events.BUSY, events.FAILED}:
            self._told -= {events.BUSY, events.FAILED}
            self._event(events.RECOVERED, "working again")
        if report.pending_vectors:
            self._look_at = now + PENDING_VECTORS_SECONDS
        for failure in report.failures:
            tries = self._unread.get(failure.path, 0)
            if failure.stage == "read" and tries < READ_AGAIN:
                self._unread[failure.path] = tries + 1
                self._pending.add(failure.path, now)
        files = report.files
        if files.indexed or files.removed:
            self._tell(
                WatchEvent(
                    events.UPDATED, self.index.root, summary(report), time.time(), report,
                    now - batch.first, batch.everything,
                )
            )  # fmt: skip

    # What is watched

    def _follow(self) -> None:
        """Watch the folders of the last walk; what is newly watched is looked at once more."""
        folders, rules = freshness.last_seen(self.index.directory)
        if self._source is None:
            self._open(folders)
        source = self._source
        assert source is not None
        try:
            new = source.follow(folders, names_beside(self.index.root, folders, rules))
        except WatchLimitError as error:
            self._poll(str(error))
            new = set()
        now = time.monotonic()
        name = self._source.name if self._source is not None else ""
        if self.how != name:
            self.how = name
            self._event(events.WATCHING, f"watching {len(folders):,} folders ({name})")
        if len(new) > MANY_FOLDERS or "" in new:
            self._look_at = now
        else:
            for folder in new:
                self._pending.add(folder, now)

    def _open(self, folders: list[str]) -> None:
        """Choose the source of hints."""
        from spelunk.watch.native import WatchfilesHints

        root, backend = self.index.root, self._backend
        if backend == "poll":
            self._source = PollingHints(self._poll_seconds)
            return
        kept = set(folders)
        mount = polled_mount(root, read_mounts(), lambda path: os.path.relpath(path, root) in kept)
        if backend == "auto" and mount is not None:
            self._poll(f"{mount.path} is a mount of type {mount.kind}, which does not report every change")
            return
        try:
            if backend == "watchfiles" or (backend == "auto" and not os.path.exists("/proc/self/mountinfo")):
                self._source = WatchfilesHints(root)
            else:
                self._source = InotifyHints(root)
        except WatchLimitError as error:
            self._poll(str(error))

    def _poll(self, why: str) -> None:
        """Compare everything now and then from now on, until the root is another folder."""
        self._source_closed()
        self._source = PollingHints(self._poll_seconds)
        self._once(events.POLLING, f"comparing everything every {self._poll_seconds:g} s: {why}")
        self._look_at = time.monotonic()

    def _source_closed(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()
            self.how = ""

    # Events

    def _event(self, kind: str, message: str) -> None:
        self._tell(made(kind, self.index.root, message))

    def _once(self, kind: str, message: str) -> None:
        """Tell an event unless it was told and has not ended since."""
        if kind not in self._told:
            self._told.add(kind)
            self._event(kind, message)
