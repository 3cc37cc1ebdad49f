r"""Whole words: patterns whose matches have no word character right before and right behind them.

That is ripgrep's ``-w``. RE2 has no look-around, but ``\b`` beside a word character and
``\B`` beside any other one say the same, so what a match may begin and end with decides.
"""

from __future__ import annotations

import re
import warnings
from typing import Any, Final

from spelunk.text.required import DIFFERENT_IN_PYTHON, WORD_CHARACTERS

_CHARACTERS: Final = tuple(map(chr, range(128)))

_BEFORE: Final = r"(?:^|[^\pL\pN_\n])"
_BEHIND: Final = r"(?:$|[^\pL\pN_\n])"

Edge = bool | None
"""What stands at an end of a match: a word character, another one, or (None) either."""


def whole_words_regex(pattern: str) -> str:
    r"""``pattern`` where no word character is next to the match.

    Where a match may begin with a word character or with another one, or may be
    empty, the character beside it is part of the match.
    """
    first, last = _edges(pattern)
    before = _BEFORE if first is None else r"\b" if first else r"\B"
    behind = _BEHIND if last is None else r"\b" if last else r"\B"
    return f"{before}(?:{pattern}){behind}"


def whole_words_literal(literal: str) -> str:
    r"""The pattern of a text, character by character, where no word character is next to it.

    RE2 knows ``\b`` for ASCII only; beside another letter the character before or behind it matches too.
    """
    edges = []
    for edge, beside in ((literal[:1], _BEFORE), (literal[-1:], _BEHIND)):
        if edge.isalnum() or edge == "_":
            edges.append(r"\b" if edge.isascii() else beside)
        else:
            edges.append(r"\B")
    return f"{edges[0]}(?:{re.escape(literal)}){edges[1]}"


def _edges(pattern: str) -> tuple[Edge, Edge]:
    """What the matches of a pattern begin and end with."""
    if DIFFERENT_IN_PYTHON.search(pattern):
        return None, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            items = list(re._parser.parse(pattern))  # type: ignore[attr-defined]
        ends = [_edge(items, step) for step in (1, -1)]
    except (re.error, RecursionError, OverflowError):
        return None, None
    first, last = (next(iter(kinds)) if len(kinds) == 1 else None for kinds in ends)
    return first, last


def _edge(items: list[Any], step: int) -> set[Edge]:
    """The kinds of character at one end of a sequence: the first with ``step`` 1, the last with -1.

    None among them: the sequence may be empty.
    """
    found: set[Edge] = set()
    for op, argument in items[::step]:
        kinds = _kinds(str(op), argument, step)
        found |= kinds - {None}
        if None not in kinds:
            return found
    return found | {None}


def _kinds(name: str, argument: Any, step: int) -> set[Edge]:
    if name in ("LITERAL", "NOT_LITERAL", "IN", "ANY", "CATEGORY"):
        members = argument if name == "IN" else [(name, argument)]
        return {character in WORD_CHARACTERS for character in _CHARACTERS if _in_class(members, character)}
    if name == "AT":
        return {None}
    if name == "SUBPATTERN":
        return _edge(list(argument[3]), step)
    if name == "BRANCH":
        return set().union(*(_edge(list(branch), step) for branch in argument[1]))
    if name in ("MAX_REPEAT", "MIN_REPEAT"):
        low, _high, inner = argument
        return _edge(list(inner), step) | ({None} if not low else set())
    return {True, False, None}


def _in_class(members: list[Any], character: str) -> bool:
    negated = bool(members) and str(members[0][0]) == "NEGATE"
    return negated != any(_is_member(str(op), argument, character) for op, argument in members)


def _is_member(name: str, argument: Any, character: str) -> bool:
    if name == "LITERAL":
        return bool(ord(character) == argument)
    if name == "NOT_LITERAL":
        return bool(ord(character) != argument)
    if name == "RANGE":
        return bool(argument[0] <= ord(character) <= argument[1])
    if name == "CATEGORY":
        kind = str(argument).removeprefix("CATEGORY_")
        escape = {"WORD": r"\w", "DIGIT": r"\d", "SPACE": r"\s"}[kind.removeprefix("NOT_")]
        return (re.match(escape, character, re.ASCII) is not None) != kind.startswith("NOT_")
    return name == "ANY"
