"""Profile of a run: wall-clock and CPU time by stage and language, in the process that writes and in its workers.

A process has one :class:`Laps`. Each call of :meth:`Laps.lap` gives the time since the
call before to a stage, so the stages of a process share out its time without
gaps and overlaps. A lap costs two readings of clocks, 1.2 µs; a file takes
about ten of them.
"""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from spelunk.io.atomic import synced_seconds
from spelunk.types import StageTime

Sums = tuple[str, str, int, int, float, float]
"""Stage, language, files, bytes, seconds of wall clock, seconds of CPU: plain values, so that a packet can hold them."""

WORKER_STAGES: Final = (
    "read", "decode", "parse", "chunk", "relations", "tokenise", "compress", "pack", "embed", "send",
)  # fmt: skip
"""Stages of phase 1, in the order of the work on a piece; each has a language but the last."""

COLLECTOR: Final = "garbage collection"
SYNC: Final = "fsync"
THREADS: Final = "full text threads"
OTHER: Final = "other"
START_UP: Final = "start-up"
IDLE: Final = "wait for work"
WAIT: Final = "wait for workers"
SCHEDULE: Final = "schedule"


class Laps:
    """The laps of one thread of one process.

    Attributes:
        on: Whether anything is measured.
    """

    __slots__ = ("_cpu", "_rows", "_wall")
    on = True

    def __init__(self) -> None:
        """The first lap begins now."""
        self._rows: dict[tuple[str, str], list[Any]] = {}
        self._wall, self._cpu = time.perf_counter(), time.thread_time()

    def lap(self, stage: str, language: str = "", files: int = 0, size: int = 0) -> None:
        """Give the time since the last lap to a stage.

        Args:
            stage: Its name.
            language: Of the file, where the stage works on one.
            files: Files that it worked on.
            size: Their bytes.
        """
        wall, cpu = time.perf_counter(), time.thread_time()
        self.add(stage, language, files, size, wall - self._wall, cpu - self._cpu)
        self._wall, self._cpu = wall, cpu

    def skip(self) -> None:
        """Begin a lap: the time since the last one is measured elsewhere."""
        self._wall, self._cpu = time.perf_counter(), time.thread_time()

    def share(self, stage: str, parts: dict[str, int]) -> None:
        """Give the time since the last lap to a stage, by language in proportion to ``parts``."""
        wall, cpu = time.perf_counter(), time.thread_time()
        total = sum(parts.values())
        for language, part in parts.items():
            share = part / total if total else 1 / len(parts)
            self.add(stage, language, 0, 0, (wall - self._wall) * share, (cpu - self._cpu) * share)
        self._wall, self._cpu = wall, cpu

    def add(self, stage: str, language: str, files: int, size: int, wall: float, cpu: float) -> None:
        """Add to the sums of a stage."""
        row = self._rows.get((stage, language))
        if row is None:
            self._rows[stage, language] = [files, size, wall, cpu]
        else:
            row[0] += files
            row[1] += size
            row[2] += wall
            row[3] += cpu

    def take(self) -> list[Sums]:
        """The sums since the last call."""
        taken = [(*key, *row) for key, row in self._rows.items()]
        self._rows.clear()
        return taken

    def add_all(self, sums: Iterable[Sums]) -> None:
        """Add what another process, or another part of this one, has measured."""
        for row in sums:
            self.add(*row)


class NoLaps(Laps):
    """Measures nothing: for a run without a profile."""

    __slots__ = ()
    on = False

    def lap(self, stage: str, language: str = "", files: int = 0, size: int = 0) -> None:
        """Nothing."""

    def skip(self) -> None:
        """Nothing."""

    def share(self, stage: str, parts: dict[str, int]) -> None:
        """Nothing."""

    def add(self, stage: str, language: str, files: int, size: int, wall: float, cpu: float) -> None:
        """Nothing."""

    def take(self) -> list[Sums]:
        """Nothing."""
        return []


NO_LAPS: Final = NoLaps()


class RunProfile:
    """The profile of one run, in the process that writes.

    Attributes:
        laps: Of the thread that writes; what workers measured is added to them.
    """

    def __init__(self, *, own_process: bool) -> None:
        """Begin.

        Args:
            own_process: This process does nothing but the run: its time before counts as start-up.
        """
        self.laps = Laps()
        self._cpu = _process_cpu()
        self._thread = time.thread_time()
        if own_process:
            self._cpu = self._thread = 0.0
            self.laps.add(START_UP, "", 0, 0, _age(), time.thread_time())
        self._synced = synced_seconds()
        self._collecting = self._collected = 0.0

    @contextmanager
    def collector(self) -> Iterator[None]:
        """Measure the collections of garbage in the block."""
        gc.callbacks.append(self._on_collection)
        try:
            yield
        finally:
            gc.callbacks.remove(self._on_collection)

    def _on_collection(self, phase: str, _: object) -> None:
        if phase == "start":
            self._collecting = time.perf_counter()
        else:
            self._collected += time.perf_counter() - self._collecting

    def finish(self) -> tuple[StageTime, ...]:
        """The stages, those of the workers first; then the threads of the full text, and parts of other stages."""
        self.laps.lap(OTHER)
        threads = (_process_cpu() - self._cpu) - (time.thread_time() - self._thread)
        self.laps.add(THREADS, "", 0, 0, 0.0, max(0.0, threads))
        order = {stage: n for n, stage in enumerate(WORKER_STAGES)}
        rows = [StageTime(*row) for row in self.laps.take()]
        rows.sort(key=lambda row: (order.get(row.stage, len(order)), row.stage if row.stage in order else ""))
        rows.append(StageTime(COLLECTOR, "", 0, 0, self._collected, self._collected, True))
        rows.append(StageTime(SYNC, "", 0, 0, synced_seconds() - self._synced, 0.0, True))
        return tuple(rows)


def _process_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _age() -> float:
    """Seconds since this process began; since the clock of its CPU began where the system does not say."""
    try:
        with open("/proc/self/stat", "rb") as f:
            ticks = int(f.read().rpartition(b")")[2].split()[19])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, AttributeError):
        return time.process_time()
