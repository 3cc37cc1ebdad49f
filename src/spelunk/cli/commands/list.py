"""``spelunk list``: every workspace that has an index in, or registered in, the cache folder."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("--json", action="store_true", help="print one object")


def run(args: argparse.Namespace) -> int:
    """Print every registered workspace."""
    from spelunk.cli.output import note, put, put_json
    from spelunk.present.objects import catalogue_text, to_json
    from spelunk.workspace.catalogue import catalogue

    known = catalogue()
    if args.json:
        put_json(to_json(known))
    elif known.workspaces:
        put(catalogue_text(known))
    else:
        note(args, "no indexes yet; `spelunk index` in a folder builds one")
    return 0
