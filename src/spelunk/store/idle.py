"""Open views kept for the next search, which is then spared to open them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Generic, Protocol, TypeVar

MAX_IDLE: Final = 4
"""Open views kept; each holds some file handles and maps."""


class Resumable(Protocol):
    """Something open that can be put to rest and used again."""

    def rest(self) -> None:
        """Release what it holds of its generation."""
        ...

    def resume(self) -> bool:
        """Hold the generation again; False if another one is published by now."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...


V = TypeVar("V", bound=Resumable)


class IdleViews(Generic[V]):
    """Views of one index for several threads; each is used by one thread at a time."""

    def __init__(self, opened: Callable[[], V]) -> None:
        """Keep none yet.

        Args:
            opened: Opens a view of the newest generation.
        """
        self._opened = opened
        self._guard = threading.Lock()
        self._idle: list[V] = []

    @contextmanager
    def use(self) -> Iterator[V]:
        """A view of the newest generation, for as long as the context lasts."""
        view = None
        while view is None:
            with self._guard:
                candidate = self._idle.pop() if self._idle else None
            if candidate is None:
                view = self._opened()
            elif candidate.resume():
                view = candidate
            else:
                candidate.close()
        try:
            yield view
        finally:
            view.rest()
            with self._guard:
                keep = len(self._idle) < MAX_IDLE
                if keep:
                    self._idle.append(view)
            if not keep:
                view.close()

    def close(self) -> None:
        """Close the idle views."""
        with self._guard:
            idle, self._idle = self._idle, []
        for view in idle:
            view.close()
