"""``spelunk completions``: the completion script of a shell, printed, installed or removed."""

from __future__ import annotations

import argparse
import os

SHELLS = ("bash", "zsh", "fish")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "shell",
        metavar="SHELL",
        nargs="?",
        choices=SHELLS,
        help="bash, zsh or fish; with --install and --remove by default the one in SHELL",
    )
    parser.add_argument("words", metavar="WORD", nargs="*", help="print completions of the last WORD instead")
    doing = parser.add_mutually_exclusive_group()
    doing.add_argument("--install", action="store_true", help="put the script where the shell looks for it")
    doing.add_argument("--remove", action="store_true", help="undo that")


def run(args: argparse.Namespace) -> int:
    """Print the script or completions one a line, or install or remove the script."""
    from spelunk.cli.completions import SCRIPTS, completions
    from spelunk.cli.output import put
    from spelunk.errors import UsageError

    if args.install or args.remove:
        return _change(args)
    if args.shell is None:
        raise UsageError(f"name a shell: {', '.join(SHELLS)}; --install finds it by itself")
    if not args.words:
        put(SCRIPTS[args.shell])
        return 0
    for word, text in completions(args.words):
        described = {"zsh": f"{word}:{text}", "fish": f"{word}\t{text}"}
        put(described.get(args.shell, word) + "\n")
    return 0


def _change(args: argparse.Namespace) -> int:
    from spelunk.cli.completion_install import apply, changes, shell_of
    from spelunk.cli.output import note, put
    from spelunk.io.printable import printable_name

    shell = args.shell or shell_of(os.environ)
    found = changes(shell, os.path.expanduser("~"), os.environ, remove=args.remove)
    needed = [change for change in found if change.needed]
    apply(needed)
    for change in needed:
        what = "removed" if change.text is None else "written" if change.old is None else "changed"
        put(f"{what}: {printable_name(change.path)}\n")
    if not needed:
        note(args, f"nothing to do for {shell}")
    elif args.install:
        note(args, f"new {shell} sessions complete spelunk; in this one, start {shell} again")
    return 0
