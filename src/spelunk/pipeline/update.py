"""Update of an index: walk, plan, run phase 1, write, publish, backfill.

Workers are started before a store is opened, because a store has threads and
workers are forked. What is published when an update ends early stays.
"""

from __future__ import annotations

import math
import os
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from spelunk import embed, faults
from spelunk.config import LOCAL
from spelunk.errors import IndexCorruptError, IndexMissingError
from spelunk.files.folder import FolderSource
from spelunk.files.repositories import RepositoriesSource
from spelunk.files.source import Source, Walk
from spelunk.observe import events
from spelunk.observe.events import Stage
from spelunk.observe.profile import NO_LAPS, Laps, RunProfile
from spelunk.pipeline import seeding
from spelunk.pipeline.directory import acquire, make_private
from spelunk.pipeline.executor import Batches, Executor
from spelunk.pipeline.fill import adopt_embedder, fill_pending
from spelunk.pipeline.first import FILES_PER_BATCH, LEAST_BYTES, LEAST_FILES, choose
from spelunk.pipeline.job import Contents, Indexed, Job
from spelunk.pipeline.local import PARALLEL, SEQUENTIAL, Machine
from spelunk.pipeline.plan import Plan, equal_together, isolate, plan
from spelunk.pipeline.report import BackfillResult, Tally, dry_report, report, tell_piece, tell_plan
from spelunk.pipeline.restoring import Restored, retains, split, with_items
from spelunk.pipeline.reusable import with_reusable
from spelunk.pipeline.worker import WorkerConfig
from spelunk.store import rebuild, schema
from spelunk.store.manifest import Manifest
from spelunk.store.manifest_retained import restorable
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.opening import open_writer, sweep_points
from spelunk.store.packet import Item
from spelunk.store.path_ranges import PathRanges
from spelunk.store.writer_lock import WriterLock
from spelunk.types import Report
from spelunk.workspace import background, locate
from spelunk.workspace.repositories import save_branches
from spelunk.workspace.state import fingerprint, walk_fingerprint

if TYPE_CHECKING:
    from spelunk.store.segment import Segment
    from spelunk.store.writer import StoreWriter

__all__ = ["Job", "update"]

TOLD_SETTINGS: Final = (
    "mode", "workers", "files_per_batch", "max_chunks_in_memory", "memory_limit", "storage", "io_threads",
    "embedder", "store", "executor",
)  # fmt: skip
"""Settings in the event that begins a run: those that matter to how it runs."""

REUSE_BYTES: Final = 200_000
"""Source of which the vectors are made in some 20 ms; other indexes are searched for more."""


def update(job: Job) -> Report:
    """Bring the index up to date.

    Raises:
        WorkspaceError: The root or the index directory cannot be used.
        IndexBusyError: Another process writes, and ``wait`` is false.
        IndexCorruptError: A store is damaged and ``rebuild`` is false.
        IndexFormatError: Written by a newer Spelunk and ``rebuild`` is false.
        MemoryLimitError: The memory limit is too small.
        StorageError: The disk refuses; what was published stays.
    """
    began = time.monotonic()
    if job.dry_run:
        walked, part = _walk(job, job.source or FolderSource(job.root), _contents(job))
        indexed = _indexed(job, fingerprint(job.options), part, anew=job.rebuild)
        return dry_report(job.root, indexed.generation, _plan(walked, indexed), began)
    if job.profile:
        measured = RunProfile(own_process=True)
        with measured.collector():
            done = _reported(job, began, measured.laps)
        return replace(done, profile=measured.finish())
    return _reported(job, began, NO_LAPS)


def _reported(job: Job, began: float, laps: Laps) -> Report:
    """Update, and report to the observer how it ended."""
    run_id = job.run_id or events.new_run_id()
    settings = {name: getattr(job.options, name) for name in TOLD_SETTINGS}
    job.observer(events.RunStarted(run_id, job.root, job.command, settings))
    try:
        done = _locked(job, began, laps)
    except BaseException as error:
        job.observer(events.ended_by(error, time.monotonic() - began))
        raise
    job.observer(
        events.RunEnded(
            events.DONE, done.seconds, done.generation, done.files.indexed, done.files.failed,
            done.chunks, done.bytes, done.peak_rss_bytes,
        )
    )  # fmt: skip
    return replace(done, run_id=run_id)


def _locked(job: Job, began: float, laps: Laps) -> Report:
    embed.check(job.options)
    machine = Machine(job.options, job.directory, job.observer, laps)
    if not job.part:
        locate.claim(job.directory, job.root, listed=job.listed)
    else:
        os.makedirs(job.directory, mode=0o700, exist_ok=True)
    lock = WriterLock(job.directory)
    with Stage(job.observer, "lock"):
        acquire(lock, job.directory, job.command, job.observer, wait=job.wait or _continues(job))
    try:
        building = None
        if not schema.exists(job.directory):
            rebuild.remove_stores(job.directory)
            done = _seeded(job, machine, lock, began)
            if done is not None:
                return done
        elif job.rebuild or schema.outdated(job.directory):
            building = rebuild.begin(job.directory)
        try:
            return _update(job, machine, lock, began, building)
        except BaseException:
            if building is not None:
                rebuild.discard(job.directory)
            raise
    finally:
        make_private(job.directory)
        lock.release()


def _continues(job: Job) -> bool:
    """Whether what writes now is a background run: what it does is what this update would do."""
    return job.patient and background.is_writing(job.directory)


def _seeded(job: Job, machine: Machine, lock: WriterLock, began: float) -> Report | None:
    """Update a copy of another worktree's index and publish it; None where there is none, or it is damaged."""
    if job.rebuild or not (job.source is None or job.part) or job.options.store != LOCAL:
        return None
    with Stage(job.observer, "plan"):
        building = seeding.begin(job.root, job.directory, *_contents(job), job.part)
    if building is None:
        return None
    try:
        return _update(job, machine, lock, began, building, seeded=True)
    except IndexCorruptError:
        rebuild.remove_stores(job.directory)
        return None
    except BaseException:
        if not schema.exists(job.directory):
            seeding.abandon(job.directory)
        raise


def _update(
    job: Job, machine: Machine, lock: WriterLock, began: float, building: str | None, *, seeded: bool = False
) -> Report:
    """Update under the writer's lock.

    Args:
        job: What to do.
        machine: The means.
        lock: Held.
        began: When the run began.
        building: Name of a manifest that is not published yet: a rebuild beside the published one, or a copy.
        seeded: Whether it is the copy of another worktree's.
    """
    source = job.source or FolderSource(job.root)
    wanted = _contents(job)
    lap = machine.laps.lap
    lap("prepare")
    with Stage(job.observer, "walk"):
        walked, part = _walk(job, source, wanted)
        if isinstance(source, RepositoriesSource) and source.branches is not None:
            save_branches(job.directory, source.branches)
    lap("walk")
    if seeded and building is not None and job.source is None:
        with Stage(job.observer, "plan"):
            seeding.restamp(job.directory, building, source, walked.rows, job.options)
    with Stage(job.observer, "plan"):
        anew = building is not None and not seeded
        indexed = _indexed(job, wanted.fingerprint, part, anew=anew, copy=building if seeded else None)
        todo = isolate(_plan(walked, indexed), machine.note.suspects())
        if isinstance(source, RepositoriesSource):
            todo = equal_together(todo)
    tell_plan(job.observer, todo)
    retain = retains(job, todo, indexed)
    restored: list[Restored] = []
    if indexed.retained and job.options.store == LOCAL and not indexed.stale:
        with Stage(job.observer, "plan"):
            todo, restored = split(todo, indexed.retained, source, job.options.max_file_size)
    lap("plan")
    walked.rows.clear()  # the plan has what it needs of them; of a large tree they are many
    tally, executor, mode, workers, until = Tally(), None, SEQUENTIAL, 1, math.inf
    left_suspects: list[str] = []
    try:
        if job.focus is not None and building is None and not (indexed.complete or indexed.stale):
            with Stage(job.observer, "choose"):
                first = choose(job.root, todo, job.focus, began, machine.budget.workers, lock.forget)
            if first is not None:
                left_suspects = [item.candidate.path for item in todo.suspects]
                todo, until = first
        if restored or not (todo.empty and indexed.settled and not indexed.stale):
            # Before workers are forked, which need numpy too; a run with nothing to do loads none of it.
            from spelunk.store import writer as _  # noqa: F401

            segments: list[list[Segment]] = []
            # To make a few vectors again takes less time than to look for them in every index.
            if not job.part and (
                part is None or todo.bytes > REUSE_BYTES or not embed.in_workers(job.options)
            ):
                todo, segments = with_reusable(todo, job.directory, wanted.embedder, own=building is None)
            lap("prepare")
            executor = machine.start(WorkerConfig(source, job.options, job.profile), todo, lock.forget)
            lap("start workers")
            mode, workers = PARALLEL if executor.workers > 1 else SEQUENTIAL, executor.workers
            job.observer(events.WorkersChosen(mode, workers))
        with ExitStack() as stack:
            manifest = stack.enter_context(closing(ManifestWriter(job.directory, building)))
            if executor is None:
                _record_walk(job, manifest, walked)
            else:
                writer = open_writer(
                    job.directory, manifest, job.options, job.observer,
                    heap=machine.budget.lexical, threads=max(1, workers // 4),
                )  # fmt: skip
                writer.laps = machine.laps
                lap("open stores")
                finished = False
                try:
                    writer.use(indexed.known, segments, retain=retain)
                    damaged = _restore(job, restored, writer, tally)
                    todo = with_items(todo, damaged) if damaged else todo
                    todo = _write(job, todo, walked, indexed, wanted, executor, writer, tally, until)
                    machine.sample(executor)
                    finished = True
                finally:
                    writer.close(wait=finished)
                lap("close stores")
                executor.close()
                lap("end workers")
            if building is not None:
                manifest.close()
                rebuild.publish(job.directory, building)
                manifest = stack.enter_context(closing(ManifestWriter(job.directory)))
            if building is not None or job.options.store == LOCAL:  # a writer of points has done it
                sweep_points(job.directory, manifest, job.options, job.observer)
            filled = BackfillResult()
            if not todo.left:
                with Stage(job.observer, "fill"):
                    filled = fill_pending(job, machine, manifest, wanted)
                lap("fill")
            return report(
                job.root, manifest.generation, todo, tally, filled, machine.governor, mode, workers, began
            )
    finally:
        if executor is not None:
            executor.close(kill=True)
        machine.note.clear(keep=left_suspects)


def _contents(job: Job) -> Contents:
    return Contents(fingerprint(job.options), embed.identify(job.options))


def _walk(job: Job, source: Source, wanted: Contents) -> tuple[Walk, PathRanges | None]:
    """Walk the source, or the part of it that changed: then with the paths in that part.

    A part is enough only where the last walk was complete and under the same settings.
    """
    if job.changed is not None and not job.rebuild and isinstance(source, FolderSource):
        fence = _fence_of(job, wanted)
        part = source.walk_changed(job.options, fence, job.changed) if fence else None
        if part is not None:
            return part.walk, PathRanges(part.folders, part.trees)
    return source.walk(job.options), None


def _fence_of(job: Job, wanted: Contents) -> bytes:
    """The fence of the last walk; empty where it was not complete, or was made for other contents."""
    try:
        manifest = Manifest(job.directory)
    except IndexMissingError:
        return b""
    with closing(manifest):
        same = (
            manifest.meta("complete", 0)
            and manifest.meta("walk") == walk_fingerprint(job.options)
            and Contents(manifest.meta("fingerprint"), manifest.meta("embedder")) == wanted
        )
        return manifest.fence() if same else b""


def _indexed(
    job: Job, wanted: str, part: PathRanges | None, *, anew: bool, copy: str | None = None
) -> Indexed:
    """Read what the plan needs of the manifest (or of ``copy``), which is closed before workers are forked."""
    if anew:
        return Indexed()
    try:
        manifest = ManifestWriter(job.directory, copy) if copy else Manifest(job.directory)
    except IndexMissingError:
        return Indexed()
    with closing(manifest):
        return Indexed(
            manifest.generation,
            manifest.known(part),
            manifest.unindexed(part),
            stale=manifest.meta("fingerprint", "") not in ("", wanted),
            settled=manifest.generation > 0 and not manifest.unfinished(),
            complete=bool(manifest.meta("complete", 0)),
            retained=restorable(manifest, part),
        )


def _plan(walked: Walk, indexed: Indexed) -> Plan:
    known, others = indexed.known, indexed.others
    if indexed.stale:  # no stat and no digest counts as equal
        known = {p: k._replace(stamp=b"", digest=b"") for p, k in known.items()}
        others = {p: (what, b"") for p, (what, _) in others.items()}
    return plan(walked.rows, walked.skipped, walked.failed, known, others)


def _record_walk(job: Job, manifest: ManifestWriter, walked: Walk) -> None:
    """Record the walk where there is nothing to index, for the quick look before a search."""
    options = walk_fingerprint(job.options)
    recorded = walked.fence == manifest.fence() and manifest.meta("walk") == options
    if recorded and manifest.meta("complete", 0):
        return
    manifest.start()
    manifest.set_fence(walked.fence)
    manifest.set_meta("complete", 1)
    manifest.set_meta("walk", options)
    faults.reach("settle.before")
    manifest.commit()
    faults.reach("settle.after")


def _write(
    job: Job,
    todo: Plan,
    walked: Walk,
    indexed: Indexed,
    wanted: Contents,
    executor: Executor,
    writer: StoreWriter,
    tally: Tally,
    until: float,
) -> Plan:
    """Run phase 1, apply its packets, and publish: at the end, and whenever enough chunks are pending.

    Args:
        until: When to stop, of ``time.monotonic``; what is not done then is left.

    Returns:
        The plan as far as it was carried out.
    """
    manifest, options, laps = writer.manifest, job.options, writer.laps
    adopt_embedder(manifest, wanted)
    for path, known in todo.gone:
        writer.remove(path, known)
    if indexed.stale:
        writer.mark_all_stale()
    meta: dict[str, Any] = {**wanted._asdict(), "complete": 0}
    meta["planned"] = todo.seen + todo.left - len(todo.skipped) - len(todo.failed)
    if job.changed is not None:
        meta["planned"] = manifest.counts()[0] + sum(1 for i in todo.items if i.known_digest is None)
    together = options.files_per_batch if until == math.inf else min(options.files_per_batch, FILES_PER_BATCH)
    batches = Batches(
        list(todo.items), together, executor.workers,
        until=until, least=LEAST_FILES, least_bytes=LEAST_BYTES,
    )  # fmt: skip
    for items, packet in executor.run(batches, list(todo.suspects)):
        laps.add_all(packet.profile)
        with Stage(job.observer, "write"):
            writer.apply(items, packet)
        tally.add(items, packet)
        tell_piece(job.observer, items, packet)
        if writer.is_full(options.max_chunks_in_memory):
            _publish(job, writer, meta)
    if batches.files or todo.left:
        _publish(job, writer, meta)
        return replace(todo, seen=todo.seen - batches.files, left=todo.left + batches.files)
    writer.set_fence(walked.fence)
    _publish(job, writer, meta | {"complete": 1, "walk": walk_fingerprint(options)})
    with Stage(job.observer, "purge"):
        writer.purge()
    laps.lap("purge")
    with Stage(job.observer, "merge"):
        writer.compact()
    laps.lap("merge")
    return todo


def _restore(job: Job, restored: list[Restored], writer: StoreWriter, tally: Tally) -> tuple[Item, ...]:
    """Show retained versions again, with the next publish; returns the files whose version is damaged."""
    damaged = []
    for file in restored:
        chunks = writer.restore(file.entry, file.file)
        if chunks is None:
            damaged.append(file.item)
            continue
        tally.add_restored(chunks, file.entry.size)
        job.observer(events.PieceTaken(1, 0, 0, 0, chunks, file.entry.size, (0.0,) * 4))
    return tuple(damaged)


def _publish(job: Job, writer: StoreWriter, meta: dict[str, Any]) -> None:
    files, chunks, began = writer.pending_files, writer.pending_chunks, time.perf_counter()
    generation = writer.publish(**meta)
    job.observer(events.Published(generation, files, chunks, time.perf_counter() - began))
