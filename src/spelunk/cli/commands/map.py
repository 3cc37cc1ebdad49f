"""``spelunk map``: the repository on a page."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from spelunk.cli.symbols import answer_flags, asked, json_line, page_places, paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spelunk.graph.answer import RepositoryMap
    from spelunk.index import Index


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    paths(parser)
    answer_flags(parser, 20, "packages, and central symbols,")


def run(args: argparse.Namespace) -> int:
    """Print the map; 1 where there is no code."""
    from spelunk.cli.output import colored, note, put_utf8
    from spelunk.io.printable import printable
    from spelunk.present.graph import fit_map, map_object, map_text

    def question(index: Index, within: Sequence[str]) -> RepositoryMap:
        return index.map(limit=args.limit, within=within, refresh=not args.no_refresh)

    def show(found: RepositoryMap, dropped: int) -> str:
        return json_line(map_object(found, dropped)) if args.json else map_text(found, color=colored(args))

    found: RepositoryMap = asked(args, question)
    text, dropped = fit_map(found, args.max_tokens, show)
    if args.json:
        put_utf8(text)
    else:
        page_places(args, text)
    for line in found.left_out:
        note(args, printable(line))
    if dropped:
        note(args, "packages and symbols left out to stay within --max-tokens")
    return 0 if found.packages else 1
