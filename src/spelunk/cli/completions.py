"""Complete a command line from the parsers themselves; the shells' scripts call back for every word.

A script only passes the words on (``spelunk completions SHELL -- WORD…``), so
that it stays right when a new version has other commands and flags.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Final, NamedTuple

from spelunk.cli.commands import ALIASES, COMMANDS
from spelunk.cli.parser import SHARED, command_parser

SCRIPTS: Final = {
    "bash": """\
# bash completion for spelunk: source <(spelunk completions bash)
_spelunk() {
  local IFS=$'\\n'
  COMPREPLY=($(spelunk completions bash -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _spelunk spelunk
""",
    "zsh": """\
#compdef spelunk
# zsh completion for spelunk: spelunk completions zsh > a folder of $fpath, as _spelunk
_spelunk() {
  local -a rows
  rows=(${(f)"$(spelunk completions zsh -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( $#rows )); then _describe spelunk rows; else _files; fi
}
if [[ $funcstack[1] == _spelunk ]]; then _spelunk "$@"; else compdef _spelunk spelunk; fi
""",
    "fish": """\
# fish completion for spelunk: spelunk completions fish | source
function __spelunk_complete
    set -l words (commandline -opc) (commandline -ct)
    spelunk completions fish -- $words[2..-1] 2>/dev/null
end
complete -c spelunk -a '(__spelunk_complete)'
""",
}


class Completion(NamedTuple):
    """A possible word at the cursor, and its meaning in one line."""

    word: str
    help: str = ""


INTERACTIVE: Final = Completion("-I", "search while you type")


def completions(words: Sequence[str]) -> list[Completion]:
    """Completions for the last word of a command line, in the order of the help.

    Args:
        words: What follows ``spelunk``; the last is the one to complete, maybe ``""``.

    Returns:
        Empty where a file name or any text is possible.
    """
    *before, prefix = words or [""]
    flags, choices = _at(before)
    offered = flags if prefix.startswith("-") else choices
    return [c for c in offered if c.word.startswith(prefix)]


def _at(before: Sequence[str]) -> tuple[list[Completion], list[Completion]]:
    """Flags and arguments that may follow some words."""
    parser: argparse.ArgumentParser | None = None
    pending: Sequence[str] | None = None
    for word in before:
        if pending is not None:
            pending = None
        elif word.startswith("-"):
            pending = _values(parser, word)
        elif parser is None:
            parser = parser_of(word) or parser_of("search")  # without a name it is a search
        else:
            parser = _nested(parser).get(word, parser)
    if pending is not None:
        return [], [Completion(word) for word in pending]
    if parser is None:
        shared = [Completion(n, flag.help) for flag in SHARED for n in flag.names]
        return [*shared, INTERACTIVE], list(_commands())
    return list(_flags(parser)), list(_arguments(parser))


def parser_of(name: str) -> argparse.ArgumentParser | None:
    """Build the parser of a command or alias; None where there is no such command."""
    command = COMMANDS.get(ALIASES.get(name, name))
    if command is None:
        return None
    module = import_module(f"spelunk.cli.commands.{command.module}")
    return command_parser(name, command.summary, module.configure)


def _commands() -> Iterator[Completion]:
    yield from (Completion(name, command.summary) for name, command in COMMANDS.items())
    yield from (Completion(alias, COMMANDS[name].summary) for alias, name in ALIASES.items())


def _nested(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(groups[0].choices) if groups else {}


def _values(parser: argparse.ArgumentParser | None, flag: str) -> Sequence[str] | None:
    """The values that a flag accepts (none: any), or None where it takes no value."""
    if parser is None:
        return next((shared.choices for shared in SHARED if flag in shared.names and shared.value), None)
    action = parser._option_string_actions.get(flag)
    if action is None or action.nargs == 0:
        return None
    return [str(choice) for choice in action.choices or ()]


def _flags(parser: argparse.ArgumentParser) -> Iterator[Completion]:
    for action in parser._actions:
        for name in action.option_strings:
            yield Completion(name, (action.help or "").replace("%%", "%"))


def _arguments(parser: argparse.ArgumentParser) -> Iterator[Completion]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from (Completion(a.dest, a.help or "") for a in action._choices_actions)
        elif not action.option_strings and action.choices:
            yield from (Completion(str(choice)) for choice in action.choices)
            return
