"""``spelunk -I``: search as one types, with a preview; Enter opens the editor."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from spelunk.cli.interactive.session import CODE, TEXT, Wanted
from spelunk.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spelunk.index import Index
    from spelunk.search.answer import Answer
    from spelunk.workspace.targets import Target

LIMIT: Final = 50
"""Hits in the list; a screen shows about twenty."""
FRESHNESS: Final = "bounded:2"
"""Files are compared with the index at most every two seconds while one types."""


def run(args: argparse.Namespace) -> int:
    """Search until the user leaves; the flags of the search hold for every query.

    Raises:
        UsageError: There is no terminal, or the flags are about printed results.
    """
    _check(args)
    try:
        from spelunk.cli.interactive.screen import Screen
    except ImportError as error:
        raise UsageError(
            f"-I needs the package prompt-toolkit ({error}); pip install prompt-toolkit"
        ) from None
    from contextlib import ExitStack

    from spelunk.cli.commands.search import prefixes_of, settings_of, targets_of
    from spelunk.cli.interactive.session import Session
    from spelunk.cli.observed import log_of
    from spelunk.cli.progress import progress
    from spelunk.cli.stderr import hushed
    from spelunk.cli.targets import announce, open_target

    targets = targets_of(args)
    with ExitStack() as stack:
        observed = stack.enter_context(progress(args, log_of(args)))
        indexes = [
            stack.enter_context(open_target(args, target, observed, **settings_of(args)))
            for target in targets
        ]
        if not args.no_refresh:  # before the screen is taken: a first index has a progress bar
            for index in indexes:
                announce(args, index)
                index.refresh()
        stack.enter_context(hushed(args.verbose))
        roots = [index.root for index in indexes]
        with Session(partial(_found, indexes, args, targets), args.query, args.mode) as session:
            Screen(session, prefixes_of(roots)).run()
    return 0


def _found(
    indexes: Sequence[Index], args: argparse.Namespace, targets: list[Target], wanted: Wanted
) -> Answer:
    """The answer to what was typed, under the flags of the command."""
    from msgspec.structs import replace

    from spelunk.cli.commands.search import request_of
    from spelunk.files.languages import LANGUAGES, PROSE
    from spelunk.search.many import search_many

    flags = argparse.Namespace(**vars(args) | {"query": wanted.query, "mode": wanted.mode})
    flags.limit = args.limit or LIMIT
    request = request_of(flags, targets)
    if not args.no_refresh:
        request = replace(request, freshness=FRESHNESS)
    if wanted.files == CODE:
        request = replace(request, not_languages=[*request.not_languages, *PROSE])
    elif wanted.files == TEXT:
        request = replace(request, languages=sorted(PROSE & set(request.languages or LANGUAGES)) or ["text"])
    return search_many(indexes, request)


def _check(args: argparse.Namespace) -> None:
    for stream, name in ((sys.stdin, "input"), (sys.stdout, "output")):
        if stream is None or not stream.isatty():
            raise UsageError(
                f"-I needs a terminal, and standard {name} is none; leave it out to print the hits"
            )
    if os.environ.get("TERM", "dumb") == "dumb":
        raise UsageError("-I needs a terminal that can move its cursor, and TERM is dumb; leave it out")
    if args.form != "text" or args.max_tokens or args.null:
        raise UsageError("-I shows hits on the screen; leave out the flags about the form of the output")
