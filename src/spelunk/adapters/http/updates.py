"""Updates of the served workspaces: start or join one, follow its progress, remember how it ended."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from spelunk.adapters.http.problems import ApiError, problem_of
from spelunk.errors import IndexBusyError, SpelunkError
from spelunk.index import Index
from spelunk.observe import events
from spelunk.observe.progress import FileProgress
from spelunk.present.objects import to_json
from spelunk.types import Report

if TYPE_CHECKING:
    from spelunk.workspace.focus import Focus

COMMAND: Final = "serve"
"""Name of the writer, as other processes see it."""
PAUSE_SECONDS: Final = 2.0
"""After an update that failed, a search does not start the next one for this long."""

Listener = Callable[[str, str, dict[str, Any]], None]
"""Called with the kind of an event, the workspace's name and the update's state."""


class Update:
    """The updates of one workspace, one at a time. Used in the event loop, but for :meth:`observe`.

    Attributes:
        done: Set when the running update has ended; None while none runs.
        part: Set when the running update has published a first part and goes on with the rest, or
            has ended; None where it does not begin with a part.
        failed_at: When the last update failed, by the monotonic clock; minus infinity for never.
    """

    def __init__(self, repo: str, tell: Listener) -> None:
        self.repo = repo
        self.done: asyncio.Future[ApiError | None] | None = None
        self.part: asyncio.Future[None] | None = None
        self.failed_at = float("-inf")
        self._tell = tell
        self._loop: asyncio.AbstractEventLoop | None = None
        self._partial = False
        self._phase = ""
        self._done = self._total = self._bytes = self._all_bytes = self._memory = 0
        self._unit = "files"
        self._started = self._ended = 0.0
        self._outcome: str | None = None
        self._error: ApiError | None = None
        self._report: Report | None = None
        self._files = FileProgress(self._note_files)

    @property
    def running(self) -> bool:
        """Whether an update runs."""
        return self.done is not None

    @property
    def error(self) -> ApiError | None:
        """Why the last update failed; None where it did not."""
        return self._error

    def start(
        self,
        index: Index,
        *,
        rebuild: bool = False,
        wait: bool = False,
        patient: bool = True,
        changed: Sequence[str] | None = None,
        focus: Focus | None = None,
    ) -> tuple[asyncio.Future[ApiError | None], bool]:
        """Start an update, or join the one that runs.

        Args:
            index: Of the workspace.
            rebuild: As for ``Index.update``, like those that follow.
            wait: As there.
            patient: As there.
            changed: As there.
            focus: What is published first, where a large tree was never indexed; the rest follows.

        Returns:
            A future of its error, or of None; and whether it was running.
        """
        if self.done is not None:
            return self.done, True
        self._loop = asyncio.get_running_loop()
        done = self.done = self._loop.create_future()
        self.part = self._loop.create_future() if focus is not None else None
        self._partial = changed is not None
        self._phase, self._unit = "start", "files"
        self._done = self._total = self._bytes = self._all_bytes = self._memory = 0
        self._started, self._ended = time.time(), 0.0
        self._outcome, self._error, self._report = None, None, None

        def run() -> None:
            error: ApiError | None = None
            report: Report | None = None
            try:
                if focus is not None:
                    report = index.begin(focus, wait=wait, command=COMMAND)
                if report is None or report.remaining:
                    if report is not None:
                        self._call(self._end_part)
                    report = index.update(
                        changed=changed, rebuild=rebuild, wait=wait, patient=patient, command=COMMAND
                    )
            except BaseException as raised:
                error = problem_of(raised)
            self._call(self._end, report, error)

        threading.Thread(target=run, name=f"update {self.repo}", daemon=True).start()
        self._tell("progress", self.repo, self.values())
        return done, False

    def _call(self, method: Callable[..., None], *values: Any) -> None:
        """Call a method in the event loop, from a thread."""
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(method, *values)
            except RuntimeError:
                pass  # the server has ended meanwhile

    def _end_part(self) -> None:
        if self.part is not None and not self.part.done():
            self.part.set_result(None)

    def _end(self, report: Report | None, error: ApiError | None) -> None:
        busy = error is not None and error.code == "index_locked"
        self._outcome = events.DONE if error is None else events.BUSY if busy else events.FAILED
        if error is not None and busy:
            hint = "ask again when it has finished"
            error = ApiError(409, "index_busy", str(error).removesuffix("; wait for it with --wait"), hint)
        self._report, self._error = report, error
        self._phase, self._ended = "", time.time()
        if error is not None:
            self.failed_at = time.monotonic()
        self._end_part()
        self.part = None
        done, self.done = self.done, None
        if done is not None and not done.done():
            done.set_result(error)
        self._tell("failed" if error else "done", self.repo, self.values())

    async def partial_ended(self) -> None:
        """Wait until no update of changed paths alone is running: it does not count as one of everything."""
        while self.done is not None and self._partial:
            await asyncio.shield(self.done)

    async def run(self, index: Index, changed: Sequence[str] | None) -> Report:
        """Make an update for changed paths, or for all where None is given, as a watcher does.

        Raises:
            IndexBusyError: One runs already.
            UpdateFailedError: It has failed.
        """
        if self.running:
            raise IndexBusyError(f"{self.repo}: an update runs already")
        done, _ = self.start(index, changed=changed)
        error = await asyncio.shield(done)
        if error is not None and error.code == "index_busy":
            raise IndexBusyError(str(error))
        if error is not None or self._report is None:
            raise UpdateFailedError(str(error))
        return self._report

    def observe(self, event: events.Event) -> None:
        """Note an event of the running update; called in its thread."""
        before = self._phase, self._done
        if isinstance(event, events.LockAwaited):
            self._phase = "wait"
        elif isinstance(event, events.Planned):
            self._phase, self._unit = "index", "files"
            self._done, self._total, self._all_bytes = 0, event.to_index, event.bytes
        elif isinstance(event, events.StageEnded):
            self._phase = {"lock": "walk", "publish": "publish"}.get(event.stage, self._phase)
        elif isinstance(event, events.BackfillProgress):
            self._phase, self._unit = "vectors", "vectors"
            self._done, self._total = event.done, event.total
        elif isinstance(event, events.MemorySampled):
            self._memory = event.bytes
        self._files(event)
        if before != (self._phase, self._done):
            self._call(self._tell, "progress", self.repo, self.values())

    def _note_files(self, files: int, all_files: int, done: int, total: int) -> None:
        self._done, self._total, self._bytes, self._all_bytes = files, all_files, done, total

    def values(self, *, joined: bool = False) -> dict[str, Any]:
        """The state as plain values for JSON."""
        end = self._ended or time.time()
        return {
            "repo": self.repo,
            "state": "running" if self.running else "idle",
            "joined": joined,
            "phase": self._phase,
            "done": self._done,
            "total": self._total,
            "unit": self._unit,
            "bytes_done": self._bytes,
            "bytes_total": self._all_bytes,
            "started": round(self._started, 3),
            "seconds": round(end - self._started, 3) if self._started else 0.0,
            "memory": self._memory if self.running else 0,
            "outcome": self._outcome,
            "error": self._error.values() if self._error is not None else None,
            "report": to_json(self._report) if self._report is not None else None,
        }

    def progress(self) -> dict[str, Any] | None:
        """How far it is, for an answer; None where none runs."""
        return {"done": self._done, "total": self._total, "unit": self._unit} if self.running else None

    def last(self) -> dict[str, Any] | None:
        """How the last update ended; None where there was none."""
        if self._outcome is None:
            return None
        values = self.values()
        kept = {key: values[key] for key in ("outcome", "seconds", "error", "report")}
        return kept | {"ended": round(self._ended, 3)}

    @property
    def memory(self) -> int:
        """Bytes that the running update holds; 0 where none runs."""
        return self._memory if self.running else 0


class UpdateFailedError(SpelunkError):
    """An update that a search waited for has failed, and there is nothing older to answer from."""
