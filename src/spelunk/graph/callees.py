"""Whom a symbol calls, as a tree of some steps: definitions of the index, then calls out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from spelunk.chunk.relation import Reference
from spelunk.graph.answer import Edge, GraphAnswer, Symbol
from spelunk.graph.callers import CALLS, MOST_DEPTH, CallTree, with_lines
from spelunk.graph.grading import Candidate
from spelunk.graph.resolve import Resolver
from spelunk.graph.sites import UNDEFINED_TRUST, Located
from spelunk.graph.tell import edge_at, left_out
from spelunk.store.relation_reader import DefinitionRow


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
    tree = CallTree(limit, inside)
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


def _callees_of(resolver: Resolver, row: DefinitionRow, depth: int, step: int, tree: CallTree) -> list[Edge]:
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
        edge = with_lines(edge_at(view, sites[0], symbol, step), sites)
        if callee is None and sites[0].reference.receiver:
            edge = replace(edge, name=f"{sites[0].reference.receiver}.{edge.name}")
        if callee is not None and depth > 1 and tree.left > 0:
            if callee in tree.seen:
                edge = replace(edge, repeated=True)
            else:
                tree.seen.add(callee)
                edge = replace(edge, edges=tuple(_callees_of(resolver, callee, depth - 1, step + 1, tree)))
        edges.append(edge)
    return edges
