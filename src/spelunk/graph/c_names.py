"""Names of C and C++ that a file does not define: what its headers declare, else what any file defines."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from spelunk.chunk.relation import Reference, Role
from spelunk.graph.grading import SHARED, WIDE_IMPORT, Resolution, definitions_first, graded
from spelunk.graph.import_paths.tree import folder_of
from spelunk.graph.imports import Imports
from spelunk.graph.pools import Pools
from spelunk.graph.view import GraphView
from spelunk.store.relation_reader import DefinitionRow, Site

MOST_KEPT: Final = 1_000
"""Definitions of a name up to which they are the same for each of its references, so that answers are kept."""


PLAIN: Final = (Role.CALL, Role.MACRO, Role.TYPE)
"""Roles in which a name of C without a receiver means the same all over a file that does not define it."""
_NOTHING: Final[frozenset[int]] = frozenset()


class WantedInC(NamedTuple):
    """What a question about C asks for.

    Attributes:
        has_fields: Fields are among it.
        has_members: Members of types are: fields, methods of C++.
        has_values: Variables and constants are.
    """

    has_fields: bool
    has_members: bool
    has_values: bool


class _PlainPool(NamedTuple):
    """The definitions that a name and role fit, those of them that are no members, and the files that define it."""

    named: list[DefinitionRow]
    rows: list[DefinitionRow]
    files: frozenset[int]


class CNames:
    """Resolves names for one question; thousands of files that include the same headers share an answer."""

    def __init__(
        self, view: GraphView, imports: Imports, pools: Pools, is_hidden: Callable[[DefinitionRow, int], bool]
    ) -> None:
        self._view, self._imports, self._is_hidden = view, imports, is_hidden
        self._pools = pools
        self._plain: dict[tuple[str, Role], _PlainPool] = {}
        self._known: dict[tuple[object, ...], Resolution] = {}

    def is_plain(self, file: int, role: Role, receiver: str) -> bool:
        """Whether a reference is a call of C, or a type: the same all over a file that does not define the name."""
        return not receiver and role in PLAIN and self._view.row(file).language == "c"

    def plain(self, file: int, reference: Reference) -> Resolution | None:
        """What a plain name means in a file; None where the file itself defines it."""
        pool = self._pool(file, reference)
        return None if file in pool.files else self.meant(file, reference, pool.rows)

    def plain_of(self, files: Collection[int], reference: Reference) -> dict[int, Resolution]:
        """What :meth:`plain` gives for a reference in many files, at least one; those that define the name are left out."""
        if not self._pools.are_same(reference.name, "c"):
            each = ((file, self.plain(file, reference)) for file in files)
            return {file: means for file, means in each if means is not None}
        pool = self._pool(next(iter(files)), reference)
        others = [file for file in files if file not in pool.files]
        wide = (
            self._imports.included_among(others, frozenset(row.file for row in pool.rows)) if others else {}
        )
        seen: list[DefinitionRow] | None = None  # the same for all files that define none of them
        known: dict[tuple[str, int, object], Resolution] = {}
        found: dict[int, Resolution] = {}
        for file in others:
            here = self._view.row(file)
            if seen is None:
                seen = [row for row in pool.rows if not self._is_hidden(row, file)]
            declared = wide.get(file, _NOTHING)  # where some are seen, it counts only whether there are any
            key = (here.path.rpartition("/")[0], int(here.flags), bool(declared) if seen else declared)
            means = known.get(key)
            if means is None:
                means = known[key] = self._graded(file, reference, pool.rows, seen, declared)
            found[file] = means
        return found

    def _pool(self, file: int, reference: Reference) -> _PlainPool:
        rows = self._pools.fitting(file, reference, "c")
        known = self._plain.get((reference.name, reference.role))
        if known is None or known.named is not rows:
            pool = [row for row in rows if not self._imports.is_member(row)]
            known = _PlainPool(rows, pool, frozenset(row.file for row in rows))
            self._plain[reference.name, reference.role] = known
        return known

    def cannot_mean(self, site: Site, name: str, wanted: WantedInC) -> bool:
        """Whether a reference of C can mean none of the definitions asked for, by its form alone.

        What is called behind a dot or an arrow, and what is assigned to, is a field or a variable, no function; a
        header may be one of C++, whose methods are called so.
        """
        file = self._view.row(site.file)
        if site.role not in (Role.CALL, Role.WRITE) or file.language != "c":
            return False
        if wanted.has_fields or (wanted.has_members and not file.path.endswith(".c")):
            return False
        if site.receiver or (site.role is Role.WRITE and not wanted.has_values):
            return True
        key = re.compile(rf"\.\s*{re.escape(name)}\s*[\[=]")
        return site.role is Role.WRITE and bool(key.search(self._view.line(site.file, site.line)))

    def meant(self, file: int, reference: Reference, pool: list[DefinitionRow]) -> Resolution:
        """The definitions that a name in a file may mean.

        Args:
            file: It defines none of them.
            reference: The name.
            pool: The definitions of the name that are no members.
        """
        wide = self._imports.wide_among(file, frozenset(row.file for row in pool))
        return self._graded(file, reference, pool, None, wide)

    def _graded(
        self,
        file: int,
        reference: Reference,
        pool: list[DefinitionRow],
        seen: list[DefinitionRow] | None,
        wide: frozenset[int],
    ) -> Resolution:
        here = self._view.row(file)
        key = (reference.name, reference.role, folder_of(here.path), int(here.flags), wide, len(pool))
        known = self._known.get(key)
        if known is None or len(pool) > MOST_KEPT:
            if seen is None:
                seen = [row for row in pool if not self._is_hidden(row, file)]
            found = [row for row in pool if row.file in wide]
            if found:  # declared in the header, defined elsewhere
                known = graded(self._view, file, definitions_first(seen or found), WIDE_IMPORT)
            else:
                known = graded(self._view, file, definitions_first(seen), SHARED)
            self._known[key] = known
        return known
