"""Where a name is defined."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from spelunk.graph.answer import GraphAnswer
from spelunk.graph.columns import candidates_of
from spelunk.graph.grading import Candidate
from spelunk.graph.resolve import Resolver
from spelunk.graph.tell import left_out
from spelunk.store.relation_reader import DefinitionRow


def definition(
    resolver: Resolver,
    asked: str,
    rows: Sequence[DefinitionRow],
    limit: int,
    *,
    inside: Callable[[str], bool] | None = None,
) -> GraphAnswer:
    """The definitions asked for, the most likely first.

    Of the name at a column each has the confidence and the rule of its reference. Else
    each of several definitions of one name has its share of the confidence: no
    reference is at hand that would tell them apart.

    Args:
        resolver: Of the generation.
        asked: What was asked for.
        rows: The definitions.
        limit: Definitions wanted.
        inside: Only those in files at these paths.
    """
    view = resolver.view
    found = candidates_of(resolver, asked) or share_of(rows)
    if inside is not None:
        found = [c for c in found if inside(view.row(c.row.file).path)]
    places = len({(c.row.file, c.row.scope) for c in found})
    edges = tuple(view.of_definition(c.row, c.confidence, c.rule, places - 1) for c in found[:limit])
    return GraphAnswer(
        "definition",
        asked,
        tuple(edge.symbol for edge in edges if edge.symbol is not None),
        edges,
        total=len(found),
        left_out=left_out(view, beyond=len(found) - len(edges), what="definitions"),
    )


def share_of(rows: Sequence[DefinitionRow]) -> list[Candidate]:
    """Definitions of one name, which share the confidence."""
    places = len({(row.file, row.scope) for row in rows})
    return [Candidate(row, round(1 / places, 3), "name") for row in rows]
