"""Here is an index directory, get what is remembered of its providers' health.

One small file for all processes; ``resilience.py`` decides what stands in it.
Apart from that, because showing it needs no library.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import Any, Final

FILE: Final = "breakers.json"
"""In the index directory: what every process knows of its providers."""
CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half-open"


@dataclass(frozen=True, slots=True)
class BreakerState:
    """What is remembered of a provider.

    Attributes:
        name: Which one.
        state: ``closed``, ``open``, or ``half-open``: the next call tries it.
        failures: Failures in a row.
        since: When it opened, in seconds since the epoch; 0.0 while closed.
        retry_at: When it may be tried again; 0.0 while closed.
        reason: The last failure, one line.
    """

    name: str
    state: str = CLOSED
    failures: int = 0
    since: float = 0.0
    retry_at: float = 0.0
    reason: str = ""


def states(directory: str) -> tuple[BreakerState, ...]:
    """What is remembered in an index directory, by name; nothing where nothing ever failed."""
    now = time.time()
    return tuple(seen(name, entry, now) for name, entry in sorted(load(directory).items()))


def seen(name: str, entry: dict[str, Any], now: float) -> BreakerState:
    """What an entry of the file means at a time."""
    since, rest = float(entry["opened"] or 0), float(entry["rest"])
    open_ = entry["state"] != CLOSED
    state = CLOSED if not open_ else HALF_OPEN if now > since + rest else OPEN
    return BreakerState(
        name, state, int(entry["failures"]), since if open_ else 0.0, since + rest if open_ else 0.0,
        str(entry["reason"]),
    )  # fmt: skip


def load(directory: str) -> dict[str, dict[str, Any]]:
    """The file's entries by name."""
    try:
        with open(os.path.join(directory, FILE), encoding="utf-8") as f:
            data = json.load(f)
        return {
            str(name): {
                "state": str(e["state"]), "failures": int(e["failures"]), "opened": float(e["opened"]),
                "rest": float(e["rest"]), "reason": str(e["reason"]),
            }
            for name, e in data.items()
        }  # fmt: skip
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}  # nothing remembered, or written by a hand: it is learnt again


def save(directory: str, name: str, entry: dict[str, Any]) -> None:
    """Replace one entry of the file, if the disk lets us."""
    path = os.path.join(directory, FILE)
    aside = f"{path}.{os.getpid()}.tmp"
    entries = load(directory)
    entries[name] = entry
    try:
        with open(aside, "w", encoding="utf-8") as f:
            json.dump(entries, f)
        os.replace(aside, path)
    except OSError:
        pass  # a read-only disk: this process remembers for itself
