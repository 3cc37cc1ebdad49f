"""Parts that the commands about symbols share: their flags, opening the index, printing the answer."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from spelunk.cli.pager import screen_flags
from spelunk.cli.parser import whole
from spelunk.errors import UsageError

if TYPE_CHECKING:
    from spelunk.graph.answer import GraphAnswer
    from spelunk.index import Index

SYMBOL = "NAME, Scope.name, or FILE:LINE[:COLUMN]"
_PLACE = re.compile(r"(.+?)(:\d+(?::\d+|-\d+)?)", re.DOTALL)


def paths(parser: argparse.ArgumentParser) -> None:
    """Add the PATHs that narrow an answer."""
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="*",
        default=[],
        help="only these folders and files of one workspace (default: the current folder)",
    )


def answer_flags(parser: argparse.ArgumentParser, limit: int | None, what: str) -> None:
    """Add the flags of an answer: limits, form, refresh."""
    add = parser.add_argument
    if limit is not None:
        add(
            "-k",
            "--limit",
            metavar="N",
            type=whole(1),
            default=limit,
            help=f"{what} wanted (default: {limit})",
        )
    add("--max-tokens", metavar="N", type=whole(1), help="never print more than this many tokens")
    add("--no-refresh", action="store_true", help="answer from the index as it is")
    add("--json", action="store_true", help="print one object")
    screen_flags(parser)


def depth_flag(parser: argparse.ArgumentParser, default: int, what: str) -> None:
    """Add ``--depth``."""
    parser.add_argument(
        "--depth", metavar="N", type=whole(1), default=default, help=f"{what} (default: {default})"
    )


def symbol_flags(parser: argparse.ArgumentParser, limit: int, what: str, *, depth: int | None = None) -> None:
    """Add what every question about one symbol takes; ``--depth`` where ``depth`` is its default."""
    parser.add_argument("symbol", metavar="SYMBOL", help=SYMBOL)
    paths(parser)
    if depth is not None:
        depth_flag(parser, depth, "steps")
    answer_flags(parser, limit, what)


def ask_about_symbol(
    args: argparse.Namespace, question: Callable[[Index], Callable[..., GraphAnswer]], **more: Any
) -> int:
    """Ask one of an index's questions about the symbol of ``args``, and print the answer.

    Args:
        args: The parsed flags of :func:`symbol_flags`.
        question: The method of the index that answers.
        more: Further arguments of it.

    Returns:
        0 where something was found, else 1.
    """

    def asking(index: Index, within: Sequence[str]) -> GraphAnswer:
        return question(index)(
            symbol_in(index, args.symbol),
            limit=args.limit,
            within=within,
            refresh=not args.no_refresh,
            **more,
        )

    return ask(args, asking)


def ask(
    args: argparse.Namespace,
    question: Callable[[Index, Sequence[str]], GraphAnswer],
    given: Sequence[str] | None = None,
) -> int:
    """Open the workspace that the PATHs are in, ask its index, and print the answer.

    Args:
        args: The parsed flags.
        question: Asks, given the index and the paths to stay in.
        given: The PATHs; those of ``args`` by default.

    Returns:
        0 where something was found, else 1.
    """
    from spelunk.cli.output import colored, note, put_utf8
    from spelunk.present.graph import fit_graph, graph_notices, graph_object, graph_text

    def show(answer: GraphAnswer, dropped: int) -> str:
        if args.json:
            return json_line(graph_object(answer, dropped))
        return graph_text(answer, color=colored(args))

    answer: GraphAnswer = asked(args, question, given)
    text, dropped = fit_graph(answer, args.max_tokens, show)
    if args.json:
        put_utf8(text)
    else:
        page_places(args, text, given)
    for line in graph_notices(answer):
        note(args, line)
    if dropped:
        note(args, f"{dropped:,} results left out to stay within --max-tokens")
    return 0 if answer.edges or answer.tests else 1


def page_places(args: argparse.Namespace, text: str, given: Sequence[str] | None = None) -> None:
    """Print results about a workspace, the one that the PATHs are in, with links behind its paths."""
    from spelunk.cli.pager import links_of, page

    links = links_of(args)
    if links:
        from spelunk.present.hyperlinks import link_places
        from spelunk.workspace.targets import targets

        (target,) = targets(args.paths if given is None else given, args.index_dir)
        text = link_places(text, links, target.root)
    page(args, text)


def asked(
    args: argparse.Namespace,
    question: Callable[[Index, Sequence[str]], Any],
    given: Sequence[str] | None = None,
) -> Any:
    """The answer of the index of the one workspace that the PATHs are in."""
    from spelunk.cli.stderr import hushed
    from spelunk.cli.targets import announce, open_target
    from spelunk.workspace.targets import targets

    found = targets(args.paths if given is None else given, args.index_dir)
    if len(found) > 1:
        raise UsageError("the PATHs are in several workspaces; ask about one at a time")
    with open_target(args, found[0]) as index, hushed(args.verbose):
        if not args.no_refresh:
            announce(args, index)
        return question(index, found[0].within)


def symbol_in(index: Index, symbol: str) -> str:
    """A symbol, with the path of ``FILE:LINE[:COLUMN]`` relative to the root where it names a file of the workspace."""
    place = _PLACE.fullmatch(symbol)
    inside = None if place is None else path_in(index, place.group(1))
    return symbol if place is None or inside is None else f"{inside}{place.group(2)}"


def path_in(index: Index, path: str) -> str | None:
    """A path of the file system relative to the root; None where it leads elsewhere or to nothing."""
    import os

    absolute = os.path.abspath(os.path.expanduser(path))
    if not os.path.lexists(absolute):
        return None
    inside = os.path.relpath(
        os.path.join(os.path.realpath(os.path.dirname(absolute)), os.path.basename(absolute)), index.root
    )
    return None if inside.startswith("..") else inside


def json_line(value: dict[str, Any]) -> str:
    """An object as JSON on one line."""
    import json

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace").decode("utf-8") + "\n"
