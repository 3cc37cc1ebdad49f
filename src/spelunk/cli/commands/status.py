"""``spelunk status``: what an index holds, and whether it is current."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("path", metavar="PATH", nargs="?", default=".", help="default: the current folder")
    parser.add_argument("--json", action="store_true", help="print one object")


def run(args: argparse.Namespace) -> int:
    """Print the status."""
    from spelunk.cli.output import put, put_json
    from spelunk.cli.targets import open_root
    from spelunk.present.objects import status_text, to_json

    with open_root(args) as index:
        status = index.status()
    if args.json:
        put_json(to_json(status))
    else:
        put(status_text(status, verbose=args.verbose))
    return 0
