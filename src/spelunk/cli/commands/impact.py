"""``spelunk impact``: what a change reaches, the tests to run first."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from spelunk.cli.symbols import answer_flags, ask, depth_flag, path_in, paths, symbol_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spelunk.graph.answer import GraphAnswer
    from spelunk.index import Index


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "asked",
        metavar="PATH|SYMBOL",
        nargs="?",
        help="a file, a folder, or a symbol: NAME, Scope.name or FILE:LINE[:COLUMN]; not with --diff",
    )
    paths(parser)
    parser.add_argument(
        "--diff", metavar="REV", help="what changed since a revision of git, the working tree included"
    )
    depth_flag(parser, 3, "steps that are followed")
    answer_flags(parser, 20, "tests, and other places,")


def run(args: argparse.Namespace) -> int:
    """Ask, and print the answer; 1 where nothing is reached."""
    given = args.paths
    if args.diff is not None and args.asked is not None:
        given, args.asked = [args.asked, *args.paths], None

    def question(index: Index, within: Sequence[str]) -> GraphAnswer:
        asked = ""
        if args.asked is not None:
            asked = path_in(index, args.asked) or symbol_in(index, args.asked)
        return index.impact(
            asked,
            diff=args.diff or "",
            depth=args.depth,
            limit=args.limit,
            within=within,
            refresh=not args.no_refresh,
        )

    return ask(args, question, given)
