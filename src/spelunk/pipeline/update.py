"""Update of an index: walk, plan, run phase 1, write, publish, backfill.

Workers are started before a store is opened, because a store has threads and
workers are forked. What is published when an update ends early stays.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from spelunk import embed, faults
from spelunk.errors import IndexBusyError, IndexMissingError
from spelunk.files.folder import FolderSource
from spelunk.files.source import Walk
from spelunk.observe import broadcast, events
from spelunk.observe.events import Stage
from spelunk.pipeline.backfill import BackfillResult, backfill
from spelunk.pipeline.executor import Batches, Executor
from spelunk.pipeline.job import Job
from spelunk.pipeline.local import PARALLEL, SEQUENTIAL, Machine
from spelunk.pipeline.plan import Plan, isolate, plan
from spelunk.pipeline.report import Tally, dry_report, report, tell_piece, tell_plan
from spelunk.pipeline.worker import WorkerConfig
from spelunk.store import rebuild, schema
from spelunk.store.manifest import Manifest
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.merge import change_embedder
from spelunk.store.packet import Item
from spelunk.store.records import Known
from spelunk.store.reuse import reusable_vectors
from spelunk.store.segment import Segment
from spelunk.store.writer import StoreWriter
from spelunk.store.writer_lock import WriterLock, holder
from spelunk.types import Failed, Report, Skipped
from spelunk.workspace import locate
from spelunk.workspace.state import fingerprint, walk_fingerprint

TOLD_SETTINGS: Final = (
    "mode", "workers", "files_per_batch", "max_chunks_in_memory", "memory_limit", "storage", "io_threads",
    "embedder", "store", "executor",
)  # fmt: skip
"""Settings in the event that begins a run: those that matter to how it runs."""


class Contents(NamedTuple):
    """Ids of what the settings put into an index: of its texts (:func:`fingerprint`), and of its embedder."""

    fingerprint: str
    embedder: str


@dataclass(frozen=True, slots=True)
class Indexed:
    """What the index holds before the update, read once.

    Attributes:
        generation: 0 where nothing is published.
        known: Indexed files by path.
        others: Files left out by path, with their stat.
        stale: Whether the settings need other contents: every file is indexed again.
        settled: Whether no unpublished or unpurged work of another writer is left.
    """

    generation: int = 0
    known: Mapping[str, Known] = field(default_factory=dict)
    others: Mapping[str, tuple[Skipped | Failed, bytes]] = field(default_factory=dict)
    stale: bool = False
    settled: bool = False


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
        walked = FolderSource(job.root).walk(job.options)
        indexed = _indexed(job, fingerprint(job.options), anew=job.rebuild)
        return dry_report(job.root, indexed.generation, _plan(walked, indexed), began)
    run_id = job.run_id or events.new_run_id()
    settings = {name: getattr(job.options, name) for name in TOLD_SETTINGS}
    job.observer(events.RunStarted(run_id, job.root, job.command, settings))
    try:
        done = _locked(job, began)
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


def _locked(job: Job, began: float) -> Report:
    embed.check(job.options)
    machine = Machine(job.options, job.directory, job.observer)
    locate.claim(job.directory, job.root)
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
            return _update(job, machine, lock, began, building)
        except BaseException:
            if building is not None:
                rebuild.discard(job.directory)
            raise
    finally:
        _make_private(job.directory)
        lock.release()


def _make_private(directory: str) -> None:
    """Leave the files of the index to their owner, whatever the umask was when a store created them.

    The folder itself is 0700 from the beginning, so that no other user reaches a file before this.
    """
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.stat(follow_symlinks=False).st_mode & 0o077 and not entry.is_symlink():
                    os.chmod(entry.path, 0o700 if entry.is_dir() else 0o600)
    except OSError:
        pass  # a read-only disk, or a file that went away


def _acquire(job: Job, lock: WriterLock) -> None:
    try:
        lock.acquire(job.command)
    except IndexBusyError:
        if not job.wait:
            raise
        other = holder(job.directory) or {}
        job.observer(events.LockAwaited(int(other.get("pid", 0)), str(other.get("command", ""))))
        lock.acquire(job.command, wait=True)


def _update(job: Job, machine: Machine, lock: WriterLock, began: float, building: str | None) -> Report:
    """Update under the writer's lock; ``building`` names the manifest of a rebuild beside the published one."""
    source = FolderSource(job.root)
    wanted = Contents(fingerprint(job.options), embed.identify(job.options))
    with Stage(job.observer, "walk"):
        walked = source.walk(job.options)
    with Stage(job.observer, "plan"):
        indexed = _indexed(job, wanted.fingerprint, anew=building is not None)
        todo = isolate(_plan(walked, indexed), machine.note.suspects())
    tell_plan(job.observer, todo)
    walked.rows.clear()  # the plan has what it needs of them; of a large tree they are many
    tally, executor, mode, workers = Tally(), None, SEQUENTIAL, 1
    try:
        if not (todo.empty and indexed.settled and not indexed.stale):
            todo, segments = _with_reusable(job, todo, wanted.embedder, own=building is None)
            executor = machine.start(WorkerConfig(source, job.options), todo, lock.forget)
            mode, workers = PARALLEL if executor.workers > 1 else SEQUENTIAL, executor.workers
            job.observer(events.WorkersChosen(mode, workers))
        with ExitStack() as stack:
            manifest = stack.enter_context(closing(ManifestWriter(job.directory, building)))
            if executor is None:
                _record_walk(job, manifest, walked)
            else:
                writer = StoreWriter(
                    job.directory, manifest, heap=machine.budget.lexical, threads=max(1, workers // 4)
                )
                finished = False
                try:
                    writer.use(indexed.known, segments)
                    _write(job, todo, walked, indexed, wanted, executor, writer, tally)
                    machine.sample(executor)
                    finished = True
                finally:
                    writer.close(wait=finished)
                executor.close()
            if building is not None:
                manifest.close()
                rebuild.publish(job.directory, building)
                manifest = stack.enter_context(closing(ManifestWriter(job.directory)))
            with Stage(job.observer, "fill"):
                filled = _backfill(job, machine, manifest, wanted)
            return report(
                job.root, manifest.generation, todo, tally, filled, machine.governor, mode, workers, began
            )
    finally:
        if executor is not None:
            executor.close(kill=True)
        machine.note.clear()


def _indexed(job: Job, wanted: str, *, anew: bool) -> Indexed:
    """Read what the plan needs of the manifest, which is closed again before workers are forked."""
    if anew:
        return Indexed()
    try:
        manifest = Manifest(job.directory)
    except IndexMissingError:
        return Indexed()
    with closing(manifest):
        return Indexed(
            manifest.generation,
            manifest.known(),
            manifest.unindexed(),
            stale=manifest.meta("fingerprint", "") not in ("", wanted),
            settled=manifest.generation > 0 and not manifest.unfinished(),
        )


def _plan(walked: Walk, indexed: Indexed) -> Plan:
    known, others = indexed.known, indexed.others
    if indexed.stale:  # no stat and no digest counts as equal
        known = {p: k._replace(stamp=b"", digest=b"") for p, k in known.items()}
        others = {p: (what, b"") for p, (what, _) in others.items()}
    return plan(walked.rows, walked.skipped, walked.failed, known, others)


def _with_reusable(job: Job, todo: Plan, embedder: str, *, own: bool) -> tuple[Plan, list[list[Segment]]]:
    """Add to the plan the vectors that files of the same size have, in this index (``own``) or another."""
    if not todo.items:
        return todo, []
    directories = [p.directory for p in locate.known_workspaces() if p.directory != job.directory]
    if own:
        directories.insert(0, job.directory)
    reusable, segments = reusable_vectors(directories, {i.candidate.size for i in todo.items}, embedder)
    if not reusable:
        return todo, []
    items = tuple(Item(i.candidate, i.known_digest, reusable.get(i.candidate.size)) for i in todo.items)
    return replace(todo, items=items), segments


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
) -> None:
    """Run phase 1, apply its packets, and publish: at the end, and whenever enough chunks are pending."""
    manifest, options = writer.manifest, job.options
    _adopt_embedder(manifest, wanted)
    for path, known in todo.gone:
        writer.remove(path, known)
    if indexed.stale:
        writer.mark_all_stale()
    meta: dict[str, Any] = {**wanted._asdict(), "complete": 0}
    meta["planned"] = todo.seen - len(todo.skipped) - len(todo.failed)
    batches = Batches(list(todo.items), options.files_per_batch, executor.workers)
    for items, packet in executor.run(batches, list(todo.suspects)):
        with Stage(job.observer, "write"):
            writer.apply(items, packet)
        tally.add(items, packet)
        tell_piece(job.observer, items, packet)
        if writer.pending_chunks >= options.max_chunks_in_memory:
            _publish(job, writer, meta)
    writer.set_fence(walked.fence)
    _publish(job, writer, meta | {"complete": 1, "walk": walk_fingerprint(options)})
    with Stage(job.observer, "purge"):
        writer.purge()
    with Stage(job.observer, "merge"):
        writer.compact()


def _publish(job: Job, writer: StoreWriter, meta: dict[str, Any]) -> None:
    files, chunks, began = writer.pending_files, writer.pending_chunks, time.perf_counter()
    generation = writer.publish(**meta)
    job.observer(events.Published(generation, files, chunks, time.perf_counter() - began))


def _adopt_embedder(manifest: ManifestWriter, wanted: Contents) -> None:
    """Drop the vectors of another embedder than the wanted one; every chunk is then pending."""
    if manifest.generation and manifest.meta("embedder") != wanted.embedder:
        change_embedder(manifest, wanted.embedder)


def _backfill(job: Job, machine: Machine, manifest: ManifestWriter, wanted: Contents) -> BackfillResult:
    """Make the vectors that are pending. The full text is closed and no worker is left."""
    _adopt_embedder(manifest, wanted)
    if not any(manifest.pending()):
        return BackfillResult()
    embedder = embed.get(job.options, job.directory, job.observer)
    limit = None if job.patient or embedder.in_workers else embedder.batch * embedder.concurrency

    def sample(event: events.Event) -> None:
        machine.governor.total([])

    result = backfill(manifest, embedder, limit=limit, observer=broadcast(sample, job.observer))
    job.observer(events.VectorsPending(result.pending))
    return result
