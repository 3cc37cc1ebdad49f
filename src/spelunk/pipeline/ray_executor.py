"""Executor over a Ray cluster: phase 1 as tasks on many machines.

This process cuts files into tasks, bounds what is under way, and decides what
is done again. A process of its own is connected to the cluster
(``ray_driver.py``); the work is done by ``ray_worker.py`` on the nodes.

What is done again: a task whose node was lost, as it is. A task whose worker
died is halved, until the file that kills its worker is alone and fails alone.
If the connection to the cluster is lost, a new one gets all tasks that were not
answered. Packets depend on the files alone, so the order changes nothing.
"""

from __future__ import annotations

import itertools
import os
import pickle
import select
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO, Any, Final, NamedTuple

from spelunk.config import MIB, Options
from spelunk.errors import ConfigError, ExecutorError, MemoryLimitError
from spelunk.observe.events import ENDED, KILLED, QueueSampled, WorkerDied, WorkerStarted
from spelunk.pipeline.executor import Batches, Result
from spelunk.pipeline.in_process import HANG_SECONDS, LocalConfig
from spelunk.pipeline.limiter import above_standard
from spelunk.pipeline.processes import import_path, read_frame, write_frame
from spelunk.pipeline.ray_driver import (
    CRASHED,
    Broken,
    Done,
    Message,
    Ready,
    Setup,
    Slots,
    Task,
    Undone,
    Unreachable,
)
from spelunk.pipeline.ray_worker import RemoteConfig
from spelunk.store.packet import Item, Packet
from spelunk.store.packet_portable import load_portable
from spelunk.workspace.state import fingerprint

TASK_BYTES: Final = 2 * MIB
"""Source bytes in a task: half a second of work, against some milliseconds that Ray takes for a task."""
TASKS_PER_SLOT: Final = 2
"""Tasks under way for each core of the cluster: one to do and one so that it never waits."""

CONNECT_SECONDS: Final = 90.0
"""For a cluster to accept the connection."""
SILENT_SECONDS: Final = 900.0
"""Without any answer while tasks are under way: longer than a new node of a cloud takes to start."""
RECONNECTIONS: Final = 3
"""New connections in a run after one was lost."""
TRIES_ALONE: Final = 2
"""Workers that one file alone may kill before it counts as the reason: others die for other reasons as well."""
TRIES_LOST: Final = 5
"""Losses of a node after which a task counts as the reason, as if it had killed its worker."""
MAX_DEATHS: Final = 64
"""Deaths in a row, without an answer between them, and for each core of the cluster: then the cluster is at fault."""
FAULTS_VARIABLE: Final = "SPELUNK_FAULTS"


class _Work(NamedTuple):
    """Files of a task, and how often it failed as it is."""

    items: list[Item]
    crashes: int = 0
    losses: int = 0


class _LostError(Exception):
    """The process that is connected to the cluster ended."""


class RayExecutor:
    """Runs phase 1 on a Ray cluster; see :class:`~spelunk.pipeline.executor.Executor`."""

    def __init__(self, config: LocalConfig, *, hang_seconds: float = HANG_SECONDS) -> None:
        """Connect to the cluster that the settings name.

        Args:
            config: What to work on. Its ``memory`` is what one task may allocate.
            hang_seconds: After so many over one piece, a worker ends itself.

        Raises:
            ConfigError: Ray is not installed.
            ExecutorError: The cluster cannot be reached or used.
        """
        self._config = config
        self._hang_seconds = hang_seconds
        self._options: Options = config.worker.options
        self._again: deque[_Work] = deque()
        self._under_way: dict[int, _Work] = {}
        self._numbers = itertools.count()
        self._slots = 1
        self._deaths = self._losses_of_driver = 0
        self._closed = False
        self._driver: _Driver | None = None
        self._connect()

    @property
    def pids(self) -> list[int]:
        """The process of this machine that is connected to the cluster."""
        return [self._driver.pid] if self._driver else []

    @property
    def workers(self) -> int:
        """Tasks that are worked on at a time: the cores of the cluster, or fewer by the setting ``workers``."""
        return max(1, min(self._slots, self._options.workers or self._slots))

    def run(self, batches: Batches, suspects: Sequence[Item] = ()) -> Iterator[Result]:
        """See :meth:`Executor.run`. A suspect is a task of its own."""
        self._again.extend(_Work([item]) for item in suspects)
        heard = time.monotonic()
        while not self._closed:
            try:
                self._submit(batches)
                if not self._under_way:
                    return
                message = self._receive(SILENT_SECONDS)
            except _LostError as lost:
                self._reconnect(str(lost))
                continue
            if not isinstance(message, Slots):
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENT_SECONDS:
                raise ExecutorError(
                    f"the Ray cluster did nothing for {SILENT_SECONDS:.0f} s; it has no free core, or no node is left"
                )
            if isinstance(message, Done):
                yield from self._answer(message)
            elif isinstance(message, Undone):
                yield from self._undone(message)

    def close(self, *, kill: bool = False) -> None:
        """See :meth:`Executor.close`. Tasks in progress are given up by the cluster when the connection closes."""
        self._closed = True
        if self._driver is not None:
            driver, self._driver = self._driver, None
            driver.end(kill=kill)
        if self._config.limiter is not None:
            self._config.limiter.close()

    def _connect(self) -> None:
        """Start the driver and wait until it is connected.

        Raises:
            ConfigError, ExecutorError: As ``__init__``.
        """
        source = self._config.worker.source
        shared = self._options.ray_files == "shared"
        remote = RemoteConfig(
            self._options, source if shared else None, fingerprint(self._options), self._hang_seconds, self._config.memory
        )  # fmt: skip
        armed = os.environ.get(FAULTS_VARIABLE)
        variables = {FAULTS_VARIABLE: armed} if armed else {}
        setup = Setup(
            self._options.ray_address, remote, None if shared else source, self._config.memory, variables
        )
        self._driver = _Driver(setup)
        self._config.observer(WorkerStarted(self._driver.pid, "spawn"))
        try:
            connected = False
            while not connected:
                connected = isinstance(self._receive(CONNECT_SECONDS), Ready)
        except _LostError as lost:
            self.close(kill=True)
            raise ExecutorError(f"the connection to the Ray cluster could not be made: {lost}") from None
        except BaseException:
            self.close(kill=True)
            raise
        self._receive(CONNECT_SECONDS)  # the size of the cluster

    def _receive(self, timeout: float) -> Message:
        """The next message; the size of the cluster is noted on the way.

        Raises:
            _LostError: The driver has ended.
            ConfigError, ExecutorError: The run cannot go on.
        """
        assert self._driver is not None
        message = self._driver.receive(timeout)
        if isinstance(message, Slots):
            self._slots = max(1, message.slots)
        elif isinstance(message, Broken):
            raise (ConfigError if "pip install" in message.reason else ExecutorError)(message.reason)
        elif isinstance(message, Unreachable):
            raise ExecutorError(message.reason)
        return message

    def _reconnect(self, reason: str) -> None:
        """Connect again, and put all that was not answered back.

        Raises:
            ExecutorError: Too many times, or the cluster is gone.
        """
        driver, self._driver = self._driver, None
        if self._closed or driver is None:
            return
        driver.end(kill=True)
        files = sum(len(work.items) for work in self._under_way.values())
        self._config.observer(WorkerDied(driver.pid, ENDED, reason, files))
        self._losses_of_driver += 1
        if self._losses_of_driver > RECONNECTIONS:
            raise ExecutorError(f"the connection to the Ray cluster was lost again and again: {reason}")
        self._again.extend(self._under_way.values())
        self._under_way.clear()
        self._connect()

    def _submit(self, batches: Batches) -> None:
        """Give the cluster as much as it may have under way."""
        assert self._driver is not None
        room = self.workers if self._options.workers else self.workers * TASKS_PER_SLOT
        if self._config.governor(self.pids) < 1:  # near the memory limit: what is under way first
            if not self._under_way and (self._again or batches.left):
                raise MemoryLimitError(
                    "memory limit reached by the writing process and its connection to Ray; "
                    "what is published stays; raise it and run again"
                )
            room = 0
        while len(self._under_way) < room and (self._again or batches.left):
            if not self._again:
                self._again.extend(map(_Work, tasks(batches.take())))
            work = self._again.popleft()
            number = next(self._numbers)
            self._under_way[number] = work
            self._driver.send(Task(number, work.items))
        self._config.observer(
            QueueSampled(len(self._under_way), batches.files + sum(len(w.items) for w in self._again))
        )

    def _answer(self, message: Done) -> Iterator[Result]:
        work = self._under_way.pop(message.number, None)
        if work is None:
            return
        self._deaths = 0
        for data in message.packets:
            if self._closed:
                return
            yield work.items, load_portable(data)

    def _undone(self, message: Undone) -> Iterator[Result]:
        """Do a task again, in halves if its worker died, or answer its one file as failed.

        Raises:
            ExecutorError: Workers die whatever they are given.
        """
        work = self._under_way.pop(message.number, None)
        if work is None:
            return
        self._config.observer(WorkerDied(0, KILLED, message.reason, len(work.items)))
        self._deaths += 1
        if self._deaths > MAX_DEATHS + TASKS_PER_SLOT * self._slots:
            raise ExecutorError(
                f"{self._deaths} Ray tasks in a row ended without a result, the last one: {message.reason}; "
                "see the logs of the cluster"
            )
        if message.kind != CRASHED and work.losses + 1 < TRIES_LOST:
            self._again.appendleft(work._replace(losses=work.losses + 1))
        elif len(work.items) > 1:
            middle = len(work.items) // 2
            self._again.extendleft([_Work(work.items[middle:]), _Work(work.items[:middle])])
        elif work.crashes + 1 < TRIES_ALONE:
            self._again.appendleft(work._replace(crashes=work.crashes + 1))
        else:
            yield work.items, Packet([], [], [], [(0, "worker", message.reason)], 0, b"", b"", b"")


def tasks(items: list[Item]) -> Iterator[list[Item]]:
    """Cut a batch into lists of at most :data:`TASK_BYTES`, or of one larger file."""
    start = total = 0
    for n, item in enumerate(items):
        if n > start and total + item.candidate.size > TASK_BYTES:
            yield items[start:n]
            start, total = n, 0
        total += item.candidate.size
    if start < len(items):
        yield items[start:]


class _Driver:
    """The process of ``ray_driver.py`` as its parent sees it.

    Attributes:
        pid: Its process id.
    """

    def __init__(self, setup: Setup) -> None:
        """Start it, in the root folder: Ray puts the current folder on the import path of the workers."""
        task_read, self._write_fd = map(above_standard, os.pipe())
        self._read_fd, answer_write = map(above_standard, os.pipe())
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        code = "import sys; sys.path[:] = sys.argv[3:]; from spelunk.pipeline.ray_driver import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(task_read), str(answer_write), *import_path()],
            pass_fds=(task_read, answer_write),
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._said,
            cwd="/",
            start_new_session=True,
        )
        os.close(task_read)
        os.close(answer_write)
        self.pid = self._process.pid
        try:
            self._send(setup)
        except _LostError:
            pass  # the first look at its output says so

    def send(self, task: Task) -> None:
        """Send a task.

        Raises:
            _LostError: It has ended.
        """
        self._send(task)

    def _send(self, value: Any) -> None:
        try:
            write_frame(self._write_fd, pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
        except BrokenPipeError:
            raise _LostError(self._last_words()) from None

    def receive(self, timeout: float) -> Message:
        """Wait up to ``timeout`` seconds for a message that is not a look at the cluster's size.

        Raises:
            _LostError: It has ended.
            ExecutorError: Nothing came.
        """
        poller = select.poll()
        poller.register(self._read_fd, select.POLLIN | select.POLLHUP)
        if not poller.poll(timeout * 1000):
            raise ExecutorError(f"the Ray cluster was silent for {timeout:.0f} s; what is published stays")
        frame = read_frame(self._read_fd)
        if frame is None:
            raise _LostError(self._last_words())
        message: Message = pickle.loads(frame)
        return message

    def _last_words(self) -> str:
        """The last line that it printed, which is where Ray says why it ends a process."""
        self._said.seek(0)
        lines = self._said.read()[-20_000:].decode("utf-8", "replace").split("\n")
        said = [" ".join(line.split()) for line in lines if line.strip()]
        return said[-1][:300] if said else "the process connected to it was killed"

    def end(self, *, kill: bool = False) -> None:
        """Close the pipes and wait for it; without ``kill`` it has ten seconds."""
        os.close(self._write_fd)
        os.close(self._read_fd)
        if kill:
            self._process.kill()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()
