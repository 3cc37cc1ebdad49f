"""What implements a symbol: types below a type, members that override a member, types with an interface's methods."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from spelunk.chunk.relation import Role
from spelunk.graph.answer import Edge, GraphAnswer
from spelunk.graph.languages import CLASSES, family_of
from spelunk.graph.resolve import Resolver
from spelunk.graph.sites import Located, Looked, sites_of
from spelunk.graph.tell import edge_at, left_out
from spelunk.store.relation_reader import DefinitionRow

MOST_TYPES: Final = 5_000
"""Types below one that are looked at."""
MOST_METHODS: Final = 60
"""Methods of an interface that types are compared with."""
METHOD_SET: Final = "method-set"
METHOD_SET_TRUST: Final = 0.8
OVERRIDE: Final = "override"
OVERRIDE_TRUST: Final = 0.9
STRUCTURAL: Final = frozenset({"go"})
"""Families in which a type implements an interface by having its methods."""


def implementing_rows(resolver: Resolver, rows: Sequence[DefinitionRow]) -> list[DefinitionRow]:
    """The definitions that implement one of some definitions."""
    looked: list[Looked] = []
    types = [row for row in rows if row.kind in CLASSES]
    found = [below.row for below in types_below(resolver, types, looked)]
    found += _with_methods(resolver, types)
    for row in rows:
        if row.kind not in CLASSES and row.scope:
            found += [member for member, _ in _overriding(resolver, row, looked)]
    return list(dict.fromkeys(found))


class _Below(NamedTuple):
    """A type below another: the place that says so, and the steps between them."""

    row: DefinitionRow
    site: Located
    steps: int


def implementations(
    resolver: Resolver,
    asked: str,
    rows: Sequence[DefinitionRow],
    limit: int,
    *,
    inside: Callable[[str], bool] | None = None,
) -> GraphAnswer:
    """Types below the types among some definitions, and members below that override the others.

    Args:
        resolver: Of the generation.
        asked: What was asked for.
        rows: The definitions.
        limit: Implementations wanted.
        inside: Only those in files at these paths.
    """
    view = resolver.view
    looked: list[Looked] = []
    types = [row for row in rows if row.kind in CLASSES]
    edges = [
        edge_at(view, below.site, view.symbol(below.row), below.steps)
        for below in types_below(resolver, types, looked)
    ]
    edges += [_of_row(resolver, row, METHOD_SET, METHOD_SET_TRUST) for row in _with_methods(resolver, types)]
    for row in rows:
        if row.kind not in CLASSES and row.scope:
            edges += overrides(resolver, row, looked)
    edges = _once(edges)
    if inside is not None:
        edges = [edge for edge in edges if edge.symbol is not None and inside(edge.symbol.path)]
    edges.sort(key=lambda e: (e.depth, -e.confidence, e.path, e.line))
    return GraphAnswer(
        "implementations",
        asked,
        tuple(view.symbol(row) for row in rows[:limit]),
        tuple(edges[:limit]),
        total=len(edges),
        left_out=left_out(view, beyond=max(0, len(edges) - limit), what="implementations", looked=looked[:1]),
    )


def _once(edges: Iterable[Edge]) -> list[Edge]:
    """Each symbol once, by its most certain edge."""
    best: dict[tuple[str, int, str], Edge] = {}
    for edge in edges:
        assert edge.symbol is not None
        key = (edge.symbol.path, edge.symbol.line, edge.symbol.name)
        known = best.get(key)
        if known is None or edge.confidence > known.confidence:
            best[key] = edge
    return list(best.values())


def types_below(resolver: Resolver, types: Sequence[DefinitionRow], looked: list[Looked]) -> list[_Below]:
    """The types that name one of some types as a base, and those below them; the nearest first."""
    view = resolver.view
    seen = set(types)
    out: list[_Below] = []
    level, steps = list(types), 1
    while level and len(seen) < MOST_TYPES:
        found = sites_of(resolver, level, [Role.INHERIT])
        looked.append(found)
        view.load(site.file for site in found.sites)
        level = []
        for site in found.sites:
            owner = view.class_around(site.file, site.reference.line)
            if owner is None:
                continue
            whole = resolver.classes.whole(owner)
            if whole in seen:
                continue
            seen.add(whole)
            out.append(_Below(whole, site, steps))
            level.append(whole)
        steps += 1
    if len(seen) >= MOST_TYPES:
        view.told.add(f"types below were looked at up to {MOST_TYPES:,}")
    return out


def _with_methods(resolver: Resolver, types: Sequence[DefinitionRow]) -> list[DefinitionRow]:
    """The types that have all methods of one of some interfaces, where the language asks for no more."""
    view = resolver.view
    out: list[DefinitionRow] = []
    for row in types:
        family = family_of(view.row(row.file).language)
        if family not in STRUCTURAL or row.kind != "interface":
            continue
        methods = interface_methods(resolver, row)[:MOST_METHODS]
        if not methods:
            continue
        owners: dict[tuple[str, str], int] = {}
        for name in methods:
            for owner in {
                (view.row(r.file).path.rpartition("/")[0], r.scope)
                for r in resolver.classes.named(name)
                if r.kind == "method" and r.scope and family_of(view.row(r.file).language) == family
            }:
                owners[owner] = owners.get(owner, 0) + 1
        for (folder, name), count in sorted(owners.items()):
            if count == len(methods):
                out += [
                    d
                    for d in resolver.classes.named(name)
                    if d.kind in CLASSES and view.row(d.file).path.rpartition("/")[0] == folder and d != row
                ][:1]
    return out


def interface_methods(resolver: Resolver, row: DefinitionRow) -> list[str]:
    """The names of the methods that a Go interface asks for, read from its text."""
    lines = resolver.view.lines(row.file)[row.line - 1 : max(row.line, row.end_line)]
    text = re.sub(r"//[^\n]*", "", "\n".join(lines))
    body = text[text.find("{") + 1 : text.rfind("}")]
    return list(dict.fromkeys(re.findall(r"(?:^|[;\n])\s*([A-Za-z_]\w*)\s*\(", body)))


def overrides(resolver: Resolver, row: DefinitionRow, looked: list[Looked]) -> list[Edge]:
    """The members of the types below that have the name of a member."""
    return [
        _of_row(resolver, member, OVERRIDE, OVERRIDE_TRUST, steps)
        for member, steps in _overriding(resolver, row, looked)
    ]


def _overriding(
    resolver: Resolver, row: DefinitionRow, looked: list[Looked]
) -> list[tuple[DefinitionRow, int]]:
    """Members that override a member, and the steps between their types."""
    owner = resolver.owner(row)
    if owner is None:
        return []
    below = [(b.row, b.steps) for b in types_below(resolver, [owner], looked)]
    below += [(t, 1) for t in _with_methods(resolver, [owner])]
    return [
        (member, steps)
        for type_row, steps in below
        for member in resolver.classes.members(type_row, row.name)
        if member != row and member.scope.rpartition(".")[2] == type_row.name
    ]


def _of_row(resolver: Resolver, row: DefinitionRow, rule: str, trust: float, steps: int = 1) -> Edge:
    return resolver.view.of_definition(row, trust, rule, depth=steps)
