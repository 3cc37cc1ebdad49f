"""What a question asks about: a name, a name with its scope, or a place in a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from spelunk.errors import UsageError
from spelunk.graph.citation import PLACE, check_line, file_at
from spelunk.graph.columns import rows_at
from spelunk.graph.import_paths import root_package_names
from spelunk.graph.languages import CALLABLE, CLASSES, EXTENDING, NOT_CODE
from spelunk.graph.spans import last_line
from spelunk.graph.view import GraphView
from spelunk.store.relation_reader import DefinitionRow
from spelunk.types import Flag

if TYPE_CHECKING:
    from spelunk.store.records import FileRow

MOST_NAMED: Final = 10_000
"""Definitions of one name that are looked at."""

SEPARATOR: Final = re.compile(r"::|->|[.#/\\]")
"""What stands between the parts of a name as people write it."""
_FOREIGN: Final = Flag.VENDORED | Flag.GENERATED | Flag.EXAMPLE


def find(view: GraphView, asked: str) -> list[DefinitionRow]:
    """The definitions that a question means, the most likely first; none where nothing has the name.

    Args:
        view: The generation.
        asked: ``name``, ``Scope.name`` with any separator and as many scopes or
            folders as tell it apart, ``FILE:LINE``, or ``FILE:LINE:COLUMN``.

    Raises:
        UsageError: It is empty, or a place in a file that is not indexed or has no such line.
    """
    asked = asked.strip()
    if not asked:
        raise UsageError("the name is empty; give NAME, Scope.name or FILE:LINE[:COLUMN]")
    place = PLACE.fullmatch(asked)
    if place is not None:
        path, line, column = place.group(1), int(place.group(2)), place.group(3)
        row = file_at(view, path)
        if row is not None and column is not None:
            return rows_at(view, row, line, int(column))
        if row is not None:
            return _at(view, row, line)
        if "/" in path or "." in path:
            raise UsageError(f"{path}: not indexed; `spelunk why {path}` says why")
    parts = [part for part in SEPARATOR.split(asked.removesuffix("()")) if part]
    if not parts:
        raise UsageError(f"{asked}: no name; give NAME, Scope.name or FILE:LINE[:COLUMN]")
    rows = _of_name(view, parts[-1], parts[:-1])
    if not rows and not SEPARATOR.search(asked.strip(".")):
        rows = _of_name(view, asked, [])
    return rows


def _at(view: GraphView, row: FileRow, line: int) -> list[DefinitionRow]:
    """The definition that begins at a line, or the one that the line lies in."""
    check_line(row, line)
    here = [d for d in view.definitions(row.id) if d.line == line]
    if here:
        first = sorted(here, key=lambda d: (-last_line(d), d.kind not in CLASSES | CALLABLE))[0]
        return [first]
    fields = [f for f in view.fields(row.id) if f.line == line and not view.is_assigned(f)]
    if fields:
        return fields[:1]
    local = [d for d in view.locals(row.id) if d.line == line]
    if local:
        return local[:1]
    inside = view.enclosing(row.id, line)
    return [] if inside is None else [inside]


def _of_name(view: GraphView, name: str, scope: Sequence[str]) -> list[DefinitionRow]:
    rows = view.reader.definitions_named([name], MOST_NAMED)
    if len(rows) >= MOST_NAMED:
        view.told.add(f"`{name}` has {MOST_NAMED:,} definitions and more; the first of them were looked at")
    view.load_rows(row.file for row in rows)
    view.stored.update(rows)
    if scope:
        rows = within(view, rows, scope)
    code = [row for row in rows if view.row(row.file).language not in NOT_CODE]
    return sorted(code or rows, key=lambda row: _order(view, row))


def within(view: GraphView, rows: Sequence[DefinitionRow], wanted: Sequence[str]) -> list[DefinitionRow]:
    """Of some definitions those in the scopes asked for: those whose scope ends so, else those whose path and scope have them in order."""
    names = {row: [part for part in SEPARATOR.split(row.scope) if part] for row in rows}
    ending = [row for row, own in names.items() if own[-len(wanted) :] == list(wanted)]
    if ending:
        return ending
    found = []
    for row, own in names.items():
        file = view.row(row.file)
        path = file.path
        if own == list(wanted[1:]) and wanted[0] in root_package_names(view.reader, path, file.language):
            found.append(row)
            continue
        left = iter([*path.split("/")[:-1], path.rpartition("/")[2].partition(".")[0], *own])
        if all(part in left for part in wanted):
            found.append(row)
    return found


def _order(view: GraphView, row: DefinitionRow) -> tuple[bool, bool, int, str, int]:
    file = view.row(row.file)
    kind = 2
    if row.kind in CLASSES:
        kind = 0
    elif row.kind in CALLABLE and row.kind != "declaration":
        kind = 1
    elif row.kind in EXTENDING or row.kind == "declaration":
        kind = 3
    return bool(file.flags & _FOREIGN), bool(file.flags & Flag.TEST), kind, file.path, row.line
