"""A line on the terminal that says how far an update is; nothing anywhere else."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

PERIOD_SECONDS: Final = 0.1
WIDTH: Final = 24


@contextmanager
def progress(args: argparse.Namespace) -> Iterator[Callable[[int, int, int, int], None] | None]:
    """What an update reports to while the context lasts; None where nobody looks."""
    stream = sys.stderr
    if args.quiet or args.verbose or stream is None or not stream.isatty():
        yield None
        return
    bar = _Bar()
    try:
        yield bar.show
    finally:
        bar.clear()


class _Bar:
    def __init__(self) -> None:
        self._began = self._shown = time.monotonic()
        self._drawn = False

    def show(self, files: int, all_files: int, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._shown < PERIOD_SECONDS:
            return
        self._shown = now
        self._drawn = True
        sys.stderr.write("\r\x1b[K" + line(files, all_files, done, total, now - self._began))
        sys.stderr.flush()

    def clear(self) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def line(files: int, all_files: int, done: int, total: int, seconds: float) -> str:
    """The line: a bar and a remaining time by bytes, a rate in files."""
    share = min(1.0, done / total) if total else 1.0
    full = int(share * WIDTH)
    rate = files / seconds if seconds > 0 else 0.0
    left = seconds / share - seconds if share > 0 else 0.0
    bar = "#" * full + "." * (WIDTH - full)
    return (
        f"indexing [{bar}] {share:4.0%}  {files:,}/{all_files:,} files  {rate:,.0f} files/s"
        f"  {int(left) // 60}:{int(left) % 60:02d} left"
    )
