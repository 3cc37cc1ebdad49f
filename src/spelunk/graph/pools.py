"""The definitions that a name in a file may mean at all, before any rule is tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from spelunk.chunk.relation import Reference, Role
from spelunk.graph.classes import Classes
from spelunk.graph.grading import fitting
from spelunk.graph.import_paths.tree import folder_of
from spelunk.graph.imports import Imports
from spelunk.graph.view import GraphView
from spelunk.store.relation_reader import DefinitionRow

CROWDED: Final = 1_000
"""Definitions of a name from which only those near a reference are held against it."""


class Pools:
    """The definitions of each name and role, told apart once."""

    def __init__(self, view: GraphView, imports: Imports, classes: Classes) -> None:
        self._view = view
        self._imports = imports
        self._classes = classes
        self._fit: dict[tuple[str, str, Role], tuple[Sequence[DefinitionRow], list[DefinitionRow]]] = {}

    def fitting(self, file: int, reference: Reference, family: str) -> list[DefinitionRow]:
        """The definitions that a reference may mean by its role."""
        rows = self._named(file, reference.name, family)
        key = (reference.name, family, reference.role)
        known = self._fit.get(key)
        if known is None or known[0] is not rows:
            known = self._fit[key] = rows, fitting(rows, reference.role)
        return known[1]

    def are_same(self, name: str, family: str) -> bool:
        """Whether a name may mean the same definitions in every file."""
        return len(self._classes.of_family(name, family).rows) <= CROWDED

    def _named(self, file: int, name: str, family: str) -> Sequence[DefinitionRow]:
        """The definitions that a name in a file may mean; of a name that very many files define the near ones."""
        named = self._classes.of_family(name, family)
        if len(named.rows) <= CROWDED:
            return named.rows
        self._view.told.add(
            f"`{name}` has more than {CROWDED:,} definitions; each reference was held against those in its file, "
            "in its folder and in the files that it imports"
        )
        folder = named.by_folder.get(folder_of(self._view.row(file).path), [])
        near = [row for other in sorted(self._imports.reach(file)) for row in named.by_file.get(other, ())]
        return list(dict.fromkeys([*near, *folder[:CROWDED]]))
