"""Where phase 1 runs: the protocol of an executor, and the batches that it hands out.

An executor turns files into packets and uses no store. The local ones are
:class:`~spelunk.pipeline.in_process.InProcessExecutor` and
:class:`~spelunk.pipeline.pool.ProcessExecutor`; ``local.py`` chooses between
them. Memory limits, crash notes and pipes belong to them: an executor over
other machines needs a :class:`~spelunk.pipeline.worker.WorkerConfig`, which is
data that can be pickled, and nothing else.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from spelunk.store.packet import Item, Packet

PIECE_BYTES: Final = 128 * 1024
"""Source bytes in a piece: some 30 ms of work, so that a dead worker loses little, and a
packet fits the pipe to the process that writes (docs/decisions/workers.md)."""
PIECE_FILES: Final = 32

Result = tuple[list[Item], Packet]
"""A batch, and the packet of one piece of it: ``packet.files[n].item`` is a position in the batch."""


class Executor(Protocol):
    """Runs phase 1 (read, chunk, tokenise, embed) over batches of files."""

    @property
    def workers(self) -> int:
        """Pieces that are worked on at a time; at least 1."""
        ...

    def run(self, batches: Batches, suspects: Sequence[Item] = ()) -> Iterator[Result]:
        """Yield a packet for every piece of every batch, in any order.

        Each file is answered exactly once. What a packet says of a file depends
        on the file alone, not on the order or the number of workers. A file
        that kills its worker is answered as failed, stage ``worker``.

        Args:
            batches: The work; consumed.
            suspects: Files that killed a worker in an earlier run: each is done
                in a process of its own.

        Raises:
            MemoryLimitError: One process alone is above the memory limit.
        """
        ...

    def close(self, *, kill: bool = False) -> None:
        """End the workers; a run under way yields nothing more. May be called twice.

        Args:
            kill: Do not wait for the pieces in progress.
        """
        ...


def pieces(items: Sequence[Item]) -> Iterator[range]:
    """Cut a batch into the pieces that are answered one by one; the same cuts in every process."""
    start = total = 0
    for i, item in enumerate(items):
        if i > start and (total + item.candidate.size > PIECE_BYTES or i - start >= PIECE_FILES):
            yield range(start, i)
            start, total = i, 0
        total += item.candidate.size
    if start < len(items):
        yield range(start, len(items))


class Batches:
    """The queue of files, cut into batches that shrink towards the end.

    Guided self-scheduling (Polychronopoulos and Kuck, 1987): no worker is left
    with a long batch when the others have none.
    """

    def __init__(
        self,
        items: list[Item],
        files_per_batch: int,
        workers: int,
        *,
        until: float = math.inf,
        least: int = 0,
        least_bytes: int = 0,
    ) -> None:
        """Cut ``items`` for this many workers, at most ``files_per_batch`` files in a batch.

        Args:
            items: The files.
            files_per_batch: At most.
            workers: That take the batches.
            until: When to stop, of ``time.monotonic``: what is not taken then is not done.
                Batches are then as small as pieces.
            least: Files handed out even if the time is over,
            least_bytes: and bytes of files.
        """
        self._items = items
        self._next = 0
        self._bytes = sum(i.candidate.size for i in items)
        self._cap = files_per_batch
        self._share = 4 * workers if until == math.inf else max(1, self._bytes)
        self._until = until
        self._least = least
        self._least_left = self._bytes - least_bytes
        self._again: deque[list[Item]] = deque()

    def put_back(self, items: list[Item]) -> None:
        """Requeue work that a dead worker had not begun."""
        if items:
            self._again.append(items)

    @property
    def files(self) -> int:
        """Files not handed out yet."""
        return len(self._items) - self._next + sum(map(len, self._again))

    @property
    def left(self) -> bool:
        """Whether there is work to hand out, and time for it."""
        return (bool(self._again) or self._next < len(self._items)) and (
            self._until == math.inf
            or self._next < self._least
            or self._bytes > self._least_left
            or time.monotonic() < self._until
        )

    def take(self) -> list[Item]:
        """The next batch; empty when all is handed out."""
        if self._again:
            return self._again.popleft()
        target = max(PIECE_BYTES, self._bytes // self._share)
        start, total = self._next, 0
        while self._next < len(self._items) and self._next - start < self._cap:
            size = self._items[self._next].candidate.size
            if total and total + size > target:
                break
            total += size
            self._next += 1
        self._bytes -= total
        return self._items[start : self._next]
