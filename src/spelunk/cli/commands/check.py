"""``spelunk check``: prove that the stores of an index agree; mend them with ``--repair``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spelunk.store.check import CheckReport


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("path", metavar="PATH", nargs="?", default=".", help="default: the current folder")
    parser.add_argument("--repair", action="store_true", help="mend what does not agree")
    parser.add_argument("--json", action="store_true", help="print one object")


def run(args: argparse.Namespace) -> int:
    """Check, and print the problems; 1 where some are left."""
    from spelunk.cli.output import put, put_json
    from spelunk.workspace.targets import open_root

    with open_root(args, args.path) as index:
        report = index.check(repair=args.repair)
        root = index.root
    if args.json:
        put_json(as_object(root, report))
    elif not args.quiet:
        put(as_text(report))
    return 0 if report.ok else 1


def as_object(root: str, report: CheckReport) -> dict[str, Any]:
    """The report as plain values for JSON."""
    from spelunk.cli.output import SCHEMA_VERSION

    return {
        "schema_version": SCHEMA_VERSION,
        "root": root,
        "ok": report.ok,
        "files": report.files,
        "chunks": report.chunks,
        "vectors": report.vectors,
        "problems": [
            {"what": p.what, "where": p.where, "detail": p.detail, "repaired": p.repaired}
            for p in report.problems
        ],
    }


def as_text(report: CheckReport) -> str:
    """The report for people."""
    from spelunk.cli.output import several
    from spelunk.io.printable import printable, printable_name

    out = [
        f"{'mended' if p.repaired else 'problem'}: {printable(p.what)}: {printable_name(p.where)}"
        + (f": {printable(p.detail)}" if p.detail else "")
        for p in report.problems
    ]
    counts = ", ".join(
        (several(report.files, "file"), several(report.chunks, "chunk"), several(report.vectors, "vector"))
    )
    if report.ok:
        out.append(f"ok: {counts}; the stores agree")
    else:
        left = several(sum(1 for p in report.problems if not p.repaired), "problem")
        out.append(f"{left} in {counts}; `spelunk check --repair` mends what can be mended")
    return "\n".join(out) + "\n"
