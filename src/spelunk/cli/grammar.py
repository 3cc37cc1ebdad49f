"""The commands and flags as plain data, read off the parsers: for completions, and to hold the docs against."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of a command.

    Attributes:
        names: ``-k``, ``--limit``, ...
        value: What it takes, as in the help; empty for a switch.
        choices: The values it accepts, where they are a list.
        help: One line.
    """

    names: tuple[str, ...]
    value: str = ""
    choices: tuple[str, ...] = ()
    help: str = ""


@dataclass(frozen=True, slots=True)
class Grammar:
    """A command.

    Attributes:
        words: Its name, below that of the command it belongs to: ``("branchwork", "log")``.
        summary: One line.
        flags: In the order of the help.
        values: What its first argument may be, where that is a list.
        nested: Its own commands.
    """

    words: tuple[str, ...]
    summary: str
    flags: tuple[Flag, ...]
    values: tuple[str, ...] = ()
    nested: tuple[Grammar, ...] = ()


def grammar() -> list[Grammar]:
    """Every command, in the order of the help; an alias is a command of its own."""
    from spelunk.cli import ALIASES, COMMANDS
    from spelunk.cli.parser import command_parser

    found = []
    for name, command in [*COMMANDS.items(), *((a, COMMANDS[c]) for a, c in ALIASES.items())]:
        module = import_module(f"spelunk.cli.commands.{command.module}")
        parser: argparse.ArgumentParser
        if command.passthrough:
            parser = argparse.ArgumentParser(prog=name)
            module.configure(parser)
        else:
            parser = command_parser(name, command.summary, module.configure)
        found.append(_read((name,), command.summary, parser))
    return found


def everything() -> Iterator[Grammar]:
    """Every command and nested command."""
    for command in grammar():
        yield command
        yield from command.nested


def _read(words: tuple[str, ...], summary: str, parser: argparse.ArgumentParser) -> Grammar:
    flags: list[Flag] = []
    values: tuple[str, ...] = ()
    nested: list[Grammar] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            about = {a.dest: a.help or "" for a in action._choices_actions}
            nested = [_read((*words, name), about.get(name, ""), sub) for name, sub in action.choices.items()]
        elif action.option_strings:
            flags.append(_flag(action))
        elif action.choices and not values:
            values = tuple(map(str, action.choices))
    return Grammar(words, summary, tuple(flags), values, tuple(nested))


def _flag(action: argparse.Action) -> Flag:
    choices = tuple(map(str, action.choices or ()))
    metavar = action.metavar if isinstance(action.metavar, str) else None
    value = "" if action.nargs == 0 else metavar or ("|".join(choices) or action.dest.upper())
    return Flag(tuple(action.option_strings), value, choices, (action.help or "").replace("%%", "%"))
