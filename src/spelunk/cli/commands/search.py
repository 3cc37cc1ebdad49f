"""``spelunk search``: find chunks of code and documents."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from spelunk.cli.observed import metrics_file
from spelunk.cli.parser import whole

if TYPE_CHECKING:
    from spelunk.index import Index
    from spelunk.search.answer import Answer
    from spelunk.workspace.targets import Target

MODES: Final = ("hybrid", "lexical", "semantic", "symbol", "regex")
"""As in :mod:`spelunk.search.request`, which the help does without: it imports dataclasses and inspect."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add = parser.add_argument
    add(
        "query", metavar="QUERY", help="one argument: quote it; a question, a query, any text; - reads a text"
    )
    add(
        "paths",
        metavar="PATH",
        nargs="*",
        default=[],
        help="folders and files to search (default: the current folder)",
    )
    add(
        "-m",
        "--mode",
        choices=MODES,
        metavar="MODE",
        default="hybrid",
        help="hybrid (default), lexical, semantic, symbol or regex",
    )
    reading = parser.add_mutually_exclusive_group()
    reading.add_argument(
        "--literal",
        dest="reading",
        action="store_const",
        const="text",
        help="QUERY is text, whatever it looks like",
    )
    reading.add_argument(
        "--query",
        dest="reading",
        action="store_const",
        const="query",
        help="QUERY is in the query language; say where it is not",
    )
    parser.set_defaults(reading="auto")
    add("--lang", metavar="L", action="append", default=[], help="only this language; may be repeated")
    add("--include", metavar="G", action="append", default=[], help="only paths with this part, or glob")
    add("--exclude", metavar="G", action="append", default=[], help="no path with this part, or glob")
    add(
        "--kind",
        metavar="K",
        action="append",
        default=[],
        help="only this kind: function, class, section … or commit",
    )
    add("-C", "--context", metavar="N", type=whole(0), help="N lines around what matches")
    add("--copies", action="store_true", help="print every near-copy of a text as a hit of its own")
    add("--changes", action="store_true", help="name the last commit that changed each result, and why")
    add("--explain", action="store_true", help="print the signals of each score")
    add("--wait", action="store_true", help="answer a first search when the whole index is built")
    metrics_file(parser)
    presentation(parser)


def presentation(parser: argparse.ArgumentParser) -> None:
    """Add the flags that search and similar share."""
    add = parser.add_argument
    add("-k", "--limit", metavar="N", type=whole(1), default=10, help="hits wanted (default: 10)")
    add("--max-tokens", metavar="N", type=whole(1), help="never print more than this many tokens")
    add("--no-refresh", action="store_true", help="answer from the index as it is")
    add("--full", action="store_true", help="print whole chunks, not their best lines")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", help="print one object")
    form.add_argument(
        "--jsonl", dest="form", action="store_const", const="jsonl", help="print one hit a line"
    )
    form.add_argument(
        "--markdown",
        dest="form",
        action="store_const",
        const="markdown",
        help="print whole chunks as Markdown",
    )
    parser.set_defaults(form="text")


def run(args: argparse.Namespace) -> int:
    """Search, and print the hits."""
    from contextlib import ExitStack

    from spelunk.cli.observed import observed
    from spelunk.cli.output import note
    from spelunk.cli.progress import progress
    from spelunk.cli.stderr import hushed
    from spelunk.cli.targets import announce, open_target
    from spelunk.search.many import search_many
    from spelunk.search.reading import read
    from spelunk.search.request import SearchRequest

    if args.query == "-":
        args.query = _standard_input()
    targets = _targets(args)
    request = SearchRequest(
        args.query,
        mode=args.mode,
        reading=args.reading,
        limit=args.limit,
        languages=args.lang,
        include=args.include,
        exclude=args.exclude,
        kinds=args.kind,
        within=[target.within for target in targets],
        context=args.context or 0,
        explain=args.explain,
        changes=args.changes,
        refresh=not args.no_refresh,
        copies=args.copies,
    )
    with ExitStack() as stack:
        run = stack.enter_context(progress(args, stack.enter_context(observed(args, targets))))
        indexes = [
            stack.enter_context(open_target(args, target, run, **_settings(args))) for target in targets
        ]
        if not args.no_refresh:
            read(
                args.query, mode=args.mode, reading=args.reading
            )  # its errors are reported before an index is built
            for index in indexes:
                index.waits = False
                announce(args, index)
        stack.enter_context(hushed(args.verbose))
        answer = search_many(indexes, request)
        status = show(args, answer)
        if answer.coverage < 1 and not args.no_refresh:
            note(args, "indexing goes on in the background; `spelunk status` shows it, --wait waits for it")
        if not answer.hits and not args.quiet:
            for index, target in zip(indexes, targets, strict=True):
                _note_unindexed(args, index, target)
        return status


def _settings(args: argparse.Namespace) -> dict[str, str]:
    return {"first_answer": "wait"} if args.wait else {}


def _standard_input() -> str:
    """The text on standard input.

    Raises:
        UsageError: It is longer than a query may be, or standard input is closed.
    """
    import sys

    from spelunk.errors import UsageError
    from spelunk.search.request import MAX_QUERY

    if sys.stdin is None:
        raise UsageError("QUERY is -, but standard input is closed; pipe the text into it")
    raw = sys.stdin.buffer.read(4 * MAX_QUERY + 1)
    text = raw.decode("utf-8", "replace")
    if len(text) > MAX_QUERY:
        raise UsageError(
            f"the text on standard input has more than {MAX_QUERY:,} characters; give the part that matters"
        )
    return text


def _note_unindexed(args: argparse.Namespace, index: Index, target: Target) -> None:
    """Name the searched paths that are not in the index: a possible reason for no results."""
    from spelunk.cli.output import note
    from spelunk.present.phrases import short

    if not index.status(look=False).files:
        note(args, f"{short(index.root)}: no files to search; `spelunk why PATH` says what leaves one out")
        return
    for path in target.within:
        explanation = index.why(path)
        if explanation.verdict != "indexed":
            reason = explanation.detail or explanation.verdict
            note(args, f"{path} is not in the index of {short(index.root)}: {reason}")


def _targets(args: argparse.Namespace) -> list[Target]:
    from spelunk.errors import WorkspaceError
    from spelunk.workspace.targets import targets

    try:
        return targets(args.paths, args.index_dir)
    except WorkspaceError as error:
        if len(args.paths) < 2 and " " in args.query:
            raise
        raise WorkspaceError(f"{error}; a query of several words needs quotes") from None


def show(args: argparse.Namespace, answer: Answer) -> int:
    """Print an answer in the form that the flags select; returns the exit status."""
    from spelunk.cli.output import colored, note, put, put_utf8
    from spelunk.present.render import View, notices, render, searched

    context = getattr(args, "context", None)
    view = View(color=colored(args), full=args.full, context=context, max_tokens=args.max_tokens)
    text, shown = render(answer, args.form, view)
    if args.form in ("json", "jsonl"):
        put_utf8(text)
    else:
        put(text)
    for line in notices(shown):
        note(args, line)
    if args.form == "text" or args.verbose or not answer.hits:
        note(args, searched(answer))
    return 0 if answer.hits else 1
