"""What an index keeps open between searches: read-only views of its stores, wherever they are, and its embedder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from msgspec.structs import replace

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
        from spelunk.store.opening import open_reader

        return open_reader(self.directory, self.options, self.observer)

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

    def use_store(self, store: str) -> None:
        """Use another ``store`` than the settings say, as after :meth:`migrate`.

        Raises:
            ConfigError: It is none.
        """
        from spelunk.config import SCHEMA

        self.options = replace(self.options, **SCHEMA.from_flags({"store": store}))
        self.close()

    def _release(self) -> None:
        from spelunk.store.opening import remove_points

        self.close()
        remove_points(self.directory)

    def migrate(self, to: str, *, moved: Callable[[int, int], object] = lambda done, total: None) -> int:
        """Move the chunks between this machine and a collection, without parsing or embedding.

        Searches see the index where it was until all is moved. A run that was
        interrupted is continued by the next. Set ``store`` to the new place afterwards.

        Args:
            to: ``local``, or the address of a collection as in the setting ``store``.
            moved: Called with chunks moved and chunks in all.

        Returns:
            The number of chunks.

        Raises:
            IndexMissingError: There is no index.
            IndexBusyError: Another process is writing.
            ConfigError, ProviderError: The collection cannot be used.
        """
        from spelunk.workspace.migrate import migrate

        count = migrate(self.directory, self.options, to, moved, self.observer)
        self.close()
        return count
