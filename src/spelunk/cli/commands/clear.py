"""``spelunk clear``: delete an index. The files that were indexed are never touched."""

from __future__ import annotations

import argparse
import os
import sys

from spelunk.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("path", metavar="PATH", nargs="?", default=".", help="default: the current folder")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print one object")


def run(args: argparse.Namespace) -> int:
    """Delete the index of exactly this workspace; 1 where there is none."""
    from spelunk.cli.output import SCHEMA_VERSION, note, put_json, short
    from spelunk.config import DEFAULTS
    from spelunk.index import Index
    from spelunk.workspace import locate as home

    root = os.path.realpath(os.path.expanduser(args.path))
    place = home.known(root)
    if args.index_dir:
        directory = home.index_dir(root, args.index_dir)
        root = home.owner_of(directory) or root
    else:
        directory = place.directory if place else home.index_dir(root)
    there = home.owner_of(directory) is not None
    if there and not args.yes and not _agreed(f"Delete the index of {short(root)} in {short(directory)}?"):
        note(args, "nothing deleted")
        return 1
    index = Index(root, directory, DEFAULTS)  # its folder may be gone
    cleared = index.clear()
    if not there and place is not None:
        home.forget(root)
    if args.json:
        put_json({"schema_version": SCHEMA_VERSION, "root": root, "directory": directory, "cleared": cleared})
    elif cleared:
        note(args, f"deleted the index of {short(root)}")
    else:
        note(args, f"{short(root)}: no index to delete")
    return 0 if cleared else 1


def _agreed(question: str) -> bool:
    """Ask on the terminal.

    Raises:
        UsageError: There is no terminal to ask on.
    """
    if sys.stdin is None or not sys.stdin.isatty() or sys.stderr is None:
        raise UsageError("clear deletes an index and there is no terminal to ask on; add --yes")
    from spelunk.io.printable import printable

    sys.stderr.write(printable(question) + " [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
