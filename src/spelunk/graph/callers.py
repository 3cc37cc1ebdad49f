"""Who calls a symbol, and whom it calls; each as a tree of some steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from spelunk.chunk.relation import Reference, Role
from spelunk.graph.answer import Edge, GraphAnswer, Symbol
from spelunk.graph.resolve import Candidate, Resolver
from spelunk.graph.sites import UNDEFINED_TRUST, Located, Looked, sites_of, sites_of_undefined
from spelunk.graph.tell import edge_at, left_out
from spelunk.graph.view import GraphView
from spelunk.store.relation_reader import DefinitionRow

CALLS: Final = (Role.CALL, Role.DECORATE, Role.MACRO)
MOST_DEPTH: Final = 10
MOST_NODES: Final = 500
"""Callers, or callees, of a whole tree."""
MOST_LINES: Final = 50
"""Further lines that one caller is shown with."""


class _Group(NamedTuple):
    """The calls that one definition, or the top of one file, makes."""

    inside: DefinitionRow | None
    sites: list[Located]


class _Tree:
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
    tree = _Tree(limit, inside)
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
    resolver: Resolver, rows: Sequence[DefinitionRow], asked: str, depth: int, step: int, tree: _Tree
) -> tuple[Edge, ...]:
    view = resolver.view
    looked = sites_of(resolver, rows, CALLS) if rows else sites_of_undefined(resolver, asked, CALLS)
    tree.looked.append(looked)
    groups = grouped(view, looked.sites)
    if tree.inside is not None:
        groups = [g for g in groups if tree.inside(view.row(g.sites[0].file).path)]
    shown = groups[: min(tree.limit, tree.left)]
    tree.left -= len(shown)
    tree.total += len(groups)
    tree.beyond += len(groups) - len(shown)
    edges: list[Edge] = []
    deeper: list[tuple[int, DefinitionRow]] = []
    for n, (caller, sites) in enumerate(shown):
        symbol = view.file_symbol(sites[0].file) if caller is None else view.symbol(caller)
        edge = _with_lines(edge_at(view, sites[0], symbol, step), sites)
        if caller is not None and depth > 1:
            if caller in tree.seen:
                edge = _replace(edge, repeated=True)
            else:
                tree.seen.add(caller)
                deeper.append((n, caller))
        edges.append(edge)
    for n, caller in deeper:
        if tree.left <= 0:
            break
        edges[n] = _replace(edges[n], edges=_callers_of(resolver, [caller], asked, depth - 1, step + 1, tree))
    return tuple(edges)


def grouped(view: GraphView, sites: Sequence[Located]) -> list[_Group]:
    """Sites by the definition that they lie in, the most certain first, then by place."""
    groups: dict[tuple[int, DefinitionRow | None], list[Located]] = {}
    view.load(site.file for site in sites)
    for site in sites:
        key = (site.file, view.enclosing(site.file, site.reference.line))
        groups.setdefault(key, []).append(site)
    for found in groups.values():
        found.sort(key=lambda s: (-s.confidence, s.reference.line))
    ordered = sorted(
        groups.items(), key=lambda g: (-g[1][0].confidence, view.row(g[0][0]).path, g[1][0].reference.line)
    )
    return [_Group(inside, found) for (_, inside), found in ordered]


def _with_lines(edge: Edge, sites: Sequence[Located]) -> Edge:
    lines = sorted({site.reference.line for site in sites} - {edge.line})
    return _replace(edge, lines=tuple(lines[:MOST_LINES]))


def _replace(edge: Edge, **changes: object) -> Edge:
    from dataclasses import replace

    return replace(edge, **changes)  # type: ignore[arg-type]


def callees(
    resolver: Resolver,
    asked: str,
    rows: Sequence[DefinitionRow],
    limit: int,
    *,
    depth: int = 1,
    inside: Callable[[str], bool] | None = None,
) -> GraphAnswer:
    """The definitions that some definitions call, and what those call; then calls out of the index.

    Args:
        resolver: Of the generation.
        asked: What was asked for.
        rows: The definitions.
        limit: Callees wanted of each.
        depth: Steps, at most :data:`MOST_DEPTH`.
        inside: Only callees in files at these paths.
    """
    tree = _Tree(limit, inside)
    tree.seen.update(rows)
    edges = [e for row in rows[:limit] for e in _callees_of(resolver, row, min(depth, MOST_DEPTH), 1, tree)]
    view = resolver.view
    return GraphAnswer(
        "callees",
        asked,
        tuple(view.symbol(row) for row in rows[:limit]),
        tuple(edges),
        total=tree.total,
        left_out=left_out(view, beyond=tree.beyond, what="callees"),
    )


def calls_in(resolver: Resolver, row: DefinitionRow) -> list[tuple[Reference, list[Candidate], bool]]:
    """The calls within a definition, with what each may mean and whether that is known to be outside."""
    calls = [r for r in resolver.view.references_in(row) if r.role in CALLS]
    resolved = [(r, resolver.resolve(row.file, r)) for r in calls]
    return [(r, found.candidates, found.outside) for r, found in resolved]


def _callees_of(resolver: Resolver, row: DefinitionRow, depth: int, step: int, tree: _Tree) -> list[Edge]:
    view = resolver.view
    calls = calls_in(resolver, row)
    inner: dict[DefinitionRow, list[Located]] = {}
    outer: dict[tuple[str, str], list[Located]] = {}
    for reference, candidates, outside in calls:
        if candidates:
            best = candidates[0]
            others = {(c.row.file, c.row.scope) for c in candidates} - {(best.row.file, best.row.scope)}
            site = Located(row.file, reference, best.row, best.confidence, best.rule, len(others))
            inner.setdefault(best.row, []).append(site)
        else:
            rule = "outside" if outside else "unknown"
            trust = 1.0 if outside else UNDEFINED_TRUST
            outer.setdefault((reference.receiver, reference.name), []).append(
                Located(row.file, reference, None, trust, rule, 0)
            )
    if tree.inside is not None:
        inner = {r: s for r, s in inner.items() if tree.inside(view.row(r.file).path)}
        outer = {}
    found: list[tuple[DefinitionRow | None, list[Located]]] = [*inner.items()]
    found += [(None, sites) for sites in outer.values()]
    shown = found[: min(tree.limit, tree.left)]
    tree.left -= len(shown)
    tree.total += len(found)
    tree.beyond += len(found) - len(shown)
    edges: list[Edge] = []
    for callee, sites in shown:
        symbol: Symbol | None = None if callee is None else view.symbol(callee)
        edge = _with_lines(edge_at(view, sites[0], symbol, step), sites)
        if callee is None and sites[0].reference.receiver:
            edge = _replace(edge, name=f"{sites[0].reference.receiver}.{edge.name}")
        if callee is not None and depth > 1 and tree.left > 0:
            if callee in tree.seen:
                edge = _replace(edge, repeated=True)
            else:
                tree.seen.add(callee)
                edge = _replace(edge, edges=tuple(_callees_of(resolver, callee, depth - 1, step + 1, tree)))
        edges.append(edge)
    return edges
