"""``spelunk doctor``: check this machine and this installation, a line a finding."""

from __future__ import annotations

import argparse
from typing import Final

from spelunk.io.printable import styled

MARKS: Final = {"ok": "\x1b[32m", "warn": "\x1b[33m", "fail": "\x1b[1;31m"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("--json", action="store_true", help="print one object")


def run(args: argparse.Namespace) -> int:
    """Look, and print what was found; 1 where something fails."""
    from spelunk.cli.doctor import look
    from spelunk.cli.output import SCHEMA_VERSION, colored, put, put_json
    from spelunk.io.printable import printable

    findings = look()
    ok = all(f.level != "fail" for f in findings)
    if args.json:
        rows = [{"level": f.level, "what": f.what, "detail": f.detail, "advice": f.advice} for f in findings]
        put_json({"schema_version": SCHEMA_VERSION, "ok": ok, "findings": rows})
        return 0 if ok else 1
    color = colored(args)
    for f in findings:
        if args.quiet and f.level == "ok":
            continue
        mark = styled(f"{f.level:<4}", MARKS[f.level], color)
        advice = f": {printable(f.advice)}" if f.advice else ""
        put(f"{mark}  {f.what}: {printable(f.detail)}{advice}\n")
    return 0 if ok else 1
