"""Relations of the first hits: their callers and the definitions that they use, from the symbol graph."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from spelunk.types import Hit, Neighbour, Neighbours

if TYPE_CHECKING:
    from spelunk.search.copies import Group
    from spelunk.search.corpus import SearchTarget

FIRST_HITS: Final = 10
"""Hits of one answer whose neighbours are looked for."""


def with_related(
    targets: Sequence[SearchTarget], groups: Sequence[Group], hits: Sequence[Hit], limit: int
) -> tuple[Hit, ...]:
    """The hits, with :attr:`~spelunk.types.Hit.related` filled in for the first of them.

    What a hit is given depends on the hit alone, not on those before it. Each costs a
    bounded number of references and of files parsed again.

    Args:
        targets: The indexes searched.
        groups: The chunks of the hits.
        hits: Of files.
        limit: Callers, and definitions used, of each hit.
    """
    from spelunk.graph.neighbours import MOST_PARSES, LineRange, neighbours
    from spelunk.graph.resolve import Resolver
    from spelunk.graph.view import GraphView

    out: list[Hit] = []
    views: dict[int, GraphView] = {}
    for group, hit in zip(groups, hits, strict=True):
        if len(out) == FIRST_HITS:
            break
        target, chunk = targets[group.shown.source], group.shown.chunk
        lines = LineRange(chunk.file, chunk.start_line, chunk.end_line, hit.symbol)
        first = views.get(group.shown.source)
        view = GraphView(target.reader.relations, MOST_PARSES, first)
        views.setdefault(group.shown.source, view)
        found = neighbours(Resolver(view), lines, limit, _inside(target.within))
        out.append(replace(hit, related=_prefixed(found, target.prefix)))
    return (*out, *hits[len(out) :])


def _inside(within: Collection[str]) -> Callable[[str], bool] | None:
    """Whether a path is among the files and folders searched; None for everywhere."""
    places = [place.strip("/") for place in within if place not in (".", "")]
    if not places:
        return None
    return lambda path: any(path == place or path.startswith(place + "/") for place in places)


def _prefixed(found: Neighbours, prefix: str) -> Neighbours:
    """Neighbours with the name of their workspace before their paths."""
    if not prefix:
        return found
    return mapped(found, lambda path: prefix + path)


def mapped(found: Neighbours, path_of: Callable[[str], str]) -> Neighbours:
    """Neighbours with other paths; the name of code outside any definition is its path."""

    def other(one: Neighbour) -> Neighbour:
        path = path_of(one.path)
        return one._replace(path=path, symbol=path if one.kind == "file" else one.symbol)

    return found._replace(callers=tuple(map(other, found.callers)), uses=tuple(map(other, found.uses)))


def without_paths(hit: Hit, paths: Collection[str]) -> Hit:
    """A hit without the neighbours that are in some files; it says how many were left out."""
    if hit.related is None:
        return hit
    callers = tuple(one for one in hit.related.callers if one.path not in paths)
    uses = tuple(one for one in hit.related.uses if one.path not in paths)
    gone = len(hit.related.callers) + len(hit.related.uses) - len(callers) - len(uses)
    if not gone:
        return hit
    left = (*hit.related.left_out, f"{gone} in files that have changed since they were indexed")
    return replace(hit, related=Neighbours(callers, uses, left))
