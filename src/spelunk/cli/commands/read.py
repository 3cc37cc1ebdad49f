"""``spelunk read``: a file, some of its lines, or a symbol in it, as it is indexed."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from spelunk.cli.parser import whole
from spelunk.errors import UsageError, WorkspaceError

if TYPE_CHECKING:
    from spelunk.index import Index
    from spelunk.types import Definition
    from spelunk.workspace.contents import Passage

AROUND: Final = 5
"""Lines around a single one that is asked for."""
SHOWN_OTHERS: Final = 5
"""Further definitions of a name whose lines are told."""

_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+$")
_LINES: Final = re.compile(r":(\d+)(?:(-)(\d*)|:\d+)?$")


class Place(NamedTuple):
    """What is to be read.

    Attributes:
        path: As given.
        first: First line; 0 for the whole file or a symbol.
        last: Last line, inclusive; 0 for the end of the file.
        symbol: A name, maybe with its scope; "" for none.
    """

    path: str
    first: int = 0
    last: int = 0
    symbol: str = ""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    from spelunk.cli.pager import screen_flags

    add = parser.add_argument
    add("place", metavar="PLACE", help="PATH, PATH:LINE, PATH:START-END or PATH:SYMBOL")
    add(
        "-C",
        "--context",
        metavar="N",
        type=whole(0),
        help=f"N lines around what is asked for (default: {AROUND} around a single line, else none)",
    )
    numbers = parser.add_mutually_exclusive_group()
    numbers.add_argument(
        "-n", "--line-number", dest="numbered", action="store_true", help="number the lines, as on a terminal"
    )
    numbers.add_argument(
        "-N", "--no-line-number", dest="numbered", action="store_false", help="do not number the lines"
    )
    parser.set_defaults(numbered=None)
    add("--no-refresh", action="store_true", help="answer from the index as it is")
    add("--json", action="store_true", help="print one object")
    screen_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Print the lines."""
    from spelunk.cli.output import note, put_json
    from spelunk.cli.pager import page
    from spelunk.cli.stderr import hushed
    from spelunk.cli.targets import announce, open_target
    from spelunk.io.printable import printable
    from spelunk.workspace.locate import has_index
    from spelunk.workspace.targets import file_only

    place = parse_place(args.place)
    target = file_only(place.path, args.index_dir)
    inside = target.within[0] if target.within else "."
    with open_target(args, target) as index, hushed(args.verbose):
        if not has_index(index.directory):
            _check_before_building(place.path, os.path.join(target.root, inside))
        if not args.no_refresh:
            announce(args, index)
        passage = _passage(index, place, inside, refresh=not args.no_refresh)
        first, last = _meant(args, index, place, passage)
        around = _context(args, place)
        shown = range(max(1, first - around), min(passage.lines, last + around) + 1)
        lines = _LINE.findall(passage.text)
        numbered = len(lines) == passage.lines  # a notebook's text is not the lines of its file
        if numbered:
            text = "".join(lines[shown.start - 1 : shown.stop - 1])
        else:
            text = index.read(inside, shown.start, shown.stop - 1, refresh=False).text
    if args.json:
        put_json(_object(passage, shown, text))
    elif numbered:
        _print(args, passage, shown, range(first, last + 1), os.path.join(target.root, inside))
    else:
        page(args, "".join(f"{printable(line)}\n" for line in text.split("\n")))
    if passage.stale:
        note(args, "files have changed since they were indexed")
    return 0


def _check_before_building(path: str, absolute: str) -> None:
    """Raise before an index is built for a file that is not there or not below the current folder."""
    from spelunk.workspace.locate import is_within

    if not os.path.isfile(absolute):
        raise WorkspaceError(f"{path}: no such file")
    if not is_within(absolute, os.path.realpath(".")):
        raise WorkspaceError(f"{path}: not in an indexed folder; `spelunk index` its folder first")


def _print(args: argparse.Namespace, passage: Passage, shown: range, meant: range, path: str) -> None:
    """Print lines of a file: for people numbered and highlighted, into a pipe as they are."""
    from spelunk.cli.output import colored, put_utf8
    from spelunk.cli.pager import links_of, page
    from spelunk.present.hyperlinks import link_lines
    from spelunk.present.source_text import pieces, source_text

    numbered = sys.stdout is not None and sys.stdout.isatty() if args.numbered is None else args.numbered
    color = colored(args)
    if not numbered and not color:
        put_utf8("".join(_LINE.findall(passage.text)[shown.start - 1 : shown.stop - 1]))
        return
    lines = pieces(passage.text, passage.language if color else "")
    text = source_text(
        lines[shown.start - 1 : shown.stop - 1], shown.start, meant, numbered=numbered, color=color
    )
    links = links_of(args)
    page(args, link_lines(text, links, path) if links and numbered else text)


def parse_place(place: str) -> Place:
    """Parse ``PATH``, ``PATH:40``, ``PATH:40:7`` (a column, as compilers write it), ``PATH:40-60``, ``PATH:40-`` or
    ``PATH:SYMBOL``.

    Raises:
        UsageError: There is no path, or the lines are none.
    """
    if os.path.lexists(os.path.expanduser(place)):
        return Place(place)  # a name may have a colon
    found = _LINES.search(place)
    path, colon, rest = place.rpartition(":")
    if found is not None and found.start():
        first = int(found[1])
        last = first if not found[2] else int(found[3] or 0)
        if first < 1 or (last and last < first):
            raise UsageError(f"{place}: lines are counted from 1, and the last is not before the first")
        return Place(place[: found.start()], first, last)
    while colon and path.endswith(":"):  # A::b
        path, _, more = path[:-1].rpartition(":")
        rest = f"{more}::{rest}"
    if colon and path and rest:
        return Place(path, symbol=rest)
    if not place or colon:
        raise UsageError(
            f"{place}: give PATH, PATH:LINE, PATH:START-END or PATH:SYMBOL, e.g. src/app.py:40-60"
        )
    return Place(place)


def _passage(index: Index, place: Place, inside: str, *, refresh: bool) -> Passage:
    """The whole file.

    Raises:
        UsageError: It is not indexed; says why.
    """
    try:
        return index.read(inside, refresh=refresh)
    except UsageError as error:
        found = index.why(inside)
        if found.verdict == "indexed":
            raise
        reason = ": ".join(filter(None, (found.verdict, found.rule, found.detail)))
        raise UsageError(f"{place.path}: not in the index ({reason})") from error


def _meant(args: argparse.Namespace, index: Index, place: Place, passage: Passage) -> tuple[int, int]:
    """First and last line that are asked for.

    Raises:
        UsageError: The file has no such line or symbol.
    """
    if place.symbol:
        found = _definition(args, index, place, passage)
        return found.line, max(found.line, found.end_line)
    if not place.first:
        return 1, passage.lines
    if place.first > passage.lines:
        from spelunk.present.phrases import several

        raise UsageError(f"{place.path}: no line {place.first}; it has {several(passage.lines, 'line')}")
    return place.first, min(place.last or passage.lines, passage.lines)


def _definition(args: argparse.Namespace, index: Index, place: Place, passage: Passage) -> Definition:
    outline = index.outline(passage.path, refresh=False)
    wanted = _parts(place.symbol)
    fit = [d for d in outline.definitions if _parts(f"{d.scope}.{d.name}")[-len(wanted) :] == wanted]
    if not fit:
        import difflib
        import shlex

        names = sorted({d.name for d in outline.definitions})
        near = difflib.get_close_matches(place.symbol, names, 1)
        hint = (
            f"did you mean {near[0]}?"
            if near
            else f"`spelunk outline {shlex.quote(place.path)}` lists what it defines"
        )
        raise UsageError(f"{place.path}: defines no {place.symbol}; {hint}")
    if len(fit) > 1:
        from spelunk.cli.output import note

        others = ", ".join(str(d.line) for d in fit[1 : SHOWN_OTHERS + 1])
        more = ", …" if len(fit) > SHOWN_OTHERS + 1 else ""
        note(args, f"{place.symbol} is defined in other lines too: {others}{more}")
    return fit[0]


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"\.|::|#| > ", name.removesuffix("()")) if part]


def _context(args: argparse.Namespace, place: Place) -> int:
    if args.context is not None:
        return int(args.context)
    return AROUND if place.first and place.first == place.last else 0


def _object(passage: Passage, shown: range, text: str) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "path": passage.path,
        "language": passage.language,
        "start_line": shown.start,
        "end_line": shown.stop - 1,
        "lines": passage.lines,
        "text": text,
    }
