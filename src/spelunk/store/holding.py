"""The files that have some chunks, found without a look at every file.

Few chunks are looked up in the manifest. For many there are three numbers of each file in
columns (some 2 MB for 79,000 files), read once for a generation.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from spelunk.store.manifest import Manifest
from spelunk.store.where import FileSpan

FEW_CHUNKS: Final = 2_000
"""Up to so many chunks are looked up one by one, in some 2 us each; the columns of 79,000 files take 0.1 s."""


class Holding:
    """Finds the files of one generation that have chunks."""

    def __init__(self, manifest: Manifest) -> None:
        """Read nothing yet.

        Args:
            manifest: Inside a read transaction whenever a question is asked, always of the same generation.
        """
        self._manifest = manifest
        self._ids: array[int] | None = None
        self._firsts = self._ends = self._places = array("q")

    def files(self, chunks: Sequence[int], limit: int | None = None) -> list[int]:
        """The ids of the files with one of some chunks, by path.

        Args:
            chunks: Ids, ascending.
            limit: The first files, at most so many; all where None.
        """
        if self._ids is None and len(chunks) <= FEW_CHUNKS:
            rows = self._manifest.all(
                "SELECT DISTINCT f.id FROM json_each(?) n CROSS JOIN chunks c ON c.id = n.value"
                " CROSS JOIN files f ON f.id = c.file ORDER BY f.path LIMIT ?",
                (json.dumps([*chunks]), -1 if limit is None else limit),
            )
            return [file for (file,) in rows]
        ids = self._read()
        firsts, ends, found, at = self._firsts, self._ends, [], 0
        while at < len(chunks):
            file = bisect_right(firsts, chunks[at]) - 1
            if file >= 0 and chunks[at] < ends[file]:
                found.append(file)
                at = bisect_left(chunks, ends[file], at)
            else:
                at += 1
        found.sort(key=self._places.__getitem__)
        return [ids[file] for file in found[:limit]]

    def _read(self) -> array[int]:
        if self._ids is None:
            rows = self._manifest.all(
                "SELECT id, first_chunk, first_chunk + chunks FROM files WHERE chunks > 0 ORDER BY path"
            )
            order = sorted(range(len(rows)), key=lambda n: rows[n][1])
            self._places = array("q", order)
            self._firsts = array("q", (rows[n][1] for n in order))
            self._ends = array("q", (rows[n][2] for n in order))
            self._ids = array("q", (rows[n][0] for n in order))
        return self._ids


def spans_holding(spans: list[FileSpan], chunks: list[int] | None) -> list[FileSpan]:
    """The files with one of the chunks, which are ascending; all files where None is known."""
    if chunks is None:
        return spans
    return [s for s in spans if bisect_left(chunks, s.first) < bisect_left(chunks, s.end)]
