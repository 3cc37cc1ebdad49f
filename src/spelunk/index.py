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
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Unpack

from spelunk.config import Options, Untrusted, load
from spelunk.files.source import Source
from spelunk.graph.questions import GraphQuestions
from spelunk.index_refresh import IndexRefresh
from spelunk.observe import Observer, null_observer
from spelunk.search.answer import Answer
from spelunk.types import Report
from spelunk.workspace import locate
from spelunk.workspace.freshness import Age, seconds_allowed
from spelunk.workspace.repositories import named, source_of

if TYPE_CHECKING:
    from spelunk.files.explain import Explanation
    from spelunk.observe.check_report import CheckReport
    from spelunk.observe.progress import OnProgress
    from spelunk.search.request import SearchOverrides, SearchRequest
    from spelunk.workspace.status import Status


class Index(IndexRefresh, GraphQuestions):
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
        super().__init__()
        self.root = root
        self.directory = directory
        self.options = options
        self.observer = observer
        self.untrusted: tuple[Untrusted, ...] = ()
        """Settings of the workspace's file that do not count, because the user does not trust it."""
        self._run_id = run_id
        self._given: dict[str, Any] = {}
        self.source: Source = source_of(root, directory)
        self.age = Age(seconds_allowed(options.freshness))

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] = ".",
        *,
        index_dir: str | None = None,
        observer: Observer = null_observer,
        run_id: str = "",
        repositories: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> Index:
        """Open the index of ``path``. Writes nothing; the index may not exist yet.

        Args:
            path: The folder.
            index_dir: The index directory, instead of one in the platform's cache folder.
            observer: Called with every event of updates and searches (docs/metrics.md).
            run_id: The name of this object's updates in events and reports; by default
                each update gets a name of its own.
            repositories: A list of git repositories, or the folder they are in, instead of
                ``path``: the next update indexes what is committed there (docs/repositories.md).
            settings: Any of docs/configuration.md, over file and environment.

        Raises:
            WorkspaceError: No such folder, a file, or unreadable.
            ConfigError: A setting cannot be used.
        """
        root, place = named(path, repositories)
        resolved = load(root, settings)
        directory = locate.index_dir(root, index_dir)
        index = cls(root, directory, resolved.options, observer=observer, run_id=run_id)
        index.untrusted, index._given = resolved.untrusted, settings
        index.source = source_of(root, directory, place)
        return index

    def reload(self) -> bool:
        """Read the settings again, as :meth:`open` did, with its errors; returns whether they changed."""
        before, resolved = self.options, load(self.root, self._given)
        self.options, self.untrusted = resolved.options, resolved.untrusted
        if self.options != before:
            self.age = Age(seconds_allowed(self.options.freshness))
            self._embedder = None
        return self.options != before

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(
        self,
        *,
        changed: Iterable[str | os.PathLike[str]] | None = None,
        rebuild: bool = False,
        dry_run: bool = False,
        wait: bool = False,
        command: str | None = None,
        patient: bool = True,
        progress: OnProgress | None = None,
        profile: bool = False,
    ) -> Report:
        """Index what is new or changed, forget what is gone, publish.

        Args:
            changed: Files and folders that changed, appeared or vanished: only their folders
                are looked at and counted. A changed rule, or an incomplete index, asks for more.
            rebuild: Build all stores again beside the old ones. Searches see the old
                generation until the new one is complete, and keep it if this run fails.
            dry_run: Only report what would be done.
            wait: Wait for another writer instead of raising.
            command: The name of this writer that other processes see.
            patient: Make all missing vectors; else one round of calls to a provider.
            progress: Called with (files done, files, bytes done, bytes) after each piece of work.
                An observer receives the same events and more.
            profile: Measure the time of each stage, for :attr:`Report.profile`. The time of this
                process before the call counts as its start-up.

        Where a provider of vectors is down, all else is done: the report has
        ``pending_vectors`` and ``degraded``, and the next update makes them.

        Raises:
            IndexBusyError: Another process is writing and ``wait`` is false.
            IndexCorruptError: A store is damaged; ``rebuild`` or :meth:`check`.
            MemoryLimitError: The memory limit is too small.
            StorageError: The disk refuses; what was published stays.
            UsageError: A changed path is outside the workspace; or ``changed`` with ``rebuild``.
        """
        if changed is not None:
            from spelunk.files.changes import relative_paths

            changed = relative_paths(self.root, changed, rebuild)
        return self._update(
            progress, command=command, rebuild=rebuild, dry_run=dry_run, wait=wait, patient=patient,
            changed=changed, profile=profile,
        )  # fmt: skip

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
        from spelunk.search.similar import similar_answer

        return similar_answer(self, path, line, limit, refresh=refresh)

    def status(self, *, look: bool = True) -> Status:
        """Read what the index holds and whether it is current.

        Args:
            look: Compare with the files on disk, to tell ``current`` from ``behind``.

        Raises:
            IndexBusyError: The manifest is locked by another process.
        """
        from spelunk.workspace.status import read_status

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
        from spelunk.workspace.mend import check, mend

        if not repair:
            return check(self.directory, self.options)
        report = mend(
            self.directory,
            self.options,
            lambda rebuild: self.update(rebuild=rebuild, command="check --repair"),
        )
        self.close()
        return report

    def clear(self, *, wait: bool = False) -> bool:
        """Delete the index: every file that Spelunk wrote, and the index directory unless other files are in it.

        Args:
            wait: Wait for another writer instead of raising.

        Returns:
            Whether there was an index.

        Raises:
            WorkspaceError: The index directory holds the index of another workspace.
            IndexBusyError: Another process is writing to it.
            StorageError: A file cannot be deleted.
        """
        return locate.clear(self.directory, self.root, self._release, wait)
