"""``spelunk check``: verify that the stores of an index agree; repair them with ``--repair``."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("path", metavar="PATH", nargs="?", default=".", help="default: the current folder")
    parser.add_argument("--repair", action="store_true", help="repair what does not agree")
    parser.add_argument("--json", action="store_true", help="print one object")


def run(args: argparse.Namespace) -> int:
    """Check, and print the problems; 1 where some are left."""
    from spelunk.cli.output import put, put_json
    from spelunk.cli.targets import open_root
    from spelunk.present.objects import check_text, to_json

    with open_root(args) as index:
        report = index.check(repair=args.repair)
    if args.json:
        put_json(to_json(report, root=index.root))
    elif not args.quiet:
        put(check_text(report))
    return 0 if report.ok else 1
