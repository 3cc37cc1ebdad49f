"""Here is a folder, keep it searchable. The one API that every adapter uses.

.. code-block:: python

    from spelunk import Index

    with Index.open("~/src/project") as index:
        index.update()
        for hit in index.search("where are batches flushed").hits:
            print(hit.citation, hit.symbol)
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from spelunk import embed
from spelunk.config import Options, Untrusted, load
from spelunk.errors import (
    IndexBusyError,
    IndexCorruptError,
    IndexFormatError,
    IndexMissingError,
    StorageError,
)
from spelunk.files.folder import FolderSource
from spelunk.files.source import Source
from spelunk.observe import Observer, broadcast, null_observer
from spelunk.remote.breaker import states
from spelunk.search.answer import Answer
from spelunk.store import writer_lock as lock
from spelunk.store.manifest import Manifest
from spelunk.types import Failed, Report, Skipped
from spelunk.workspace import freshness, state
from spelunk.workspace import locate as home
from spelunk.workspace.status import Refused, Status

if TYPE_CHECKING:
    from spelunk.embed import Embedder
    from spelunk.files.explain import Explanation
    from spelunk.observe.progress import OnProgress
    from spelunk.store.check import CheckReport
    from spelunk.store.snapshot import Snapshot

MAX_REFUSED_SHOWN: Final = 100
MAX_IDLE_SNAPSHOTS: Final = 4
"""Open views kept for the next search; each holds some file handles and maps."""


class Index:
    """One workspace's index. Its methods may be called from several threads."""

    def __init__(self, root: str, directory: str, options: Options) -> None:
        """Use :meth:`open`."""
        self.root = root
        self.directory = directory
        self.options = options
        self.observer: Observer = null_observer
        self.run_id = ""
        self.untrusted: tuple[Untrusted, ...] = ()
        """Settings of the workspace's file that do not count, because the user does not trust it."""
        self.source: Source = FolderSource(root)
        self.age = freshness.Age(freshness.seconds_allowed(options.freshness))
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
        **settings: Any,
    ) -> Index:
        """The index of a folder; it need not have been built, and nothing is written yet.

        Args:
            path: The folder.
            index_dir: Where the index lies, instead of the platform's cache folder.
            observer: Told of every event of updates and searches (docs/metrics.md).
            settings: Any of docs/configuration.md, over file and environment.

        Raises:
            WorkspaceError: No such folder, a file, or unreadable.
            ConfigError: A setting cannot be used.
        """
        root = home.resolve_root(os.path.expanduser(os.fspath(path)))
        resolved = load(root, settings)
        index = cls(root, home.index_dir(root, index_dir), resolved.options)
        index.untrusted = resolved.untrusted
        index.observer = observer
        return index

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of open views; the object can still be used."""
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
        progress: OnProgress | None = None,
    ) -> Report:
        """Index what is new or changed, forget what is gone, publish.

        Args:
            rebuild: Start over; until it ends, searches see what is done so far.
            dry_run: Only report what would be done.
            wait: Wait for another writer instead of raising.
            command: What others are told is writing.
            progress: Called with (files done, files, bytes done, bytes) after each piece of work;
                an observer is told of more.

        Where a provider of vectors is down, all else is done: the report has
        ``pending_vectors`` and ``degraded``, and the next update makes them.

        Raises:
            IndexBusyError: Another process is writing and ``wait`` is false.
            IndexCorruptError: A store is damaged; ``rebuild`` or :meth:`check`.
            MemoryLimitError: The memory limit is too small.
            StorageError: The disk refuses; what was published stays.
        """
        return self._update(progress, command=command, rebuild=rebuild, dry_run=dry_run, wait=wait)

    def _update(
        self,
        progress: OnProgress | None,
        *,
        command: str | None = None,
        rebuild: bool = False,
        dry_run: bool = False,
        wait: bool = False,
        patient: bool = True,
    ) -> Report:
        from spelunk.pipeline.update import Job, update

        observer = self.observer
        if progress is not None:
            from spelunk.observe.progress import FileProgress

            observer = broadcast(observer, FileProgress(progress))
        job = Job(
            root=self.root,
            directory=self.directory,
            options=self.options,
            command=command or lock.command_line(),
            observer=observer,
            run_id=self.run_id,
            rebuild=rebuild,
            dry_run=dry_run,
            wait=wait,
            patient=patient,
        )
        began = self.age.now()
        report = update(job)
        if not dry_run:
            self.age.reset(began)
        return report

    def refresh(self, *, progress: OnProgress | None = None) -> bool:
        """Bring the index up to date if the freshness setting asks for it.

        Returns:
            Whether the newest generation holds all that is known to be on disk;
            False where another process is at it.
        """
        missing = not self._published()
        if not missing:
            if self.age.is_allowed():
                return True
            began = self.age.now()
            manifest = Manifest(self.directory)
            try:
                current = freshness.is_current(manifest, self.source, self.options)
                # What the processor makes is worth waiting for; a provider is `index`'s to wait for.
                if current and embed.in_workers(self.options) and manifest.pending()[0]:
                    current = False
            finally:
                manifest.close()
            if current:
                self.age.reset(began)
                return True
        try:
            self._update(progress, wait=missing, patient=False)
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

    def _published(self) -> bool:
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

    def search(self, query: str, **asked: Any) -> Answer:
        """The best chunks for a query; see :func:`spelunk.search_many` for the arguments."""
        from spelunk.search.many import search_many

        return search_many([self], query, **asked)

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
        from spelunk.search.many import answer
        from spelunk.search.similar import similar

        began = time.perf_counter()
        fresh = self.refresh() if refresh else True
        with self.snapshot() as snapshot:
            found = similar(snapshot, self.embedder, path, line, limit)
            return answer(
                f"{path}:{line}", "semantic", began, found.hits, found.degraded, [snapshot], not fresh
            )

    def status(self, *, look: bool = True) -> Status:
        """What the index holds and whether it is current.

        Args:
            look: Compare with the disk, to tell ``current`` from ``behind``.
        """
        base = Status(self.root, self.directory, state.MISSING, writer=lock.holder(self.directory))
        try:
            manifest = Manifest(self.directory)
        except IndexMissingError:
            return base
        except IndexFormatError as error:
            return replace(base, state=state.TOO_NEW, detail=str(error))
        except IndexCorruptError as error:
            return replace(base, state=state.CORRUPT, detail=str(error))
        try:
            return self._status_of(manifest, base, look)
        except IndexCorruptError as error:
            return replace(base, state=state.CORRUPT, detail=str(error))
        finally:
            manifest.close()

    def _status_of(self, manifest: Manifest, base: Status, look: bool) -> Status:
        if not manifest.generation:
            return base
        now, detail = state.CURRENT, ""
        pending, refused = manifest.pending()
        error = str(manifest.meta("embedder_error", "")) if pending else ""
        if manifest.meta("fingerprint") != state.fingerprint(self.options):
            now = state.OPTIONS_CHANGED
        elif not state.embeds(manifest.meta("embedder"), self.options):
            now = state.OPTIONS_CHANGED
            detail = (
                "another embedder is asked for: `spelunk index` makes the vectors again, and reads no file"
            )
        elif look and not freshness.is_current(manifest, self.source, self.options):
            now = state.BEHIND
        elif pending:
            now = state.BEHIND
            detail = (
                f"{pending:,} chunks wait for a vector ({error or 'interrupted'}); `spelunk index` makes them"
            )
        files, chunks = manifest.counts()
        others = [what for what, _ in manifest.others().values()]
        published = manifest.all("SELECT max(published) FROM generations")[0][0]
        languages = manifest.all("SELECT language, count(*) FROM files GROUP BY 1 ORDER BY 2 DESC, 1")
        return replace(
            base,
            state=now,
            detail=detail,
            generation=manifest.generation,
            published=float(published or 0),
            files=files,
            chunks=chunks,
            vectors=sum(s.rows - s.dead for s in manifest.segments()),
            skipped=tuple(w for w in others if isinstance(w, Skipped)),
            failures=tuple(w for w in others if isinstance(w, Failed)),
            bytes=_size_of(self.directory),
            embedder=str(manifest.meta("embedder", "")),
            pending_vectors=pending,
            refused_vectors=refused,
            refused=tuple(Refused(*row) for row in manifest.refused(MAX_REFUSED_SHOWN)),
            degraded=error or None,
            breakers=states(self.directory),
            languages=tuple((str(name), int(n)) for name, n in languages),
        )

    def why(self, path: str) -> Explanation:
        """Why a path is or is not indexed: the rule, file and line that decide."""
        from spelunk.files.explain import why

        return why(self.root, path, self.options)

    def check(self, *, repair: bool = False) -> CheckReport:
        """Prove that the stores and the manifest agree; with ``repair`` mend what does not.

        Raises:
            IndexMissingError: There is nothing to check.
            IndexBusyError: ``repair`` is asked for while another process writes.
        """
        from spelunk.store.check import MANIFEST_DAMAGED, VECTOR, check

        if not repair:
            return check(self.directory)
        from spelunk.store.repair import repair as mend

        writer = lock.WriterLock(self.directory)
        writer.acquire("check --repair")
        try:
            found = check(self.directory)
            if found.ok:
                return found
            again = any(p.what == MANIFEST_DAMAGED for p in found.problems)
            read_again = not again and mend(self.directory, found.problems)
        finally:
            writer.release()
        lost = any(p.what == VECTOR for p in found.problems)
        if again or read_again or lost:  # an update makes the vectors that are pending now
            self.update(rebuild=again, command="check --repair")
        self.close()
        after = check(self.directory)
        if not after.ok:
            return after
        mended = found.mended()
        return replace(
            mended, files=after.files, chunks=after.chunks, vectors=after.vectors, pending=after.pending
        )

    def clear(self) -> bool:
        """Delete the index.

        Returns:
            Whether there was one.

        Raises:
            IndexBusyError: Another process is writing to it.
        """
        if home.owner_of(self.directory) is None:
            return False
        writer = lock.WriterLock(self.directory)
        writer.acquire("clear")
        try:
            self.close()
            shutil.rmtree(self.directory)
            home.forget(self.root)
        except OSError as error:
            raise StorageError(f"{self.directory}: cannot be deleted: {error.strerror}") from None
        finally:
            writer.release()
        return True


def _size_of(directory: str) -> int:
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:
                pass  # a merge took it away meanwhile
    return total
