"""``spelunk search``: find chunks of code and documents."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from spelunk.cli.search_flags import FIXED, MODES, configure, presentation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spelunk.index import Index
    from spelunk.present.render import View
    from spelunk.search.answer import Answer
    from spelunk.search.request import SearchRequest
    from spelunk.workspace.targets import Target

__all__ = [
    "MODES", "configure", "prefixes_of", "presentation", "request_of", "run", "settings_of", "show", "targets_of",
]  # fmt: skip

LIMIT: Final = 10
"""Hits of a ranked search."""
LISTED: Final = 50
"""Hits of a ranked search of which the files are listed: the most that leave the ranking as it is."""


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

    if args.query == "-":
        args.query = standard_input()
    targets = targets_of(args)
    request = request_of(args, targets)
    with ExitStack() as stack:
        run = stack.enter_context(progress(args, stack.enter_context(observed(args, targets))))
        indexes = [
            stack.enter_context(open_target(args, target, run, **settings_of(args))) for target in targets
        ]
        if not args.no_refresh:
            # Its errors are reported before an index is built.
            read(request.query, mode=request.mode, reading=request.reading)
            for index in indexes:
                index.waits = False
                announce(args, index)
        stack.enter_context(hushed(args.verbose))
        answer = _as_typed(args, search_many(indexes, request))
        status = show(args, answer, [index.root for index in indexes])
        if answer.coverage < 1 and not args.no_refresh:
            note(args, "indexing goes on in the background; `spelunk status` shows it, --wait waits for it")
        if not answer.hits and not args.quiet:
            for index, target in zip(indexes, targets, strict=True):
                _note_unindexed(args, index, target)
        return status


def request_of(args: argparse.Namespace, targets: list[Target]) -> SearchRequest:
    """What the flags ask for.

    Raises:
        UsageError: Two of them do not go together, or a value cannot be used.
    """
    from spelunk.search.request import SearchRequest

    _check(args)
    query, mode, reading, words = args.query, args.mode, args.reading, args.word_regexp
    if reading == FIXED:
        query, mode, reading, words = _fixed(args), "regex", "auto", False
    languages, excluded = _types(args)
    include, exclude = _globs(args)
    return SearchRequest(
        query,
        mode=mode,
        reading=reading,
        limit=_limit(args, exact=mode == "regex"),
        languages=languages,
        not_languages=excluded,
        include=include,
        exclude=exclude,
        kinds=args.kind,
        whole_words=words,
        ignore_case=args.ignore_case,
        within=[target.within for target in targets],
        context=0 if _sides(args) else args.context or 0,
        before=_before(args),
        after=_after(args),
        explain=args.explain,
        changes=args.changes,
        related=args.related,
        refresh=not args.no_refresh,
        copies=args.copies,
    )


def _check(args: argparse.Namespace) -> None:
    from spelunk.errors import UsageError

    if args.null and not _lists(args):
        raise UsageError("-0 ends paths with a NUL byte: use it with -l, -c or --vimgrep")
    if _lists(args) and args.max_tokens:
        raise UsageError("--max-tokens cuts hits, and -l, -c and --vimgrep print none; use -k N")
    if args.reading == FIXED and args.mode not in ("hybrid", "regex"):
        raise UsageError(f"-F looks for QUERY as it is; leave out -m {args.mode}")


def _lists(args: argparse.Namespace) -> bool:
    """Whether places are printed instead of hits."""
    return args.form in ("files", "count", "vimgrep")


def _fixed(args: argparse.Namespace) -> str:
    """The pattern of a text that has to be found as it is."""
    import re

    if args.word_regexp and args.query:
        from spelunk.text.whole_words import whole_words_literal

        return whole_words_literal(args.query)
    return str(re.escape(args.query))


def _types(args: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Languages wanted and not wanted."""
    if not (args.type or args.type_not):
        return args.lang, []
    from spelunk.files.type_names import languages_of_type

    some, others = (
        [x for name in names for x in languages_of_type(name)] for names in (args.type, args.type_not)
    )
    return [*args.lang, *some], others


def _globs(args: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Globs of paths wanted and not wanted."""
    if not args.glob:
        return args.include, args.exclude
    from spelunk.files.rg_glob import path_globs

    globs = path_globs(args.glob)
    return [*args.include, *globs.include], [*args.exclude, *globs.exclude]


def _limit(args: argparse.Namespace, *, exact: bool) -> int:
    """Hits to ask for. A list of places is of all where all match alike, and else of the best."""
    from spelunk.search.request import MAX_LIMIT

    if not _lists(args):
        return args.limit or LIMIT
    if exact and (not args.limit or args.form != "vimgrep"):
        return MAX_LIMIT
    if args.form == "vimgrep":
        return args.limit or LIMIT
    return min(MAX_LIMIT, max(LISTED, 5 * (args.limit or LIMIT)))


def _sides(args: argparse.Namespace) -> bool:
    return args.before_context is not None or args.after_context is not None


def _before(args: argparse.Namespace) -> int:
    return (args.before_context if args.before_context is not None else args.context) or 0


def _after(args: argparse.Namespace) -> int:
    return (args.after_context if args.after_context is not None else args.context) or 0


def _as_typed(args: argparse.Namespace, answer: Answer) -> Answer:
    """The answer with the query as it was typed, and in the order that was asked for."""
    from msgspec.structs import replace

    if args.reading == FIXED:
        answer = replace(answer, query=args.query)
    if args.sort == "path":
        hits = sorted(answer.hits, key=lambda hit: (hit.path, hit.start_line))
        answer = replace(answer, hits=tuple(hits))
    return answer


def settings_of(args: argparse.Namespace) -> dict[str, str]:
    """The settings that the flags give an index."""
    return {"first_answer": "wait"} if args.wait else {}


def standard_input() -> str:
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


def targets_of(args: argparse.Namespace) -> list[Target]:
    """What the PATHs mean.

    Raises:
        WorkspaceError: One does not exist, or is a file outside every workspace.
    """
    import os

    from spelunk.errors import WorkspaceError
    from spelunk.workspace.targets import targets

    try:
        return targets(args.paths, args.index_dir)
    except WorkspaceError as error:
        if all(map(os.path.lexists, args.paths)) or (len(args.paths) < 2 and " " in args.query):
            raise
        raise WorkspaceError(f"{error}; a query of several words needs quotes") from None


def show(args: argparse.Namespace, answer: Answer, roots: Sequence[str]) -> int:
    """Print an answer from some workspaces in the form that the flags select; returns the exit status."""
    from spelunk.cli.output import note, put_utf8
    from spelunk.cli.pager import page
    from spelunk.present.render import notices, render, searched

    if args.form in ("files", "count", "vimgrep"):
        shown = answer
        _show_places(args, answer, roots)
    else:
        text, shown = render(answer, args.form, _view(args, roots))
        if args.form in ("json", "jsonl"):
            put_utf8(text)
        else:
            page(args, text)
    for line in notices(shown):
        note(args, line)
    if args.form == "text" or args.verbose or not answer.hits:
        note(args, searched(answer))
    return 0 if answer.hits else 1


def _view(args: argparse.Namespace, roots: Sequence[str]) -> View:
    from spelunk.cli.output import colored
    from spelunk.cli.pager import links_of
    from spelunk.present.render import View

    sides = hasattr(args, "before_context") and _sides(args)  # other commands show hits too
    links = links_of(args) if args.form == "text" else None
    return View(
        color=colored(args),
        full=args.full,
        context=0 if sides else getattr(args, "context", None),
        before=_before(args) if sides else 0,
        after=_after(args) if sides else 0,
        links=links,
        prefixes=prefixes_of(roots) if links else {},
        max_tokens=args.max_tokens,
    )


def prefixes_of(roots: Sequence[str]) -> dict[str, str]:
    """What the paths of hits have before them, by the root of their workspace."""
    from spelunk.search.many import prefixes

    return dict(zip(roots, prefixes(roots), strict=True))


def _show_places(args: argparse.Namespace, answer: Answer, roots: Sequence[str]) -> None:
    import os
    import sys

    from spelunk.cli.output import colored, note
    from spelunk.cli.pager import page
    from spelunk.present.places import places_text
    from spelunk.search.request import MAX_LIMIT

    exact = answer.mode == "regex"
    limit = args.limit if exact else args.limit or LIMIT
    text = places_text(
        answer,
        args.form,
        prefixes_of(roots),
        os.path.realpath("."),
        limit=None if args.form == "vimgrep" else limit,
        null=args.null,
        color=colored(args),
    )
    if args.null and sys.stdout is not None and hasattr(sys.stdout, "buffer"):
        sys.stdout.flush()
        sys.stdout.buffer.write(os.fsencode(text))
    else:
        page(args, text)
    if len(answer.hits) == MAX_LIMIT:
        note(args, f"only the first {MAX_LIMIT:,} chunks that match were looked at; narrow the search")
