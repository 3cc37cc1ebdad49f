"""The index of a workspace: the one API that every adapter uses.

.. code-block:: python

    from spelunk import Index

    with Index.open("~/src/project") as index:
        index.update()
        for hit in index.search("where are batches flushed").hits:
            print(hit.citation, hit.symbol)
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Unpack

from spelunk import embed
from spelunk.config import Options, Untrusted, load
from spelunk.errors import (
    IndexBusyError,
    IndexCorruptError,
    IndexMissingError,
    StorageError,
    WorkspaceError,
)
from spelunk.files.folder import FolderSource
from spelunk.files.source import Source
from spelunk.observe import Observer, broadcast, null_observer
from spelunk.search.answer import Answer
from spelunk.store import writer_lock
from spelunk.store.manifest import Manifest
from spelunk.types import CheckReport, Report
from spelunk.workspace import locate
from spelunk.workspace.contents import FileContents
from spelunk.workspace.freshness import Age, is_current, seconds_allowed, stale_paths
from spelunk.workspace.state import BEHIND, CURRENT, MISSING
from spelunk.workspace.status import Status, read_status

if TYPE_CHECKING:
    from spelunk.embed import Embedder
    from spelunk.files.explain import Explanation
    from spelunk.observe.progress import OnProgress
    from spelunk.pipeline.job import Job
    from spelunk.search.request import SearchOverrides, SearchRequest
    from spelunk.store.protocols import Reader
    from spelunk.store.snapshot import Snapshot

MAX_IDLE_SNAPSHOTS: Final = 4
"""Open views kept for the next search; each holds some file handles and maps."""


class Index(FileContents):
    """One workspace's index. Its methods may be called from several threads."""

    def __init__(
        self,
        root: str,
        directory: str,
        options: Options,
        *,
        observer: Observer = null_observer,
        run_id: str = "",
    ) -> None:
        """Use :meth:`open`."""
        self.root = root
        self.directory = directory
        self.options = options
        self.observer = observer
        self.untrusted: tuple[Untrusted, ...] = ()
        """Settings of the workspace's file that do not count, because the user does not trust it."""
        self.updater: Callable[[Job], Report] | None = None
        """Runs updates instead of this process: see :class:`spelunk.pipeline.child.UpdateProcesses`."""
        self._run_id = run_id
        self.source: Source = FolderSource(root)
        self.age = Age(seconds_allowed(options.freshness))
        self._guard = threading.Lock()
        self._idle: list[Snapshot] = []
        self._embedder: Embedder | None = None

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] = ".",
        *,
        index_dir: str | None = None,
        observer: Observer = null_observer,
        run_id: str = "",
        **settings: Any,
    ) -> Index:
        """Open the index of ``path``. Writes nothing; the index may not exist yet.

        Args:
            path: The folder.
            index_dir: The index directory, instead of one in the platform's cache folder.
            observer: Called with every event of updates and searches (docs/metrics.md).
            run_id: The name of this object's updates in events and reports; by default
                each update gets a name of its own.
            settings: Any of docs/configuration.md, over file and environment.

        Raises:
            WorkspaceError: No such folder, a file, or unreadable.
            ConfigError: A setting cannot be used.
        """
        root = locate.resolve_root(os.path.expanduser(os.fspath(path)))
        resolved = load(root, settings)
        directory = locate.index_dir(root, index_dir)
        index = cls(root, directory, resolved.options, observer=observer, run_id=run_id)
        index.untrusted = resolved.untrusted
        return index

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close open snapshots; the object can still be used."""
        with self._guard:
            idle, self._idle = self._idle, []
        for snapshot in idle:
            snapshot.close()

    def update(
        self,
        *,
        rebuild: bool = False,
        dry_run: bool = False,
        wait: bool = False,
        command: str | None = None,
        patient: bool = True,
        progress: OnProgress | None = None,
    ) -> Report:
        """Index what is new or changed, forget what is gone, publish.

        Args:
            rebuild: Build all stores again beside the old ones. Searches see the old
                generation until the new one is complete, and keep it if this run fails.
            dry_run: Only report what would be done.
            wait: Wait for another writer instead of raising.
            command: The name of this writer that other processes see.
            patient: Make all missing vectors; else one round of calls to a provider.
            progress: Called with (files done, files, bytes done, bytes) after each piece of work.
                An observer receives the same events and more.

        Where a provider of vectors is down, all else is done: the report has
        ``pending_vectors`` and ``degraded``, and the next update makes them.

        Raises:
            IndexBusyError: Another process is writing and ``wait`` is false.
            IndexCorruptError: A store is damaged; ``rebuild`` or :meth:`check`.
            MemoryLimitError: The memory limit is too small.
            StorageError: The disk refuses; what was published stays.
        """
        from spelunk.pipeline.job import Job

        observer = self.observer
        if progress is not None:
            from spelunk.observe.progress import FileProgress

            observer = broadcast(observer, FileProgress(progress))
        command = command or writer_lock.command_line()
        job = Job(
            self.root,
            self.directory,
            self.options,
            command=command,
            observer=observer,
            run_id=self._run_id,
            rebuild=rebuild,
            dry_run=dry_run,
            wait=wait,
            patient=patient,
        )
        began = self.age.now()
        report = self._run(job)
        if not dry_run:
            self.age.reset(began)
        return report

    def _run(self, job: Job) -> Report:
        if self.updater is not None:
            return self.updater(job)
        from spelunk.pipeline.update import update

        return update(job)

    def refresh(self, *, progress: OnProgress | None = None, freshness: str | None = None) -> bool:
        """Bring the index up to date if the freshness setting, or ``freshness`` instead of it, requires it.

        Returns:
            Whether the newest generation holds all that is known to be on disk;
            False if another process is updating it.
        """
        state = self.compare(freshness)
        if state == CURRENT:
            return True
        missing = state == MISSING
        try:
            self.update(progress=progress, wait=missing, patient=False)
        except IndexBusyError:
            return False
        except StorageError:
            if missing:
                raise
            return False  # an index on a read-only disk still answers
        except IndexCorruptError:
            if missing:
                raise
            return False  # the healthy store answers, and the answer says which one is not
        return True

    def compare(self, freshness: str | None = None) -> str:
        """Compare the index with the files, unless the last comparison is recent enough.

        Returns:
            ``current``, ``behind`` or ``missing``, as in :mod:`spelunk.workspace.state`.
        """
        if not self.has_published():
            return MISSING
        if self.age.is_allowed(freshness):
            return CURRENT
        began = self.age.now()
        manifest = Manifest(self.directory)
        try:
            current = is_current(manifest, self.source, self.options)
            # What the processor makes is worth waiting for; a provider is `index`'s to wait for.
            if current and embed.in_workers(self.options) and manifest.pending()[0]:
                current = False
        finally:
            manifest.close()
        if current:
            self.age.reset(began)
        return CURRENT if current else BEHIND

    def has_published(self) -> bool:
        """Whether there is a generation to search."""
        try:
            manifest = Manifest(self.directory)
        except IndexMissingError:
            return False
        try:
            return manifest.generation > 0
        finally:
            manifest.close()

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The newest generation, for as long as the context lasts.

        Raises:
            IndexMissingError: Nothing was published yet.
        """
        from spelunk.store.snapshot import Snapshot

        snapshot = None
        while snapshot is None:
            with self._guard:
                candidate = self._idle.pop() if self._idle else None
            if candidate is None:
                snapshot = Snapshot(self.directory)
            elif candidate.resume():
                snapshot = candidate
            else:
                candidate.close()
        try:
            yield snapshot
        finally:
            snapshot.rest()
            with self._guard:
                keep = len(self._idle) < MAX_IDLE_SNAPSHOTS
                if keep:
                    self._idle.append(snapshot)
            if not keep:
                snapshot.close()

    def embedder(self) -> Embedder:
        """This index's embedder, loaded once."""
        made = self._embedder
        if made is None:
            # Before the lock: it may take one of its own.
            made = embed.get(self.options, self.directory, self.observer)
            with self._guard:
                made = self._embedder = self._embedder or made
        return made

    def search(
        self,
        query: str | SearchRequest,
        *,
        progress: OnProgress | None = None,
        **overrides: Unpack[SearchOverrides],
    ) -> Answer:
        """The best chunks for a query; see :func:`spelunk.search_many` for the arguments."""
        from spelunk.search.many import search_many

        return search_many([self], query, progress=progress, **overrides)

    def changed_paths(self, reader: Reader, paths: Collection[str], freshness: str | None = None) -> set[str]:
        """Those paths whose file changed or vanished since the reader's generation.

        None where the freshness setting, or ``freshness`` instead of it, allows an older answer.
        """
        from spelunk.store.snapshot import Snapshot

        if not self.age.must_be_strict(freshness) or not isinstance(reader, Snapshot):
            return set()
        return stale_paths(reader._manifest, self.source, paths, self.options.max_file_size)

    def similar(self, path: str, line: int, *, limit: int = 10, refresh: bool = True) -> Answer:
        """Chunks like the one at a place, that one left out.

        Args:
            path: Relative to the root.
            line: 1-based.
            limit: Hits wanted.
            refresh: Bring the index up to date first.

        Raises:
            UsageError: The file is not indexed, or has no such line.
        """
        from spelunk.search.many import answer_of, targets_of
        from spelunk.search.similar import similar

        fresh = self.refresh() if refresh else True
        began = time.perf_counter()
        with self.snapshot() as reader:
            result = similar(targets_of([self], [reader])[0], path, line, limit)
            stale = self.changed_paths(reader, {h.path for h in result.hits}) if refresh else ()
            hits = tuple(h for h in result.hits if h.path not in stale)
            fresh = fresh and not stale
            place = f"{path}:{line}"
            return answer_of(place, "semantic", began, hits, result.degraded, [reader], stale=not fresh)

    def status(self, *, look: bool = True) -> Status:
        """Read what the index holds and whether it is current.

        Args:
            look: Compare with the files on disk, to tell ``current`` from ``behind``.

        Raises:
            IndexBusyError: The manifest is locked by another process.
        """
        return read_status(self.root, self.directory, self.options, look=look)

    def why(self, path: str) -> Explanation:
        """Explain why a path is or is not in the index: the rule that decides, and what is stored of it.

        Args:
            path: Absolute, or relative to the root. It need not exist.

        Raises:
            IndexCorruptError: The manifest is damaged.
            IndexFormatError: The index was written by a newer Spelunk.
        """
        from spelunk.workspace.explain import explain

        return explain(self.root, self.directory, path, self.options)

    def check(self, *, repair: bool = False) -> CheckReport:
        """Verify that the stores and the manifest agree.

        Args:
            repair: Repair what does not agree, without embedding again what is intact.

        Raises:
            IndexMissingError: There is no index.
            IndexBusyError: ``repair`` is true and another process is writing.
        """
        if not repair:
            from spelunk.store.check import check

            return check(self.directory)
        from spelunk.pipeline.mend import check_and_repair

        return check_and_repair(
            self.directory, lambda rebuild: self.update(rebuild=rebuild, command="check --repair"), self.close
        )

    def clear(self) -> bool:
        """Delete the index: every file that Spelunk wrote, and the index directory unless other files are in it.

        Returns:
            Whether there was an index.

        Raises:
            WorkspaceError: The index directory holds the index of another workspace.
            IndexBusyError: Another process is writing to it.
            StorageError: A file cannot be deleted.
        """
        owner = locate.owner_of(self.directory)
        if owner is None:
            return False
        if owner != self.root:
            raise WorkspaceError(f"{self.directory}: the index of {owner}, not of {self.root}")
        writer = writer_lock.WriterLock(self.directory)
        writer.acquire("clear")
        try:
            self.close()
            locate.delete(self.directory)
            locate.forget(self.root)
        except OSError as error:
            raise StorageError(f"{self.directory}: cannot be deleted: {error.strerror or error}") from None
        finally:
            writer.release()
        return True
