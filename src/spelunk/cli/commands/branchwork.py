"""``spelunk branchwork``: the worklog of a branch."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the nested commands."""
    from spelunk.branchwork.cli import configure as add

    add(parser)


def run(args: argparse.Namespace) -> int:
    """Run a nested command; its exit status."""
    from spelunk.branchwork.cli import run as run_nested

    return run_nested(args)
