"""``spelunk impl``: what implements or overrides a symbol."""

from __future__ import annotations

import argparse

from spelunk.cli.symbols import ask_about_symbol, symbol_flags


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    symbol_flags(parser, 50, "implementations")


def run(args: argparse.Namespace) -> int:
    """Ask, and print the answer; 1 where there is nothing."""
    return ask_about_symbol(args, "implementations")
