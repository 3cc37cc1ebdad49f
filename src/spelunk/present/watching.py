"""An event of a watcher as plain values for JSON."""

from __future__ import annotations

from typing import Any

from spelunk.present.objects import SCHEMA_VERSION, to_json
from spelunk.watch.events import WatchEvent


def watch_event(event: WatchEvent) -> dict[str, Any]:
    """Convert an event to plain values; docs/cli.md documents the keys."""
    out: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "event": event.kind,
        "time": round(event.time, 3),
        "root": event.root,
        "message": event.message,
    }
    if event.report is not None:
        report = to_json(event.report)
        out |= {key: report[key] for key in ("generation", "files", "chunks", "seconds", "failures")}
        out |= {"delay": round(event.delay, 3), "whole": event.whole}
    return out
