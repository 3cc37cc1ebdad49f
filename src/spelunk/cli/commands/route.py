"""``spelunk path``: how one symbol reaches another."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from spelunk.cli.symbols import SYMBOL, answer_flags, ask, symbol_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spelunk.graph.answer import GraphAnswer
    from spelunk.index import Index


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("start", metavar="A", help=SYMBOL)
    parser.add_argument("end", metavar="B", help="the same")
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        default=".",
        help="the workspace, or a path in it (default: the current folder)",
    )
    answer_flags(parser, None, "")


def run(args: argparse.Namespace) -> int:
    """Ask, and print the chain; 1 where there is none."""

    def question(index: Index, _: Sequence[str]) -> GraphAnswer:
        return index.route(
            symbol_in(index, args.start), symbol_in(index, args.end), refresh=not args.no_refresh
        )

    return ask(args, question, [] if args.path == "." else [args.path])
