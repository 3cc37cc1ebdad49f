"""Memory of the process tree against its limit: the shares of the processes, and the samples while they run.

What counts is resident memory that is not backed by a file: the system can
take back the pages of a memory-mapped index. Shared pages of forked workers
count once for each process, so the figure is never too low.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from spelunk.config import MIB, format_size
from spelunk.errors import MemoryLimitError
from spelunk.observe import Observer, null_observer
from spelunk.observe.events import MemoryHigh, MemorySampled

BASE: Final = 176 * MIB
"""The parent with both stores open and the smallest buffers (docs/benchmarks)."""
PER_WORKER: Final = 112 * MIB
"""A worker with its parsers, caches and one file of ``max_parse_size`` in hand."""
MIN_LEXICAL: Final = 16 * MIB
MAX_LEXICAL: Final = 64 * MIB
SOFT: Final = 0.9
"""Share of the limit above which workers are ended one by one."""

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def resident(pid: int | str = "self") -> int:
    """Bytes of anonymous and shared memory a process holds; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as f:
            fields = f.read().split()
        return (int(fields[1]) - int(fields[2])) * _PAGE
    except (OSError, IndexError, ValueError):
        return _peak_of_self() if pid == "self" else 0


def _peak_of_self() -> int:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class Budget:
    """Shares of the memory limit, computed before work starts.

    Attributes:
        limit: The limit in bytes, or None.
        workers: Processes that fit, at most the number given.
        lexical: Bytes for the full-text writer.
        worker: Bytes that one worker may allocate, or None without a limit.
    """

    def __init__(self, limit: int | None, workers: int, model: int = 0) -> None:
        """Share out ``limit`` bytes; None shares out what is needed.

        Args:
            limit: The limit.
            workers: Processes wanted.
            model: Bytes of the embedder in the process that writes: it is loaded
                after the full text is closed and the workers have ended.

        Raises:
            MemoryLimitError: Not even one process fits; names the minimum.
        """
        self.limit = limit
        self.lexical = MAX_LEXICAL
        self.worker: int | None = None
        self.workers = workers
        if limit is None:
            return
        minimum = BASE + max(MIN_LEXICAL, model)
        if limit < minimum:
            raise MemoryLimitError(
                f"a memory limit of {format_size(limit)} is too small: at least {format_size(minimum)} is needed"
                + (" for the embedder's model" if model > MIN_LEXICAL else "")
            )
        while self.workers > 1 and BASE + MIN_LEXICAL + self.workers * PER_WORKER > limit:
            self.workers -= 1
        spare = limit - BASE - (self.workers * PER_WORKER if self.workers > 1 else 0)
        self.lexical = max(MIN_LEXICAL, min(MAX_LEXICAL, spare // 2))
        self.worker = max(PER_WORKER * 2, (limit - BASE) // self.workers)


class Governor:
    """Compare the memory of the process tree with the limit, and decide how many workers may go on.

    Attributes:
        limit: The limit in bytes, or None.
        peak: The most memory seen over the tree, in bytes.
    """

    def __init__(self, limit: int | None, observer: Observer = null_observer) -> None:
        """Report every sample to ``observer``, and each worker that has to end."""
        self.limit = limit
        self.peak = 0
        self._observer = observer
        self._workers_told = 0

    def total(self, pids: list[int]) -> int:
        """Memory of this process and these workers, in bytes; also kept as :attr:`peak`."""
        total = resident() + sum(map(resident, pids))
        self.peak = max(self.peak, total)
        self._observer(MemorySampled(total, self.limit))
        return total

    def __call__(self, pids: list[int]) -> int:
        """How many of the workers may be given more work.

        Raises:
            MemoryLimitError: This process alone is above the limit.
        """
        total = self.total(pids)
        if self.limit is None or total <= self.limit * SOFT:
            return len(pids)
        if pids:
            if self._workers_told != len(pids):  # once for each worker, however long it takes to leave
                self._workers_told = len(pids)
                self._observer(MemoryHigh(total, self.limit, len(pids) - 1))
            return len(pids) - 1
        if total > self.limit:
            raise MemoryLimitError(
                f"memory limit of {format_size(self.limit)} reached with one process ({format_size(total)}); "
                f"what is published stays; raise it to at least {format_size(int(total * 1.25))} and run again"
            )
        return 0
