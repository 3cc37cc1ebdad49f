"""Names of C and C++ that a file does not define: what its headers declare, else what any file defines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from spelunk.chunk.relation import Reference, Role
from spelunk.graph.grading import SHARED, WIDE_IMPORT, Resolution, definitions_first, graded
from spelunk.graph.import_paths.tree import folder_of
from spelunk.graph.imports import Imports
from spelunk.graph.view import GraphView
from spelunk.store.relation_reader import DefinitionRow

MOST_KEPT: Final = 1_000
"""Definitions of a name up to which they are the same for each of its references, so that answers are kept."""


class CNames:
    """Resolves names for one question; thousands of files that include the same headers share an answer."""

    def __init__(
        self, view: GraphView, imports: Imports, is_hidden: Callable[[DefinitionRow, int], bool]
    ) -> None:
        self._view, self._imports, self._is_hidden = view, imports, is_hidden
        self._known: dict[tuple[object, ...], Resolution] = {}

    def is_plain(self, file: int, role: Role, receiver: str) -> bool:
        """Whether a reference is a call of C: the same all over a file that does not define the name."""
        return not receiver and role in (Role.CALL, Role.MACRO) and self._view.row(file).language == "c"

    def meant(self, file: int, reference: Reference, pool: list[DefinitionRow]) -> Resolution:
        """The definitions that a name in a file may mean.

        Args:
            file: It defines none of them.
            reference: The name.
            pool: The definitions of the name that are no members.
        """
        here = self._view.row(file)
        wide = self._imports.wide_among(file, frozenset(row.file for row in pool))
        key = (reference.name, reference.role, folder_of(here.path), int(here.flags), wide, len(pool))
        known = self._known.get(key)
        if known is None or len(pool) > MOST_KEPT:
            seen = [row for row in pool if not self._is_hidden(row, file)]
            found = [row for row in pool if row.file in wide]
            if found:  # declared in the header, defined elsewhere
                known = graded(self._view, file, definitions_first(seen or found), WIDE_IMPORT)
            else:
                known = graded(self._view, file, definitions_first(seen), SHARED)
            self._known[key] = known
        return known
