"""Here is a workspace, bring its index up to date; reads like its sentence.

discover → plan → workers → writer → publish. Everything before the workers is
done with the stores closed, because they are forked before a store opens
threads.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from spelunk import embed, faults
from spelunk.config import IO_THREADS, MAX_WORKERS, Options
from spelunk.errors import IndexBusyError, IndexMissingError
from spelunk.files.walk import Walk, walk
from spelunk.observe import Observer, events, nobody
from spelunk.observe.events import Stage
from spelunk.pipeline import disk as storage
from spelunk.pipeline.backfill import BackfillResult, OnVectors, backfill
from spelunk.pipeline.crash_note import Flight
from spelunk.pipeline.memory import Budget, Governor
from spelunk.pipeline.plan import Plan, isolate, plan
from spelunk.pipeline.pool import Batches, Pool
from spelunk.pipeline.processes import Start, token_pipe
from spelunk.pipeline.report import Tally, dry, report, tell_piece, tell_plan
from spelunk.store import rebuild, schema
from spelunk.store.manifest import Manifest
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.merge import change_embedder
from spelunk.store.records import Known
from spelunk.store.writer import StoreWriter
from spelunk.store.writer_lock import WriterLock, holder
from spelunk.types import Report
from spelunk.workspace import locate as home
from spelunk.workspace.state import embeds, fingerprint, walk_fingerprint

PARALLEL_BYTES: Final = 400_000
"""Work from which a forked worker pays for itself: some 100 ms (docs/benchmarks)."""
PARALLEL_FILES: Final = 8
SPAWN_FACTOR: Final = 8
"""A worker started as a fresh interpreter costs that much more than a forked one."""

TOLD_SETTINGS: Final = (
    "mode", "workers", "files_per_batch", "max_chunks_in_memory", "memory_limit", "storage", "io_threads",
    "embedder", "store", "executor",
)  # fmt: skip
"""What an observer is told of the settings."""

Progress = Callable[[int, int, int, int], None]
"""Called with files done, files in all, bytes done, bytes in all."""


@dataclass(frozen=True, slots=True)
class Job:
    """One update.

    Attributes:
        root: Absolute path of the workspace.
        directory: The index directory.
        options: The settings.
        rebuild: Build all stores anew beside the published ones.
        dry_run: Only say what would be done.
        wait: Wait for another writer instead of raising.
        command: What the lock's registry says of this run.
        progress: Hears how far the run is.
        observer: Hears what happens.
        run_id: The run's name; one is made where it is empty.
        heard: Hears how far the vectors are that were pending.
        patient: Make all pending vectors, however long a provider takes; without
            it one round of its calls is made, for somebody who waits for an answer.
    """

    root: str
    directory: str
    options: Options
    rebuild: bool = False
    dry_run: bool = False
    wait: bool = False
    command: str = "index"
    progress: Progress | None = None
    observer: Observer = nobody
    run_id: str = ""
    heard: OnVectors | None = None
    patient: bool = True


def update(job: Job) -> Report:
    """Bring the index up to date; what is published when it ends early stays.

    Raises:
        WorkspaceError: The root or the index directory cannot be used.
        IndexBusyError: Another writer is at work and ``wait`` is false.
        IndexCorruptError: A store is damaged and ``rebuild`` is false.
        IndexFormatError: Written by a newer Spelunk and ``rebuild`` is false.
        MemoryLimitError: The cap is too small.
        StorageError: The disk refuses.
    """
    began = time.monotonic()
    if job.dry_run:
        found = walk(job.root, job.options)
        return dry(job.root, job.directory, _plan(job, found), began)
    run_id = job.run_id or events.new_run_id()
    settings = {name: getattr(job.options, name) for name in TOLD_SETTINGS}
    job.observer(events.RunStarted(run_id, job.root, job.command, settings))
    try:
        report = _locked(job, began)
    except BaseException as error:
        job.observer(events.ended_by(error, time.monotonic() - began))
        raise
    job.observer(
        events.RunEnded(
            events.DONE, report.seconds, report.generation, report.files.indexed, report.files.failed,
            report.chunks, report.bytes, report.peak_rss_bytes,
        )
    )  # fmt: skip
    return replace(report, run_id=run_id)


def _locked(job: Job, began: float) -> Report:
    embed.check(job.options)
    cores = usable_cores()
    budget = Budget(
        job.options.memory_limit,
        job.options.workers or min(cores, MAX_WORKERS),
        embed.memory(job.options, cores),
    )
    with _private_files():
        home.claim(job.directory, job.root)
        lock = WriterLock(job.directory)
        with Stage(job.observer, "lock"):
            _acquire(job, lock)
        try:
            building = None
            if not schema.exists(job.directory):
                rebuild.remove_stores(job.directory)
            elif job.rebuild or schema.outdated(job.directory):
                building = rebuild.begin(job.directory)
            try:
                return _update(job, budget, lock, began, building)
            except BaseException:
                if building is not None:
                    rebuild.discard(job.directory)
                raise
        finally:
            lock.release()


@contextmanager
def _private_files() -> Iterator[None]:
    """Files made meanwhile are their owner's alone, as their directory is.

    The mask is the whole process's, so that one with other threads keeps its own.
    """
    if threading.active_count() > 1:
        yield
        return
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _acquire(job: Job, lock: WriterLock) -> None:
    try:
        lock.acquire(job.command)
    except IndexBusyError:
        if not job.wait:
            raise
        other = holder(job.directory) or {}
        job.observer(events.LockAwaited(int(other.get("pid", 0)), str(other.get("command", ""))))
        lock.acquire(job.command, wait=True)


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _plan(job: Job, found: Walk) -> Plan:
    known: dict[str, Known] = {}
    others: dict[str, Any] = {}
    if job.rebuild:
        return plan(found.rows, found.skipped, found.failed, known, others)
    try:
        manifest = Manifest(job.directory)
    except IndexMissingError:
        pass
    else:
        try:
            known, others = manifest.known(), manifest.unindexed()
            if _contents_changed(manifest, job.options):
                # Other contents are asked for: every file is redone, whatever its stat says.
                known = {p: k._replace(mtime_ns=-1, digest=b"") for p, k in known.items()}
                others = {p: (what, (-1, -1, -1, -1)) for p, (what, _) in others.items()}
        finally:
            manifest.close()
    return plan(found.rows, found.skipped, found.failed, known, others)


def _contents_changed(manifest: Manifest, options: Options) -> bool:
    return bool(manifest.meta("fingerprint", "") not in ("", fingerprint(options)))


def _update(job: Job, budget: Budget, lock: WriterLock, began: float, building: str | None) -> Report:
    with Stage(job.observer, "walk"):
        found = walk(job.root, job.options)
    governor = Governor(job.options.memory_limit, job.observer)
    flight = Flight(job.directory)
    with Stage(job.observer, "plan"):
        todo = isolate(_plan(job, found), flight.suspects())
    tell_plan(job.observer, todo)
    found.rows.clear()  # the plan has what it needs of them; of a large tree they are many
    if building is None and todo.empty and _settle(job, found, todo):
        with Stage(job.observer, "fill"):
            filled = _vectors(job, governor)
        return report(job.root, job.directory, todo, Tally(), filled, governor, "sequential", 1, began)
    workers, mode = choose_workers(job.options, budget.workers, todo)
    donors, donor_segments = _donors(job, todo)
    start = Start(job.root, job.options, donors, _read_tokens(job, workers), budget.worker)
    pool = Pool(
        start, workers, in_child=lock.forget, governor=governor, note=flight.note, observer=job.observer
    )
    job.observer(events.WorkersChosen(mode, pool.workers))
    finished = False
    try:
        manifest = ManifestWriter(job.directory, building)
        try:
            writer = StoreWriter(job.directory, manifest, heap=budget.lexical, threads=max(1, workers // 4))
            try:
                tally = _run(job, todo, found, pool, writer, governor, donor_segments)
                finished = True
            finally:
                writer.close(wait=finished)
        finally:
            manifest.close()
        if building is not None:
            rebuild.publish(job.directory, building)
    finally:
        pool.close(kill=not finished)
        flight.landed()
    with Stage(job.observer, "fill"):
        filled = _vectors(job, governor)
    return report(job.root, job.directory, todo, tally, filled, governor, mode, workers, began)


def _vectors(job: Job, governor: Governor) -> BackfillResult:
    """Make the vectors that are pending; no store but the manifest and the vectors is open."""
    manifest = ManifestWriter(job.directory)
    try:
        # No journalled work is left here: what comes before ends with a publish, or found none.
        if not embeds(manifest.meta("embedder"), job.options):
            change_embedder(manifest, embed.identify(job.options))
        if not any(manifest.pending()):
            return BackfillResult()
        embedder = embed.get(job.options, job.directory, job.observer)
        limit = None if job.patient or embedder.in_workers else embedder.batch * embedder.concurrency

        def heard(done: int, total: int) -> None:
            governor.total([])
            if job.heard is not None:
                job.heard(done, total)

        filled = backfill(manifest, embedder, limit=limit, on_vectors=heard)
        job.observer(events.VectorsPending(filled.pending))
        return filled
    finally:
        manifest.abandon()
        manifest.close()


def _publish(job: Job, writer: StoreWriter, meta: dict[str, Any]) -> None:
    files, chunks, began = writer.pending_files, writer.pending_chunks, time.perf_counter()
    generation = writer.publish(**meta)
    job.observer(events.Published(generation, files, chunks, time.perf_counter() - began))


def _settle(job: Job, found: Walk, todo: Plan) -> bool:
    """Nothing to index: note what the walk saw. False if the index has to be made first."""
    try:
        manifest = ManifestWriter(job.directory) if schema.exists(job.directory) else None
    except IndexMissingError:
        return False
    if manifest is None:
        return False
    try:
        if not manifest.generation or manifest.unfinished():
            return False
        if manifest.superseded() or _contents_changed(manifest, job.options):
            return False
        if (
            found.dirs != manifest.dirs()
            or sorted(found.rule_files) != sorted(manifest.rules())
            or not manifest.meta("complete", 0)
        ):
            manifest.start()
            manifest.set_walk(found.dirs, found.rule_files)
            manifest.set_meta("complete", 1)
            manifest.set_meta("walk", walk_fingerprint(job.options))
            faults.reach("settle.before")
            manifest.commit()
            faults.reach("settle.after")
        return True
    finally:
        manifest.close()


def choose_workers(options: Options, allowed: int, todo: Plan) -> tuple[int, str]:
    """How many processes, and the mode's name, for this much work."""
    from spelunk.pipeline.processes import fork_is_safe

    workers = min(allowed, MAX_WORKERS)
    if options.mode == "sequential" or workers == 1:
        return 1, "sequential"
    if options.mode == "parallel":
        return workers, "parallel"
    worthwhile = PARALLEL_BYTES * (1 if fork_is_safe() else SPAWN_FACTOR)
    if len(todo.items) < PARALLEL_FILES or todo.bytes < worthwhile:
        return 1, "sequential"
    # Each further worker has to earn its start as well.
    return max(2, min(workers, 1 + todo.bytes // worthwhile)), "parallel"


def _read_tokens(job: Job, workers: int) -> tuple[int, int] | None:
    threads = job.options.io_threads or IO_THREADS[storage.kind(job.root, job.options.storage)]
    return token_pipe(threads) if threads < workers else None


def _donors(job: Job, todo: Plan) -> tuple[dict[bytes, tuple[int, int]], list[list[Any]]]:
    """Vectors that exist already, here and in other workspaces, for files of a size to be indexed."""
    from spelunk.store.reuse import reusable_vectors

    if not todo.items:
        return {}, []
    directories = [p.directory for p in home.places() if p.directory != job.directory]
    if not job.rebuild:
        directories.insert(0, job.directory)
    return reusable_vectors(directories, {i.candidate.size for i in todo.items}, embed.identify(job.options))


def _run(
    job: Job,
    todo: Plan,
    found: Walk,
    pool: Pool,
    writer: StoreWriter,
    governor: Governor,
    donors: list[list[Any]],
) -> Tally:
    options = job.options
    manifest = writer.manifest
    known = manifest.known()
    writer.use(known, donors)
    if manifest.generation and not embeds(manifest.meta("embedder"), options):
        change_embedder(manifest, embed.identify(options))
    changed = _contents_changed(manifest, options)
    for path, k in todo.gone:
        writer.remove(path, k)
    if changed:
        writer.mark_all_stale()
    meta = {"fingerprint": fingerprint(options), "embedder": embed.identify(options), "complete": 0}
    meta["planned"] = todo.seen - len(todo.skipped) - len(todo.failed)
    tally = Tally()
    total_files, total_bytes = len(todo.items) + len(todo.suspects), todo.bytes
    done_bytes = 0
    batches = Batches(list(todo.items), options.files_per_batch, pool.workers)
    # What phase 1 makes has no cycles; collected once a publish instead of all the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        for items, packet in pool.run(batches, list(todo.suspects)):
            with Stage(job.observer, "write"):
                writer.apply(items, packet)
            tally.add(items, packet)
            tell_piece(job.observer, items, packet)
            if writer.pending_chunks >= options.max_chunks_in_memory:
                _publish(job, writer, meta)
                gc.collect(1)
            if job.progress is not None:
                done_bytes += packet.source_bytes
                job.progress(tally.files, total_files, done_bytes, total_bytes)
    finally:
        if collecting:
            gc.enable()
    writer.set_walk(found.dirs, found.rule_files)
    meta |= {"complete": 1, "walk": walk_fingerprint(options)}
    _publish(job, writer, meta)
    with Stage(job.observer, "purge"):
        writer.purge()
    with Stage(job.observer, "merge"):
        writer.compact()
    governor.total(pool.pids)
    return tally
