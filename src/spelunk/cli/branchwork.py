"""``spelunk branchwork``: hands its arguments to the branchwork commands."""

from __future__ import annotations


def run(argv: list[str]) -> int:
    """Run a branchwork command; its exit status."""
    from spelunk.branchwork.cli import main

    return main(argv)
