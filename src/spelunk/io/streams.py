"""Standard streams of this process."""

from __future__ import annotations

import sys


def flush_before_fork() -> None:
    """Write out what standard output and error hold: a fork would write it twice. Closed streams are left alone."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except (OSError, ValueError):
                pass  # closed
