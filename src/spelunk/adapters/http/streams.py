"""Server-sent events: the progress of updates."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from spelunk.adapters.http.problems import ApiError
from spelunk.adapters.http.workspaces import ServedWorkspace

HEARTBEAT_SECONDS: Final = 15.0
"""A comment is sent after this time without an event, so that proxies keep the connection."""
PERIOD_SECONDS: Final = 0.25
"""Between two events of progress of one update."""
MAX_STREAMS: Final = 64
MAX_QUEUE: Final = 256
"""Events that wait for a slow client; it is sent away above it, and connects again."""

_Event = tuple[str, str, dict[str, Any]]


class Streams:
    """The streams that are open, and what they are told."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[_Event | None]] = set()
        self._told: dict[str, float] = {}
        self._stopped = False

    def tell(self, kind: str, repo: str, values: dict[str, Any]) -> None:
        """Send an event to every stream; progress at most every :data:`PERIOD_SECONDS`."""
        now = time.monotonic()
        if kind == "progress":
            if now - self._told.get(repo, float("-inf")) < PERIOD_SECONDS:
                return
            self._told[repo] = now
        for queue in self._queues:
            if queue.qsize() < MAX_QUEUE:
                queue.put_nowait((kind, repo, values))
            else:
                queue.put_nowait(None)

    def stop(self) -> None:
        """End all streams: the server is ending."""
        self._stopped = True
        for queue in self._queues:
            queue.put_nowait(None)

    def follow(
        self, found: Sequence[ServedWorkspace], joined: Mapping[str, bool] | None
    ) -> AsyncIterator[bytes]:
        """The stream of a request.

        Args:
            found: The workspaces it is about.
            joined: For a stream that ends with their updates: whether each was running before.
                None for one that goes on.

        Raises:
            ApiError: There are too many.
        """
        if len(self._queues) >= MAX_STREAMS or self._stopped:
            raise ApiError(503, "overloaded", "too many streams of progress", "ask again", retry=5)
        queue: asyncio.Queue[_Event | None] = asyncio.Queue()
        self._queues.add(queue)
        waiting = {w.repo for w in found if w.update.running}
        repos = {w.repo for w in found}
        states = [("state", w.update.values(joined=(joined or {}).get(w.repo, False))) for w in found]

        async def events() -> AsyncIterator[bytes]:
            try:
                for kind, values in states:
                    yield _event(kind, values)
                left = set(waiting)
                while left or joined is None:
                    try:
                        async with asyncio.timeout(HEARTBEAT_SECONDS):
                            event = await queue.get()
                    except TimeoutError:
                        yield b":\n\n"
                        continue
                    if event is None:
                        return
                    kind, repo, values = event
                    if repo in repos:
                        yield _event(kind, values)
                    if kind in ("done", "failed"):
                        left.discard(repo)
            finally:
                self._queues.discard(queue)

        return events()


def _event(kind: str, values: dict[str, Any]) -> bytes:
    data = json.dumps(values, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\n\n".encode()
