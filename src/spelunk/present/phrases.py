"""Numbers, times and paths for people."""

from __future__ import annotations

import os


def age(seconds: float) -> str:
    """Format a span of time: ``3 min``."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def several(n: int, noun: str) -> str:
    """Format a number and a noun: ``1 chunk``, ``2,000 chunks``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def short(path: str) -> str:
    """Write the home folder at the start of a path as ``~``."""
    user = os.path.expanduser("~")
    return "~" + path[len(user) :] if user != "/" and path.startswith(user + "/") else path
