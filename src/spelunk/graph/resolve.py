"""Resolve a reference: the definitions that it may mean, each with a confidence and the rule that gave it.

The rules are tried in the order of their trust; the first one that finds something decides
(docs/symbol-graph.md). Where an import or a written type says that the name is of no file, nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from spelunk.chunk.relation import Reference, Role
from spelunk.graph.c_names import CNames
from spelunk.graph.classes import Classes, types_among
from spelunk.graph.elixir import in_module, is_variable, names_module
from spelunk.graph.grading import (
    CALLED_LIKE,
    COMMON_REACHED,
    COMMON_SHARE,
    FIELD_SHARE,
    IMPORT,
    IN_REACH,
    INHERITED,
    LOCAL,
    MEMBER,
    NAME,
    ONLY_ONE,
    OUTSIDE,
    OWN_MEMBER,
    PACKAGE,
    SAME_FILE,
    SHARED,
    SURE,
    UNKNOWN,
    VALUE_SHARE,
    WIDE_IMPORT,
    Resolution,
    definitions_first,
    fitting,
    graded,
)
from spelunk.graph.import_paths.tree import folder_of
from spelunk.graph.imports import Imports
from spelunk.graph.languages import (
    CALLABLE,
    CHAINED,
    CLASSES,
    EXTENDING,
    FIELDS_APART,
    FOLDER_PACKAGES,
    IMPLICIT_SELF,
    KEYED,
    ON_DEMAND,
    SHARED_NAMES,
    family_of,
    is_common_member,
    is_private,
)
from spelunk.graph.nearness import nearest_first
from spelunk.graph.pools import Pools
from spelunk.graph.receivers import Receivers
from spelunk.graph.spelling import is_called_like, is_in, is_value, last_name, names_a_type
from spelunk.graph.view import GraphView, qualified
from spelunk.store.relation_reader import DefinitionRow

MOST_RESOLVED: Final = 300_000
"""References that one question resolves, those that others ask for among them: a minute at worst."""
MOST_NESTED: Final = 24
"""Questions that one reference asks, each for the next: its receiver's type, what that returns, a base."""
_Key = tuple[int, str, Role, str, int, DefinitionRow | None, str]
"""File, name, role, receiver, line where it counts, the definition around a reference, its variable's type."""


class Resolver:
    """Resolves references of one generation."""

    def __init__(self, view: GraphView) -> None:
        self.view = view
        self.imports = Imports(view)
        self.classes = Classes(view, self.types)
        self._pools = Pools(view, self.imports, self.classes)
        self.receivers = Receivers(view, self.imports, self.classes, self.types, self.meanings)
        self._known: dict[_Key, Resolution] = {}
        self.c_names = CNames(view, self.imports, self._pools, self._is_hidden)
        self._active: dict[_Key, int] = {}
        self._cut = MOST_NESTED
        self._resolved = 0

    def resolve(self, file: int, reference: Reference) -> Resolution:
        """The definitions that a reference in a file may mean."""
        if self.c_names.is_plain(file, reference.role, reference.receiver):
            plain = self.c_names.plain(file, reference)
            if plain is not None:
                return plain
        inside = self.view.enclosing(file, reference.line)
        if reference.receiver or self._may_be_chained(file, reference):
            reference = reference._replace(receiver=self.view.whole_receiver(file, reference))
        is_key = reference.role is Role.WRITE and not reference.receiver  # of a literal, each of its own type
        local = self.receivers.local_type(file, reference)
        key = (
            file,
            reference.name,
            reference.role,
            reference.receiver,
            reference.line * is_key,
            inside,
            local,
        )
        known = self._known.get(key)
        if known is not None:
            return known
        self._resolved += 1
        if self._resolved > MOST_RESOLVED:
            self.view.told.add(f"{MOST_RESOLVED:,} references were resolved, and no more")
            return UNKNOWN
        depth = len(self._active)
        if key in self._active or depth >= MOST_NESTED:
            self._cut = min(self._cut, self._active.get(key, 0))
            return UNKNOWN
        self._active[key] = depth
        before, self.receivers.is_cut = self.receivers.is_cut, False
        try:
            found = self._resolve(file, reference)
        finally:
            del self._active[key]
        if self._cut >= depth:  # else it was cut short by a question that is still open
            self._cut = MOST_NESTED
            if depth == 0 or not self.receivers.is_cut:
                self._known[key] = found
        self.receivers.is_cut = depth > 0 and (before or self.receivers.is_cut)
        return found

    def _may_be_chained(self, file: int, reference: Reference) -> bool:
        """Whether a call without a receiver may be the end of a long chain, whose beginning was not read."""
        if reference.role is not Role.CALL or family_of(self.view.row(file).language) not in CHAINED:
            return False
        return any(row.kind == "method" for row in self.classes.named(reference.name))

    def types(self, file: int, reference: Reference) -> list[DefinitionRow]:
        """The types that a reference may mean, the most likely first."""
        return types_among([c.row for c in self.resolve(file, reference).candidates])

    def meanings(self, file: int, reference: Reference) -> list[DefinitionRow]:
        """The definitions that a reference surely means; none where it is not sure."""
        found = self.resolve(file, reference).candidates
        return [c.row for c in found if c.confidence >= SURE]

    def _resolve(self, file: int, reference: Reference) -> Resolution:
        family = family_of(self.view.row(file).language)
        if reference.role is Role.IMPORT:
            return self._imported_here(file, reference)
        if is_variable(self.view, file, reference):
            return UNKNOWN
        pool = self._pools.fitting(file, reference, family)
        if family == "rust" and reference.role is Role.MACRO:  # ``f!()`` is no function
            pool = [row for row in pool if row.kind == "macro"]
        if reference.receiver:
            return self._with_receiver(file, reference, pool, family)
        return self._bare(file, reference, pool, family)

    def _imported_here(self, file: int, reference: Reference) -> Resolution:
        """The definitions that an import by name takes: the statement itself says where from."""
        for one in self.view.imports(file):
            if one.line == reference.line and one.name == reference.name:
                files = self.imports.files_of(file, one)
                if not files:
                    return OUTSIDE
                return graded(self.view, file, self.imports.exported(files, one.name), IMPORT)
        bound = self.imports.bound(file, reference.name)
        if bound.is_outside:
            return OUTSIDE
        return graded(self.view, file, bound.rows, IMPORT)

    # Names without a receiver

    def _bare(self, file: int, reference: Reference, pool: list[DefinitionRow], family: str) -> Resolution:
        if pool and reference.role is Role.WRITE and family in KEYED:
            found = self._key_of(file, reference)
            if found is not None:
                return found
        around = self.view.around(file, reference.line)
        here = [row for row in pool if row.file == file]
        scopes = [qualified(row) for row in reversed(around)]
        for scope in scopes:
            inner = [
                row
                for row in here
                if row.scope == scope and (family in IMPLICIT_SELF or not self.imports.is_member(row))
            ]
            if inner:
                return graded(self.view, file, inner, LOCAL)
        top = [row for row in here if not row.scope] or [
            row for row in here if not self.imports.is_member(row)
        ]
        if top:
            found = graded(self.view, file, top, SAME_FILE)
            return self._defined_elsewhere(file, found, pool) if family == "c" else found
        bound = self.imports.bound(file, reference.name)
        if bound.rows:
            return graded(self.view, file, fitting(bound.rows, reference.role), IMPORT)
        if bound.is_outside:
            return OUTSIDE
        is_type = reference.role in (Role.TYPE, Role.INHERIT)
        if family in IMPLICIT_SELF and not (is_type and self.view.row(file).language == "c"):
            for owner in self._owners(file, reference):
                members = self.classes.find(owner, reference.name, is_type=is_type).members
                if members:
                    rule = INHERITED if members[0].steps else OWN_MEMBER
                    return graded(self.view, file, [m.row for m in members], rule)
        for owner in self.receivers.variant_of(file, reference.line, reference.name) if pool else ():
            return graded(self.view, file, self.classes.fields_of(owner, reference.name), IMPORT)
        return self._far(file, reference, [row for row in pool if not self.imports.is_member(row)], family)

    def _defined_elsewhere(self, file: int, found: Resolution, pool: list[DefinitionRow]) -> Resolution:
        """Before the prototypes of a C function in the file itself its definition in another one."""
        if any(c.row.kind != "declaration" or self.is_static(c.row) for c in found.candidates):
            return found
        top = [row for row in pool if row.kind == "function" and not row.scope and row.file != file]
        defined = [row for row in top if not self._is_hidden(row, file)]
        return Resolution([*graded(self.view, file, defined, SAME_FILE).candidates, *found.candidates])

    def resolve_at(self, file: int, reference: Reference) -> Resolution:
        """What a reference may mean, fields and variants that are no stored definitions included.

        For a question about one place: files are parsed for names that nothing else has.
        """
        found = self.resolve(file, reference)
        if found.candidates or found.outside:
            return found
        if not reference.receiver:
            family = family_of(self.view.row(file).language)
            key = self._key_of(file, reference) if family in KEYED else None
            if key is not None:
                return key
            owners = self.receivers.variant_of(file, reference.line, reference.name)
            rows = [r for owner in owners for r in self.classes.fields_of(owner, reference.name)]
            return graded(self.view, file, rows, IMPORT)
        meaning = self.receivers.meaning(file, reference)
        for owner in meaning.types:
            members = self.classes.find(
                owner, reference.name, own=not meaning.above, is_value=is_value(reference)
            ).members
            if members:
                rule = INHERITED if members[0].steps else meaning.rule
                return graded(self.view, file, [m.row for m in members], rule)
        return UNKNOWN

    def _key_of(self, file: int, reference: Reference) -> Resolution | None:
        """The field that the key of a literal means, by the type of the literal; None where it is no key."""
        written = self.view.literal_around(file, reference.name, reference.line)
        if written is None:
            return None
        for owner in self.receivers.type_at(file, reference.line, written):
            members = [m.row for m in self.classes.find(owner, reference.name, is_value=True).members]
            if members:
                return graded(self.view, file, members, MEMBER)
        return UNKNOWN

    def _owners(self, file: int, reference: Reference) -> list[DefinitionRow]:
        """The types whose members a bare name reaches: those around it, of a base those around its type."""
        types = self.view.classes_around(file, reference.line)[reference.role is Role.INHERIT :]
        if types or reference.role is Role.INHERIT:
            return types[:1] if family_of(self.view.row(file).language) == "ruby" else types
        by_scope = self._owner_by_scope(file, self.view.around(file, reference.line))
        return [] if by_scope is None else [by_scope]

    def _owner_by_scope(self, file: int, around: Sequence[DefinitionRow]) -> DefinitionRow | None:
        """The type of a method that is defined outside its type's braces (``void C::run()``)."""
        for row in reversed(around):
            if row.kind == "method" and row.scope:
                name = row.scope.rpartition(".")[2]
                types = [r for r in self.classes.named(name) if r.kind in CLASSES]
                if types:
                    return nearest_first(self.view, file, types)[0]
        return None

    def _far(self, file: int, reference: Reference, pool: list[DefinitionRow], family: str) -> Resolution:
        """Definitions at the top of other files that no import names."""
        if family == "c":
            return self.c_names.meant(file, reference, pool)
        wide = {row.id for row in self.imports.wide_files(file)}
        if wide:
            found = [row for row in pool if row.file in wide]
            if not found and family not in SHARED_NAMES:
                found = fitting(
                    self.imports.exported(self.imports.wide_files(file), reference.name), reference.role
                )
            if found:
                return graded(self.view, file, definitions_first(found), WIDE_IMPORT)
        if family in FOLDER_PACKAGES:
            folder = folder_of(self.view.row(file).path)
            found = [row for row in pool if folder_of(self.view.row(row.file).path) == folder]
            if found:
                return graded(self.view, file, found, PACKAGE)
        seen = [row for row in pool if not self._is_hidden(row, file)]
        if family in SHARED_NAMES or (reference.role is Role.MACRO):
            return graded(self.view, file, definitions_first(seen), SHARED)
        if self._is_strict(file, family):
            return UNKNOWN
        return graded(self.view, file, seen, ONLY_ONE if len(seen) == 1 else NAME)

    def _is_strict(self, file: int, family: str) -> bool:
        """Whether every name from another file is imported by name or star in this language."""
        if family == "js":
            return bool(self.view.imports(file))
        return family in ("python", "rust", "go", "zig")

    def is_static(self, row: DefinitionRow) -> bool:
        """Whether a definition of C is seen in its own file alone."""
        family = family_of(self.view.row(row.file).language)
        return family == "c" and is_private(row.name, family, self.view.line(row.file, row.line))

    def _is_hidden(self, row: DefinitionRow, file: int) -> bool:
        """Whether a definition is seen in its own file alone, which is another one."""
        there = self.view.row(row.file)
        if row.file == file or there.path.endswith((".h", ".hpp", ".hh", ".inc")):
            return False
        return self.is_static(row)

    # Names behind a receiver

    def _with_receiver(
        self, file: int, reference: Reference, pool: list[DefinitionRow], family: str
    ) -> Resolution:
        if names_module(self.view, file, reference.receiver):
            return in_module(self.view, self.classes.named, file, reference, pool)
        if is_value(reference) and family in FIELDS_APART:
            pool = [row for row in pool if row.kind not in CALLABLE]
        if not pool:  # no member has the name, and a module may still offer it under another
            head = reference.receiver.partition(".")[0] if family == "js" else reference.receiver
            bound = self.imports.bound(file, head)
            if bound.is_outside:
                return OUTSIDE
            if not bound.files:
                return UNKNOWN
        meaning = self.receivers.meaning(file, reference)
        if meaning.outside:
            return OUTSIDE
        if meaning.modules:
            rows = self.imports.exported(meaning.modules, reference.name)
            if rows:
                return graded(self.view, file, fitting(rows, reference.role), IMPORT)
        complete = bool(meaning.types)
        for owner in meaning.types:
            found = self.classes.find(
                owner, reference.name, own=not meaning.above, is_value=is_value(reference)
            )
            if found.members:
                rule = INHERITED if found.members[0].steps else meaning.rule
                return graded(self.view, file, [m.row for m in found.members], rule)
            complete = complete and found.complete
        if meaning.rule == OWN_MEMBER and meaning.types:
            below = [row for row in pool if self._is_below(row, meaning.types[0])]
            if below:
                return graded(self.view, file, below, NAME)
        if meaning.modules or complete or meaning.above:
            return UNKNOWN
        members = [row for row in pool if row.scope and self.imports.is_member(row)]
        if reference.role is Role.USE and family in FIELDS_APART:
            members = [row for row in members if row.kind not in CALLABLE]
        return self._by_name(file, reference, members, pool, family)

    def _is_below(self, row: DefinitionRow, base: DefinitionRow) -> bool:
        """Whether a member belongs to a type below another."""
        owner = self.owner(row)
        return owner is not None and owner != base and self.classes.is_above(base, owner)

    def owner(self, row: DefinitionRow) -> DefinitionRow | None:
        """The type that a member belongs to."""
        if not row.scope:
            return None
        kinds = CLASSES | EXTENDING
        name = row.scope.rpartition(".")[2]
        own = [d for d in self.view.named_in(row.file, name) if d.kind in kinds and qualified(d) == row.scope]
        if own:
            return self.classes.whole(own[0])
        family = family_of(self.view.row(row.file).language)
        types = [r for r in self.classes.of_family(name, family).rows if r.kind in CLASSES]
        return nearest_first(self.view, row.file, types)[0] if types else None

    def _by_name(
        self,
        file: int,
        reference: Reference,
        members: list[DefinitionRow],
        pool: list[DefinitionRow],
        family: str,
    ) -> Resolution:
        """Members whose type is called like the receiver; else those of the name."""
        if reference.role in (Role.TYPE, Role.INHERIT, Role.MACRO):
            spaces = [row for row in pool if is_in(row, reference.receiver)]
            found = spaces or (pool if family in SHARED_NAMES or family in FOLDER_PACKAGES else [])
            return graded(self.view, file, found, SHARED if spaces else NAME)
        if family not in ("python", "js") and names_a_type(
            reference.receiver
        ):  # and none that resolves: of another scope, or outside
            last = last_name(reference.receiver)
            return graded(self.view, file, [r for r in pool if r.scope.rpartition(".")[2] == last], SHARED)
        value = 1.0
        if reference.role in (Role.USE, Role.WRITE):
            value = FIELD_SHARE if all(row.kind in ON_DEMAND for row in members) else VALUE_SHARE
        alike = [row for row in members if is_called_like(reference.receiver, row.scope.rpartition(".")[2])]
        if alike:
            share = COMMON_REACHED if is_common_member(reference.name, family) else 1.0
            return graded(self.view, file, alike, CALLED_LIKE, share)
        spaces = [row for row in pool if row.scope and is_in(row, reference.receiver)]
        if spaces:
            return graded(self.view, file, spaces, SHARED)
        reach = self.imports.reach(file)
        bound = self.imports.table(file).by_name
        near = [row for row in members if row.file in reach]
        near = [row for row in near if row.scope.rpartition(".")[2] in bound] or near
        if near and (len(near) < len(members) or len(near) == 1):
            share = COMMON_REACHED if is_common_member(reference.name, family) else 1.0
            return graded(self.view, file, near, IN_REACH, share * value)
        share = value * (COMMON_SHARE if is_common_member(reference.name, family) else 1.0)
        return graded(self.view, file, members, ONLY_ONE if len(members) == 1 else NAME, share)
