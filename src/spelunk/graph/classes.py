"""Types: their members, their bases, and the types that name them as a base."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from spelunk.chunk.relation import Reference, Role
from spelunk.graph.languages import CALLABLE, CLASSES, EXTENDING, FIELDS_APART, ON_DEMAND, family_of
from spelunk.graph.nearness import nearest_first
from spelunk.graph.view import GraphView, qualified
from spelunk.store.relation_reader import DefinitionRow

MOST_BASES: Final = 60
"""Types looked at above one."""
MOST_DEFINITIONS: Final = 10_000
"""Definitions of one name that are looked at."""

HOLDERS: Final = frozenset(
    {"class", "struct", "enum", "union", "interface", "record", "type", "typedef", "trait", "object"}
)
"""Kinds of types that have fields or variants."""

_TYPEDEF: Final = re.compile(r"\btypedef\s+(?:struct|union|enum)\s+(\w+)")

Meaning = Callable[[int, Reference], list[DefinitionRow]]
"""Gives the types that a reference in a file may mean, the most likely first."""


class TypeMember(NamedTuple):
    """A member found for a name: the definition, and how many steps above the type it is."""

    row: DefinitionRow
    steps: int


class MembersFound(NamedTuple):
    """Members found, and whether every type above is in the index."""

    members: list[TypeMember]
    complete: bool


class NamedRows:
    """The definitions of a name in one family of languages.

    Attributes:
        rows: By path and line.
        by_file: By file.
        by_folder: By the folder of their file.
        by_owner: Those in a scope, by the last name of it.
    """

    def __init__(self, view: GraphView, rows: Sequence[DefinitionRow]) -> None:
        self.rows = rows
        self.by_file: dict[int, list[DefinitionRow]] = {}
        self.by_folder: dict[str, list[DefinitionRow]] = {}
        self.by_owner: dict[str, list[DefinitionRow]] = {}
        for row in rows:
            self.by_file.setdefault(row.file, []).append(row)
            self.by_folder.setdefault(view.row(row.file).path.rpartition("/")[0], []).append(row)
            if row.scope:
                self.by_owner.setdefault(row.scope.rpartition(".")[2], []).append(row)


class Classes:
    """The types of one generation."""

    def __init__(self, view: GraphView, meaning: Meaning) -> None:
        self._view = view
        self._meaning = meaning
        self._named: dict[str, list[DefinitionRow]] = {}
        self._of_family: dict[tuple[str, str], NamedRows] = {}
        self._fields: dict[str, dict[DefinitionRow, None]] = {}
        self._bases: dict[DefinitionRow, tuple[list[DefinitionRow], bool]] = {}

    def named(self, name: str) -> list[DefinitionRow]:
        """All definitions of a name, by path and line, as many as are looked at; the fields that the question knows too."""
        found, fields = self.stored(name), self._fields.get(name)
        return found if fields is None else [*found, *fields]

    def stored(self, name: str) -> list[DefinitionRow]:
        """The stored definitions of a name, by path and line, as many as are looked at."""
        found = self._named.get(name)
        if found is None:
            found = self._view.reader.definitions_named([name], MOST_DEFINITIONS)
            if len(found) >= MOST_DEFINITIONS:
                self._view.told.add(
                    f"`{name}` has more than {MOST_DEFINITIONS:,} definitions; the first of them were looked at"
                )
            self._view.load_rows(row.file for row in found)
            self._named[name] = found
        return found

    def add_fields(self, rows: Iterable[DefinitionRow]) -> None:
        """Let the question know fields, which are no stored definitions."""
        for row in rows:
            self._fields.setdefault(row.name, {})[row] = None
            for key in [key for key in self._of_family if key[0] == row.name]:
                del self._of_family[key]

    def of_family(self, name: str, family: str) -> NamedRows:
        """The definitions of a name in one family of languages."""
        found = self._of_family.get((name, family))
        if found is None:
            view = self._view
            rows = [row for row in self.named(name) if family_of(view.row(row.file).language) == family]
            found = self._of_family[name, family] = NamedRows(view, rows)
        return found

    def whole(self, row: DefinitionRow) -> DefinitionRow:
        """The type that an ``impl`` or an extension adds to; the row itself where there is none."""
        if row.kind not in EXTENDING:
            return row
        family = family_of(self._view.row(row.file).language)
        types = [r for r in self.of_family(row.name, family).rows if r.kind in CLASSES]
        return nearest_first(self._view, row.file, types)[0] if types else row

    def members(self, owner: DefinitionRow, name: str) -> list[DefinitionRow]:
        """The members of a type that have a name: those in its file, else those nearest to it."""
        scope, family = qualified(owner), family_of(self._view.row(owner.file).language)
        last = scope.rpartition(".")[2]
        rows = self.of_family(name, family).by_owner.get(last, [])
        exact = [r for r in rows if r.scope == scope] or rows
        own = [r for r in exact if r.file == owner.file]
        if own:
            return own
        if family in ("python", "js"):  # a class is in one file
            return []
        near = nearest_first(self._view, owner.file, exact)
        return [r for r in near if r.file == near[0].file] if near else []

    def _members_or_fields(self, owner: DefinitionRow, name: str) -> list[DefinitionRow]:
        rows = self.members(owner, name)
        return [r for r in rows if r.kind not in ON_DEMAND] or rows or self.fields_of(owner, name)

    def _values(self, owner: DefinitionRow, name: str) -> list[DefinitionRow]:
        """The fields of a type that have a name, else its other members that are no methods."""
        fields = self.fields_of(owner, name)
        return fields or [r for r in self.members(owner, name) if r.kind not in CALLABLE]

    def fields_of(self, owner: DefinitionRow, name: str) -> list[DefinitionRow]:
        """The field or variant of a type, read from the text of its file."""
        if owner.kind not in HOLDERS:
            return []
        fields = [r for r in self._view.fields(owner.file) if r.name == name]
        scope, is_c = qualified(owner), family_of(self._view.row(owner.file).language) == "c"
        own = [r for r in fields if r.scope == scope]
        if own or not is_c:
            return own
        if not fields:  # of a struct that another file defines
            types = [r for r in self.named(self._tag(owner)) if r.kind in CLASSES and r.file != owner.file]
            types = nearest_first(self._view, owner.file, types)[:1]
            return [
                f for r in types for f in self._view.fields(r.file) if (f.name, f.scope) == (name, r.name)
            ]
        return [r for r in fields if r.scope.rpartition(".")[2] in self._names_in_c(owner)]

    def _names_in_c(self, owner: DefinitionRow) -> set[str]:
        """Names of a struct of C: ``typedef struct tag { ... } name``, ``typedef struct tag name``."""
        rows = [row for row in self._view.definitions(owner.file) if row.kind in CLASSES]
        names = {row.name for row in rows if row.line <= owner.line <= max(row.line, row.end_line)}
        return names | {self._tag(owner)}

    def _tag(self, owner: DefinitionRow) -> str:
        """The struct that a ``typedef`` of C gives another name; "" for anything else."""
        found = _TYPEDEF.search(self._view.line(owner.file, owner.line))
        return found.group(1) if found is not None else ""

    def bases(self, owner: DefinitionRow) -> tuple[list[DefinitionRow], bool]:
        """The types that a type names as bases, and whether all that it names were found."""
        found = self._bases.get(owner)
        if found is None:
            self._bases[owner] = ([], True)  # for a type that is its own base
            rows: dict[DefinitionRow, None] = {}
            complete = True
            for reference in self._heads(owner):
                meant = [r for r in self._meaning(owner.file, reference) if r != owner]
                complete = complete and bool(meant)
                rows.update(dict.fromkeys(meant[:1]))
            found = self._bases[owner] = (list(rows), complete and owner.file not in self._view.unparsed)
        return found

    def _heads(self, owner: DefinitionRow) -> list[Reference]:
        """The references of a type to its bases, those of its impls and extensions in the same file too."""
        parts = [d for d in self._view.named_in(owner.file, owner.name) if d == owner or d.kind in EXTENDING]
        return [
            r
            for part in parts
            for r in self._view.references_in(part)
            if r.role is Role.INHERIT and self._view.class_around(owner.file, r.line) == part
        ]

    def above(self, owner: DefinitionRow) -> tuple[list[tuple[DefinitionRow, int]], bool]:
        """All types above a type with their distance, the nearest first, and whether all were found."""
        out: list[tuple[DefinitionRow, int]] = []
        seen = {owner}
        queue = [(owner, 0)]
        complete = True
        while queue and len(seen) <= MOST_BASES:
            row, steps = queue.pop(0)
            bases, all_found = self.bases(row)
            complete = complete and all_found
            for base in bases:
                if base not in seen:
                    seen.add(base)
                    out.append((base, steps + 1))
                    queue.append((base, steps + 1))
        return out, complete

    def find(
        self,
        owner: DefinitionRow,
        name: str,
        *,
        own: bool = True,
        is_value: bool = False,
        is_type: bool = False,
    ) -> MembersFound:
        """A member of a type, or of the nearest type above that has it.

        Args:
            owner: The type, or an addition to it.
            name: Of the member.
            own: Whether the type itself may have it.
            is_value: It is not called: where fields and methods are apart, no method is meant.
            is_type: It is the name of a type, which no field is.
        """
        owner = self.whole(owner)
        is_field = is_value and family_of(self._view.row(owner.file).language) in FIELDS_APART
        look_up = self.members if is_type else self._values if is_field else self._members_or_fields
        rows = look_up(owner, name) if own else []
        if rows:
            return MembersFound([TypeMember(r, 0) for r in rows], True)
        above, complete = self.above(owner)
        for base, steps in above:
            rows = look_up(base, name)
            if rows:
                return MembersFound([TypeMember(r, steps) for r in rows], True)
        return MembersFound([], complete)

    def is_above(self, base: DefinitionRow, owner: DefinitionRow) -> bool:
        """Whether a type is another one or above it."""
        owner = self.whole(owner)
        return base == owner or any(row == base for row, _ in self.above(owner)[0])


def types_among(rows: Sequence[DefinitionRow]) -> list[DefinitionRow]:
    """Those that are types; impls and extensions only where there is nothing else."""
    whole = [row for row in rows if row.kind in CLASSES]
    return whole or [row for row in rows if row.kind in EXTENDING]
