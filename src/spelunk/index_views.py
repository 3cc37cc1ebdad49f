"""What an index keeps open between searches: read-only views of its stores, and its embedder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from spelunk import embed
from spelunk.config import Options
from spelunk.errors import SpelunkError
from spelunk.observe import Observer
from spelunk.store.idle import IdleViews
from spelunk.workspace.contents import FileContents
from spelunk.workspace.repositories import load_branches

if TYPE_CHECKING:
    from spelunk.embed import Embedder
    from spelunk.files.branches import BranchTable
    from spelunk.history.reader import History
    from spelunk.store.snapshot import Snapshot


class IndexViews(FileContents):
    """The part of :class:`spelunk.Index` that opens what a search reads."""

    directory: str
    options: Options
    observer: Observer

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._snapshots = IdleViews(self._new_snapshot)
        self._histories = IdleViews(self._new_history)
        self._embedder: Embedder | None = None

    def close(self) -> None:
        """Close open snapshots; the object can still be used."""
        self._snapshots.close()
        self._histories.close()

    def branches(self) -> BranchTable | None:
        """Which branches its files are on; None where it is not an index of many repositories."""
        return load_branches(self.directory)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The newest generation, for as long as the context lasts.

        Raises:
            IndexMissingError: Nothing was published yet.
        """
        with self._snapshots.use() as snapshot:
            yield snapshot

    def _new_snapshot(self) -> Snapshot:
        from spelunk.store.snapshot import Snapshot

        return Snapshot(self.directory)

    @contextmanager
    def commits(self) -> Iterator[History | None]:
        """What the commits say of files, for as long as the context lasts; None where there are none.

        Nothing is brought up to date; :meth:`update` and :meth:`refresh` do that.
        """
        with ExitStack() as stack:
            try:
                history = stack.enter_context(self._histories.use())
            except SpelunkError:
                history = None
            yield history

    def _new_history(self) -> History:
        from spelunk.history.reader import History

        return History(self.directory)

    def embedder(self) -> Embedder:
        """This index's embedder, loaded once."""
        made = self._embedder
        if made is None:
            # Before the lock: it may take one of its own.
            made = embed.get(self.options, self.directory, self.observer)
            with self._guard:
                made = self._embedder = self._embedder or made
        return made
