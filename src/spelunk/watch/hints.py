"""The protocol of where hints come from: what may have changed in a folder, as the system tells it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from msgspec import Struct, field


class WatchLimitError(Exception):
    """No more can be watched; the message says what to do."""


class Hints(Struct):
    """What was told while a watcher waited.

    Attributes:
        paths: Relative paths that may have changed.
        everything: Whether anything may have changed.
        overflow: Whether the system dropped events, so that ``everything`` is true.
        look: Whether it is time to compare everything, although nothing was told.
    """

    paths: set[str] = field(default_factory=set)
    everything: bool = False
    overflow: bool = False
    look: bool = False


class HintSource(Protocol):
    """Where hints come from. Used by one thread at a time."""

    name: str
    """What is used, for people: ``inotify``, ``polling``, ``watchfiles``."""

    def follow(self, folders: Collection[str], beside: dict[str, set[str]]) -> set[str]:
        """Watch exactly these.

        Args:
            folders: Relative paths of the folders that the ignore rules keep.
            beside: Absolute paths of other folders, and the names in them that matter:
                ignore files above the root, git's ``HEAD``, settings.

        Returns:
            Folders that were not watched before: something may have changed in them.

        Raises:
            WatchLimitError: Not all of them can be watched.
        """
        ...

    def wait(self, seconds: float | None, wake: int) -> None:
        """Wait until something is told, at most so long, or until the descriptor ``wake`` is readable."""
        ...

    def take(self) -> Hints:
        """What has been told since it was taken last; nothing is waited for."""
        ...

    def quiet(self) -> bool:
        """Whether every change that was made before this call has been taken; False where that is not known."""
        ...

    def close(self) -> None:
        """Stop."""
        ...
