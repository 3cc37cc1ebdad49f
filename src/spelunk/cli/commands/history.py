"""``spelunk history``: the commits and branchwork entries behind a file or some of its lines."""

from __future__ import annotations

import argparse
import re
from typing import Final

from spelunk.cli.parser import whole
from spelunk.errors import UsageError

_PLACE: Final = re.compile(r"(.+?)(?::(\d{1,9})(?:-(\d{1,9})|:\d{1,9})?)?", re.DOTALL)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add = parser.add_argument
    add("place", metavar="PATH[:LINE[-LINE]]", help="a file or folder, or lines as search prints them")
    add("-k", "--limit", metavar="N", type=whole(1), default=10, help="commits wanted (default: 10)")
    add("--json", action="store_true", help="print one object")


def run(args: argparse.Namespace) -> int:
    """Print the commits, newest first; 1 where there is nothing."""
    from spelunk.cli.output import colored, note, put, put_json
    from spelunk.cli.targets import open_target
    from spelunk.present.commits import place_object, place_text
    from spelunk.workspace.targets import file_in

    path, first, last = parse_lines(args.place)
    target = file_in(path, args.index_dir)
    inside = target.within[0] if target.within else "."
    with open_target(args, target) as index:
        told = index.history(inside, first, last, limit=args.limit)
    if args.json:
        put_json(place_object(told))
    else:
        put(place_text(told, verbose=bool(args.verbose), color=colored(args)))
    if told.notice:
        note(args, told.notice)
    return 0 if told.commits or told.worklogs else 1


def parse_lines(place: str) -> tuple[str, int | None, int | None]:
    """Parse ``PATH``, ``PATH:LINE``, ``PATH:LINE-LINE`` or ``PATH:LINE:COLUMN``.

    Raises:
        UsageError: The lines are none.
    """
    match = _PLACE.fullmatch(place)
    if match is None:
        raise UsageError("PATH is empty; give a place as PATH or PATH:LINE, e.g. src/app.py:42")
    path, first, last = match.groups()
    if first is None:
        return path, None, None
    lines = int(first), int(last or first)
    if not 1 <= lines[0] <= lines[1]:
        raise UsageError(f"{place}: give lines from 1 as PATH:LINE or PATH:FIRST-LAST, e.g. src/app.py:42-50")
    return path, *lines
