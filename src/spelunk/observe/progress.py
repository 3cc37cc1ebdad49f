"""Progress of an update: events as (files done, files, bytes done, bytes)."""

from __future__ import annotations

from collections.abc import Callable

from spelunk.observe.events import Event, PieceTaken, Planned

OnProgress = Callable[[int, int, int, int], None]
"""Called with files done, files in all, source bytes done, source bytes in all."""


class FileProgress:
    """An observer that calls ``report`` after each piece of work."""

    def __init__(self, report: OnProgress) -> None:
        self._report = report
        self._files = self._all_files = self._bytes = self._all_bytes = 0

    def __call__(self, event: Event) -> None:
        """Count the files and bytes of a piece, and report."""
        if isinstance(event, Planned):
            self._files = self._bytes = 0
            self._all_files, self._all_bytes = event.to_index, event.bytes
        elif isinstance(event, PieceTaken):
            self._files += event.indexed + event.unchanged + event.skipped + event.failed
            self._bytes += event.bytes
            self._report(self._files, self._all_files, self._bytes, self._all_bytes)
