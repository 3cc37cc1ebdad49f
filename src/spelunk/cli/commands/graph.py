"""``spelunk graph``: callers and callees of a symbol as a picture."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from spelunk.cli.parser import whole
from spelunk.cli.symbols import SYMBOL, asked, depth_flag, paths, symbol_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spelunk.graph.answer import GraphAnswer
    from spelunk.index import Index

FORMATS: Final = ("dot", "mermaid", "svg")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add = parser.add_argument
    add("symbol", metavar="SYMBOL", help=SYMBOL)
    paths(parser)
    depth_flag(parser, 1, "steps to each side")
    add(
        "--format",
        metavar="FORMAT",
        choices=FORMATS,
        default=FORMATS[0],
        help="dot (Graphviz), mermaid or svg (default: dot)",
    )
    add(
        "-k",
        "--limit",
        metavar="N",
        type=whole(1),
        default=20,
        help="callers, and callees, wanted of each symbol (default: 20)",
    )
    add("--no-refresh", action="store_true", help="answer from the index as it is")


def run(args: argparse.Namespace) -> int:
    """Print the picture; 1, and none, where nothing has the name."""
    from spelunk.cli.output import note, put_utf8
    from spelunk.present.graph import graph_notices
    from spelunk.present.neighbourhood import dot, mermaid, neighbourhood
    from spelunk.present.neighbourhood_svg import svg

    def question(index: Index, within: Sequence[str]) -> tuple[GraphAnswer, GraphAnswer]:
        symbol = symbol_in(index, args.symbol)
        callers = index.callers(
            symbol, depth=args.depth, limit=args.limit, within=within, refresh=not args.no_refresh
        )
        return callers, index.callees(
            symbol, depth=args.depth, limit=args.limit, within=within, refresh=False
        )

    callers, callees = asked(args, question)
    for line in dict.fromkeys([*graph_notices(callers), *graph_notices(callees)]):
        note(args, line)
    if not (callers.targets or callers.edges):
        return 1
    put_utf8({"dot": dot, "mermaid": mermaid, "svg": svg}[args.format](neighbourhood(callers, callees)))
    return 0
