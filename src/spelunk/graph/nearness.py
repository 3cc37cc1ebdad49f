"""Nearness of folders: the order of definitions that nothing else tells apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from spelunk.types import Flag

if TYPE_CHECKING:
    from spelunk.graph.view import GraphView
    from spelunk.store.relation_reader import DefinitionRow

_COPIES: Final = int(Flag.VENDORED | Flag.GENERATED | Flag.EXAMPLE)
_TEST: Final = int(Flag.TEST)


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


def nearest_and_count(
    view: GraphView, file: int, rows: Sequence[DefinitionRow]
) -> tuple[list[DefinitionRow], int]:
    """Definitions as :func:`nearest_first` orders them, and how many share the least distance."""
    ordered = _ordered(view, file, rows)
    return [row for _, row in ordered], sum(key == ordered[0][0] for key, _ in ordered)


def _ordered(
    view: GraphView, file: int, rows: Iterable[DefinitionRow]
) -> list[tuple[tuple[bool, bool, bool, int], DefinitionRow]]:
    here = view.row(file)
    flags = int(here.flags)  # the operators of an enumeration take ten times as long as those of numbers
    steps: dict[int, tuple[bool, bool, int]] = {}

    def key(row: DefinitionRow) -> tuple[bool, bool, bool, int]:
        known = steps.get(row.file)
        if known is None:
            there = view.row(row.file)
            own = int(there.flags)
            foreign = bool(own & _COPIES) and not flags & _COPIES
            test = bool(own & _TEST) and not flags & _TEST
            known = steps[row.file] = foreign, test, steps_between(here.path, there.path)
        return (row.kind == "declaration", *known)

    return sorted(
        ((key(row), row) for row in rows),
        key=lambda pair: (pair[0], view.row(pair[1].file).path, pair[1].line),
    )
