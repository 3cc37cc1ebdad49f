"""Executors without worker processes: phase 1 in the process that writes, and single files in a process of their own."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from spelunk.observe import Observer, null_observer
from spelunk.observe.events import ENDED, HUNG, QueueSampled, WorkerDied, WorkerStarted
from spelunk.observe.profile import NO_LAPS, SCHEDULE, Laps
from spelunk.pipeline.executor import Batches, Result, pieces
from spelunk.pipeline.limiter import ReadLimiter
from spelunk.pipeline.processes import WorkerProcess, spawn
from spelunk.pipeline.worker import Worker, WorkerConfig, make_worker
from spelunk.store.packet import Item, Packet

HANG_SECONDS: Final = 120.0
"""A worker silent for this long over one piece counts as hung: a piece is some 30 ms of work,
or one file of ``max_file_size``."""


class LocalConfig(NamedTuple):
    """What the executors of this machine share.

    Attributes:
        worker: What the workers work on.
        limiter: Bounds concurrent reads; None does not.
        memory: Bytes that one worker process may allocate, or None.
        governor: Given the pids of the workers, how many of them may get more work.
        note: Called with the paths of each piece before this process itself parses them.
        in_child: Called first in each forked worker.
        observer: Receives events of workers that start and die, and of the queue.
        laps: Time of this process by stage.
    """

    worker: WorkerConfig
    limiter: ReadLimiter | None = None
    memory: int | None = None
    governor: Callable[[list[int]], int] = len
    note: Callable[[Iterable[str]], None] = lambda paths: None
    in_child: Callable[[], None] = lambda: None
    observer: Observer = null_observer
    laps: Laps = NO_LAPS

    def spawn(self) -> WorkerProcess:
        """Spawn a worker and report it to the observer."""
        worker = spawn(self.worker, self.limiter, self.memory)
        self.observer(WorkerStarted(worker.pid, worker.how))
        return worker


class Isolator:
    """Do one file at a time in a process of its own, so that one that kills it takes no other with it."""

    def __init__(self, config: LocalConfig) -> None:
        """The process is started with the first file."""
        self._config = config
        self._process: WorkerProcess | None = None

    def process(self, item: Item) -> Packet:
        """The file's packet; if the process dies over it or hangs, one in which it failed."""
        if self._process is None:
            self._process = self._config.spawn()
        worker = self._process
        packet: Packet | bool | None = False
        try:
            worker.send([item])
            packet = self._wait(worker)
        except BrokenPipeError:
            pass
        if isinstance(packet, Packet):
            return packet
        self._process = None
        status = worker.end(kill=True)
        kind, reason = worker.cause() if status or worker.ready else (ENDED, "worker could not be started")
        if packet is None:
            kind, reason = HUNG, f"worker silent for {HANG_SECONDS:.0f} s"
        self._config.observer(WorkerDied(worker.pid, kind, reason, 0))
        return Packet([], [], [], [(0, "worker", reason)], 0, b"", b"", b"")

    def _wait(self, worker: WorkerProcess) -> Packet | bool | None:
        """The next packet; False when the process has died, None when it is silent for too long."""
        poller = select.poll()
        poller.register(worker.read_fd, select.POLLIN | select.POLLHUP)
        while worker.received or poller.poll(HANG_SECONDS * 1000):
            packet = worker.receive()
            if packet is not True:
                return packet
        return None

    def close(self, *, kill: bool = False) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            worker, self._process = self._process, None
            worker.end(kill=kill)


class InProcessExecutor:
    """Runs phase 1 in this process; see :class:`~spelunk.pipeline.executor.Executor`.

    A file that kills this process ends the run: its path is in the crash note,
    and the next run has it among the suspects.
    """

    workers = 1
    pids: Final[list[int]] = []
    """There are no worker processes."""

    def __init__(self, config: LocalConfig) -> None:
        """The worker is made with the first piece."""
        self._config = config
        self._isolator = Isolator(config)
        self._worker: Worker | None = None
        self._closed = False

    def run(self, batches: Batches, suspects: Sequence[Item] = ()) -> Iterator[Result]:
        """See :meth:`Executor.run`."""
        for item in suspects:
            if self._closed:
                return
            yield [item], self._isolator.process(item)
        self._isolator.close()
        while batches.left:
            items = batches.take()
            cuts = list(pieces(items))
            for n, cut in enumerate(cuts):
                if self._closed:
                    return
                self._config.governor([])
                self._config.observer(QueueSampled(0, batches.files))
                if self._worker is None:
                    self._worker = make_worker(self._config.worker, self._config.limiter)
                if n + 1 < len(cuts):
                    self._worker.prefetch(items[cuts[n + 1].start : cuts[n + 1].stop])
                piece = items[cut.start : cut.stop]
                self._config.note(item.candidate.path for item in piece)
                self._config.laps.lap(SCHEDULE)
                self._worker.laps.skip()
                packet = self._worker.process(piece, cut.start)
                self._config.laps.skip()
                yield items, packet

    def close(self, *, kill: bool = False) -> None:
        """See :meth:`Executor.close`."""
        self._closed = True
        self._worker = None
        self._isolator.close(kill=kill)
        if self._config.limiter is not None:
            self._config.limiter.close()
