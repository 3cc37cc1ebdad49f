"""The places that refer to definitions: stored references that resolve to them, and uses found in the text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from spelunk.chunk.relation import Reference, Role
from spelunk.graph.c_names import PLAIN, WantedInC
from spelunk.graph.classes import MOST_DEFINITIONS
from spelunk.graph.fields import Finder, is_field, is_stored
from spelunk.graph.grading import Resolution, group_of
from spelunk.graph.import_paths import imported_as
from spelunk.graph.languages import CLASSES, VALUES, family_of, fits
from spelunk.graph.nearness import steps_between
from spelunk.graph.pools import CROWDED
from spelunk.graph.resolve import Resolver
from spelunk.graph.value_uses import lines_with, uses_as_value
from spelunk.store.relation_reader import DefinitionRow, Site

MOST_SITES: Final = 20_000
"""Stored references of one name that are resolved."""
CROWDED_SITES: Final = 2_000
"""The same of a name that very many files define."""
MOST_USE_FILES: Final = 40
"""Files that are parsed again to find uses that are not stored."""
MOST_USE_CHARS: Final = 4_000_000
"""Bytes of them."""
MOST_USE_TEXTS: Final = 60
"""Files whose text is read for them where stored references fill the page anyway: some 0.2 ms each."""
MOST_OFFERED: Final = 20
"""Names under which modules offer definitions to others, and of which all references are looked at."""
MOST_PLACES: Final = 5
"""Definitions whose distance decides which files are parsed first."""
CONSTRUCTORS: Final = frozenset({"__init__", "__new__", "constructor", "initialize", "init", "__construct"})
"""Members that are called by the name of their type."""

UNDEFINED: Final = "undefined"
"""The rule of references to a name that nothing in the index defines."""
UNDEFINED_TRUST: Final = 0.5

_new: Final = tuple.__new__  # as a named tuple is made, but without its own function


class Located(NamedTuple):
    """A reference that means one of the definitions asked for."""

    file: int
    reference: Reference
    target: DefinitionRow | None
    confidence: float
    rule: str
    alternatives: int


class Looked(NamedTuple):
    """References that were found.

    Attributes:
        sites: By path and line.
        elsewhere: References of the same names that mean something else.
        unread: Stored references beyond the bound, which were not looked at.
    """

    sites: list[Located]
    elsewhere: int = 0
    unread: int = 0


def sites_of(
    resolver: Resolver, rows: Sequence[DefinitionRow], roles: Collection[Role] = (), most: int = MOST_SITES
) -> Looked:
    """The stored references that mean one of some definitions.

    Args:
        resolver: Of the generation.
        rows: The definitions.
        roles: Only these; all where none is given.
        most: References of each name that are resolved.
    """
    rows = [*rows, *_twins(resolver, rows)]
    wanted = set(rows)
    fields = [row for row in rows if is_field(resolver.view, row)]
    assigned = {(row.file, row.line) for row in fields}
    resolver.classes.add_fields(row for row in rows if not is_stored(resolver.view, row))
    sites: list[Located] = []
    elsewhere = unread = 0
    asked = _asked_of_c(resolver, wanted)
    for name in sorted({row.name for row in rows} | _names_of_owners(resolver, rows)):
        crowded = len(resolver.classes.named(name)) > CROWDED
        found = resolver.view.reader.references_to(name, roles, min(most, CROWDED_SITES) if crowded else most)
        unread += max(0, found.total - len(found.sites))
        resolver.view.load_rows(site.file for site in found.sites)
        possible = [
            site
            for site in found.sites
            if not (
                (site.receiver or site.role is Role.WRITE) and resolver.c_names.cannot_mean(site, name, asked)
            )
        ]
        elsewhere += len(found.sites) - len(possible)
        plain = _plain_sites(resolver, name, possible, wanted)
        others = [site for site in possible if site.receiver or (site.file, site.role) not in plain]
        resolver.view.surroundings.load((s.file, s.line) for s in others)
        for file, role, line, receiver in possible:
            reference = _new(Reference, (name, role, line, receiver))
            if not receiver and (file, role) in plain:
                alike = plain[file, role]
                # What the first such reference of the file means, at this place.
                located = None if alike is None else _new(Located, (file, reference, *alike[2:]))
            elif role is Role.WRITE and (file, line) in assigned:
                continue  # the definition itself
            else:
                located = located_at(resolver, file, reference, wanted)
            if located is None:
                elsewhere += 1
            else:
                sites.append(located)
    for file, reference in _aliased(resolver, rows, roles):
        located = located_at(resolver, file, reference, wanted)
        if located is not None:
            sites.append(located)
    return Looked(in_order(resolver, sites), elsewhere, unread)


def _asked_of_c(resolver: Resolver, wanted: Collection[DefinitionRow]) -> WantedInC:
    """What a question asks for, as far as references of C can mean it."""
    rows = [row for row in wanted if family_of(resolver.view.row(row.file).language) == "c"]
    return WantedInC(
        any(row.scope and row.kind in VALUES for row in rows),
        any(row.scope for row in rows),
        any(row.kind in VALUES for row in rows),
    )


def _plain_sites(
    resolver: Resolver, name: str, sites: Sequence[Site], wanted: Collection[DefinitionRow]
) -> dict[tuple[int, Role], Located | None]:
    """What :func:`located_at` gives for references of C that are the same all over a file, by file and role.

    Each file is resolved once, and similar files together.
    """
    files: dict[Role, dict[int, Reference]] = {role: {} for role in PLAIN}
    for file, role, line, receiver in sites:
        if role in files and file not in files[role] and resolver.c_names.is_plain(file, role, receiver):
            files[role][file] = Reference(name, role, line)
    found: dict[tuple[int, Role], Located | None] = {}
    for role, by_file in files.items():
        if not by_file:
            continue
        alike: dict[int, Located | None] = {}
        for file, means in resolver.c_names.plain_of(by_file, next(iter(by_file.values()))).items():
            if id(means) not in alike:
                alike[id(means)] = _located(resolver, file, by_file[file], means, wanted)
            found[file, role] = alike[id(means)]
    return found


def _twins(resolver: Resolver, rows: Sequence[DefinitionRow]) -> list[DefinitionRow]:
    """The declarations and definitions elsewhere that are one symbol with some of C and C++."""
    known = set(rows)
    found: dict[DefinitionRow, None] = {}
    for name, scope in dict.fromkeys((row.name, row.scope) for row in rows):
        mine = [row for row in rows if (row.name, row.scope) == (name, scope)] if len(rows) < CROWDED else []
        if not any(_is_linked(resolver, row) for row in mine):
            continue
        named = resolver.classes.of_family(name, "c").rows
        found.update(
            (other, None)
            for other in (named if len(named) <= CROWDED else ())
            if other.scope == scope and _is_linked(resolver, other)
        )
    return [row for row in found if row not in known]


def _is_linked(resolver: Resolver, row: DefinitionRow) -> bool:
    """Whether a definition is a function of C or C++ that other files see."""
    family = family_of(resolver.view.row(row.file).language)
    return (
        family == "c"
        and fits(Role.CALL, row.kind)
        and row.kind not in CLASSES
        and not resolver.is_static(row)
    )


def in_order(resolver: Resolver, sites: Iterable[Located]) -> list[Located]:
    """Each place once, by path and line."""
    by_file: dict[int, dict[Reference, Located]] = {}
    for site in sites:
        by_file.setdefault(site.file, {})[site.reference] = site
    out: list[Located] = []
    for file in sorted(by_file, key=lambda file: resolver.view.row(file).path):
        once = by_file[file]
        out += [once[r] for r in sorted(once, key=_line_and_name)] if len(once) > 1 else once.values()
    return out


def _line_and_name(reference: Reference) -> tuple[int, str]:
    return reference.line, reference.name


def _names_of_owners(resolver: Resolver, rows: Iterable[DefinitionRow]) -> set[str]:
    """The names of the types whose constructors are among the definitions."""
    return {row.scope.rpartition(".")[2] for row in rows if row.name in CONSTRUCTORS and row.scope}


def _aliased(
    resolver: Resolver, rows: Sequence[DefinitionRow], roles: Collection[Role]
) -> Iterable[tuple[int, Reference]]:
    """References by other names that imports give to the definitions."""
    view = resolver.view
    names = {row.name for row in rows if not row.scope}
    if not names or all(family_of(view.row(row.file).language) == "c" for row in rows):
        return  # C and C++ give other names to namespaces alone
    modules: set[str] = set()
    offered: set[str] = set()
    for row in rows[:100]:
        file_row = view.row(row.file)
        modules |= imported_as(view.reader, file_row.path, file_row.language)
    for file, imports in view.reader.importing(modules, names={*names, "default"}).items():
        aliases = {one.alias for one in imports if one.alias and (one.name in names or one.name == "default")}
        for alias in sorted(aliases - names):
            found = view.relations(file).references
            for reference in found:
                if reference.name == alias and (not roles or reference.role in roles):
                    yield file, reference
        offered |= {one.alias for one in imports if one.exported and one.alias in aliases - names}
    for alias in sorted(offered)[:MOST_OFFERED]:
        stored = view.reader.references_to(alias, roles, CROWDED_SITES).sites
        view.load_rows(site.file for site in stored)
        for site in stored:
            yield site.file, Reference(alias, site.role, site.line, site.receiver)


def located_at(
    resolver: Resolver, file: int, reference: Reference, wanted: Collection[DefinitionRow]
) -> Located | None:
    """A reference, where it may mean one of the definitions."""
    return _located(resolver, file, reference, resolver.resolve(file, reference), wanted)


def _located(
    resolver: Resolver, file: int, reference: Reference, means: Resolution, wanted: Collection[DefinitionRow]
) -> Located | None:
    candidates = means.candidates
    meant = [
        c
        for c in candidates
        if c.row in wanted or (c.row.kind in CLASSES and _constructs(reference, c.row, wanted))
    ]
    if not meant:
        return None
    best = max(meant, key=lambda c: c.confidence)
    own = group_of(resolver.view, best.row)
    others = {group_of(resolver.view, c.row) for c in candidates} - {own}
    return Located(file, reference, best.row, best.confidence, best.rule, len(others))


def _constructs(reference: Reference, row: DefinitionRow, wanted: Collection[DefinitionRow]) -> bool:
    """Whether a call of a type calls a constructor among the definitions."""
    if reference.role is not Role.CALL:
        return False
    scope = f"{row.scope}.{row.name}" if row.scope else row.name
    return any(w.name in CONSTRUCTORS and w.file == row.file and w.scope == scope for w in wanted)


def sites_of_undefined(resolver: Resolver, name: str, roles: Collection[Role] = ()) -> Looked:
    """The references to a name that nothing in the index defines."""
    found = resolver.view.reader.references_to(name, roles, MOST_SITES)
    resolver.view.load_rows(site.file for site in found.sites)
    sites = [
        Located(s.file, Reference(name, s.role, s.line, s.receiver), None, UNDEFINED_TRUST, UNDEFINED, 0)
        for s in found.sites
    ]
    return Looked(in_order(resolver, sites), 0, found.total - len(found.sites))


def uses_of(
    resolver: Resolver,
    rows: Sequence[DefinitionRow],
    finder: Finder,
    known: Sequence[Located],
    most: int = MOST_USE_FILES,
    most_texts: int = 10 * MOST_USE_FILES,
) -> list[Located]:
    """Uses of definitions as values, found in the text of the files that have their names.

    What is left out because of a bound is told in the view.

    Args:
        resolver: Of the generation.
        rows: The definitions.
        finder: Finds the files whose text has a name.
        known: The stored references.
        most: Files that are parsed again.
        most_texts: Files whose text is read.
    """
    view = resolver.view
    rows = [*rows, *_twins(resolver, rows)]
    wanted = set(rows)
    families = {family_of(view.row(row.file).language) for row in rows}
    first = {row.file for row in rows} | {site.file for site in known}
    told = {(site.file, site.reference.line) for site in known}
    places = [view.row(row.file).path for row in rows[:MOST_PLACES]]
    out: list[Located] = []
    for name in sorted({row.name for row in rows}):
        files = [f for f in finder(name, 10 * most) if family_of(f.language) in families]
        defined = _Defined(resolver, name)
        view.load_rows(file.id for file in files)
        steps: dict[str, int] = {}
        for file in files:
            folder = file.path.rpartition("/")[0]
            if folder not in steps:
                steps[folder] = min(steps_between(place, file.path) for place in places)
        files.sort(key=lambda f: (f.id not in first, steps[f.path.rpartition("/")[0]], f.path))
        size = read = 0
        for n, file in enumerate(files):
            if read >= most or n >= most_texts or size + file.size > MOST_USE_CHARS:
                view.told.add(
                    f"uses of `{name}` as a value were looked for in {n:,} of the {len(files):,} files that have it"
                )
                break
            known_here = defined.lines(file.id)
            unknown = [
                line
                for line in lines_with(view, file, name)
                if line not in known_here and (file.id, line) not in told
            ]
            if not unknown:
                continue
            read += 1
            size += file.size
            found_here = uses_as_value(view, file, name, unknown)
            if found_here is None:
                break
            view.surroundings.load((file.id, r.line) for r in found_here)
            for reference in found_here:
                if reference.line not in known_here and not _is_wanted(file.id, reference, wanted):
                    located = located_at(resolver, file.id, reference, wanted)
                    if located is not None:
                        out.append(located)
    return out


class _Defined:
    """The lines on which files define a name."""

    def __init__(self, resolver: Resolver, name: str) -> None:
        self._view, self._name = resolver.view, name
        rows = resolver.classes.stored(name)
        self._is_whole = len(rows) < MOST_DEFINITIONS
        self._lines: dict[int, set[int]] = {}
        for row in rows if self._is_whole else ():
            self._lines.setdefault(row.file, set()).add(row.line)

    def lines(self, file: int) -> Collection[int]:
        """Those of one file."""
        found = self._lines.get(file)
        if found is None:
            rows = () if self._is_whole else self._view.named_in(file, self._name)
            found = self._lines[file] = {row.line for row in rows}
        return found


def _is_wanted(file: int, reference: Reference, wanted: Collection[DefinitionRow]) -> bool:
    """Whether a place is the name of one of the definitions asked for."""
    return any((row.file, row.name, row.line) == (file, reference.name, reference.line) for row in wanted)
