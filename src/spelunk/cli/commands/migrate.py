"""``spelunk migrate``: move the chunks of an index into a Qdrant collection, or back."""

from __future__ import annotations

import argparse
import sys


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("path", metavar="PATH", nargs="?", default=".", help="default: the current folder")
    parser.add_argument(
        "--to", metavar="STORE", required=True, help="local, or qdrant://HOST:PORT/COLLECTION"
    )
    parser.add_argument("--json", action="store_true", help="print one object")


def run(args: argparse.Namespace) -> int:
    """Move, verify, and say what to set; 1 where the check finds something wrong afterwards."""
    from spelunk.cli.output import note, put, put_json
    from spelunk.cli.targets import open_root
    from spelunk.present.objects import SCHEMA_VERSION, check_text
    from spelunk.present.phrases import short

    stream = sys.stderr
    shown = not (args.quiet or args.verbose or stream is None or not stream.isatty())

    def moved(done: int, total: int) -> None:
        if shown:
            print(f"\rmoved {done:,} of {total:,} chunks", end="", file=stream, flush=True)

    with open_root(args) as index:
        try:
            count = index.migrate(args.to, moved=moved)
        finally:
            if shown:
                print(file=stream)
        index.use_store(args.to)
        report = index.check()
    if args.json:
        data = {"schema_version": SCHEMA_VERSION, "root": index.root, "store": args.to, "chunks": count}
        put_json({**data, "ok": report.ok})
    elif not report.ok:
        put(check_text(report))
    else:
        note(args, f'{short(index.root)}: {count:,} chunks are in {args.to} now; set store = "{args.to}"')
    return 0 if report.ok else 1
