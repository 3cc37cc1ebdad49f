"""``spelunk clear``: delete an index. Files that Spelunk did not write are never deleted."""

from __future__ import annotations

import argparse
import os
import sys

from spelunk.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("path", metavar="PATH", nargs="?", default=".", help="default: the current folder")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument("--wait", action="store_true", help="wait for another writer instead of giving up")
    parser.add_argument("--json", action="store_true", help="print one object")


def run(args: argparse.Namespace) -> int:
    """Delete the index of exactly this workspace; 1 where there is none."""
    from spelunk.cli.output import note, put_json
    from spelunk.config import DEFAULTS
    from spelunk.index import Index
    from spelunk.present.objects import SCHEMA_VERSION
    from spelunk.present.phrases import short
    from spelunk.workspace import locate

    root = os.path.realpath(os.path.expanduser(args.path))
    directory = locate.index_dir(root, args.index_dir)
    owner = locate.owner_of(directory)
    if args.index_dir:
        root = owner or root
    exists = owner == root
    if exists and not args.yes and not _agreed(f"Delete the index of {short(root)} in {short(directory)}?"):
        note(args, "nothing deleted")
        return 1
    # not opened: the root may no longer exist
    cleared = exists and Index(root, directory, DEFAULTS).clear(wait=args.wait)
    if not exists:
        locate.forget(root)
    if args.json:
        put_json({"schema_version": SCHEMA_VERSION, "root": root, "directory": directory, "cleared": cleared})
    elif cleared:
        note(args, f"deleted the index of {short(root)}")
        if os.path.isdir(directory):
            note(args, f"{short(directory)}: kept, it holds other files")
    else:
        note(args, f"{short(root)}: no index to delete")
    return 0 if cleared else 1


def _agreed(question: str) -> bool:
    """Ask for confirmation on the terminal.

    Raises:
        UsageError: There is no terminal to ask on.
    """
    if sys.stdin is None or not sys.stdin.isatty() or sys.stderr is None:
        raise UsageError("clear deletes an index and there is no terminal to ask on; add --yes")
    from spelunk.cli.output import tell
    from spelunk.io.printable import printable

    tell(printable(question), end=" [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
