"""The definitions of a file in a few numbers each: which of them a line lies in, without their names."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence

from spelunk.store.relation_reader import DefinitionRow


class _Layer:
    """Definitions of some kinds, in the order of the file."""

    def __init__(self) -> None:
        self.starts = array("I")
        self.ends = array("I")
        self.tops = array("I")
        self.numbers = array("I")
        self._is_sorted = True

    def add(self, line: int, end: int, number: int) -> None:
        """Add the next definition."""
        if self.starts:
            self._is_sorted = self._is_sorted and line >= self.starts[-1]
        self.starts.append(line)
        self.ends.append(end)
        self.tops.append(max(end, self.tops[-1]) if self.tops else end)
        self.numbers.append(number)

    def innermost(self, line: int) -> int:
        """The number of the last definition that holds a line; -1 where there is none."""
        starts, ends, tops = self.starts, self.ends, self.tops
        at = bisect_right(starts, line) if self._is_sorted else len(starts)
        while at > 0:
            at -= 1
            if tops[at] < line:
                break
            if starts[at] <= line <= ends[at]:
                return self.numbers[at]
        return -1


class Outline:
    """Tells the innermost definitions around the lines of a file apart.

    Attributes:
        size: Bytes, about.
    """

    def __init__(self, rows: Iterable[DefinitionRow], kinds: Sequence[Collection[str]]) -> None:
        """Take the definitions of a file.

        Args:
            rows: In the order of the file: what begins last and holds a line is the innermost.
            kinds: Definitions of the first kinds count first; others only where there are none of them.
        """
        layer_of = {kind: n for n, some in reversed([*enumerate(kinds)]) for kind in some}
        layers = [_Layer() for _ in kinds]
        numbers: dict[DefinitionRow, int] = {}
        self.size = 1_000
        for row in rows:
            layer = layer_of.get(row.kind)
            if layer is not None:
                number = numbers.setdefault(row, len(numbers))
                layers[layer].add(row.line, max(row.line, row.end_line), number)
                self.size += 16
        self._layers = [layer for layer in layers if layer.starts]

    def innermost(self, line: int) -> int:
        """The number of the definition that a line lies in: one number for equal definitions; -1 at the top."""
        for layer in self._layers:
            found = layer.innermost(line)
            if found >= 0:
                return found
        return -1
