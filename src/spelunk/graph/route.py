"""How one symbol reaches another: the shortest chain of calls, else of any references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from spelunk.chunk.relation import Role
from spelunk.graph.answer import Edge, GraphAnswer
from spelunk.graph.callers import CALLS, grouped
from spelunk.graph.languages import CLASSES
from spelunk.graph.resolve import Resolver
from spelunk.graph.sites import Located, sites_of
from spelunk.graph.spans import last_line
from spelunk.graph.tell import edge_at, left_out
from spelunk.store.relation_reader import DefinitionRow

MOST_STEPS: Final = 20
MOST_VISITED: Final = 3_000
"""Definitions that one search visits."""
SURE: Final = 0.5
WEAK: Final = 0.1
"""Confidence of the references that are followed: the sure ones first."""


class _Link(NamedTuple):
    """How a definition reaches the next one of a chain; None at its end."""

    site: Located | None
    following: DefinitionRow | None


def route(
    resolver: Resolver,
    asked: str,
    starts: Sequence[DefinitionRow],
    ends: Sequence[DefinitionRow],
) -> GraphAnswer:
    """The shortest chain from one of some definitions to one of others; the surest kind of chain first.

    A member stands for its type at both ends.
    """
    view = resolver.view
    for roles, least in ((CALLS, SURE), (CALLS, WEAK), ((), SURE), ((), WEAK)):
        links, found = _search(resolver, starts, ends, tuple(roles), least)
        if found is None:
            continue
        edges: list[Edge] = []
        row: DefinitionRow | None = found
        first = view.symbol(found)
        while row is not None:
            link = links[row]
            if link.site is not None and link.following is not None:
                edge = edge_at(view, link.site, view.symbol(link.following), len(edges) + 1)
                edges.append(edge)
            row = link.following
        targets = (first, *(edge.symbol for edge in edges if edge.symbol is not None))
        return GraphAnswer("route", asked, targets, tuple(edges), total=len(edges), left_out=left_out(view))
    targets = tuple(view.symbol(row) for row in [*starts[:1], *ends[:1]])
    return GraphAnswer("route", asked, targets, left_out=left_out(view))


def _search(
    resolver: Resolver,
    starts: Sequence[DefinitionRow],
    ends: Sequence[DefinitionRow],
    roles: tuple[Role, ...],
    least: float,
) -> tuple[dict[DefinitionRow, _Link], DefinitionRow | None]:
    """Breadth first, from the ends upwards to a start."""
    view = resolver.view
    wanted = set(starts)
    types = [row for row in starts if row.kind in CLASSES]
    links: dict[DefinitionRow, _Link] = {}
    for end in ends:
        for row in (end, *_members(resolver, end)):
            links.setdefault(row, _Link(None, None))
    for row in links:
        if row in wanted:
            return links, row
    level = list(links)
    for _ in range(MOST_STEPS):
        found = [site for site in sites_of(resolver, level, roles).sites if site.confidence >= least]
        level = []
        for inside, sites in grouped(view, found):
            if inside is None or inside in links:
                continue
            links[inside] = _Link(sites[0], sites[0].target)
            if inside in wanted or any(_lies_in(inside, t) for t in types):
                return links, inside
            level.append(inside)
            if len(links) > MOST_VISITED:
                view.told.add(f"looked at {MOST_VISITED:,} definitions on the way, and at no more")
                return links, None
        if not level:
            break
    return links, None


def _members(resolver: Resolver, row: DefinitionRow) -> list[DefinitionRow]:
    if row.kind not in CLASSES:
        return []
    inside = resolver.view.spans(row.file).starting(row.line, last_line(row))
    return [d for d in inside if d != row and _lies_in(d, row)]


def _lies_in(row: DefinitionRow, outer: DefinitionRow) -> bool:
    return row.file == outer.file and outer.line <= row.line and last_line(row) <= last_line(outer)
