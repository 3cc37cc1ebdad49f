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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from spelunk import freshness, home, state
from spelunk.answer import Answer
from spelunk.config import Options, resolve
from spelunk.errors import (
    IndexBusyError,
    IndexCorruptError,
    IndexFormatError,
    IndexMissingError,
    StorageError,
)
from spelunk.store import lock
from spelunk.store.manifest import Manifest
from spelunk.types import Failed, Hit, Report, Skipped

if TYPE_CHECKING:
    from spelunk.embed import Embedder
    from spelunk.pipeline.update import Progress
    from spelunk.search import Source
    from spelunk.store.check import CheckReport
    from spelunk.store.snapshot import Snapshot
    from spelunk.why import Explanation

WORKLOG_FIELDS: Final = frozenset(("status", "pr", "reviewers", "dri", "scope", "risk", "slug", "date"))
"""Front matter that every branchwork document may have."""

MAX_IDLE_SNAPSHOTS: Final = 4
"""Open views kept for the next search; each holds some file handles and maps."""


@dataclass(frozen=True, slots=True)
class Status:
    """The state of an index.

    Attributes:
        root: The workspace.
        directory: The index directory.
        state: One of the names in :mod:`spelunk.state`.
        detail: For ``corrupt`` and ``format-too-new``: the one-line reason.
        generation: The newest published one; 0 without any.
        published: When, in seconds since the epoch; 0.0 without any.
        files: Files indexed.
        chunks: Chunks indexed.
        vectors: Chunks that have a vector.
        skipped: Files offered and skipped.
        failures: Files that failed.
        bytes: Size of the index on disk.
        embedder: Id of the embedder whose vectors are stored.
        languages: Files by language, most first.
        writer: Who is writing now (pid, host, command, since), or None.
    """

    root: str
    directory: str
    state: str
    detail: str = ""
    generation: int = 0
    published: float = 0.0
    files: int = 0
    chunks: int = 0
    vectors: int = 0
    skipped: tuple[Skipped, ...] = ()
    failures: tuple[Failed, ...] = ()
    bytes: int = 0
    embedder: str = ""
    languages: tuple[tuple[str, int], ...] = ()
    writer: dict[str, Any] | None = None


class Index:
    """One workspace's index. Its methods may be called from several threads."""

    def __init__(self, root: str, directory: str, options: Options) -> None:
        """Use :meth:`open`."""
        self.root = root
        self.directory = directory
        self.options = options
        self._allowed_age = freshness.seconds_allowed(options.freshness)
        self._looked = float("-inf")
        self._guard = threading.Lock()
        self._idle: list[Snapshot] = []
        self._embedder: Embedder | None = None

    @classmethod
    def open(
        cls, path: str | os.PathLike[str] = ".", *, index_dir: str | None = None, **settings: Any
    ) -> Index:
        """The index of a folder; it need not have been built, and nothing is written yet.

        Args:
            path: The folder.
            index_dir: Where the index lies, instead of the platform's cache folder.
            settings: Any of docs/configuration.md, over file and environment.

        Raises:
            WorkspaceError: No such folder, a file, or unreadable.
            ConfigError: A setting cannot be used.
        """
        root = home.resolve_root(os.path.expanduser(os.fspath(path)))
        return cls(root, home.index_dir(root, index_dir), resolve(root, settings))

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
        progress: Progress | None = None,
    ) -> Report:
        """Index what is new or changed, forget what is gone, publish.

        Args:
            rebuild: Start over; until it ends, searches see what is done so far.
            dry_run: Only report what would be done.
            wait: Wait for another writer instead of raising.
            command: What others are told is writing.
            progress: Hears (files done, files, bytes done, bytes).

        Raises:
            IndexBusyError: Another process is writing and ``wait`` is false.
            IndexCorruptError: A store is damaged; ``rebuild`` or :meth:`check`.
            MemoryLimitError: The memory limit is too small.
            StorageError: The disk refuses; what was published stays.
        """
        from spelunk.pipeline.update import Job, update

        job = Job(
            root=self.root,
            directory=self.directory,
            options=self.options,
            rebuild=rebuild,
            dry_run=dry_run,
            wait=wait,
            command=command or lock.command_line(),
            progress=progress,
        )
        report = update(job)
        self._looked = time.monotonic()
        return report

    def refresh(self, *, progress: Progress | None = None) -> bool:
        """Bring the index up to date if the freshness setting asks for it.

        Returns:
            Whether the newest generation holds all that is known to be on disk;
            False where another process is at it.
        """
        missing = not self._published()
        if not missing:
            if time.monotonic() - self._looked < self._allowed_age:
                return True
            manifest = Manifest(self.directory)
            try:
                current = freshness.is_current(manifest, self.root, self.options)
            finally:
                manifest.close()
            if current:
                self._looked = time.monotonic()
                return True
        try:
            self.update(wait=missing, progress=progress)
        except IndexBusyError:
            return False
        except StorageError:
            if missing:
                raise
            return False  # an index on a read-only disk still answers
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
        with self._guard:
            if self._embedder is None:
                from spelunk import embed

                self._embedder = embed.get(self.options.embedder)
            return self._embedder

    def search(self, query: str, **asked: Any) -> Answer:
        """The best chunks for a query; see :func:`search_many` for the arguments."""
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
        from spelunk.similar import similar

        began = time.perf_counter()
        fresh = self.refresh() if refresh else True
        with self.snapshot() as snapshot:
            found = similar(snapshot, self.embedder(), path, line, limit)
            return _answer(
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
        now = state.CURRENT
        if manifest.meta("fingerprint") != state.fingerprint(self.options):
            now = state.OPTIONS_CHANGED
        elif look and not freshness.is_current(manifest, self.root, self.options):
            now = state.BEHIND
        files, chunks = manifest.counts()
        others = [what for what, _ in manifest.others().values()]
        published = manifest.all("SELECT max(published) FROM generations")[0][0]
        languages = manifest.all("SELECT language, count(*) FROM files GROUP BY 1 ORDER BY 2 DESC, 1")
        return replace(
            base,
            state=now,
            generation=manifest.generation,
            published=float(published or 0),
            files=files,
            chunks=chunks,
            vectors=sum(s.rows - s.dead for s in manifest.segments()),
            skipped=tuple(w for w in others if isinstance(w, Skipped)),
            failures=tuple(w for w in others if isinstance(w, Failed)),
            bytes=_size_of(self.directory),
            embedder=str(manifest.meta("embedder", "")),
            languages=tuple((str(name), int(n)) for name, n in languages),
        )

    def why(self, path: str) -> Explanation:
        """Why a path is or is not indexed: the rule, file and line that decide."""
        from spelunk.why import why

        return why(self.root, path, self.options)

    def check(self, *, repair: bool = False) -> CheckReport:
        """Prove that the stores and the manifest agree; with ``repair`` mend what does not.

        Raises:
            IndexMissingError: There is nothing to check.
            IndexBusyError: ``repair`` is asked for while another process writes.
        """
        from spelunk.store.check import MANIFEST_DAMAGED, check

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
            read_again = not again and mend(self.directory, found.problems, self.embedder())
        finally:
            writer.release()
        if again or read_again:
            self.update(rebuild=again, command="check --repair")
        self.close()
        after = check(self.directory)
        if not after.ok:
            return after
        return replace(found.mended(), files=after.files, chunks=after.chunks, vectors=after.vectors)

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


def search_many(
    indexes: Sequence[Index],
    query: str,
    *,
    mode: str = "hybrid",
    limit: int = 10,
    languages: Sequence[str] = (),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    kinds: Sequence[str] = (),
    within: Sequence[Sequence[str]] = (),
    context: int = 0,
    explain: bool = False,
    refresh: bool = True,
    progress: Progress | None = None,
) -> Answer:
    """The best chunks for a query over several indexes, as one corpus.

    Args:
        indexes: Where to search; with several, paths carry the workspace's name.
        query: In the language of docs/query-language.md.
        mode: ``hybrid``, ``lexical``, ``semantic``, ``symbol`` or ``regex``.
        limit: Hits wanted.
        languages: Only these, as ``lang:``.
        include: Only paths that match one of these, as ``path:``.
        exclude: No path that matches one of these.
        kinds: Only these kinds, as ``kind:``.
        within: For each index the files and folders to stay in, relative to its root.
        context: Lines around each hit.
        explain: Fill in each hit's signals.
        refresh: Bring the indexes up to date first, as the freshness setting says.
        progress: Hears how far that is.

    Raises:
        QuerySyntaxError: The query does not parse; carries the column.
        UsageError: An argument cannot be used.
    """
    from spelunk.query import narrow, parse, with_known_fields
    from spelunk.search import SearchOptions, search

    began = time.perf_counter()
    options = SearchOptions(mode=mode, limit=limit, context=context, explain=explain)
    parsed = parse(query, mode=mode)
    parsed = narrow(parsed, lang=languages, path=include, not_path=exclude, kind=kinds)
    fresh = True
    if refresh:
        for index in indexes:
            fresh &= index.refresh(progress=progress)
        began = time.perf_counter()
    with ExitStack() as stack:
        snapshots = [stack.enter_context(index.snapshot()) for index in indexes]
        fields = {row[0] for s in snapshots for row in s.manifest.all("SELECT DISTINCT key FROM fields")}
        if "branchwork" in parsed.filters.kind.include:
            fields |= WORKLOG_FIELDS  # a filter also where no document has a value for it
        parsed = with_known_fields(parsed, fields)
        found = search(_sources(indexes, snapshots, within), parsed, options)
        hits = found.hits
        if refresh:
            hits = _without_changed(indexes, snapshots, hits)
        return _answer(
            query, mode, began, hits, found.degraded, snapshots, not fresh or len(hits) < len(found.hits)
        )


def _sources(
    indexes: Sequence[Index], snapshots: Sequence[Snapshot], within: Sequence[Sequence[str]]
) -> list[Source]:
    from spelunk.search import Source

    prefixes = _prefixes([i.root for i in indexes])
    places = within or [()] * len(indexes)
    return [
        Source(
            s,
            i.embedder,
            prefix,
            (os.path.basename(i.root), i.root),
            home.branch_of(i.root),
            i.root,
            tuple(w),
        )
        for i, s, prefix, w in zip(indexes, snapshots, prefixes, places, strict=True)
    ]


def _prefixes(roots: Sequence[str]) -> list[str]:
    """The shortest distinct ends of the roots, with a slash; nothing for a single one."""
    if len(roots) == 1:
        return [""]
    names = [root.strip("/").split("/") for root in roots]
    depth = 1
    while len({tuple(n[-depth:]) for n in names}) < len(set(map(tuple, names))) and depth < max(
        map(len, names)
    ):
        depth += 1
    return ["/".join(n[-depth:]) + "/" for n in names]


def _without_changed(
    indexes: Sequence[Index], snapshots: Sequence[Snapshot], hits: Sequence[Hit]
) -> tuple[Hit, ...]:
    """Leave out hits whose file changed or vanished between the refresh and now."""
    kept = list(hits)
    for index, snapshot, prefix in zip(indexes, snapshots, _prefixes([i.root for i in indexes]), strict=True):
        if index._allowed_age > 0:
            continue
        paths = {h.path[len(prefix) :] for h in hits if h.root == index.root}
        stale = freshness.stale_paths(snapshot.manifest, index.root, paths)
        kept = [h for h in kept if h.root != index.root or h.path[len(prefix) :] not in stale]
    return tuple(kept)


def _answer(
    query: str,
    mode: str,
    began: float,
    hits: tuple[Hit, ...],
    degraded: str | None,
    snapshots: Sequence[Snapshot],
    stale: bool,
) -> Answer:
    complete = all(s.manifest.meta("complete", 0) for s in snapshots)
    return Answer(
        query=query,
        mode=mode,
        took_ms=(time.perf_counter() - began) * 1000,
        hits=hits,
        degraded=degraded,
        generation=max((s.generation for s in snapshots), default=0),
        coverage=1.0 if complete else _coverage(snapshots),
        stale=stale,
    )


def _coverage(snapshots: Sequence[Snapshot]) -> float:
    """Share of the planned files that an unfinished run has published."""
    done = sum(s.manifest.counts()[0] for s in snapshots)
    planned = sum(int(s.manifest.meta("planned", 0)) or s.manifest.counts()[0] for s in snapshots)
    return round(min(1.0, done / planned), 4) if planned else 1.0


def _size_of(directory: str) -> int:
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:
                pass  # a merge took it away meanwhile
    return total
