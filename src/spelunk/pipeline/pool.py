"""Executor over worker processes of this machine, which may die.

Each worker is a process, and this one only writes: a grammar that crashes on
hostile input then costs a file and not the run, and the throughput is at least
that of a parent that works too (docs/decisions/workers.md). A worker is given
up to two batches, one to do and one so that it never waits.

Back-pressure: two batches a worker as names, and as many packets as fit its
pipe, are in flight; a slow consumer stops the workers.
"""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from spelunk.observe.events import HUNG, QueueSampled, WorkerDied, WorkerStarted
from spelunk.observe.profile import SCHEDULE, WAIT
from spelunk.pipeline.executor import Batches, Result, pieces
from spelunk.pipeline.in_process import HANG_SECONDS, InProcessExecutor, Isolator, LocalConfig
from spelunk.pipeline.processes import WorkerProcess, fork, fork_is_safe
from spelunk.store.packet import Item, Packet

PREFETCHED_BATCHES: Final = 2

MAX_DEATHS: Final = 64
"""Workers replaced in one run; above it the machine is at fault, and this process goes on alone."""


class _Queue:
    """A worker process with the batches it was given and has not answered in full."""

    def __init__(self, worker: WorkerProcess) -> None:
        self.worker = worker
        self.given: deque[tuple[list[Item], deque[range]]] = deque()

    def give(self, items: list[Item]) -> None:
        self.given.append((items, deque(pieces(items))))
        self.worker.send(items)

    def count_answer(self) -> list[Item]:
        """Remove one answered piece and return its batch."""
        items, cuts = self.given[0]
        cuts.popleft()
        if not cuts:
            self.given.popleft()
        return items


class ProcessExecutor:
    """Runs phase 1 in worker processes; see :class:`~spelunk.pipeline.executor.Executor`."""

    def __init__(self, config: LocalConfig, workers: int, *, forking: bool | None = None) -> None:
        """Start the workers. Call it before any store starts threads.

        Args:
            config: What the workers work on, and their limits.
            workers: How many; at least 1.
            forking: Fork the workers, or spawn them; None forks where that is safe.
        """
        self._config = config
        self._queues: list[_Queue] = []
        self._suspects: deque[Item] = deque()
        self._isolator = Isolator(config)
        self._alone = InProcessExecutor(config)
        self._deaths = 0
        self._closed = False
        forking = fork_is_safe() if forking is None else forking
        for _ in range(workers):
            self._queues.append(_Queue(self._fork() if forking else config.spawn()))

    def _fork(self) -> WorkerProcess:
        c = self._config
        worker = fork(c.worker, c.limiter, c.memory, self._in_child)
        c.observer(WorkerStarted(worker.pid, worker.how))
        return worker

    def _in_child(self) -> None:
        """Close the pipes to the workers started before; they are the parent's alone."""
        for queue in self._queues:
            os.close(queue.worker.read_fd)
            os.close(queue.worker.write_fd)
        self._config.in_child()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that are alive."""
        return [q.worker.pid for q in self._queues]

    @property
    def workers(self) -> int:
        """Worker processes now, or 1 where this process goes on alone."""
        return max(1, len(self._queues))

    def run(self, batches: Batches, suspects: Sequence[Item] = ()) -> Iterator[Result]:
        """See :meth:`Executor.run`."""
        self._suspects.extend(suspects)
        while not self._closed:
            self._feed(batches)
            yield from self._collect(batches, 0.0)
            yield from self._isolate()
            if self._closed:
                return
            if any(q.given for q in self._queues):
                yield from self._collect(batches, HANG_SECONDS)
            elif not self._suspects and not batches.left:
                return
            elif not self._suspects and not self._queues:
                yield from self._alone.run(batches)

    def close(self, *, kill: bool = False) -> None:
        """See :meth:`Executor.close`."""
        self._closed = True
        for queue in self._queues:
            queue.worker.end(kill=kill)
        self._queues.clear()
        self._isolator.close(kill=kill)
        self._alone.close(kill=kill)

    def _feed(self, batches: Batches) -> None:
        """Give each worker its next batches, and end those that the memory limit has no room for."""
        allowed = self._config.governor(self.pids)
        for n, queue in enumerate(list(self._queues)):
            if n >= allowed:
                if not queue.given:
                    self._queues.remove(queue)
                    queue.worker.end()
                continue
            while batches.left and len(queue.given) < PREFETCHED_BATCHES:
                try:
                    queue.give(batches.take())
                except BrokenPipeError:
                    break  # dead: the next look at its output says so
        self._config.observer(QueueSampled(sum(len(q.given) for q in self._queues), batches.files))

    def _collect(self, batches: Batches, timeout: float) -> Iterator[Result]:
        """Yield what the workers have answered, waiting up to ``timeout`` seconds for the first."""
        by_fd = {q.worker.read_fd: q for q in self._queues}
        if not by_fd:
            return
        poller = select.poll()
        for fd in by_fd:
            poller.register(fd, select.POLLIN | select.POLLHUP)
        ready = [fd for fd, queue in by_fd.items() if queue.worker.received]
        if not ready:
            self._config.laps.lap(SCHEDULE)
            ready = [fd for fd, _ in poller.poll(timeout * 1000)]
            self._config.laps.lap(WAIT)
        if not ready and timeout:
            for queue in [q for q in self._queues if q.given]:
                self._handle_death(queue, batches, hung=True)
            return
        for fd in ready:
            if self._closed:
                return
            queue = by_fd[fd]
            packet = queue.worker.receive()
            self._config.laps.lap("receive")
            if packet is False:
                self._handle_death(queue, batches, hung=False)
            elif isinstance(packet, Packet):
                yield queue.count_answer(), packet

    def _handle_death(self, queue: _Queue, batches: Batches, *, hung: bool) -> None:
        """Handle a dead worker: requeue its unfinished pieces, isolate the files of the piece in progress."""
        self._deaths += 1
        self._queues.remove(queue)
        worker = queue.worker
        worker.end(kill=hung)
        files = sum(len(cut) for _, cuts in queue.given for cut in cuts)
        kind, reason = (HUNG, f"worker silent for {HANG_SECONDS:.0f} s") if hung else worker.cause()
        self._config.observer(WorkerDied(worker.pid, kind, reason, files))
        in_progress = worker.ready  # else it died before it began
        for items, cuts in queue.given:
            for cut in cuts:
                files_of_piece = items[cut.start : cut.stop]
                if in_progress:
                    self._suspects.extend(files_of_piece)
                    in_progress = False
                else:
                    batches.put_back(files_of_piece)
        if worker.ready and self._deaths <= MAX_DEATHS:
            self._queues.append(_Queue(self._config.spawn()))

    def _isolate(self) -> Iterator[Result]:
        """Do one suspect in a process of its own."""
        if not self._suspects:
            return
        item = self._suspects.popleft()
        yield [item], self._isolator.process(item)
        if not self._suspects:
            self._isolator.close()
