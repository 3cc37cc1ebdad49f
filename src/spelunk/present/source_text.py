"""Source text for a terminal: lines with numbers, highlighted, what is meant set apart from its surroundings."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from spelunk.io.printable import DIM, LINE, printable, styled

MAX_HIGHLIGHTED: Final = 1 << 20
"""Characters of a file that is highlighted; parsing more takes longer than people wait for a page."""

STYLES: Final = {
    "k": "\x1b[34m",
    "s": "\x1b[32m",
    "c": "\x1b[90m",
    "n": "\x1b[36m",
    "t": "\x1b[33m",
    "a": "\x1b[35m",
    "d": "\x1b[1m",
}
"""Colours of the terminal's own palette for the classes of :mod:`spelunk.present.highlight`; the others have none."""

_RUN: Final = re.compile(rb"(.)\1*", re.DOTALL)


class Fragment(NamedTuple):
    """A part of a line: its class (a letter of :data:`~spelunk.present.highlight.CLASSES`, or "") and printable text."""

    name: str
    text: str


def pieces(text: str, language: str) -> list[list[Fragment]]:
    """The lines of a text without their ends, each in pieces of one class; of one piece where it is not highlighted."""
    painted = None
    if len(text) <= MAX_HIGHLIGHTED:
        from spelunk.present.highlight import paint  # loads the grammars

        painted = paint(text, language)
    if painted is None:
        return [[Fragment("", printable(line))] for line in _lines(text)]
    source, codes = painted
    out = []
    start = 0
    while start < len(source):
        end = source.find(b"\n", start)
        end = len(source) if end < 0 else end
        stop = end - 1 if source[end - 1 : end] == b"\r" and end > start else end
        out.append(_pieces_of(source[start:stop], bytes(codes[start:stop])))
        start = end + 1
    return out


def _pieces_of(line: bytes, codes: bytes) -> list[Fragment]:
    from spelunk.present.highlight import CLASSES

    return [
        Fragment(
            CLASSES[m.group()[0] - 1] if m.group()[0] else "",
            printable(line[m.start() : m.end()].decode("utf-8", "replace")),
        )
        for m in _RUN.finditer(codes)
    ]


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def source_text(lines: list[list[Fragment]], first: int, meant: range, *, numbered: bool, color: bool) -> str:
    """Lines of a file for people.

    Args:
        lines: From :func:`pieces`.
        first: Number of the first of them.
        meant: The numbers that were asked for; the others are context and have ``-`` behind their number.
        numbered: Put the number before each line.
        color: Colour numbers and text.
    """
    width = len(str(first + len(lines) - 1))
    out = []
    for number, line in enumerate(lines, first):
        text = "".join(
            styled(piece.text, STYLES.get(piece.name, ""), color and piece.name in STYLES) for piece in line
        )
        if numbered:
            sign = ":" if number in meant else "-"
            text = f"{styled(f'{number:>{width}}', LINE if number in meant else DIM, color)}{sign}{text}"
        out.append(text + "\n")
    return "".join(out)
