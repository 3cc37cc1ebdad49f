"""Bring an index up to date: an update that is asked for, and before a search a comparison and what it calls for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from spelunk import embed
from spelunk.config import AUTO, EARLY, Options
from spelunk.errors import IndexBusyError, IndexCorruptError, StorageError
from spelunk.files.folder import FolderSource
from spelunk.files.source import Source
from spelunk.index_views import IndexViews
from spelunk.observe import broadcast
from spelunk.pipeline.background import start
from spelunk.store import writer_lock
from spelunk.types import HistoryReport, Report
from spelunk.workspace import background
from spelunk.workspace.freshness import (
    KEEPER_SECONDS,
    Age,
    Keeper,
    is_being_completed,
    is_current_in,
    published,
    stale_paths,
    wait_for_generation,
)
from spelunk.workspace.repositories import record
from spelunk.workspace.state import BEHIND, CURRENT, MISSING

if TYPE_CHECKING:
    from spelunk.observe.progress import OnProgress
    from spelunk.pipeline.job import Job
    from spelunk.store.protocols import Reader
    from spelunk.workspace.focus import Focus


class IndexRefresh(IndexViews):
    """The part of :class:`spelunk.Index` that makes it current: asked to, or as the freshness setting requires."""

    root: str
    source: Source
    age: Age
    _run_id: str

    def __init__(self) -> None:
        super().__init__()
        self.updater: Callable[[Job], Report] | None = None
        """Runs updates instead of this process: see :class:`spelunk.pipeline.child.UpdateProcesses`."""
        self.complete_later: Callable[[str, str, Options], object] = start
        """Called with root, directory and options where a search indexed a part; a server has its own."""
        self.waits = True
        """Whether ``first_answer = auto`` means to wait; False where a person or an agent waits for the answer."""
        self.listed = True
        """Whether an update makes this the index that the workspace is searched in."""
        self.keeper: Keeper | None = None
        """Keeps the index up to date meanwhile, so that most searches compare no file."""

    def _update(
        self,
        progress: OnProgress | None,
        *,
        command: str | None = None,
        changed: Iterable[Any] | None = None,
        rebuild: bool = False,
        dry_run: bool = False,
        wait: bool = False,
        patient: bool = True,
        focus: Focus | None = None,
        profile: bool = False,
    ) -> Report:
        """Make an update, of the files that fit ``focus`` first; see :meth:`spelunk.Index.update`."""
        from spelunk.pipeline.job import Job

        if not dry_run:
            record(self.root, self.directory, self.source)
        observer = self.observer
        if progress is not None:
            from spelunk.observe.progress import FileProgress

            observer = broadcast(observer, FileProgress(progress))
        job = Job(
            root=self.root,
            directory=self.directory,
            options=self.options,
            command=command or writer_lock.command_line(),
            observer=observer,
            run_id=self._run_id,
            rebuild=rebuild,
            dry_run=dry_run,
            wait=wait,
            patient=patient,
            changed=None if changed is None else tuple(changed),
            focus=focus,
            profile=profile,
            listed=self.listed,
            source=None if isinstance(self.source, FolderSource) else self.source,
        )
        began = self.age.now()
        report = self._run(job)
        if not dry_run and not report.remaining and changed is None:
            background.forget(self.directory)
            report = replace(report, history=self._update_history(whole=patient or wait, rebuild=rebuild))
            self.age.reset(began)
        return report

    def _run(self, job: Job) -> Report:
        if self.updater is not None:
            return self.updater(job)
        from spelunk.pipeline.update import update

        try:
            return update(job)
        finally:
            self.source.close()

    @property
    def answers_early(self) -> bool:
        """Whether a first search of a large tree is answered before all is indexed."""
        setting = self.options.first_answer
        return setting == EARLY or (setting == AUTO and not self.waits)

    def begin(self, focus: Focus, *, wait: bool = False, command: str | None = None) -> Report:
        """Index the files that fit a query, where a large tree was never indexed to the end; else all of it.

        Args:
            focus: What the query is about.
            wait: As for :meth:`spelunk.Index.update`, with its errors.
            command: As there.

        Returns:
            The report; ``remaining`` files are left to the next update.
        """
        return self._update(None, wait=wait, patient=False, focus=focus, command=command)

    def refresh(
        self,
        *,
        progress: OnProgress | None = None,
        focus: Callable[[], Focus] | None = None,
        freshness: str | None = None,
    ) -> bool:
        """Bring the index up to date if the freshness setting, or ``freshness`` instead of it, requires it.

        Args:
            progress: As for :meth:`spelunk.Index.update`.
            focus: Gives what a query is about. Where a large tree was never indexed to the end, only
                the files that fit are indexed now, and :attr:`complete_later` is called.
            freshness: Instead of the setting.

        Returns:
            Whether the newest generation holds all that is known to be on disk;
            False if another process is updating it, or the rest follows later.
        """
        early = focus is not None and self.answers_early
        if early and is_being_completed(self.directory):
            return False
        state = self.compare(freshness)
        if state == CURRENT:
            return True
        missing = state == MISSING
        if missing and early and wait_for_generation(self.directory):
            return False  # another process builds it
        wanted = focus() if focus is not None and early else None
        try:
            report = self._update(progress, wait=missing, patient=False, focus=wanted)
        except IndexBusyError:
            return False
        except (StorageError, IndexCorruptError):
            if missing:
                raise
            return False  # a read-only disk, or a damaged store: the answer says what is missing
        if report.remaining:
            self.complete_later(self.root, self.directory, self.options)
        return not report.remaining

    def compare(self, freshness: str | None = None) -> str:
        """Compare the index with the files, unless its keeper or a recent comparison makes that needless.

        Returns:
            ``current``, ``behind`` or ``missing``, as in :mod:`spelunk.workspace.state`.
        """
        if not self.has_published():
            return MISSING
        if self.age.is_allowed(freshness):
            return CURRENT
        began = self.age.now()
        if self.keeper is not None and self.keeper.caught_up(KEEPER_SECONDS):
            self.age.reset(began)
            return CURRENT
        # What the processor makes is worth waiting for; a provider is `index`'s to wait for.
        if not is_current_in(
            self.directory, self.source, self.options, vectors=embed.in_workers(self.options)
        ):
            return BEHIND
        self._refresh_history()
        self.age.reset(began)
        return CURRENT

    def has_published(self) -> bool:
        """Whether there is a generation to search."""
        return published(self.directory)

    def changed_paths(self, reader: Reader, paths: Collection[str], freshness: str | None = None) -> set[str]:
        """Those paths whose file changed or vanished since the reader's generation.

        None where the freshness setting, or ``freshness`` instead of it, allows an older answer.
        """
        from spelunk.store.snapshot import Snapshot

        if not self.age.must_be_strict(freshness) or not isinstance(reader, Snapshot):
            return set()
        return stale_paths(reader._manifest, self.source, paths, self.options.max_file_size)

    def _update_history(self, *, whole: bool, rebuild: bool = False) -> HistoryReport | None:
        if not isinstance(self.source, FolderSource):
            return None
        from spelunk.history.update import update_history

        return update_history(
            self.root, self.directory, self.options, whole=whole, rebuild=rebuild, observer=self.observer
        )

    def _refresh_history(self) -> None:
        """Index new commits, the first of many, if HEAD moved."""
        if not isinstance(self.source, FolderSource):
            return
        from spelunk.history.current import is_current

        if not is_current(self.root, self.directory, self.options):
            self._update_history(whole=False)
