"""Find the definitions that a line lies in, without a look at every definition of a file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from spelunk.store.relation_reader import DefinitionRow


class Spans:
    """The definitions of a file as spans of lines: a tree of the greatest last lines.

    A generated file has 100,000 definitions in one class, and each of its calls asks what it lies in.
    """

    def __init__(self, rows: Sequence[DefinitionRow]) -> None:
        """Take definitions in the order of their first lines."""
        self._rows = rows
        self._starts = [row.line for row in rows]
        size = 1
        while size < len(rows):
            size *= 2
        ends = [max(row.line, row.end_line) for row in rows]
        greatest = [0] * size + ends + [0] * (size - len(rows))
        for n in range(size - 1, 0, -1):
            greatest[n] = max(greatest[2 * n], greatest[2 * n + 1])
        self._size, self._greatest = size, greatest

    def holding(self, line: int) -> list[DefinitionRow]:
        """The definitions that a line lies in, in the order of their first lines."""
        found: list[DefinitionRow] = []
        before = bisect_right(self._starts, line)
        nodes = [(1, 0, self._size)] if before else []
        while nodes:
            node, first, width = nodes.pop()
            if first >= before or self._greatest[node] < line:
                continue
            if width == 1:
                found.append(self._rows[first])
                continue
            half = width // 2
            nodes.append((2 * node + 1, first + half, half))
            nodes.append((2 * node, first, half))
        return found

    def starting(self, first: int, last: int) -> Sequence[DefinitionRow]:
        """The definitions that begin within some lines."""
        return self._rows[bisect_right(self._starts, first - 1) : bisect_right(self._starts, last)]
