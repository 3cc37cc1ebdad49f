"""The served workspaces: their names and indexes, and how fresh an answer has to be."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final

from spelunk.adapters.http.problems import ApiError
from spelunk.adapters.http.updates import PAUSE_SECONDS, Listener, Update
from spelunk.adapters.keeping import IndexKeeper, can_keep
from spelunk.index import Index
from spelunk.observe import Observer, broadcast
from spelunk.search.many import prefixes
from spelunk.workspace.freshness import is_being_completed, seconds_allowed
from spelunk.workspace.state import CURRENT, MISSING
from spelunk.workspace.targets import Target

if TYPE_CHECKING:
    from spelunk.embed import Embedder
    from spelunk.files.branches import BranchTable
    from spelunk.history.reader import History
    from spelunk.observe.progress import OnProgress
    from spelunk.pipeline.job import Job
    from spelunk.store.protocols import Reader
    from spelunk.types import Report
    from spelunk.workspace.focus import Focus

REOPEN_SECONDS: Final = 1.0
"""A change of a workspace's settings counts after this time."""
ROUNDS: Final = 3
"""Comparisons for one request: the second one after an update, the third one after another process's."""
MAX_JOINED: Final = 4
"""Updates that a request waits for although it did not start them: those of the watcher follow each other."""


class Fresh:
    """How a workspace stands for one request.

    Attributes:
        ok: Whether its index holds all that was on disk, as far as the freshness asked for cares.
        notice: Why not, for people; "" where there is nothing to tell.
    """

    def __init__(self, ok: bool, notice: str = "") -> None:
        self.ok = ok
        self.notice = notice


class PreparedIndex:
    """An index that was brought up to date for one request: it is searched as it is."""

    def __init__(self, index: Index, fresh: bool) -> None:
        self.index = index
        self.root = index.root
        self.observer = index.observer
        self._fresh = fresh

    def refresh(
        self,
        *,
        progress: OnProgress | None = None,
        focus: Callable[[], Focus] | None = None,
        freshness: str | None = None,
    ) -> bool:
        """Whether it is up to date; nothing is done."""
        return self._fresh

    def snapshot(self) -> AbstractContextManager[Reader]:
        """See :class:`spelunk.search.many.Searchable`."""
        return self.index.snapshot()

    def commits(self) -> AbstractContextManager[History | None]:
        """See :class:`spelunk.search.many.Searchable`."""
        return self.index.commits()

    def branches(self) -> BranchTable | None:
        """See :class:`spelunk.search.many.Searchable`."""
        return self.index.branches()

    def embedder(self) -> Embedder:
        """See :class:`spelunk.search.many.Searchable`."""
        return self.index.embedder()

    def changed_paths(
        self, reader: Reader, paths: Collection[str], freshness: str | None = None
    ) -> Collection[str]:
        """See :class:`spelunk.search.many.Searchable`."""
        return self.index.changed_paths(reader, paths, freshness)


class ServedWorkspace:
    """One workspace: its index, the comparison of its files that requests share, and its update.

    Attributes:
        repo: Its name in the API.
        target: Its root, and the part of it that is served.
        prefix: Put before its paths in answers; "" where it is the only one.
        update: Its updates.
    """

    def __init__(
        self,
        repo: str,
        target: Target,
        prefix: str,
        opened: Callable[[Target, Observer], Index],
        observer: Observer,
        tell: Listener,
        *,
        watch: bool,
    ) -> None:
        self.repo = repo
        self.target = target
        self.prefix = prefix
        self.update = Update(repo, tell)
        self._opened = opened
        self._observer = broadcast(self.update.observe, observer)
        self._index: Index | None = None
        self._looked = float("-inf")
        self._comparison: asyncio.Future[str] | None = None
        self._began = float("-inf")
        self._keeper: IndexKeeper | None = None
        self._watch = watch and can_keep()

    def index(self) -> Index:
        """The index, with the settings of the workspace as they are now.

        Raises:
            WorkspaceError: The folder is gone or cannot be read.
            ConfigError: A setting cannot be used.
        """
        now = time.monotonic()
        known = self._index
        if known is not None and now - self._looked < REOPEN_SECONDS:
            return known
        fresh = self._opened(self.target, self._observer)
        if known is None or known.options != fresh.options:
            self._index = fresh
            self._end_keeper()
            if known is not None:
                known.close()
        self._looked = now
        assert self._index is not None
        return self._index

    def close(self) -> None:
        """Close the index."""
        self._end_keeper()
        if self._index is not None:
            self._index.close()

    @property
    def watched(self) -> bool:
        """Whether a watcher keeps the index up to date."""
        return self._index is not None and self._index.keeper is not None

    def _end_keeper(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.close(0)

    def _keep_up(self, index: Index) -> Fresh:
        """Watch the workspace of an index that is published, from now on."""
        if self._watch and self._keeper is None and index is self._index:
            loop = asyncio.get_running_loop()

            def update(*, changed: Sequence[str] | None = None, **_: object) -> Report:
                return asyncio.run_coroutine_threadsafe(self.update.run(index, changed), loop).result()

            self._keeper = IndexKeeper(index, update)
        return Fresh(True)

    async def _compared(self, index: Index, arrived: float, pool: Executor) -> str:
        """The state of the index by a comparison that began after ``arrived``, shared with other requests."""
        while True:
            comparison = self._comparison
            if comparison is None or comparison.done():  # its callback may not have run yet
                self._began = index.age.now()
                loop = asyncio.get_running_loop()
                comparison = self._comparison = loop.run_in_executor(pool, index.compare, "strict")
                comparison.add_done_callback(self._compared_once)
            in_time = self._began >= arrived
            state = await asyncio.shield(comparison)
            if in_time:
                return state

    def _compared_once(self, comparison: asyncio.Future[str]) -> None:
        if self._comparison is comparison:
            self._comparison = None
        if not comparison.cancelled():
            comparison.exception()  # told to those that wait; nobody may

    async def fresh(
        self,
        freshness: str | None,
        wait: float,
        pool: Executor,
        focus: Callable[[ServedWorkspace], Focus] | None = None,
    ) -> Fresh:
        """Bring the index up to date as a request asks for, for at most ``wait`` seconds.

        Args:
            freshness: Instead of the index's setting.
            wait: Seconds.
            pool: Runs what blocks.
            focus: Gives what the request is about: where a large tree was never indexed to the end,
                it is answered from a part.

        Raises:
            ApiError: Nothing is published yet, or the workspace cannot be read.
        """
        index = self.index()
        setting = index.options.freshness if freshness is None else freshness
        allowed = seconds_allowed(setting)
        arrived = index.age.now()
        deadline = time.monotonic() + wait
        state = ""
        notice = ""
        rounds = joined = 0
        early = focus is not None and index.answers_early
        while rounds < ROUNDS and joined < MAX_JOINED:
            if index.age.last >= arrived or (index.age.is_allowed(setting) and not math.isinf(allowed)):
                return Fresh(True)
            running = self.update.done  # it may end while something is awaited
            if running is None:
                if math.isinf(allowed) and await self._published(index, pool):
                    return self._keep_up(index)
                rounds += 1
                state = await self._compared(index, arrived, pool)
                if state == CURRENT:
                    return self._keep_up(index)
                if time.monotonic() - self.update.failed_at < PAUSE_SECONDS and state != MISSING:
                    notice = _not_updated(self.update.error)
                    break
                first = focus(self) if focus is not None and early else None
                done, _ = self.update.start(index, wait=state == MISSING, patient=False, focus=first)
            else:
                if math.isinf(allowed) and await self._published(index, pool):
                    return Fresh(True)
                if early and await self._is_partial(index, pool):
                    return Fresh(False)  # the rest follows
                joined += 1
                done = running
            part = self.update.part if early else None
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    if part is not None:
                        await asyncio.shield(part)
                        if not done.done():
                            return Fresh(False)  # the rest follows
                    error = await asyncio.shield(done)
            except TimeoutError:
                break
            if error is not None:
                if error.code == "workspace_gone" or not await self._published(index, pool):
                    raise error
                notice = _not_updated(error)
                break
        if not await self._published(index, pool):
            progress = self.update.progress()
            message = "the first update has not published anything yet"
            hint = "ask again in some seconds; /api/index tells the progress"
            raise ApiError(503, "indexing", message, hint, retry=1, indexing=progress)
        return Fresh(False, notice)

    async def _is_partial(self, index: Index, pool: Executor) -> bool:
        return await asyncio.get_running_loop().run_in_executor(pool, is_being_completed, index.directory)

    async def _published(self, index: Index, pool: Executor) -> bool:
        return await asyncio.get_running_loop().run_in_executor(pool, index.has_published)


def _not_updated(error: ApiError | None) -> str:
    return f"the index could not be brought up to date: {error}" if error is not None else ""


class Workspaces:
    """All served workspaces, in the order of the command line."""

    def __init__(
        self,
        targets: Sequence[Target],
        index_dir: str | None,
        settings: dict[str, Any],
        observer: Observer,
        updater: Callable[[Job], Report] | None,
        tell: Listener,
        *,
        watch: bool = True,
    ) -> None:
        """Nothing is opened yet.

        Args:
            targets: The workspaces.
            index_dir: The index directory of the command line, or None.
            settings: Settings over those of the workspaces.
            observer: Is sent every event.
            updater: Runs updates; None runs them in this process.
            tell: Called when an update starts, goes on or ends.
            watch: Watch each workspace once it is indexed, where the system tells of changes.
        """
        roots = [target.root for target in targets]
        names = [
            name.rstrip("/") or os.path.basename(root) or "root"
            for name, root in zip(prefixes(roots), roots, strict=True)
        ]
        self.several = len(targets) > 1

        def opened(target: Target, heard: Observer) -> Index:
            index = Index.open(target.root, index_dir=index_dir, observer=heard, **settings)
            index.updater = updater
            index.waits = False
            return index

        self.all = [
            ServedWorkspace(
                name, target, f"{name}/" if self.several else "", opened, observer, tell, watch=watch
            )
            for name, target in zip(names, targets, strict=True)
        ]

    def chosen(self, repos: Sequence[str] | str | None) -> list[ServedWorkspace]:
        """Those of these names, each once; all without a name.

        Raises:
            ApiError: There is no such workspace.
        """
        names = [repos] if isinstance(repos, str) else list(repos or ())
        known = {w.repo: w for w in self.all}
        for name in names:
            if name not in known:
                shown = ", ".join(list(known)[:20])
                raise ApiError(404, "unknown_repo", "no served workspace has this name", f"there are {shown}")
        return [known[name] for name in dict.fromkeys(names)] or self.all

    def of_root(self, root: str) -> ServedWorkspace:
        """The one with this root."""
        return next(w for w in self.all if w.target.root == root)

    def places(self, path: str, repo: str | None) -> list[tuple[ServedWorkspace, str]]:
        """The places that a path of a request may mean: as an answer gives it, or within ``repo``.

        The path is compared with names in the index and never given to the file system.
        """
        found = self.chosen(repo)
        places = [(w, path[len(w.prefix) :]) for w in found if w.prefix and path.startswith(w.prefix)]
        if repo is not None or not self.several:
            places += [(w, path) for w in found]
        return [(w, inner) for w, inner in places if _is_served(w.target, inner)]

    def close(self) -> None:
        """Close all indexes."""
        for workspace in self.all:
            workspace.close()


def _is_served(target: Target, path: str) -> bool:
    return not target.within or any(path == w or path.startswith(w + "/") for w in target.within)
