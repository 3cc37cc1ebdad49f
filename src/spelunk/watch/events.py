"""What a watcher tells: one event for each update, and for each change of how it works."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from spelunk.types import Report

WATCHING: Final = "watching"
UPDATED: Final = "updated"
POLLING: Final = "polling"
OVERFLOW: Final = "overflow"
BUSY: Final = "busy"
AWAY: Final = "away"
BACK: Final = "back"
FAILED: Final = "failed"
RECOVERED: Final = "recovered"
STOPPED: Final = "stopped"
KINDS: Final = (WATCHING, UPDATED, POLLING, OVERFLOW, BUSY, AWAY, BACK, FAILED, RECOVERED, STOPPED)


class WatchEvent(NamedTuple):
    """An event of a watcher.

    Attributes:
        kind: One of :data:`KINDS`.
        root: The workspace.
        message: One line for people.
        time: When, in seconds since the epoch.
        report: Of an update.
        delay: Seconds from the first change that an update was made for to its end; 0.0
            where no change was reported.
        whole: Whether an update looked at the whole workspace.
    """

    kind: str
    root: str
    message: str
    time: float
    report: Report | None = None
    delay: float = 0.0
    whole: bool = False


def made(kind: str, root: str, message: str) -> WatchEvent:
    """An event that happens now."""
    return WatchEvent(kind, root, message, time.time())


def summary(report: Report) -> str:
    """What an update did, for people."""
    files = report.files
    parts = [(files.indexed, "indexed"), (files.removed, "removed"), (files.failed, "failed")]
    return ", ".join(f"{n:,} {word}" for n, word in parts if n) or "nothing changed"
