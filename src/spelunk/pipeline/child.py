"""Updates in a process of their own, so that a server goes on answering and gets its memory back.

A process is kept for the next update, because it takes longer to start than a
small update takes. The protocol is that of worker processes: frames over
pipes. In go jobs; out come the events of an update, then its report or error.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from spelunk.config import MIB
from spelunk.errors import SpelunkError, StorageError
from spelunk.observe import null_observer
from spelunk.observe.events import Event
from spelunk.pipeline.job import Job
from spelunk.pipeline.memory import resident
from spelunk.pipeline.processes import import_path, is_open, read_frame, write_frame
from spelunk.types import Report

EVENT: Final = "event"
REPORT: Final = "report"
ERROR: Final = "error"

MAX_IDLE: Final = 1
"""Processes kept without work."""
IDLE_SECONDS: Final = 60.0
"""One that had no work for this long is ended when the next update has run, or :meth:`UpdateProcesses.end_idle` is called."""
MAX_IDLE_BYTES: Final = 160 * MIB
"""A process that holds more memory after an update ends itself: a small one holds some 70 MB."""


class _Process(NamedTuple):
    """A running process, and when it last had work."""

    popen: subprocess.Popen[bytes]
    jobs: int
    answers: int
    since: float

    def end(self, *, kill: bool = False) -> int:
        """Close the pipes, and wait for it."""
        if kill:
            self.popen.kill()
        os.close(self.jobs)
        os.close(self.answers)
        return self.popen.wait()


class UpdateProcesses:
    """Runs updates in other processes: several at a time, one process each. Usable from several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._idle: list[_Process] = []
        self._busy: list[_Process] = []
        self._closed = False

    def update(self, job: Job) -> Report:
        """Run an update and wait for it; the job's observer is called in this thread.

        Raises:
            SpelunkError: As :func:`spelunk.pipeline.update.update`, or the process died.
        """
        process = self._taken()
        alive = False
        try:
            report = self._run(process, job)
            alive = True
            return report
        except SpelunkError as error:
            alive = not isinstance(error, _DiedError)
            raise
        finally:
            self._give_back(process, alive)

    def _run(self, process: _Process, job: Job) -> Report:
        try:
            write_frame(process.jobs, pickle.dumps(replace(job, observer=null_observer)))
            while (frame := read_frame(process.answers)) is not None:
                kind, value = pickle.loads(frame)
                if kind == EVENT:
                    job.observer(value)
                elif kind == REPORT:
                    return _report(value)
                else:
                    raise value
        except OSError:
            pass
        raise _DiedError(
            "the process of the update ended before its time; what is published stays, the next update goes on"
        )

    def _taken(self) -> _Process:
        while True:
            with self._guard:
                if self._closed:
                    raise _DiedError("the server is ending; what is published stays")
                process = self._idle.pop() if self._idle else None
                if process is not None and process.popen.poll() is None:
                    self._busy.append(process)
                    return process
            if process is not None:
                process.end()
                continue
            process = _start()
            with self._guard:
                self._busy.append(process)
            return process

    def _give_back(self, process: _Process, alive: bool) -> None:
        with self._guard:
            self._busy.remove(process)
            if alive and not self._closed and len(self._idle) < MAX_IDLE:
                self._idle.append(process._replace(since=time.monotonic()))
                return
        process.end(kill=not alive)

    @property
    def pids(self) -> list[int]:
        """The processes, at work or not."""
        with self._guard:
            return [p.popen.pid for p in (*self._busy, *self._idle)]

    def end_idle(self, seconds: float = IDLE_SECONDS) -> None:
        """End the processes that had no work for this long, and forget those that ended by themselves."""
        with self._guard:
            now = time.monotonic()
            old = [p for p in self._idle if now - p.since > seconds or p.popen.poll() is not None]
            self._idle = [p for p in self._idle if p not in old]
        for process in old:
            process.end()

    def close(self) -> None:
        """End all of them; updates at work end, and what they published stays."""
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
            for process in self._busy:
                process.popen.terminate()
        for process in idle:
            process.end()


class _DiedError(StorageError):
    """The process cannot be used any more."""


def _report(value: Any) -> Report:
    assert isinstance(value, Report)
    return value


def _start() -> _Process:
    job_read, job_write = os.pipe()
    answer_read, answer_write = os.pipe()
    code = "import sys; sys.path[:] = sys.argv[3:]; from spelunk.pipeline.child import main; main()"
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    threads["MALLOC_ARENA_MAX"] = "1"  # each update starts threads, and the C library keeps a heap for each
    popen = subprocess.Popen(
        [sys.executable, "-P", "-c", code, str(job_read), str(answer_write), *import_path()],
        pass_fds=[job_read, answer_write],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=None if is_open(2) else subprocess.DEVNULL,
        env=threads | dict(os.environ),
    )
    os.close(job_read)
    os.close(answer_write)
    return _Process(popen, job_write, answer_read, time.monotonic())


def main() -> None:
    """Run jobs until there are no more; the arguments are the pipes."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server gets Ctrl-C too, and ends its updates
    jobs, answers = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(jobs, False)
    os.set_inheritable(answers, False)
    from spelunk.pipeline.update import update

    def tell(kind: str, value: object) -> None:
        write_frame(answers, pickle.dumps((kind, value)))

    def observe(event: Event) -> None:
        tell(EVENT, event)

    try:
        while (frame := read_frame(jobs)) is not None:
            job = replace(pickle.loads(frame), observer=observe)
            try:
                tell(REPORT, update(job))
            except BrokenPipeError:
                raise
            except SpelunkError as error:
                tell(ERROR, error)
            except Exception as error:
                text = " ".join(str(error).split())
                tell(ERROR, SpelunkError(f"{type(error).__name__}: {text}; this is a bug"))
            if resident() > MAX_IDLE_BYTES:
                break
    except BrokenPipeError:
        pass  # the server is gone
    os._exit(0)
