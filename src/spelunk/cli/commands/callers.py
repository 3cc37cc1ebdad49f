"""``spelunk callers``: who calls a symbol."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from spelunk.cli.symbols import SYMBOL, answer_flags, ask, depth_flag, paths, symbol_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spelunk.graph.answer import GraphAnswer
    from spelunk.index import Index


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("symbol", metavar="SYMBOL", help=SYMBOL)
    paths(parser)
    depth_flag(parser, 1, "steps")
    answer_flags(parser, 30, "callers of each")


def run(args: argparse.Namespace) -> int:
    """Ask, and print the answer; 1 where there is nothing."""

    def question(index: Index, within: Sequence[str]) -> GraphAnswer:
        return index.callers(
            symbol_in(index, args.symbol),
            limit=args.limit,
            within=within,
            refresh=not args.no_refresh,
            depth=args.depth,
        )

    return ask(args, question)
