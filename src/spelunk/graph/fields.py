"""Fields, variants and local functions as definitions of a question: they are not stored, but read from the texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from spelunk.graph.languages import ON_DEMAND, family_of
from spelunk.graph.names import SEPARATOR, within
from spelunk.graph.view import GraphView
from spelunk.store.records import FileRow

if TYPE_CHECKING:
    from spelunk.store.relation_reader import DefinitionRow

MOST_FILES: Final = 60
"""Files with a name that are parsed to find its fields: some 0.3 s of source code."""
MOST_CHARS: Final = 4_000_000
"""Bytes of them."""
Finder = Callable[[str, int], list[FileRow]]
"""Gives the files whose text has an identifier, at most so many."""


def is_field(view: GraphView, row: DefinitionRow) -> bool:
    """Whether a row is none of the stored definitions."""
    return row.kind in ON_DEMAND and not is_stored(view, row)


def is_stored(view: GraphView, row: DefinitionRow) -> bool:
    """Whether a row is a stored definition: no field, and no function inside another."""
    return row in view.stored or row in view.named_in(row.file, row.name)


def fields_named(view: GraphView, asked: str, finder: Finder) -> list[DefinitionRow]:
    """The fields and local functions that a name, or ``Type.name``, means; none of a place."""
    parts = [part for part in SEPARATOR.split(asked.strip().removesuffix("()")) if part]
    if not parts or not parts[-1].isidentifier():
        return []
    rows = list(_fields_of_name(view, parts[-1], finder, parts[-2] if parts[:-1] else ""))
    return within(view, rows, parts[:-1]) if parts[:-1] else rows


def fields_beside(view: GraphView, rows: Sequence[DefinitionRow], finder: Finder) -> list[DefinitionRow]:
    """The fields that have the name of one of some fields, which they could be taken for."""
    families = {family_of(view.row(row.file).language) for row in rows}
    return [
        row
        for name in sorted({row.name for row in rows})
        for row in _fields_of_name(view, name, finder)
        if row.kind in ON_DEMAND and family_of(view.row(row.file).language) in families
    ]


def _fields_of_name(view: GraphView, name: str, finder: Finder, owner: str = "") -> Iterator[DefinitionRow]:
    files = finder(name, 10 * MOST_FILES)
    if owner:  # where the type is defined comes first: not all files are parsed
        homes = {row.file for row in view.reader.definitions_named([owner])}
        files = sorted(files, key=lambda file: file.id not in homes)
    view.load(file.id for file in files[:MOST_FILES])
    size = 0
    for n, file in enumerate(files):
        size += file.size
        if n == MOST_FILES or size > MOST_CHARS:
            view.told.add(
                f"fields called `{name}` were looked for in {n:,} of the {len(files):,} files that have the name"
            )
            return
        yield from (row for row in (*view.fields(file.id), *view.locals(file.id)) if row.name == name)
