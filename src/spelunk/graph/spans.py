"""Find the definitions that a line lies in, without a look at every definition of a file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from spelunk.graph.languages import CALLABLE, CLASSES, EXTENDING, VALUES
from spelunk.store.relation_reader import DefinitionRow, Place, RelationReader

MOST_LINES: Final = 6
"""Lines of a file up to which the definitions around them are looked up; for more it is cheaper to load all of the file."""


ENCLOSING: Final = (CALLABLE, CLASSES | EXTENDING, VALUES)
"""Kinds of what a place is said to lie in: a function, else a type, else a value."""


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
        ends = [last_line(row) for row in rows]
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


class Surroundings:
    """The definitions around places, for one question."""

    def __init__(self, reader: RelationReader, spans: Callable[[int], Spans]) -> None:
        self._reader, self._spans = reader, spans
        self._known: dict[Place, list[DefinitionRow]] = {}
        self._inner: dict[Place, DefinitionRow | None] = {}

    def around(self, file: int, line: int) -> list[DefinitionRow]:
        """The definitions that a line lies in, the innermost last."""
        found = self._known.get((file, line))
        if found is None:
            found = self._known[file, line] = sorted(self._spans(file).holding(line), key=_outermost_first)
        return found

    def innermost(self, file: int, line: int) -> DefinitionRow | None:
        """The function, else the type, else the value that a line lies in; None at the top of the file."""
        if (file, line) in self._inner:
            return self._inner[file, line]
        around = self.around(file, line)
        for kinds in ENCLOSING:
            inner = [row for row in around if row.kind in kinds]
            if inner:
                return inner[-1]
        return None

    def load_innermost(self, places: Iterable[Place]) -> None:
        """Find what :meth:`innermost` gives for many places at once, without the other definitions around them."""
        lacking = {place for place in places if place not in self._inner}
        if lacking:
            kept: dict[Place, tuple[DefinitionRow | None]] = self._reader.kept.get_all("inner", lacking)
            self._inner.update((place, inner) for place, (inner,) in kept.items())
            lacking.difference_update(kept)
        if lacking:
            found = self._reader.innermost(lacking, ENCLOSING)
            self._inner.update((place, found.get(place)) for place in lacking)
            self._reader.kept.put_all("inner", {place: ((found.get(place),), 300) for place in lacking})

    def load(self, places: Iterable[Place]) -> None:
        """Find the definitions around many places at once, without the rest of their files' definitions.

        Files with many places are left to :meth:`around`.
        """
        lacking: dict[int, set[int]] = {}
        for place in places:
            if place not in self._known:
                lacking.setdefault(place[0], set()).add(place[1])
        few = [(file, line) for file, lines in lacking.items() if len(lines) <= MOST_LINES for line in lines]
        found = self._reader.definitions_around(few) if few else {}
        for at in few:
            self._known[at] = sorted(found.get(at, ()), key=_outermost_first)


def _outermost_first(row: DefinitionRow) -> tuple[int, int, bool]:
    return -last_line(row), row.line, row.kind in VALUES


def last_line(row: DefinitionRow) -> int:
    """The last line of a definition; its first where that is all that is known."""
    return max(row.line, row.end_line)
