"""Events of updates, searches and remote calls, as an observer receives them.

Named tuples: logs take their ``_asdict``, and they cost no library at import.
``logs.py`` has their names and levels in logs, ``metrics.py`` what is counted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, NamedTuple, TypeAlias

from spelunk.errors import IndexBusyError

DONE: Final = "done"
FAILED: Final = "failed"
INTERRUPTED: Final = "interrupted"
BUSY: Final = "busy"
OUTCOMES: Final = (DONE, FAILED, INTERRUPTED, BUSY)
"""How a run can end; ``busy``: another process was writing."""

KILLED: Final = "killed"
HUNG: Final = "hung"
ENDED: Final = "ended"
DEATHS: Final = (KILLED, HUNG, ENDED)
"""How a worker can die: by a signal, ended because it was silent for too long, by itself."""

WORKER_STAGES: Final = ("read", "chunk", "tokenise", "embed")
RUN_STAGES: Final = ("lock", "walk", "plan", "choose", "write", "publish", "purge", "merge", "fill")
"""Stages that are timed: in the workers, summed over them; and in the process that writes."""


def new_run_id() -> str:
    """Name a run: the time in UTC and eight random hex digits, so that names sort by time."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.urandom(4).hex()}"


class RunStarted(NamedTuple):
    """An update begins; ``settings`` are those that matter to how it runs."""

    run_id: str
    root: str
    command: str
    settings: Mapping[str, object]


class LockAwaited(NamedTuple):
    """Another process writes, and this one waits for it; ``pid`` is 0 where it is not known."""

    pid: int
    by: str


class StageEnded(NamedTuple):
    """A stage of the process that writes has ended."""

    stage: str
    seconds: float


class Planned(NamedTuple):
    """The plan, in files; ``bytes`` are those of the files to index."""

    seen: int
    to_index: int
    unchanged: int
    removed: int
    skipped: int
    failed: int
    bytes: int


class WorkersChosen(NamedTuple):
    """How the run works; the workers have been started."""

    mode: str
    workers: int


class WorkerStarted(NamedTuple):
    """A process for phase 1; ``how`` is ``fork`` or ``spawn``."""

    pid: int
    how: str


class WorkerDied(NamedTuple):
    """A worker died; ``kind`` is one of :data:`DEATHS`, and ``files_again`` of its files are done again."""

    pid: int
    kind: str
    reason: str
    files_again: int


class QueueSampled(NamedTuple):
    """Batches given to workers and not yet answered in full, and files not yet given."""

    batches: int
    files: int


class MemorySampled(NamedTuple):
    """Memory of the process tree, and its limit, in bytes."""

    bytes: int
    limit: int | None


class MemoryHigh(NamedTuple):
    """The process tree came near its memory limit, and one of its workers is ended."""

    bytes: int
    limit: int
    workers: int


class PieceTaken(NamedTuple):
    """A piece of a batch reached the writer: files by result, and seconds of work by stage."""

    indexed: int
    unchanged: int
    skipped: int
    failed: int
    chunks: int
    bytes: int
    seconds: tuple[float, ...]


class FileFailed(NamedTuple):
    """A file was left out by an error."""

    path: str
    stage: str
    error: str


class FileSkipped(NamedTuple):
    """A file was left out on purpose, after discovery had offered it."""

    path: str
    reason: str
    detail: str


class Published(NamedTuple):
    """A generation became visible; ``files`` and ``chunks`` are what it adds."""

    generation: int
    files: int
    chunks: int
    seconds: float


class RunEnded(NamedTuple):
    """An update ended, well or not; ``outcome`` is one of :data:`OUTCOMES`."""

    outcome: str
    seconds: float
    generation: int | None = None
    indexed: int = 0
    failed: int = 0
    chunks: int = 0
    bytes: int = 0
    peak_bytes: int = 0
    error: str = ""


class Searched(NamedTuple):
    """A search was answered; the query itself is not part of the event."""

    mode: str
    seconds: float
    hits: int
    degraded: str | None


class BreakerChanged(NamedTuple):
    """A circuit breaker went to ``state``: ``closed``, ``open`` or ``half-open``."""

    name: str
    state: str
    reason: str = ""


class CallRetried(NamedTuple):
    """A remote call failed and is tried again after a wait."""

    name: str
    attempt: int
    wait_seconds: float
    reason: str


class BackfillProgress(NamedTuple):
    """Vectors were made after the texts were published: chunks done, and chunks to be done in this run."""

    done: int
    total: int


class VectorsPending(NamedTuple):
    """Chunks that are indexed by their words and still without a vector."""

    chunks: int


class HistoryUpdated(NamedTuple):
    """The index of commits was brought up to date, or could not be: then ``error`` says why.

    ``commits`` are searchable now; ``left`` were not read yet.
    """

    commits: int
    added: int
    removed: int
    left: int
    seconds: float
    error: str = ""


Event: TypeAlias = (
    RunStarted
    | LockAwaited
    | StageEnded
    | Planned
    | WorkersChosen
    | WorkerStarted
    | WorkerDied
    | QueueSampled
    | MemorySampled
    | MemoryHigh
    | PieceTaken
    | FileFailed
    | FileSkipped
    | Published
    | RunEnded
    | Searched
    | BreakerChanged
    | CallRetried
    | BackfillProgress
    | VectorsPending
    | HistoryUpdated
)


def ended_by(error: BaseException, seconds: float) -> RunEnded:
    """The end of a run that raised ``error``."""
    outcome = FAILED if isinstance(error, Exception) else INTERRUPTED
    if isinstance(error, IndexBusyError):
        outcome = BUSY
    return RunEnded(outcome, seconds, error=" ".join(str(error).split()) or type(error).__name__)


class Stage:
    """A context that reports to an observer how long a stage took, whether it failed or not."""

    __slots__ = ("_began", "_name", "_observer")

    def __init__(self, observer: Callable[[StageEnded], None], name: str) -> None:
        """Measure ``name``, one of :data:`RUN_STAGES`."""
        self._observer = observer
        self._name = name

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._observer(StageEnded(self._name, time.perf_counter() - self._began))
