"""Ranges of paths in the manifest: the files of some folders, found by the index on paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from spelunk.store.schema import encode_path

SqlPath = str | bytes

LAST: Final = b"\xff" * 256
"""After every path: a name has at most 255 bytes."""


class PathRanges(NamedTuple):
    """The files directly in some folders, and all those below others; ``""`` is the root."""

    folders: Iterable[str]
    trees: Iterable[str]

    def conditions(self) -> Iterator[tuple[str, tuple[SqlPath | int, ...]]]:
        """Yield conditions on the column ``path`` with their values. Rows of two may be the same."""
        for folder in self.trees:
            for low, high in _ranges(folder):
                yield "path >= ? AND path < ?", (low, high)
        for folder in self.folders:
            for low, high in _ranges(folder):
                slash: SqlPath = "/" if isinstance(low, str) else b"/"
                yield (
                    "path >= ? AND path < ? AND NOT instr(substr(path, ?), ?)",
                    (low, high, len(low) + 1, slash),
                )


def _ranges(folder: str) -> Iterator[tuple[SqlPath, SqlPath]]:
    """Where the paths below a folder begin and end: stored as text, and as bytes behind all text."""
    prefix = encode_path(folder + "/") if folder else ""
    if isinstance(prefix, str):
        yield prefix, prefix[:-1] + "0" if prefix else b""
    raw = prefix.encode() if isinstance(prefix, str) else prefix
    yield raw, raw[:-1] + b"0" if raw else LAST
