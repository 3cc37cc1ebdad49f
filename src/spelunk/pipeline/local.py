"""Choose and start the executor: how many processes of this machine and what each may use, or a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from spelunk import embed
from spelunk.config import IO_THREADS, MAX_WORKERS, Options
from spelunk.observe import Observer
from spelunk.observe.profile import NO_LAPS, Laps
from spelunk.pipeline import disk
from spelunk.pipeline.crash_note import CrashNote
from spelunk.pipeline.in_process import InProcessExecutor, LocalConfig
from spelunk.pipeline.limiter import ReadLimiter
from spelunk.pipeline.memory import Budget, Governor
from spelunk.pipeline.plan import Plan
from spelunk.pipeline.pool import ProcessExecutor
from spelunk.pipeline.processes import fork_is_safe
from spelunk.pipeline.worker import WorkerConfig

if TYPE_CHECKING:
    from spelunk.pipeline.ray_executor import RayExecutor

PARALLEL_BYTES: Final = 400_000
"""Work for which a forked worker pays: some 100 ms (docs/benchmarks)."""
PARALLEL_FILES: Final = 8
SPAWN_FACTOR: Final = 8
"""A spawned worker costs that many times as much to start as a forked one."""

RAY_BYTES: Final = 16_000_000
"""Work for which a cluster pays: some 4 s of one core, and a connection to Ray takes as long."""

SEQUENTIAL: Final = "sequential"
PARALLEL: Final = "parallel"


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def choose_workers(options: Options, allowed: int, todo: Plan) -> int:
    """Processes for this much work; 1 for none beside this one."""
    workers = min(allowed, MAX_WORKERS)
    if options.mode == SEQUENTIAL or workers == 1:
        return 1
    if options.mode == PARALLEL:
        return workers
    worthwhile = PARALLEL_BYTES * (1 if fork_is_safe() else SPAWN_FACTOR)
    if len(todo.items) < PARALLEL_FILES or todo.bytes < worthwhile:
        return 1
    # Each further worker has to earn its start as well.
    return max(2, min(workers, 1 + todo.bytes // worthwhile))


def uses_ray(options: Options, todo: Plan) -> bool:
    """Whether a Ray cluster does this work: where it is set, and the work is large or ``mode`` is ``parallel``."""
    if options.executor != "ray" or options.mode == SEQUENTIAL or not (todo.items or todo.suspects):
        return False
    return options.mode == PARALLEL or todo.bytes >= RAY_BYTES


class Machine:
    """This machine's means for one update: its share of memory, its disk and its crash note.

    Attributes:
        budget: Shares of the memory limit.
        governor: Samples memory; has the peak.
        note: The crash note.
        laps: Time of this process by stage.
    """

    def __init__(self, options: Options, directory: str, observer: Observer, laps: Laps = NO_LAPS) -> None:
        """Share out the memory limit.

        Args:
            options: The settings.
            directory: The index directory.
            observer: Receives events of memory and workers.
            laps: Time of this process by stage.

        Raises:
            MemoryLimitError: It is too small.
        """
        cores = usable_cores()
        self.budget = Budget(
            options.memory_limit, options.workers or min(cores, MAX_WORKERS), embed.memory(options, cores)
        )
        self.governor = Governor(options.memory_limit, observer)
        self.note = CrashNote(directory)
        self.laps = laps
        self._observer = observer

    def start(
        self, worker: WorkerConfig, todo: Plan, in_child: Callable[[], None]
    ) -> InProcessExecutor | ProcessExecutor | RayExecutor:
        """Start the executor for a plan. Call it before any store starts threads.

        Args:
            worker: What the workers work on.
            todo: The plan.
            in_child: Called first in each forked worker.

        Raises:
            ConfigError, ExecutorError: A cluster is to do the work, and cannot.
        """
        options = worker.options
        if uses_ray(options, todo):
            return self._start_ray(worker)
        workers = choose_workers(options, self.budget.workers, todo)
        reads = options.io_threads or IO_THREADS[disk.kind(worker.source.location, options.storage)]
        config = LocalConfig(
            worker,
            limiter=_limiter(reads) if reads < workers else None,
            memory=self.budget.worker,
            governor=self.governor,
            note=self.note.write,
            in_child=in_child,
            observer=self._observer,
            laps=self.laps,
        )
        return ProcessExecutor(config, workers) if workers > 1 else InProcessExecutor(config)

    def _start_ray(self, worker: WorkerConfig) -> RayExecutor:
        """Connect to the cluster. A task there may allocate what one worker here might if it were the only one."""
        from spelunk.pipeline.ray_executor import RayExecutor

        alone = Budget(self.budget.limit, 1)
        config = LocalConfig(worker, memory=alone.worker, governor=self.governor, observer=self._observer)
        return RayExecutor(config)

    def sample(self, executor: InProcessExecutor | ProcessExecutor | RayExecutor) -> None:
        """Sample memory while the workers are still there."""
        self.governor.total(executor.pids)


def _limiter(slots: int) -> ReadLimiter | None:
    try:
        return ReadLimiter.create(slots)
    except OSError:
        return None  # it makes reads faster on some disks; without it they are right as well
