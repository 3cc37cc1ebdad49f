"""``spelunk similar``: find chunks like the one at FILE:LINE."""

from __future__ import annotations

import argparse
import os
import re
from typing import Final

from spelunk.errors import UsageError, WorkspaceError

_PLACE: Final = re.compile(r"(.+?):([0-9]{1,9})(?:[-:][0-9]{1,9})?", re.DOTALL)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    from spelunk.cli.search_flags import presentation

    parser.add_argument(
        "place",
        metavar="FILE:LINE",
        help="as search prints it; FILE:START-END and FILE:LINE:COLUMN are accepted too",
    )
    presentation(parser)


def run(args: argparse.Namespace) -> int:
    """Search, and print the hits."""
    from spelunk.cli.commands.search import LIMIT, show
    from spelunk.cli.stderr import hushed
    from spelunk.cli.targets import announce, open_target
    from spelunk.workspace.locate import has_index
    from spelunk.workspace.targets import file_in

    path, line = parse_place(args.place)
    target = file_in(path, args.index_dir)
    with open_target(args, target) as index, hushed(args.verbose):
        if not has_index(index.directory) and not os.path.isfile(os.path.join(target.root, *target.within)):
            raise WorkspaceError(f"{path}: no such file")  # and no index is built for it
        if not args.no_refresh:
            announce(args, index)
        limit = args.limit or LIMIT
        answer = index.similar(target.within[0], line, limit=limit, refresh=not args.no_refresh)
        return show(args, answer, [index.root])


def parse_place(place: str) -> tuple[str, int]:
    """Parse ``FILE:LINE``, ``FILE:START-END`` or ``FILE:LINE:COLUMN`` into the path and the line.

    Raises:
        UsageError: ``place`` is none of them.
    """
    found = _PLACE.fullmatch(place)
    if found is None or int(found.group(2)) < 1:
        raise UsageError(f"{place}: give a place as FILE:LINE, e.g. src/app.py:42")
    return found.group(1), int(found.group(2))
