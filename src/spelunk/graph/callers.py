"""Who calls a symbol, as a tree of some steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from spelunk.chunk.relation import Role
from spelunk.graph.answer import Edge, GraphAnswer
from spelunk.graph.overriding import bases_of, through
from spelunk.graph.resolve import Resolver
from spelunk.graph.sites import Located, Looked, sites_of, sites_of_undefined
from spelunk.graph.spans import ENCLOSING
from spelunk.graph.tell import edge_at, left_out
from spelunk.graph.view import GraphView
from spelunk.store.relation_reader import DefinitionRow

CALLS: Final = (Role.CALL, Role.DECORATE, Role.MACRO)
MOST_DEPTH: Final = 10
MOST_NODES: Final = 500
"""Callers, or callees, of a whole tree."""
MOST_LINES: Final = 1_000
"""Further lines that one caller is shown with."""


class _Group(NamedTuple):
    """The calls that one definition, or the top of one file, makes."""

    inside: DefinitionRow | None
    sites: list[Located]


class CallTree:
    """A tree under construction: what is in it already, and how much more may be."""

    def __init__(self, limit: int, inside: Callable[[str], bool] | None) -> None:
        self.limit = limit
        self.inside = inside
        self.left = MOST_NODES
        self.seen: set[DefinitionRow] = set()
        self.looked: list[Looked] = []
        self.beyond = 0
        self.total = 0


def callers(
    resolver: Resolver,
    asked: str,
    rows: Sequence[DefinitionRow],
    limit: int,
    *,
    depth: int = 1,
    inside: Callable[[str], bool] | None = None,
) -> GraphAnswer:
    """The definitions that call one of some definitions, and their callers.

    Args:
        resolver: Of the generation.
        asked: What was asked for.
        rows: The definitions; none for a name that nothing defines.
        limit: Callers wanted of each.
        depth: Steps, at most :data:`MOST_DEPTH`.
        inside: Only callers in files at these paths.
    """
    tree = CallTree(limit, inside)
    tree.seen.update(rows)
    edges = _callers_of(resolver, rows, asked, min(depth, MOST_DEPTH), 1, tree)
    view = resolver.view
    return GraphAnswer(
        "callers",
        asked,
        tuple(view.symbol(row) for row in rows[:limit]),
        edges,
        total=tree.total,
        left_out=left_out(view, beyond=tree.beyond, what="callers", looked=tree.looked[:1]),
    )


def _callers_of(
    resolver: Resolver, rows: Sequence[DefinitionRow], asked: str, depth: int, step: int, tree: CallTree
) -> tuple[Edge, ...]:
    view = resolver.view
    bases = bases_of(resolver, rows)
    every = [*rows, *bases]
    looked = sites_of(resolver, every, CALLS) if rows else sites_of_undefined(resolver, asked, CALLS)
    tree.looked.append(looked)
    sites = through(looked.sites, rows, bases)
    if tree.inside is not None:
        sites = [site for site in sites if tree.inside(view.row(site.file).path)]
    shown, total = first_groups(view, sites, min(tree.limit, tree.left))
    tree.left -= len(shown)
    tree.total += total
    tree.beyond += total - len(shown)
    edges: list[Edge] = []
    deeper: list[tuple[int, DefinitionRow]] = []
    for n, (caller, sites) in enumerate(shown):
        symbol = view.file_symbol(sites[0].file) if caller is None else view.symbol(caller)
        edge = with_lines(edge_at(view, sites[0], symbol, step), sites)
        if caller is not None and depth > 1:
            if caller in tree.seen:
                edge = replace(edge, repeated=True)
            else:
                tree.seen.add(caller)
                deeper.append((n, caller))
        edges.append(edge)
    for n, caller in deeper:
        if tree.left <= 0:
            break
        edges[n] = replace(edges[n], edges=_callers_of(resolver, [caller], asked, depth - 1, step + 1, tree))
    return tuple(edges)


def grouped(view: GraphView, sites: Sequence[Located]) -> list[_Group]:
    """Sites by the definition that they lie in, the most certain first, then by place."""
    groups: dict[tuple[int, DefinitionRow | None], list[Located]] = {}
    view.surroundings.load_innermost((site.file, site.reference.line) for site in sites)
    for site in sites:
        key = (site.file, view.enclosing(site.file, site.reference.line))
        groups.setdefault(key, []).append(site)
    for found in groups.values():
        found.sort(key=lambda s: (-s.confidence, s.reference.line))
    ordered = sorted(
        groups.items(), key=lambda g: (-g[1][0].confidence, view.row(g[0][0]).path, g[1][0].reference.line)
    )
    return [_Group(inside, found) for (_, inside), found in ordered]


def first_groups(view: GraphView, sites: Sequence[Located], most: int) -> tuple[list[_Group], int]:
    """The first of the groups that :func:`grouped` makes, and how many there are in all.

    The others are only counted, so that the definition around most sites is never looked up: a file with one site
    has one group.

    Args:
        view: Of the question.
        sites: All of them, by path and line.
        most: Groups that are wanted.
    """
    by_file: dict[int, list[Located]] = {}
    for site in sites:
        by_file.setdefault(site.file, []).append(site)
    ordered = sorted(sites, key=lambda s: -s.confidence)
    # The files of as many sites as groups are wanted, and of more where several lie in one definition.
    near: set[int] = set()
    taken = 0
    found: dict[tuple[int, DefinitionRow | None], None] = {}
    while taken < len(ordered) and len(found) < most:
        some = ordered[taken : taken + most - len(found)]
        taken += len(some)
        near.update(site.file for site in some)
        places = {(s.file, s.reference.line) for site in some for s in by_file[site.file]}
        view.surroundings.load_innermost(places)
        found.update(((s.file, view.enclosing(s.file, s.reference.line)), None) for s in some)
    groups = grouped(view, [site for file in near for site in by_file[file]])
    others = {file: found for file, found in by_file.items() if file not in near}
    single = sum(len(found) == 1 for found in others.values())
    several = [file for file, found in others.items() if len(found) > 1]
    spans = view.reader.definition_spans(several, ENCLOSING[0])
    inside = 0
    outer: set[tuple[int, int]] = set()  # in no function: in a type, a value, or at the top
    for file in several:
        innermost = spans[file].innermost
        lines = {site.reference.line for site in others[file]}
        numbers = {line: innermost(line) for line in lines}
        inside += len({number for number in numbers.values() if number >= 0})
        outer.update((file, line) for line, number in numbers.items() if number < 0)
    view.surroundings.load_innermost(outer)
    around = {(file, view.enclosing(file, line)) for file, line in outer}
    return groups[:most], len(groups) + single + inside + len(around)


def with_lines(edge: Edge, sites: Sequence[Located]) -> Edge:
    """An edge with the further lines of the same relation."""
    lines = sorted({site.reference.line for site in sites} - {edge.line})
    return replace(edge, lines=tuple(lines[:MOST_LINES]))
