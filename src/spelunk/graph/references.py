"""Every place that refers to a symbol, with its role."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from spelunk.chunk.relation import Role
from spelunk.graph.answer import GraphAnswer, doubt
from spelunk.graph.fields import Finder, fields_beside, is_field
from spelunk.graph.overriding import bases_of, through
from spelunk.graph.resolve import Resolver
from spelunk.graph.sites import (
    MOST_USE_FILES,
    MOST_USE_TEXTS,
    in_order,
    sites_of,
    sites_of_undefined,
    uses_of,
)
from spelunk.graph.tell import edge_at, left_out
from spelunk.graph.view import MOST_PARSES
from spelunk.store.relation_reader import DefinitionRow

SURE: Final = 0.6
"""From this confidence on, references are ordered by place alone."""


def references(
    resolver: Resolver,
    asked: str,
    rows: Sequence[DefinitionRow],
    limit: int,
    *,
    roles: Collection[Role] = (),
    finder: Finder | None = None,
    inside: Callable[[str], bool] | None = None,
) -> GraphAnswer:
    """The references to definitions: the sure ones by place, then the others.

    Args:
        resolver: Of the generation.
        asked: What was asked for.
        rows: The definitions; none for a name that nothing defines.
        limit: References wanted.
        roles: Only these.
        finder: Finds the files whose text has a name, for uses that are not stored.
        inside: Only references in files at these paths.
    """
    view = resolver.view
    fields = [row for row in rows if is_field(view, row)]
    if fields and finder is not None:
        resolver.classes.add_fields(fields_beside(view, fields, finder))
    bases = bases_of(resolver, rows)
    every = [*rows, *bases]
    looked = sites_of(resolver, every, roles) if rows else sites_of_undefined(resolver, asked, roles)
    sites = looked.sites
    if rows and finder is not None and (not roles or Role.USE in roles):
        most = min(MOST_PARSES, max(MOST_USE_FILES, limit))
        texts = 10 * most if len(sites) < limit else max(MOST_USE_TEXTS, limit)
        uses = uses_of(resolver, every, finder, sites, most, texts)
        if uses:
            sites = in_order(resolver, [*sites, *uses])
    sites = through(sites, rows, bases)
    if inside is not None:
        sites = [site for site in sites if inside(view.row(site.file).path)]
    sure = [site for site in sites if site.confidence >= SURE]
    if len(sure) < len(sites):
        sure += sorted(
            (site for site in sites if site.confidence < SURE), key=lambda site: doubt(site.confidence, SURE)
        )
    shown = sure[:limit]
    view.surroundings.load_innermost((site.file, site.reference.line) for site in shown)
    edges = tuple(edge_at(view, site, view.symbol_around(site.file, site.reference.line)) for site in shown)
    return GraphAnswer(
        "references",
        asked,
        tuple(view.symbol(row) for row in rows[:limit]),
        edges,
        total=len(sites),
        left_out=left_out(view, beyond=len(sites) - len(shown), what="references", looked=[looked]),
    )
