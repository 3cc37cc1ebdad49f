"""``spelunk branchwork``: hands its arguments to the branchwork commands."""

from __future__ import annotations

import argparse


def run(argv: list[str]) -> int:
    """Run a branchwork command; its exit status."""
    from spelunk.branchwork.cli import main

    return main(argv)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the branchwork commands, for completions."""
    from spelunk.branchwork.cli import configure as add

    add(parser)
