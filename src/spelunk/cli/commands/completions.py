"""``spelunk completions``: print a completion script for a shell."""

from __future__ import annotations

import argparse

SHELLS = ("bash", "zsh", "fish")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")
    parser.add_argument("words", metavar="WORD", nargs="*", help="print completions of the last WORD instead")


def run(args: argparse.Namespace) -> int:
    """Print the script, or completions one a line."""
    from spelunk.cli.completions import SCRIPTS, completions
    from spelunk.cli.output import put

    if not args.words:
        put(SCRIPTS[args.shell])
        return 0
    for word, text in completions(args.words):
        described = {"zsh": f"{word}:{text}", "fish": f"{word}\t{text}"}
        put(described.get(args.shell, word) + "\n")
    return 0
