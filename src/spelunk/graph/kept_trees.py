"""Files parsed lately in this thread, and what was read from them, kept for the next question."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spelunk.chunk.parsed import Parsed
    from spelunk.chunk.relation import Reference

KEPT_TREES: Final = 64
"""Trees kept in memory: some 2 MB each for a file of 20 KB."""
KEPT_USES: Final = 4_000
"""Names of files whose uses are kept: some 1 MB."""


class _Trees(threading.local):
    """Files parsed lately in this thread, for the next question; a parser serves one thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[bytes, str], Parsed] = OrderedDict()
        self._uses: OrderedDict[tuple[bytes, str, str, tuple[int, ...]], list[Reference]] = OrderedDict()

    def get(self, digest: bytes, path: str) -> Parsed | None:
        """The file of a content and a path."""
        return self._kept.get((digest, path))

    def keep(self, parsed: Parsed) -> None:
        """Keep a file, and let go the one kept longest."""
        self._kept[(parsed.document.digest, parsed.document.path)] = parsed
        while len(self._kept) > KEPT_TREES:
            self._kept.popitem(last=False)

    def uses(
        self, digest: bytes, path: str, name: str, lines: tuple[int, ...] = ()
    ) -> list[Reference] | None:
        """The uses of a name in the file of a content and a path; None where they are not kept.

        Args:
            digest: Of the content.
            path: Of the file.
            name: The name.
            lines: Where only pieces of the file were read, the lines that they were read for.
        """
        return self._uses.get((digest, path, name, lines))

    def keep_uses(
        self, digest: bytes, path: str, name: str, uses: list[Reference], lines: tuple[int, ...] = ()
    ) -> None:
        """Keep what :meth:`uses` gives, and let go what was kept longest."""
        self._uses[digest, path, name, lines] = uses
        while len(self._uses) > KEPT_USES:
            self._uses.popitem(last=False)


TREES: Final = _Trees()
