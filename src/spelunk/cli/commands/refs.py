"""``spelunk refs``: every place that refers to a symbol."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from spelunk.cli.symbols import SYMBOL, answer_flags, ask, paths, symbol_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spelunk.graph.answer import GraphAnswer
    from spelunk.index import Index


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("symbol", metavar="SYMBOL", help=SYMBOL)
    paths(parser)
    parser.add_argument(
        "--role",
        metavar="R",
        action="append",
        default=[],
        help="only these: call, type, import, inherit, decorate, macro, write, use; may be repeated",
    )
    answer_flags(parser, 50, "references")


def run(args: argparse.Namespace) -> int:
    """Ask, and print the answer; 1 where there is nothing."""

    def question(index: Index, within: Sequence[str]) -> GraphAnswer:
        return index.references(
            symbol_in(index, args.symbol),
            limit=args.limit,
            within=within,
            refresh=not args.no_refresh,
            roles=args.role,
        )

    return ask(args, question)
