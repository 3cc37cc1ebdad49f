"""``spelunk refs``: every place that refers to a symbol."""

from __future__ import annotations

import argparse

from spelunk.cli.symbols import ask_about_symbol, symbol_flags


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    symbol_flags(parser, 50, "references")
    parser.add_argument(
        "--role",
        metavar="R",
        action="append",
        default=[],
        help="only these: call, type, import, inherit, decorate, macro, write, use; may be repeated",
    )


def run(args: argparse.Namespace) -> int:
    """Ask, and print the answer; 1 where there is nothing."""
    return ask_about_symbol(args, "references", roles=args.role)
