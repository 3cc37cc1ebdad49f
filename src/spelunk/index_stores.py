"""Where an index keeps its chunks: move them, and delete those that are kept elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from spelunk.index_views import IndexViews


class IndexStores(IndexViews):
    """The part of :class:`spelunk.Index` that moves its chunks."""

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
