"""A line on the terminal that says how far an update is; nothing anywhere else."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PERIOD_SECONDS: Final = 0.1
WIDTH: Final = 24


@contextmanager
def progress(args: argparse.Namespace) -> Iterator[Bar | None]:
    """What an update reports to while the context lasts; None where nobody looks."""
    stream = sys.stderr
    if args.quiet or args.verbose or stream is None or not stream.isatty():
        yield None
        return
    bar = Bar()
    try:
        yield bar
    finally:
        bar.clear()


class Bar:
    """A line that is drawn over; called with files done, files, bytes done, bytes."""

    def __init__(self) -> None:
        self._began = self._shown = time.monotonic()
        self._drawn = False
        self._filling: float | None = None

    def __call__(self, files: int, all_files: int, done: int, total: int) -> None:
        """Show how far the files are."""
        self._draw("indexing", files, all_files, "files", done, total)

    def vectors(self, done: int, total: int) -> None:
        """Show how far the vectors are that were pending."""
        if self._filling is None:
            self._filling = self._began = time.monotonic()
        self._draw("embedding", done, total, "chunks", done, total)

    def _draw(self, what: str, count: int, of: int, unit: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._shown < PERIOD_SECONDS:
            return
        self._shown = now
        self._drawn = True
        sys.stderr.write("\r\x1b[K" + line(count, of, done, total, now - self._began, what, unit))
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def line(
    count: int, of: int, done: int, total: int, seconds: float, what: str = "indexing", unit: str = "files"
) -> str:
    """The line: a bar and a remaining time by ``done``, a rate by ``count``."""
    share = min(1.0, done / total) if total else 1.0
    full = int(share * WIDTH)
    rate = count / seconds if seconds > 0 else 0.0
    left = seconds / share - seconds if share > 0 else 0.0
    bar = "#" * full + "." * (WIDTH - full)
    return (
        f"{what} [{bar}] {share:4.0%}  {count:,}/{of:,} {unit}  {rate:,.0f} {unit}/s"
        f"  {int(left) // 60}:{int(left) % 60:02d} left"
    )
