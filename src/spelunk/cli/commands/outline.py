"""``spelunk outline``: the names that a file defines, with their heads."""

from __future__ import annotations

import argparse
import os

from spelunk.cli.symbols import answer_flags, json_line
from spelunk.errors import WorkspaceError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("path", metavar="FILE", help="a file of a workspace")
    answer_flags(parser, 500, "definitions")


def run(args: argparse.Namespace) -> int:
    """Print the outline; 1 where the file defines nothing."""
    from spelunk.cli.output import colored, note, put_utf8
    from spelunk.cli.pager import links_of, page
    from spelunk.cli.stderr import hushed
    from spelunk.cli.targets import announce, open_target
    from spelunk.present.graph import fit_outline
    from spelunk.present.hyperlinks import link_lines
    from spelunk.workspace.locate import has_index
    from spelunk.workspace.targets import file_only

    target = file_only(args.path, args.index_dir)
    with open_target(args, target) as index, hushed(args.verbose):
        inside = target.within[0] if target.within else "."
        if not has_index(index.directory) and not os.path.isfile(os.path.join(target.root, inside)):
            raise WorkspaceError(f"{args.path}: no such file")  # and no index is built for it
        if not args.no_refresh:
            announce(args, index)
        outline = index.outline(inside, refresh=not args.no_refresh)
        text = index.read(inside, refresh=False).text
    form = json_line if args.json else None
    shown, left = fit_outline(outline, text, args.limit, args.max_tokens, form, color=colored(args))
    if args.json:
        put_utf8(shown)
    else:
        links = links_of(args)
        page(args, link_lines(shown, links, os.path.join(target.root, inside)) if links else shown)
    if not outline.definitions:
        note(args, f"{args.path}: no definitions found in it")
    if left:
        note(args, f"{left:,} more definitions; raise --limit or --max-tokens, or read the file")
    if outline.stale:
        note(args, "files have changed since they were indexed")
    return 0 if outline.definitions else 1
