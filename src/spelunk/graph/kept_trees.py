"""Files parsed lately in this thread, kept for the next question; a parser serves one thread."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spelunk.chunk import Parsed

KEPT_TREES: Final = 64
"""Trees kept in memory: some 2 MB each for a file of 20 KB."""


class _Trees(threading.local):
    """Files parsed lately in this thread, for the next question; a parser serves one thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[bytes, str], Parsed] = OrderedDict()

    def get(self, digest: bytes, path: str) -> Parsed | None:
        """The file of a content and a path."""
        return self._kept.get((digest, path))

    def keep(self, parsed: Parsed) -> None:
        """Keep a file, and let go the one kept longest."""
        self._kept[(parsed.document.digest, parsed.document.path)] = parsed
        while len(self._kept) > KEPT_TREES:
            self._kept.popitem(last=False)


TREES: Final = _Trees()
