"""The one home of concurrency: batches in, packets out, over workers that may die.

With one worker the work is done right here. With several each is a process of
its own and this one only writes: a grammar that crashes on hostile input then
costs a file and not the run, and the throughput is that of a parent that works
too, or better (docs/decisions/workers.md). Each child is given up to two
batches, one to do and one so that it never waits. Batches shrink towards the
end (guided self-scheduling, Polychronopoulos and Kuck, 1987), so that no
worker is left with a long tail.

What is in flight is bounded: two batches a child as names, and of results
what fits a pipe; the consumer's pace holds everything back.
"""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from spelunk.observe import Observer, null_observer
from spelunk.observe.events import QueueSampled, WorkerDied, WorkerStarted
from spelunk.pipeline import worker as work
from spelunk.pipeline.processes import Child, Start, fork, fork_is_safe, make_worker, spawn
from spelunk.store.packet import Item, Packet

PREFETCHED_BATCHES: Final = 2
HANG_SECONDS: Final = 120.0
"""A child silent for this long over one piece is taken for hung: a piece is some 30 ms of work,
or one file of ``max_file_size``."""

MAX_DEATHS: Final = 64
"""Workers replaced in one run; past this the machine is at fault, and the parent goes on alone."""

Result = tuple[list[Item], Packet]


class Batches:
    """Cuts the work into batches that shrink towards the end."""

    def __init__(self, items: list[Item], files_per_batch: int, workers: int) -> None:
        self._items = items
        self._next = 0
        self._bytes = sum(i.candidate.size for i in items)
        self._cap = files_per_batch
        self._share = 4 * workers
        self._again: deque[list[Item]] = deque()

    def put_back(self, items: list[Item]) -> None:
        """Work that a dead worker had not begun."""
        if items:
            self._again.append(items)

    @property
    def files(self) -> int:
        """Files not handed out yet."""
        return len(self._items) - self._next + sum(map(len, self._again))

    @property
    def left(self) -> bool:
        """Is there work to hand out?"""
        return bool(self._again) or self._next < len(self._items)

    def take(self) -> list[Item]:
        """The next batch; empty when all is handed out."""
        if self._again:
            return self._again.popleft()
        target = max(work.PIECE_BYTES, self._bytes // self._share)
        start, total = self._next, 0
        while self._next < len(self._items) and self._next - start < self._cap:
            size = self._items[self._next].candidate.size
            if total and total + size > target:
                break
            total += size
            self._next += 1
        self._bytes -= total
        return self._items[start : self._next]


class _Hand:
    """A child and what it has been given: batches with the pieces not yet answered."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.given: deque[tuple[list[Item], deque[range]]] = deque()

    def give(self, items: list[Item]) -> None:
        self.given.append((items, deque(work.pieces(items))))
        self.child.send(items)

    def answered(self) -> list[Item]:
        """Take note of one answered piece; its batch."""
        items, cuts = self.given[0]
        cuts.popleft()
        if not cuts:
            self.given.popleft()
        return items


class Pool:
    """Workers of one run; see the module."""

    def __init__(
        self,
        start: Start,
        workers: int,
        *,
        in_child: Callable[[], None],
        governor: Callable[[list[int]], int] | None = None,
        note: Callable[[Iterable[str]], None] | None = None,
        observer: Observer = null_observer,
    ) -> None:
        """Start the children. Call it before any store opens threads.

        Args:
            start: What a worker needs.
            workers: 1 for none beside this process, else as many children.
            in_child: Called first in each forked child.
            governor: Given the children's pids, how many of them may go on.
            note: Hears which files this process itself is about to parse.
            observer: Hears of workers that start and die, and how much waits.
        """
        self._observer = observer
        self._start = start
        self._governor = governor
        self._hands: list[_Hand] = []
        self._alone: deque[Item] = deque()
        self._isolator: Child | None = None
        self.deaths = 0
        forking = fork_is_safe()
        self._note = note
        for _ in range(workers if workers > 1 else 0):
            child = fork(start, lambda: self._in_child(in_child)) if forking else self._spawn()
            self._hands.append(_Hand(child))
            if forking:
                observer(WorkerStarted(child.pid, "fork"))
        self._worker: work.Worker | None = None

    def _spawn(self) -> Child:
        child = spawn(self._start)
        self._observer(WorkerStarted(child.pid, "spawn"))
        return child

    def _in_child(self, in_child: Callable[[], None]) -> None:
        for hand in self._hands:
            os.close(hand.child.read_fd)
            os.close(hand.child.write_fd)
        in_child()

    @property
    def pids(self) -> list[int]:
        """The children alive."""
        return [h.child.pid for h in self._hands]

    @property
    def workers(self) -> int:
        """Processes that do phase 1."""
        return max(1, len(self._hands))

    def run(self, batches: Batches, suspects: Sequence[Item] = ()) -> Iterator[Result]:
        """Do all the work; yields (batch, packet of a piece of it) as they are done.

        Args:
            batches: The work.
            suspects: Files known to have killed a worker: each is done alone.
        """
        self._alone.extend(suspects)
        own: list[Item] = []
        cuts: deque[range] = deque()
        while True:
            self._feed(batches)
            yield from self._collect(batches, 0.0)
            yield from self._isolate()
            if not cuts and batches.left and not self._hands:
                own = batches.take()
                cuts = deque(work.pieces(own))
            if cuts:
                cut = cuts.popleft()
                worker = self._own_worker()
                if cuts:
                    worker.prefetch(own[cuts[0].start : cuts[0].stop])
                at_hand = own[cut.start : cut.stop]
                if self._note is not None:
                    self._note(item.candidate.path for item in at_hand)
                yield own, worker.process(at_hand, cut.start)
            elif any(h.given for h in self._hands):
                yield from self._collect(batches, HANG_SECONDS)
            elif not self._alone and not batches.left:
                return

    def _own_worker(self) -> work.Worker:
        if self._worker is None:
            self._worker = make_worker(self._start._replace(memory=None))
        return self._worker

    def close(self, *, kill: bool = False) -> None:
        """End the children; with ``kill`` at once."""
        for hand in self._hands:
            hand.child.end(kill=kill)
        self._hands.clear()
        if self._isolator is not None:
            self._isolator.end(kill=kill)
            self._isolator = None

    def _feed(self, batches: Batches) -> None:
        allowed = len(self._hands)
        if self._governor is not None:
            allowed = self._governor(self.pids)
        for n, hand in enumerate(list(self._hands)):
            if n >= allowed:
                if not hand.given:  # it has answered all it was given: let it go
                    self._hands.remove(hand)
                    hand.child.end()
                continue
            while batches.left and len(hand.given) < PREFETCHED_BATCHES:
                items = batches.take()
                try:
                    hand.give(items)
                except BrokenPipeError:
                    break  # noticed as a death by the next look at its output
        self._observer(QueueSampled(sum(len(h.given) for h in self._hands), batches.files))

    def _collect(self, batches: Batches, timeout: float) -> Iterator[Result]:
        """Take what the children have ready, waiting up to ``timeout`` seconds for the first."""
        by_fd = {h.child.read_fd: h for h in self._hands}
        if not by_fd:
            return
        poller = select.poll()
        for fd in by_fd:
            poller.register(fd, select.POLLIN | select.POLLHUP)
        ready = poller.poll(timeout * 1000)
        if not ready and timeout:
            for hand in [h for h in self._hands if h.given]:
                self._bury(hand, batches, hung=True)
            return
        for fd, _ in ready:
            hand = by_fd[fd]
            packet = hand.child.receive()
            if packet is True:
                continue
            if packet is False:
                self._bury(hand, batches, hung=False)
            elif isinstance(packet, Packet):
                yield hand.answered(), packet

    def _bury(self, hand: _Hand, batches: Batches, *, hung: bool) -> None:
        """A child died: what it was at is looked at alone, the rest is done again."""
        self.deaths += 1
        self._hands.remove(hand)
        hand.child.end(kill=hung)
        suspect = hand.child.ready  # else it never began
        left = sum(len(cut) for _, cuts in hand.given for cut in cuts)
        reason = f"silent for {HANG_SECONDS:.0f} s" if hung else hand.child.cause()
        self._observer(WorkerDied(hand.child.pid, reason, left))
        for items, cuts in hand.given:
            if suspect:
                cut = cuts.popleft()
                self._alone.extend(items[cut.start : cut.stop])
                suspect = False
            for cut in cuts:
                batches.put_back(items[cut.start : cut.stop])
        if hand.child.ready and self.deaths <= MAX_DEATHS:
            self._hands.append(_Hand(self._spawn()))

    def _isolate(self) -> Iterator[Result]:
        """Do one suspect in a process of its own, so that the culprit takes nothing with it."""
        if not self._alone:
            return
        item = self._alone.popleft()
        if self._isolator is None:
            self._isolator = self._spawn()
        child = self._isolator
        packet: Packet | bool = False
        try:
            child.send([item])
            packet = self._wait(child)
        except BrokenPipeError:
            pass
        if isinstance(packet, Packet):
            yield [item], packet
        else:
            self._isolator = None
            kind = child.end(kill=True)
            reason = child.cause() if kind or child.ready else "worker could not be started"
            self._observer(WorkerDied(child.pid, reason, 0))
            yield [item], Packet([], [], [], [(0, "worker", reason)], 0, b"", b"", b"")
        if not self._alone and self._isolator is not None:
            self._isolator.end()
            self._isolator = None

    def _wait(self, child: Child) -> Packet | bool:
        poller = select.poll()
        poller.register(child.read_fd, select.POLLIN | select.POLLHUP)
        while poller.poll(HANG_SECONDS * 1000):
            packet = child.receive()
            if packet is not True:
                return packet
        return False
