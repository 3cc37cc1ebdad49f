"""A document as rows: sizes, offsets, and cutting rows into chunks.

Rows are 0-based lines separated by ``\\n`` alone, as ``grep -n``, git and
tree-sitter count them. A chunk's lines are 1-based and refer to the raw file.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, count
from operator import add, attrgetter
from typing import Final, NamedTuple

from spelunk.types import Chunk, Definition, Document, Fields

TARGET_CHARS: Final = 1_500
"""Small neighbours are joined up to this many characters."""

MAX_CHARS: Final = 3_000
"""A larger definition is split. A single line that is longer is cut inside the line."""

SMALL_CHARS: Final = 600
"""A definition of at least this size is a chunk of its own."""

TINY_CHARS: Final = 160
"""Rows without a name below this size join their neighbour, whatever that is."""

_line_of: Final = attrgetter("line")


class Piece(NamedTuple):
    """Everything about a chunk but its place; the attributes are those of :class:`spelunk.types.Chunk`."""

    kind: str
    symbol: str = ""
    scope: str = ""
    definitions: tuple[Definition, ...] = ()
    fields: Fields = ()


class TextRows:
    """The rows of a document.

    Attributes:
        text: The document's text.
        lines: Its rows without their ``\\n``.
        count: Number of rows, at least one.
    """

    __slots__ = ("_before", "_raw", "count", "lines", "text")

    def __init__(self, document: Document) -> None:
        self.text = document.text
        self.lines = document.text.split("\n")
        self.count = len(self.lines)
        # characters before a row, newlines not counted: accumulate(map(len)) never leaves C
        self._before = list(accumulate(map(len, self.lines), initial=0))
        self._raw = document.lines

    def size(self, first: int, stop: int) -> int:
        """Characters in the rows ``[first, stop)``."""
        return self._before[stop] - self._before[first] + stop - first

    def starts(self) -> list[int]:
        """The offset of each row in characters, and one beyond the end."""
        return [*map(add, self._before, count())]

    def raw_line(self, row: int) -> int:
        """The 1-based line of the raw file."""
        raw = self._raw
        if raw is None:
            return row + 1
        return raw[row] if row < len(raw) else (raw[-1] if raw else 1)

    def end_line(self, first: int, stop: int) -> int:
        """The 1-based line in the raw file of the last row in ``[first, stop)`` that is not blank."""
        while stop > first + 1 and not self.lines[stop - 1].strip():
            stop -= 1
        return self.raw_line(stop - 1)

    def emit(self, out: list[Chunk], first: int, stop: int, piece: Piece) -> None:
        """Append the rows ``[first, stop)`` as one chunk, or as several if they are too large.

        Blank rows at both ends are left out; rows that are all blank give no
        chunk. Each of several chunks keeps the definitions whose lines it holds.
        """
        lines = self.lines
        while first < stop and (not lines[first] or lines[first].isspace()):
            first += 1
        while stop > first and (not lines[stop - 1] or lines[stop - 1].isspace()):
            stop -= 1
        if first == stop:
            return
        before = self._before
        if before[stop] - before[first] + stop - first <= MAX_CHARS:
            raw = self._raw
            out.append(
                Chunk(
                    first + 1 if raw is None else self.raw_line(first),
                    stop if raw is None else self.raw_line(stop - 1),
                    before[first] + first,
                    before[stop] + stop - 1,
                    *piece,
                )
            )
            return
        if stop - first == 1:
            self._emit_long_line(out, first, piece)
            return
        main = piece.definitions[:1]
        left = sorted(piece.definitions, key=_line_of, reverse=True)
        for a, b in self._split(first, stop):
            here: list[Definition] = []
            last = b - 1
            while last > a and (not lines[last] or lines[last].isspace()):
                last -= 1  # of several rows on one line of a notebook's file, blank ones go to no chunk
            high = self.raw_line(last)
            while left and left[-1].line <= high:
                here.append(left.pop())
            if len(here) > 1 and main[0] in here:
                here.remove(main[0])
                here.insert(0, main[0])
            self.emit(out, a, b, piece._replace(definitions=tuple(here)))

    def _split(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        """Cut rows into runs of about the target size, at blank rows where there are any."""
        a = first
        while a < stop:
            b = a + 1
            cut = 0
            while b < stop:
                # a blank row early in the run would leave a splinter
                if not self.lines[b].strip() and self.size(a, b) >= TARGET_CHARS // 3:
                    cut = b
                if self.size(a, b + 1) > TARGET_CHARS:
                    break
                b += 1
            if b < stop and cut:
                b = cut
            elif b < stop and self.size(a, b) < TARGET_CHARS // 3 and self.size(a, b + 1) <= MAX_CHARS:
                b += 1
            yield a, b
            a = b

    def _emit_long_line(self, out: list[Chunk], row: int, piece: Piece) -> None:
        start = self._before[row] + row
        end = start + len(self.lines[row])
        line = self.raw_line(row)
        text = self.text
        while start < end:
            cut = min(start + MAX_CHARS, end)
            if cut < end:
                best = max(
                    text.rfind(mark, start + MAX_CHARS // 2, cut) for mark in ("\r", " ", ";", ",", "}")
                )
                if best > 0:
                    cut = best + 1
            if not text[start:cut].isspace():
                out.append(Chunk(line, line, start, cut, *piece))
                piece = piece._replace(definitions=())
            start = cut
