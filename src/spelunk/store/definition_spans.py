"""The definitions of a file in two numbers each: which of them a line lies in, without their names."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from operator import le
from typing import Final

LINE_BITS: Final = 24
"""Bits of the last line in a packed span."""
_LAST: Final = (1 << LINE_BITS) - 1


class DefinitionSpans:
    """Tells the innermost definitions around the lines of a file apart."""

    __slots__ = ("_is_sorted", "_spans", "_tops")

    def __init__(self, spans: Sequence[int]) -> None:
        """Take definitions in the order of the file: what begins last and holds a line is the innermost.

        Args:
            spans: The first line of each in the high bits, its last one in the low :data:`LINE_BITS`.
        """
        self._spans = array("Q", spans)
        starts = [span >> LINE_BITS for span in spans]
        self._is_sorted = all(map(le, starts, starts[1:]))
        ends = (max(start, span & _LAST) for start, span in zip(starts, spans, strict=True))
        self._tops = array("I", accumulate(ends, max))

    @property
    def size(self) -> int:
        """Bytes, about."""
        return 250 + 12 * len(self._spans)

    def innermost(self, line: int) -> int:
        """The number of the definition that a line lies in, of those that were taken; -1 where there is none."""
        spans, tops = self._spans, self._tops
        at = bisect_right(spans, line << LINE_BITS | _LAST) if self._is_sorted else len(spans)
        while at > 0:
            at -= 1
            if tops[at] < line:
                break
            start = spans[at] >> LINE_BITS
            if start <= line <= max(start, spans[at] & _LAST):
                return at
        return -1
