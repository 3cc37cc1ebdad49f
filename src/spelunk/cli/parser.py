"""argv -> the shared flags, the command's name, and a parsed namespace."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from spelunk.errors import UsageError

PROG: Final = "spelunk"

_WITH_VALUE: Final = ("--index-dir", "--color", "--log-format")
_PLAIN: Final = ("-q", "--quiet", "-v", "-vv", "--verbose", "--version", "-h", "--help")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Takes the width from COLUMNS: asking the terminal imports shutil, 10 ms of archive formats."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=_columns() - 2)


def _columns() -> int:
    try:
        return max(50, int(os.environ["COLUMNS"]))
    except (KeyError, ValueError):
        pass
    try:
        return max(50, min(120, os.get_terminal_size(1).columns))
    except (OSError, ValueError):
        return 100


class _Version(argparse.Action):
    def __call__(self, *_: object) -> NoReturn:
        from spelunk.cli.overview import show_version

        raise SystemExit(show_version())


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line that says where help is."""

    def error(self, message: str) -> NoReturn:
        """Raise the message as a :class:`UsageError`."""
        raise UsageError(f"{message}; see `{self.prog} --help`")


def split(words: Sequence[str], with_value: Sequence[str] = ()) -> tuple[list[str], str | None, list[str]]:
    """Flags before the command, the command's name if there is one, and the rest.

    Args:
        words: The command line.
        with_value: Flags besides the shared ones that take a value.
    """
    with_value = (*_WITH_VALUE, *with_value)
    shared: list[str] = []
    i = 0
    while i < len(words):
        word = words[i]
        if word in with_value:
            if i + 1 == len(words):
                raise UsageError(f"argument {word}: expected one argument; see `{PROG} --help`")
            shared += words[i : i + 2]
            i += 2
        elif word in _PLAIN or word.startswith(tuple(f"{flag}=" for flag in _WITH_VALUE)):
            shared.append(word)
            i += 1
        elif word.startswith("-"):
            raise UsageError(f"unrecognized arguments: {word}; see `{PROG} --help`")
        else:
            return shared, word, list(words[i + 1 :])
    return shared, None, []


def command_parser(
    name: str, summary: str, configure: Callable[[argparse.ArgumentParser], object] = lambda _: None
) -> Parser:
    """The parser of a command: what ``configure`` adds, and the shared flags."""
    parser = Parser(
        prog=f"{PROG} {name}",
        description=summary[0].upper() + summary[1:] + ".",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    configure(parser)
    parser.set_defaults(command=name)
    shared = parser.add_argument_group("shared flags, before or after the command")
    shared.add_argument(
        "--index-dir", metavar="DIR", help="where the index lies (default: the cache folder, or SPELUNK_HOME)"
    )
    shared.add_argument("-q", "--quiet", action="store_true", help="only results and errors")
    shared.add_argument(
        "-v", "--verbose", action="count", default=0, help="tell more, tracebacks of errors; -vv for all"
    )
    shared.add_argument(
        "--log-format",
        metavar="FORMAT",
        choices=("text", "json"),
        default="text",
        help="text (default), or json: every line on standard error is one object",
    )
    shared.add_argument(
        "--color",
        metavar="WHEN",
        choices=("auto", "always", "never"),
        default="auto",
        help="auto, always or never (NO_COLOR is respected)",
    )
    shared.add_argument("--version", action=_Version, nargs=0, help="print the version")
    return parser


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Parse; positional arguments and flags may be mixed, and all is positional behind ``--``."""
    flags, literal = list(words), list[str]()
    if "--" in flags:
        at = flags.index("--")
        flags, literal = flags[:at], flags[at + 1 :]
    positional = [a for a in parser._actions if not a.option_strings]
    if not positional:
        return parser.parse_args([*flags, *literal])
    return _mixed(parser, positional, flags, literal)


def _mixed(
    parser: argparse.ArgumentParser,
    positional: Sequence[argparse.Action],
    flags: Sequence[str],
    literal: Sequence[str],
) -> argparse.Namespace:
    """Move the positional words behind the flags, where argparse takes them as they are."""
    options = parser._option_string_actions
    front: list[str] = []
    words: list[str] = []
    i = 0
    while i < len(flags):
        word = flags[i]
        i += 1
        if not word.startswith("-") or word == "-":
            words.append(word)
            continue
        front.append(word)
        action = options.get(word)
        if action is not None and action.nargs is None and i < len(flags):
            front.append(flags[i])
            i += 1
    return parser.parse_args([*front, "--", *words, *literal] if words or literal else front)


def whole(low: int) -> Callable[[str], int]:
    """The type of a flag that takes a whole number from ``low``."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < low:
            raise argparse.ArgumentTypeError(f"{text} is less than {low}")
        return value

    return convert
