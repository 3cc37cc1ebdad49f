"""Parse the command line: the shared flags, the command's name, and the command's own arguments."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn

from spelunk.errors import UsageError

PROG: Final = "spelunk"


class SharedFlag(NamedTuple):
    """A flag of every command, accepted before and after the command's name.

    Attributes:
        names: Short and long.
        help: One line.
        value: What it takes, as in the help; empty for a switch.
        choices: The values it accepts, where they are a list; the first is the default.
    """

    names: tuple[str, ...]
    help: str
    value: str = ""
    choices: tuple[str, ...] = ()


SHARED: Final = (
    SharedFlag(("--index-dir",), "index directory (default: in the cache folder, or in SPELUNK_HOME)", "DIR"),
    SharedFlag(("-q", "--quiet"), "only results and errors"),
    SharedFlag(("-v", "--verbose"), "more messages, tracebacks of errors; -vv for all"),
    SharedFlag(
        ("--log-format",),
        "text, or json: every line on standard error is one object",
        "FORMAT",
        ("text", "json"),
    ),
    SharedFlag(
        ("--color",), "auto, always or never (NO_COLOR is respected)", "WHEN", ("auto", "always", "never")
    ),
    SharedFlag(("--version",), "print the version"),
    SharedFlag(("-h", "--help"), "print help"),
)

_WITH_VALUE: Final = tuple(name for flag in SHARED if flag.value for name in flag.names)
_SWITCHES: Final = ("-vv", *(name for flag in SHARED if not flag.value for name in flag.names))


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """A formatter that finds the width without shutil, whose import takes 10 ms."""

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
        from spelunk.cli.output import put_version

        put_version()
        raise SystemExit(0)


class Parser(argparse.ArgumentParser):
    """A parser that raises its errors, with a hint at the help."""

    def error(self, message: str) -> NoReturn:
        """Raise the message as a :class:`UsageError`."""
        raise UsageError(f"{message}; see `{self.prog} --help`")


def split(words: Sequence[str], with_value: Sequence[str] = ()) -> tuple[list[str], str | None, list[str]]:
    """:func:`split_words`, where every flag before the command has to be known.

    Raises:
        UsageError: A flag before the command is neither, or lacks its value.
    """
    shared, name, rest = split_words(words, with_value)
    if name is None and rest:
        if rest[0] in (*_WITH_VALUE, *with_value):
            raise UsageError(f"argument {rest[0]}: expected one argument; see `{PROG} --help`")
        raise UsageError(f"unrecognized arguments: {rest[0]}; see `{PROG} --help`")
    return shared, name, rest


def split_words(
    words: Sequence[str], with_value: Sequence[str] = ()
) -> tuple[list[str], str | None, list[str]]:
    """Split into the flags before the command, the command's name if there is one, and the rest.

    The rest without a name begins with a flag that is not known or lacks its value.

    Args:
        words: The command line.
        with_value: Flags besides the shared ones that take a value.
    """
    with_value = (*_WITH_VALUE, *with_value)
    shared: list[str] = []
    i = 0
    while i < len(words):
        word = words[i]
        if word in with_value and i + 1 < len(words):
            shared += words[i : i + 2]
            i += 2
        elif word in _SWITCHES or word.startswith(tuple(f"{flag}=" for flag in _WITH_VALUE)):
            shared.append(word)
            i += 1
        elif word.startswith("-"):
            return shared, None, list(words[i:])
        else:
            return shared, word, list(words[i + 1 :])
    return shared, None, []


def command_parser(
    name: str, summary: str, configure: Callable[[argparse.ArgumentParser], object] = lambda _: None
) -> Parser:
    """Build the parser of a command: the arguments that ``configure`` adds, and the shared flags."""
    parser = Parser(
        prog=f"{PROG} {name}",
        description=summary[0].upper() + summary[1:] + ".",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    configure(parser)
    parser.set_defaults(command=name)
    _add_shared(parser)
    return parser


def _add_shared(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("shared flags, before or after the command")
    for flag in SHARED:
        how: dict[str, Any] = {"action": "store_true"}
        if flag.value:
            default = flag.choices[0] if flag.choices else None
            how = {"metavar": flag.value, "choices": flag.choices or None, "default": default}
        elif "-v" in flag.names:
            how = {"action": "count", "default": 0}
        elif "--version" in flag.names:
            how = {"action": _Version, "nargs": 0}
        elif "-h" in flag.names:
            continue  # argparse adds it
        group.add_argument(*flag.names, help=flag.help, **how)


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Parse arguments; positional ones and flags may be mixed, and all are positional after ``--``.

    Raises:
        UsageError: The arguments do not fit the parser, or a path is empty.
    """
    args = _parsed(parser, words)
    for name in ("path", "paths", "index_dir"):
        value = getattr(args, name, None)
        # An unset variable of a shell, not the current folder: `clear "$FOLDER" --yes` deletes.
        if value == "" or (isinstance(value, list) and "" in value):
            what = "--index-dir" if name == "index_dir" else "PATH"
            raise UsageError(f"{what} is empty; write . for the current folder")
    return args


def _parsed(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
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
    """Parse with the positional words moved behind the flags, where argparse takes them as they are."""
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
        if _takes_next(options, word) and i < len(flags):
            front.append(flags[i])
            i += 1
    return parser.parse_args([*front, "--", *words, *literal] if words or literal else front)


def _takes_next(options: Mapping[str, argparse.Action], word: str) -> bool:
    """Whether the value of a flag, or of the last one in ``-lC``, is the next word."""
    action = options.get(word)
    if action is None and word[:2] != "--":
        for n, letter in enumerate(word[1:], 2):
            action = options.get(f"-{letter}")
            if action is None or (action.nargs is None and n < len(word)):
                return False
    return action is not None and action.nargs is None


def whole(low: int) -> Callable[[str], int]:
    """Make the type of a flag that takes a whole number of at least ``low``."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < low:
            raise argparse.ArgumentTypeError(f"{text} is less than {low}")
        return value

    return convert
