"""Hints by polling: where events cannot be had, it is time to compare everything now and then."""

from __future__ import annotations

import select
import time
from collections.abc import Collection

from spelunk.watch.hints import Hints


class PollingHints:
    """Implements :class:`~spelunk.watch.hints.HintSource`."""

    name = "polling"

    def __init__(self, seconds: float) -> None:
        """Compare every so many seconds."""
        self.seconds = seconds
        self._last = time.monotonic()

    def follow(self, folders: Collection[str], beside: dict[str, set[str]]) -> set[str]:
        """See :meth:`HintSource.follow`; there is nothing to watch."""
        return set()

    def wait(self, seconds: float | None, wake: int) -> None:
        """See :meth:`HintSource.wait`."""
        poller = select.poll()
        poller.register(wake, select.POLLIN)
        left = max(0.0, self._last + self.seconds - time.monotonic())
        poller.poll(1000 * (left if seconds is None else min(seconds, left)))

    def take(self) -> Hints:
        """See :meth:`HintSource.take`."""
        now = time.monotonic()
        if now - self._last < self.seconds:
            return Hints()
        self._last = now
        return Hints(look=True)

    def quiet(self) -> bool:
        """See :meth:`HintSource.quiet`; nothing tells of a change."""
        return False

    def close(self) -> None:
        """See :meth:`HintSource.close`."""
