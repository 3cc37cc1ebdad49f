"""Progress line of an update on a terminal."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from spelunk.observe import broadcast

if TYPE_CHECKING:
    from spelunk.cli.observed import ObservedRun
    from spelunk.observe.events import Event

PERIOD_SECONDS: Final = 0.1
WIDTH: Final = 24


@contextmanager
def progress(args: argparse.Namespace, run: ObservedRun) -> Iterator[ObservedRun]:
    """Yield ``run``; where standard error is a terminal without a log, its observer draws a line too."""
    stream = sys.stderr
    if args.quiet or args.verbose or stream is None or not stream.isatty():
        yield run
        return
    bar = Bar()
    try:
        yield run._replace(observer=broadcast(run.observer, bar))
    finally:
        bar.clear()


class Bar:
    """An observer that draws a line over and over: the files of an update, then its backfill."""

    def __init__(self) -> None:
        from spelunk.observe.events import BackfillProgress
        from spelunk.observe.progress import FileProgress

        self._files = FileProgress(self.files)
        self._backfill = BackfillProgress
        self._began = self._shown = time.monotonic()
        self._drawn = False
        self._backfilling = False

    def __call__(self, event: Event) -> None:
        """Draw the line if the event is progress and the last drawing is long enough ago."""
        self._files(event)
        if isinstance(event, self._backfill):
            self.vectors(event.done, event.total)

    def files(self, files: int, all_files: int, done: int, total: int) -> None:
        """Show files done of all, with the remaining time by bytes."""
        self._draw("indexing", files, all_files, "files", done, total)

    def vectors(self, done: int, total: int) -> None:
        """Show chunks done of those that were pending."""
        if not self._backfilling:
            self._backfilling = True
            self._began = time.monotonic()
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
        """Remove the line."""
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
