"""JSON with comments and trailing commas, read as values with their places in the text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct, field

MAX_DEPTH: Final = 200

_SPACE: Final = re.compile(r"(?:[ \t\r\n]|//[^\n]*|/\*.*?\*/)*", re.S)
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_OTHER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")


class Spot(Struct):
    """A value and where it is.

    Attributes:
        start: Offset of its first character.
        end: Offset behind its last.
        value: As :mod:`json` gives it.
        members: Of an object: key, offset of the key, value.
        items: Of an array.
    """

    start: int
    end: int
    value: Any
    members: list[tuple[str, int, Spot]] = field(default_factory=list)
    items: list[Spot] = field(default_factory=list)

    def member(self, key: str) -> Spot | None:
        """The value of a key; of several the last, which counts."""
        return next((spot for name, _, spot in reversed(self.members) if name == key), None)

    def children(self) -> Iterator[tuple[int, Spot]]:
        """Where each member or item begins, and its value."""
        yield from ((start, spot) for _, start, spot in self.members)
        yield from ((spot.start, spot) for spot in self.items)


def parse(text: str) -> Spot:
    """The value of a text.

    Raises:
        ValueError: It is no JSON; the message has the line.
    """
    start = skip(text, 1 if text.startswith("\ufeff") else 0)
    spot = _value(text, start, 0)
    if skip(text, spot.end) != len(text):
        raise _error(text, skip(text, spot.end), "more text behind the value")
    return spot


def skip(text: str, at: int) -> int:
    """The offset behind white space and comments."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _value(text: str, at: int, depth: int) -> Spot:
    if depth > MAX_DEPTH:
        raise _error(text, at, "nested too deeply")
    opening = text[at : at + 1]
    if opening in ("{", "["):
        return _collection(text, at, depth)
    pattern = _STRING if opening == '"' else _OTHER
    found = pattern.match(text, at)
    if found is None:
        raise _error(text, at, "a value is missing")
    return Spot(at, found.end(), json.loads(found[0], strict=False))


def _collection(text: str, at: int, depth: int) -> Spot:
    is_object = text[at] == "{"
    closing = "}" if is_object else "]"
    spot = Spot(at, at, None)
    i = skip(text, at + 1)
    while text[i : i + 1] != closing:
        start, key = i, ""
        if is_object:
            found = _STRING.match(text, i)
            if found is None:
                raise _error(text, i, "a key in double quotes is missing")
            key = json.loads(found[0], strict=False)
            i = skip(text, found.end())
            if text[i : i + 1] != ":":
                raise _error(text, i, "a colon is missing")
            i = skip(text, i + 1)
        inner = _value(text, i, depth + 1)
        if is_object:
            spot.members.append((key, start, inner))
        else:
            spot.items.append(inner)
        i = skip(text, inner.end)
        if text[i : i + 1] == ",":
            i = skip(text, i + 1)
        elif text[i : i + 1] != closing:
            raise _error(text, i, f"a comma or {closing} is missing")
    spot.end = i + 1
    spot.value = (
        {key: inner.value for key, _, inner in spot.members}
        if is_object
        else [inner.value for inner in spot.items]
    )
    return spot


def _error(text: str, at: int, what: str) -> ValueError:
    return ValueError(f"line {text.count(chr(10), 0, at) + 1}: {what}")
