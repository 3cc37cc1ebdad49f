"""Where a name is defined."""

from __future__ import annotations

from collections.abc import Sequence

from spelunk.graph.answer import GraphAnswer
from spelunk.graph.resolve import Resolver
from spelunk.graph.tell import left_out
from spelunk.store.relation_reader import DefinitionRow


def definition(resolver: Resolver, asked: str, rows: Sequence[DefinitionRow], limit: int) -> GraphAnswer:
    """The definitions asked for, the most likely first.

    Each of several definitions of one name has its share of the confidence: no
    reference is at hand that would tell them apart.
    """
    view = resolver.view
    places = len({(row.file, row.scope) for row in rows})
    edges = tuple(view.of_definition(row, round(1 / places, 3), "name", places - 1) for row in rows[:limit])
    return GraphAnswer(
        "definition",
        asked,
        tuple(edge.symbol for edge in edges if edge.symbol is not None),
        edges,
        total=len(rows),
        left_out=left_out(view, beyond=len(rows) - len(edges), what="definitions"),
    )
