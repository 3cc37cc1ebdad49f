"""Nearness of folders: the order of definitions that nothing else tells apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from spelunk.types import Flag

if TYPE_CHECKING:
    from spelunk.graph.view import GraphView
    from spelunk.store.relation_reader import DefinitionRow

_COPIES = Flag.VENDORED | Flag.GENERATED | Flag.EXAMPLE


def steps_between(a: str, b: str) -> int:
    """Folders to leave and to enter from one file to another."""
    left, right = a.split("/")[:-1], b.split("/")[:-1]
    shared = 0
    for x, y in zip(left, right, strict=False):
        if x != y:
            break
        shared += 1
    return len(left) + len(right) - 2 * shared


def nearest_first(view: GraphView, file: int, rows: Sequence[DefinitionRow]) -> list[DefinitionRow]:
    """Definitions by their distance from a file; copies, examples and tests after the rest."""
    return [row for _, row in _ordered(view, file, rows)]


def nearest_alone(view: GraphView, file: int, rows: Sequence[DefinitionRow]) -> int:
    """How many definitions share the least distance from a file."""
    ordered = _ordered(view, file, rows)
    return sum(key == ordered[0][0] for key, _ in ordered)


def _ordered(
    view: GraphView, file: int, rows: Iterable[DefinitionRow]
) -> list[tuple[tuple[bool, bool, bool, int], DefinitionRow]]:
    here = view.row(file)

    def key(row: DefinitionRow) -> tuple[bool, bool, bool, int]:
        there = view.row(row.file)
        foreign = bool(there.flags & _COPIES) and not here.flags & _COPIES
        test = bool(there.flags & Flag.TEST) and not here.flags & Flag.TEST
        return row.kind == "declaration", foreign, test, steps_between(here.path, there.path)

    return sorted(
        ((key(row), row) for row in rows),
        key=lambda pair: (pair[0], view.row(pair[1].file).path, pair[1].line),
    )
