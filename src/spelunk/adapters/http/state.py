"""The state of the server: its workspaces, memory, counts and metrics."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from spelunk import __version__
from spelunk.adapters.http.problems import problem_of
from spelunk.adapters.http.protocol import Limits
from spelunk.adapters.http.workspaces import ServedWorkspace, Workspaces
from spelunk.errors import IndexStateError, SpelunkError
from spelunk.observe.metrics import Key, Metrics
from spelunk.observe.prometheus import labelled, registry
from spelunk.pipeline.memory import resident
from spelunk.present.objects import to_json

SHOWN_FAILURES: Final = 100


class ServerState:
    """What the server knows of itself.

    Attributes:
        workspaces: The served ones.
        searches: Answered so far.
        waiting: Requests whose work runs or waits.
    """

    def __init__(
        self,
        workspaces: Workspaces,
        limits: Limits,
        metrics: Metrics,
        *,
        freshness: str,
        memory_limit: int | None,
        readers: int,
        children: Callable[[], list[int]],
    ) -> None:
        self.workspaces = workspaces
        self.searches = 0
        self.waiting = 0
        self._limits = limits
        self._metrics = metrics
        self._freshness = freshness
        self._limit = memory_limit
        self._readers = readers
        self._children = children
        self._started = time.time()

    def memory(self) -> dict[str, int | None]:
        """Bytes of anonymous memory: of this process and of those that update."""
        own = resident()
        running = sum(w.update.memory for w in self.workspaces.all)
        updates = max(running, sum(map(resident, self._children())))
        return {"server": own, "updates": updates, "total": own + updates, "limit": self._limit}

    def status(self, found: Sequence[ServedWorkspace], *, look: bool) -> dict[str, Any]:
        """The answer of ``/api/status``."""
        running = min(self.waiting, self._readers)
        return {
            "version": __version__,
            "pid": os.getpid(),
            "started": round(self._started, 3),
            "uptime_seconds": round(time.time() - self._started, 1),
            "freshness": self._freshness or self._own_freshness(found),
            "memory": self.memory(),
            "requests": {
                "running": running,
                "waiting": self.waiting - running,
                "connections": self._limits.connections,
            },
            "searches": self.searches,
            "indexes": [self._index(w, look=look) for w in found],
        }

    @staticmethod
    def _own_freshness(found: Sequence[ServedWorkspace]) -> str:
        """The setting of the first workspace whose settings can be read."""
        for workspace in found:
            try:
                return workspace.index().options.freshness
            except SpelunkError:
                continue
        return ""

    def _index(self, workspace: ServedWorkspace, *, look: bool) -> dict[str, Any]:
        values: dict[str, Any] = {"repo": workspace.repo, "root": workspace.target.root}
        try:
            index = workspace.index()
            full = to_json(index.status(look=look and not workspace.update.running))
            skipped, failures = full.pop("skipped"), full.pop("failures")
            for key in ("schema_version", "directory", "refused"):
                del full[key]
            values |= full
            values["coverage"] = _coverage(index) if values["generation"] else 0.0
            values["failed"] = len(failures)
            values["failures"] = failures[:SHOWN_FAILURES]
            values["skipped"] = dict(Counter(row["reason"] for row in skipped).most_common())
            values["error"] = None
        except SpelunkError as error:
            values |= _EMPTY | {"state": "error", "detail": str(error), "error": problem_of(error).values()}
        running = workspace.update.running
        return values | {
            "watched": workspace.watched,
            "update": workspace.update.values() if running else None,
            "last_update": workspace.update.last(),
        }

    def is_ready(self) -> bool:
        """Whether every index can be read."""
        for workspace in self.workspaces.all:
            try:
                with workspace.index().snapshot():
                    pass
            except SpelunkError:
                return False
        return True

    def metrics(self) -> tuple[bytes, str]:
        """The answer of ``/metrics``, and its content type."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        label = self.workspaces.all[0].repo if not self.workspaces.several else "several"

        def values() -> dict[Key, float]:
            return labelled(self._metrics.values(), label)

        return generate_latest(registry(values)), CONTENT_TYPE_LATEST


_EMPTY: Final[dict[str, Any]] = {
    "generation": 0,
    "published": 0.0,
    "files": 0,
    "chunks": 0,
    "vectors": 0,
    "bytes": 0,
    "coverage": 0.0,
    "embedder": "",
    "pending_vectors": 0,
    "refused_vectors": 0,
    "degraded": None,
    "breakers": [],
    "languages": {},
    "writer": None,
    "failed": 0,
    "failures": [],
    "skipped": {},
}


def _coverage(index: Any) -> float:
    try:
        with index.snapshot() as reader:
            done, planned = reader.coverage()
    except IndexStateError:
        return 0.0
    return round(min(1.0, done / planned), 4) if done < planned else 1.0
