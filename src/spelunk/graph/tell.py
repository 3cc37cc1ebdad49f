"""Parts that the answers share: edges at places, what was left out, cuts to a limit."""

from __future__ import annotations

from collections.abc import Sequence

from spelunk.graph.answer import Edge, Symbol
from spelunk.graph.sites import Located, Looked
from spelunk.graph.view import GraphView


def edge_at(view: GraphView, site: Located, symbol: Symbol | None, depth: int = 1) -> Edge:
    """An edge at the place of a reference."""
    reference = site.reference
    return Edge(
        name=reference.name,
        role=reference.role.name.lower(),
        path=view.row(site.file).path,
        line=reference.line,
        text=view.line(site.file, reference.line),
        symbol=symbol,
        confidence=round(site.confidence, 3),
        rule=site.rule,
        alternatives=site.alternatives,
        depth=depth,
    )


def left_out(
    view: GraphView, *, beyond: int = 0, what: str = "", looked: Sequence[Looked] = ()
) -> tuple[str, ...]:
    """What an answer leaves out, a sentence each.

    Args:
        view: Has what its bounds left out.
        beyond: Edges beyond the limit.
        what: Their name in the plural.
        looked: What was looked at.
    """
    out: list[str] = []
    if beyond:
        out.append(f"{beyond:,} more {what} beyond the limit")
    unread = sum(one.unread for one in looked)
    if unread:
        out.append(f"{unread:,} references of the name were not looked at")
    elsewhere = sum(one.elsewhere for one in looked)
    if elsewhere:
        what = (
            "1 reference of the name means"
            if elsewhere == 1
            else f"{elsewhere:,} references of the name mean"
        )
        out.append(f"{what} something else, or cannot be told apart")
    if view.unparsed:
        out.append(f"types of receivers were not read in {len(view.unparsed):,} files")
    return (*out, *sorted(view.told))
