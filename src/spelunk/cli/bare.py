"""``spelunk`` without the name of a command: a search for the words, for standard input, or as one types."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from spelunk.cli.commands import ALIASES, COMMANDS
from spelunk.errors import UsageError

HELP: Final = "help"
SHORT: Final = 3
"""Letters of a command to which only a word with two letters exchanged is near: others are words of their own."""
MEDIUM: Final = 4
"""Letters of a command to which a word with one other letter is not near (``lint`` is not ``list``)."""
LONG: Final = 9
"""Letters of a command to which a word with two mistakes is near."""


class Words(NamedTuple):
    """What is searched for, and where."""

    query: str
    paths: list[str]


def without_command(words: Sequence[str], shared: Sequence[str], name: str | None) -> int:
    """Print the help or the version, or search.

    Args:
        words: The command line.
        shared: The shared flags before the first other word.
        name: That word, which is no command; None where there is none, or a flag of search.

    Raises:
        UsageError: There is nothing to search for, or the word is near a command's name.
    """
    if name is None and len(shared) == len(words) and not _is_piped():
        from spelunk.cli.overview import overview

        return overview(list(shared))
    if {"-h", "--help", "--version"} & set(shared):
        from spelunk.cli.overview import overview

        return overview(list(shared))
    if name == HELP:
        return _help(words[len(shared) + 1 :])
    return _search(words)


def _help(words: Sequence[str]) -> int:
    from spelunk.cli.overview import overview

    command = COMMANDS.get(ALIASES.get(words[0], words[0])) if words else None
    if command is None:
        return overview(["--help"])
    from importlib import import_module

    from spelunk.cli.parser import command_parser, parse

    module = import_module(f"spelunk.cli.commands.{command.module}")
    if command.passthrough:
        return int(module.run([], ["--help"]))
    parse(command_parser(words[0], command.summary, module.configure), ["--help"])
    return 0


def _search(words: Sequence[str]) -> int:
    from spelunk.cli.commands import search
    from spelunk.cli.parser import command_parser, parse
    from spelunk.cli.search_flags import flags

    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("words", nargs="*")
        parser.add_argument("-I", "--interactive", action="store_true")
        flags(parser)

    args = parse(command_parser("search", COMMANDS["search"].summary, configure), words)
    literal = len(words) - words.index("--") - 1 if "--" in words else 0
    plain = args.words[: len(args.words) - literal]
    if plain and ALIASES.get(plain[0], plain[0]) in COMMANDS:
        if plain[0] != "search":
            raise UsageError(
                f"flags of a command stand behind its name: spelunk {plain[0]} …; "
                f"or search for the word: spelunk search -- {plain[0]}"
            )
        args.words.pop(0)
        args.query, args.paths = "".join(args.words[:1]), args.words[1:]
    elif args.words:
        args.query, args.paths = query_and_paths(args.words)
        _refuse_near_command(args, plain)
        _tell_missing_path(args)
    elif args.interactive:
        args.query, args.paths = "", []
    elif _is_piped():
        args.query, args.paths = "-", []
    else:
        raise UsageError(
            "nothing to search for; give some words, or pipe a text into it; see `spelunk --help`"
        )
    if "" in args.paths:
        raise UsageError("PATH is empty; write . for the current folder")
    if args.interactive:
        from spelunk.cli.interactive import run

        return run(args)
    return search.run(args)


def query_and_paths(words: Sequence[str]) -> Words:
    """The query and the PATHs among the words of a search without a command.

    A first word with white space in it was quoted: it is the query, and all others are PATHs. Else
    the words at the end that are files or folders are PATHs: all of them behind a query of
    one word, as in ``spelunk flush src``, and those with a slash, ``.`` and ``..`` behind
    a longer one, which may have names of folders among its words.
    """
    first, *others = words
    if any(c.isspace() for c in first):
        return Words(first, list(others))
    if others and all(map(os.path.exists, others)):
        return Words(first, list(others))
    count = len(words)
    while count > 1 and _is_plainly_path(words[count - 1]):
        count -= 1
    return Words(" ".join(words[:count]), list(words[count:]))


def _is_plainly_path(word: str) -> bool:
    return ("/" in word or word in (".", "..")) and os.path.exists(os.path.expanduser(word))


def _tell_missing_path(args: argparse.Namespace) -> None:
    """Tell that the last word of the query names no file or folder, where it looks as if it should.

    It does where it begins at the root, at home, or at a folder that exists, or ends in a slash.
    """
    word = args.words[-1]
    if (
        len(args.words) < 2
        or args.paths
        or "/" not in word
        or "://" in word
        or any(c.isspace() for c in word)
    ):
        return
    first = word.partition("/")[0]
    if first in ("", ".", "..", "~") or word.endswith("/") or os.path.isdir(first):
        from spelunk.cli.output import note

        note(args, f"{word}: no such file or folder; it is taken as a word of the query")


def how_to_search(name: str, rest: Sequence[str]) -> str:
    """What to add to an error of a command whose words may be a question: how to search for them.

    Returns:
        "" behind ``search`` itself, and where fewer than two words follow or one of them is a path that exists.
    """
    words = [word for word in rest if not word.startswith("-")]
    if name == "search" or len(words) < 2 or any(map(os.path.exists, words)):
        return ""
    return f"; to search for these words: spelunk -- {' '.join([name, *rest])}"


def _refuse_near_command(args: argparse.Namespace, plain: Sequence[str]) -> None:
    """Ask what a word near a command's name means; only tell where others stand beside it.

    Raises:
        UsageError: It stands alone.
    """
    near = near_command(plain[0]) if plain and plain[0].islower() else None  # `Index` is a name
    if near is None:
        return
    if args.query == plain[0]:
        raise UsageError(
            f"{plain[0]}: did you mean `spelunk {near}`? To search for the word: spelunk search -- {plain[0]}"
        )
    from spelunk.cli.output import note

    note(args, f"{plain[0]} is taken as a word of the query; the command is `spelunk {near}`")


def near_command(word: str) -> str | None:
    """The command or alias that a word is probably a typing mistake of; None where it is none."""
    lowered = word.lower()
    found = []
    for name in (*COMMANDS, *ALIASES):
        exchanged = sorted(lowered) == sorted(name)
        distance = _distance(lowered, name)
        least = min(len(name), len(lowered))
        allowed = 2 if len(name) >= LONG else 1
        if len(name) <= SHORT and not exchanged:
            continue
        if len(name) == MEDIUM and len(lowered) == MEDIUM and not exchanged:
            continue
        if least > 1 and distance <= allowed:
            found.append((distance, name))
    return min(found)[1] if found else None


def _distance(a: str, b: str) -> int:
    """Letters to insert, remove, replace or exchange with their neighbour (optimal string alignment)."""
    if abs(len(a) - len(b)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row, last = row, [i], before
        for j, y in enumerate(b, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                best = min(best, last[j - 2] + 1)
            row.append(best)
    return row[-1]


def _is_piped() -> bool:
    """Whether standard input is a file, a pipe or a socket: neither a terminal nor the null device."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):
        return False
    return stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
