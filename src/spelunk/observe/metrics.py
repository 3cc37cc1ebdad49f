"""Metrics: the instruments, and what each event adds to them.

Everything is counted in the process that writes; what happens in workers
arrives there as sums in their packets. The numbers are plain values by sample,
so that counting costs a dictionary and no library; ``prometheus.py`` writes
them in Prometheus' formats.

No label holds a path or a query: the number of series is bounded by the sets
below, by the services named in the settings, and by the workspaces.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec import Struct

from spelunk import __version__
from spelunk.observe import events

COUNTER: Final = "counter"
GAUGE: Final = "gauge"
HISTOGRAM: Final = "histogram"
INFINITE: Final = float("inf")

MODES: Final = ("hybrid", "lexical", "semantic", "symbol", "regex")
RESULTS: Final = ("indexed", "unchanged", "removed", "skipped", "failed")
FAILURE_STAGES: Final = ("discover", "read", "chunk", "embed", "store", "worker")
STAGES: Final = (*events.RUN_STAGES, *events.WORKER_STAGES)
BREAKER_STATES: Final = ("closed", "open", "half-open")

SEARCH_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds: a warm search takes 1 to 25 ms (docs/benchmarks), one that opens its stores more."""
PUBLISH_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Instrument(Struct, frozen=True):
    """A metric.

    Attributes:
        name: As it is exposed, a counter's with ``_total``.
        kind: :data:`COUNTER`, :data:`GAUGE` or :data:`HISTOGRAM`.
        help: One line.
        labels: Its labels besides ``workspace``.
        values: The values of its one label where they are a fixed set; those start at 0.
        buckets: Upper bounds of a histogram.
        starts: Whether it is exposed as 0 before anything happened.
    """

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    starts: bool = True


INSTRUMENTS: Final = (
    Instrument("spelunk_run_info", GAUGE, "The latest run, as labels; always 1.", ("run_id", "command", "mode"), starts=False),
    Instrument("spelunk_index_runs_total", COUNTER, "Updates ended, by outcome.", ("outcome",), events.OUTCOMES),
    Instrument("spelunk_index_running", GAUGE, "1 while an update is at work."),
    Instrument("spelunk_index_last_run_success", GAUGE, "1 if the latest update succeeded.", starts=False),
    Instrument("spelunk_index_last_run_seconds", GAUGE, "Wall time of the latest update.", starts=False),
    Instrument("spelunk_index_files_total", COUNTER, "Files by what became of them.", ("result",), RESULTS),
    Instrument("spelunk_index_bytes_total", COUNTER, "Source bytes indexed."),
    Instrument("spelunk_index_chunks_total", COUNTER, "Chunks indexed."),
    Instrument("spelunk_index_errors_total", COUNTER, "Files that failed, by stage.", ("stage",), FAILURE_STAGES),
    Instrument("spelunk_index_stage_seconds_total", COUNTER, "Time spent in each stage, summed over all processes.", ("stage",), STAGES),
    Instrument("spelunk_index_publish_seconds", HISTOGRAM, "How long it took to make a generation visible.", buckets=PUBLISH_SECONDS),
    Instrument("spelunk_index_generation", GAUGE, "The newest generation published.", starts=False),
    Instrument("spelunk_index_last_publish_timestamp_seconds", GAUGE, "When it was published.", starts=False),
    Instrument("spelunk_index_current_timestamp_seconds", GAUGE, "When the index was last known to hold all that was on disk.", starts=False),
    Instrument("spelunk_index_lag_files", GAUGE, "Files known to have changed and not yet published."),
    Instrument("spelunk_index_pending_vectors", GAUGE, "Chunks indexed by their words and still without a vector."),
    Instrument("spelunk_history_commits", GAUGE, "Commits whose messages are searchable.", starts=False),
    Instrument("spelunk_history_errors_total", COUNTER, "Times the commits could not be read."),
    Instrument("spelunk_index_queue_batches", GAUGE, "Batches handed to workers and not yet answered."),
    Instrument("spelunk_index_queue_files", GAUGE, "Files not yet handed to a worker."),
    Instrument("spelunk_index_queue_chunks", GAUGE, "Chunks taken by the writer and not yet published."),
    Instrument("spelunk_index_workers", GAUGE, "Processes at work on files."),
    Instrument("spelunk_index_worker_busy_ratio", GAUGE, "Share of the workers' time spent on files in the latest run."),
    Instrument("spelunk_index_worker_starts_total", COUNTER, "Worker processes started.", ("how",), ("fork", "spawn")),
    Instrument("spelunk_index_worker_deaths_total", COUNTER, "Worker processes that died.", ("reason",), events.DEATHS),
    Instrument("spelunk_index_memory_bytes", GAUGE, "Anonymous memory of the update's processes."),
    Instrument("spelunk_index_memory_peak_bytes", GAUGE, "The most of it seen in the latest run."),
    Instrument("spelunk_index_memory_limit_bytes", GAUGE, "The limit for all of them; 0 for none."),
    Instrument("spelunk_index_memory_shrinks_total", COUNTER, "Times a worker was ended because memory came near its limit."),
    Instrument("spelunk_search_seconds", HISTOGRAM, "How long searches took, by mode.", ("mode",), MODES, SEARCH_SECONDS),
    Instrument("spelunk_search_degraded_total", COUNTER, "Searches that one side of the index did not answer.", ("mode",), MODES),
    Instrument("spelunk_breaker_state", GAUGE, "1 for the state a circuit breaker is in.", ("name", "state")),
    Instrument("spelunk_breaker_transitions_total", COUNTER, "Changes of a circuit breaker's state, by the new one.", ("name", "state")),
    Instrument("spelunk_retries_total", COUNTER, "Remote calls tried again.", ("name",)),
    Instrument("spelunk_build_info", GAUGE, "The version that wrote these; always 1.", ("version",), (__version__,)),
)  # fmt: skip

BY_NAME: Final = {i.name: i for i in INSTRUMENTS}


class Key(NamedTuple):
    """A sample: its name, with the suffixes of a histogram, and its labels in order."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()


def family_of(sample: str) -> Instrument | None:
    """The metric that a sample belongs to; None where it is not one of Spelunk's."""
    instrument = BY_NAME.get(sample)
    if instrument is None:
        for suffix in ("_bucket", "_sum", "_count"):
            base = BY_NAME.get(sample.removesuffix(suffix))
            if base is not None and base.kind == HISTOGRAM and sample.endswith(suffix):
                return base
    return instrument


class Metrics:
    """An observer that counts. Usable from several threads.

    Attributes:
        run_id: That of the latest run.
    """

    def __init__(self, command: str, run_id: str = "") -> None:
        """Start with every known series at 0.

        Args:
            command: What this process is: ``index``, ``search``, ``serve`` …
            run_id: Of this process; an update may bring its own.
        """
        self._command = command
        self.run_id = run_id
        self._guard = threading.Lock()
        self._values: dict[Key, float] = {}
        self._began = self._working = 0.0
        self._busy = 0.0
        self._workers = 1
        self._set("spelunk_build_info", 1, __version__)

    def __call__(self, event: events.Event) -> None:
        """Count an event."""
        effects = EFFECTS.get(type(event), ())
        if effects:
            with self._guard:
                for effect in effects:
                    effect(self, event)

    def values(self) -> dict[Key, float]:
        """A copy of what was counted so far; series that are still 0 may be missing."""
        with self._guard:
            return dict(self._values)

    def _add(self, name: str, amount: float, *labels: str) -> None:
        key = _key(name, labels)
        self._values[key] = self._values.get(key, 0.0) + amount

    def _add_some(self, name: str, amount: float, *labels: str) -> None:
        if amount:
            self._add(name, amount, *labels)

    def _set(self, name: str, value: float, *labels: str) -> None:
        self._values[_key(name, labels)] = float(value)

    def _measure(self, name: str, value: float, *labels: str) -> None:
        """Add to a histogram: its buckets are cumulative."""
        bounds = BY_NAME[name].buckets
        fixed = _key(name, labels).labels
        more = [Key(name + "_sum", fixed), Key(name + "_count", fixed)]
        more += [
            Key(name + "_bucket", (*fixed, ("le", bound_text(b)))) for b in (*bounds, INFINITE) if value <= b
        ]
        for key, amount in zip(more, (value, *[1.0] * len(more)), strict=False):
            self._values[key] = self._values.get(key, 0.0) + amount

    # Updates

    def _run_started(self, event: events.RunStarted) -> None:
        self.run_id = event.run_id
        self._began = time.time()
        self._busy = self._working = 0.0
        self._set("spelunk_index_running", 1)
        self._set("spelunk_index_memory_limit_bytes", float(str(event.settings.get("memory_limit") or 0)))
        self._set("spelunk_index_memory_peak_bytes", 0)
        self._set("spelunk_index_worker_busy_ratio", 0)
        self._set_run("none")

    def _set_run(self, mode: str) -> None:
        for key in [k for k in self._values if k.name == "spelunk_run_info"]:
            del self._values[key]
        self._set("spelunk_run_info", 1, self.run_id, self._command, mode)

    def _workers_chosen(self, event: events.WorkersChosen) -> None:
        self._workers = event.workers
        self._working = time.perf_counter()
        self._set("spelunk_index_workers", event.workers)
        self._set_run(event.mode)

    def _raise_peak(self, event: events.MemorySampled) -> None:
        peak = self._values.get(Key("spelunk_index_memory_peak_bytes"), 0.0)
        self._set("spelunk_index_memory_peak_bytes", max(peak, event.bytes))

    def _piece_timed(self, event: events.PieceTaken) -> None:
        for stage, seconds in zip(events.WORKER_STAGES, event.seconds, strict=True):
            self._add("spelunk_index_stage_seconds_total", seconds, stage)
        self._busy += sum(event.seconds)
        passed = (time.perf_counter() - self._working) * self._workers
        if self._working and passed > 0:
            self._set("spelunk_index_worker_busy_ratio", min(1.0, self._busy / passed))

    def _published(self, event: events.Published) -> None:
        self._add("spelunk_index_stage_seconds_total", event.seconds, "publish")
        self._measure("spelunk_index_publish_seconds", event.seconds)
        self._set("spelunk_index_generation", event.generation)
        self._set("spelunk_index_last_publish_timestamp_seconds", time.time())
        self._set("spelunk_index_queue_chunks", 0)
        lag = self._values.get(Key("spelunk_index_lag_files"), 0.0)
        self._set("spelunk_index_lag_files", max(0.0, lag - event.files))

    def _run_ended(self, event: events.RunEnded) -> None:
        self._add("spelunk_index_runs_total", 1, event.outcome)
        if event.outcome == events.BUSY:  # the gauges are those of the run under way, which sets them
            gauges = [
                k for k in self._values if BY_NAME.get(k.name, BY_NAME["spelunk_build_info"]).kind == GAUGE
            ]
            for key in gauges:
                del self._values[key]
            return
        self._set("spelunk_index_last_run_seconds", event.seconds)
        self._set("spelunk_index_last_run_success", event.outcome == events.DONE)
        for gauge in ("running", "workers", "queue_batches", "queue_files", "queue_chunks", "memory_bytes"):
            self._set(f"spelunk_index_{gauge}", 0)
        if event.outcome == events.DONE:
            self._set("spelunk_index_current_timestamp_seconds", self._began)
            self._set("spelunk_index_lag_files", 0)
        if event.generation is not None:
            self._set("spelunk_index_generation", event.generation)

    def _history_updated(self, event: events.HistoryUpdated) -> None:
        if event.error:
            self._add("spelunk_history_errors_total", 1)
        else:
            self._set("spelunk_history_commits", event.commits)

    # Searches and remote calls

    def _searched(self, event: events.Searched) -> None:
        self._measure("spelunk_search_seconds", event.seconds, event.mode)
        if event.degraded:
            self._add("spelunk_search_degraded_total", 1, event.mode)

    def seen_breaker(self, name: str, state: str) -> None:
        """Set the state of a breaker without counting a transition."""
        with self._guard:
            self._set_breaker(name, state)

    def _set_breaker(self, name: str, now: str) -> None:
        for state in BREAKER_STATES:
            self._set("spelunk_breaker_state", state == now, name, state)


def _key(name: str, labels: tuple[str, ...]) -> Key:
    return Key(name, tuple(zip(BY_NAME[name].labels, labels, strict=True)))


Effect: TypeAlias = Callable[[Metrics, Any], None]


def _amount(event: Any, amount: float | str) -> float:
    return float(getattr(event, amount)) if isinstance(amount, str) else amount


def _adds(name: str, amount: float | str, *labels: str) -> Effect:
    """Add a number, or the event's field of that name; the labels are fields too."""
    return lambda m, event: m._add(name, _amount(event, amount), *(getattr(event, key) for key in labels))


def _sets(name: str, amount: float | str) -> Effect:
    """Set a gauge to a number, or to the event's field of that name."""
    return lambda m, event: m._set(name, _amount(event, amount))


def _adds_files(*results: str) -> tuple[Effect, ...]:
    """Add the event's counts of files, each with its name as the label ``result``; zeros add no series."""

    def effect(result: str) -> Effect:
        return lambda m, event: m._add_some("spelunk_index_files_total", getattr(event, result), result)

    return tuple(map(effect, results))


EFFECTS: Final[Mapping[type, tuple[Effect, ...]]] = {
    events.RunStarted: (Metrics._run_started,),
    events.StageEnded: (_adds("spelunk_index_stage_seconds_total", "seconds", "stage"),),
    events.Planned: (
        *_adds_files("unchanged", "removed", "skipped", "failed"),
        _sets("spelunk_index_lag_files", "to_index"), _adds("spelunk_index_lag_files", "removed"),
        _sets("spelunk_index_queue_files", "to_index"),
    ),
    events.WorkersChosen: (Metrics._workers_chosen,),
    events.WorkerStarted: (_adds("spelunk_index_worker_starts_total", 1, "how"),),
    events.WorkerDied: (_adds("spelunk_index_worker_deaths_total", 1, "kind"),),
    events.QueueSampled: (_sets("spelunk_index_queue_batches", "batches"), _sets("spelunk_index_queue_files", "files")),
    events.MemorySampled: (_sets("spelunk_index_memory_bytes", "bytes"), Metrics._raise_peak),
    events.MemoryHigh: (_adds("spelunk_index_memory_shrinks_total", 1), _sets("spelunk_index_workers", "workers")),
    events.PieceTaken: (
        *_adds_files("indexed", "unchanged", "skipped", "failed"), _adds("spelunk_index_bytes_total", "bytes"),
        _adds("spelunk_index_chunks_total", "chunks"), _adds("spelunk_index_queue_chunks", "chunks"),
        Metrics._piece_timed,
    ),
    events.FileFailed: (_adds("spelunk_index_errors_total", 1, "stage"),),
    events.Published: (Metrics._published,),
    events.RunEnded: (Metrics._run_ended,),
    events.Searched: (Metrics._searched,),
    events.BreakerChanged: (
        lambda m, event: m._set_breaker(event.name, event.state),
        _adds("spelunk_breaker_transitions_total", 1, "name", "state"),
    ),
    events.CallRetried: (_adds("spelunk_retries_total", 1, "name"),),
    events.VectorsPending: (_sets("spelunk_index_pending_vectors", "chunks"),),
    events.HistoryUpdated: (Metrics._history_updated,),
}  # fmt: skip
"""What each event changes, in order."""


def bound_text(bound: float) -> str:
    """A bucket's upper bound as a label."""
    return "+Inf" if bound == INFINITE else repr(float(bound))


def at_zero() -> Iterator[Key]:
    """Every series whose labels are known before anything is counted."""
    for i in INSTRUMENTS:
        if not i.starts or bool(i.labels) != bool(i.values):
            continue
        for fixed in [((i.labels[0], value),) for value in i.values] if i.labels else [()]:
            if i.kind != HISTOGRAM:
                yield Key(i.name, fixed)
                continue
            for bound in (*i.buckets, INFINITE):
                yield Key(f"{i.name}_bucket", (*fixed, ("le", bound_text(bound))))
            yield Key(f"{i.name}_sum", fixed)
            yield Key(f"{i.name}_count", fixed)
