"""Cut a notebook by its cells, as :func:`spelunk.files.notebook.unwrap` laid them out."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from spelunk.chunk.prose import Heading, outline
from spelunk.chunk.rows import Piece, TextRows
from spelunk.files.notebook import MARK_CODE, MARK_MARKDOWN, MARK_RAW
from spelunk.types import MAX_SYMBOL, Chunk, Definition

_MARKS: Final = frozenset({MARK_CODE, MARK_MARKDOWN, MARK_RAW})
_HEADING: Final = re.compile(r"(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_DEFINITION: Final = re.compile(r"(?:async[ \t]+)?(def|class|function|struct)[ \t]+([^\W\d]\w*)")
"""Cells are in any language; these words open a definition in Python, Julia, Ruby and R kernels alike."""
_KINDS: Final = {"def": "function", "struct": "struct", "class": "class", "function": "function"}
_CLOSING: Final = ("end", ")", "}", "]")


def chunk_notebook(rows: TextRows) -> list[Chunk]:
    """One chunk for each cell, of kind ``cell``; the headings of markdown cells are the scope."""
    out: list[Chunk] = []
    lines = rows.lines
    starts = [row for row in range(rows.count) if lines[row] in _MARKS]
    if not starts or starts[0] != 0:
        starts.insert(0, 0)
    cells = list(pairwise([*starts, rows.count]))
    headings = [
        h for start, stop in cells if lines[start] == MARK_MARKDOWN for h in _headings(rows, start, stop)
    ]
    sections = outline(headings, rows)
    at = 0  # headings before this cell
    for start, stop in cells:
        first = at
        while at < len(headings) and headings[at][0] < stop:
            at += 1
        own = sections[first:at]
        if own:
            piece = Piece("cell", own[0].name, own[0].scope, tuple(own))
        else:
            scope = f"{sections[at - 1].scope} > {sections[at - 1].name}".removeprefix(" > ") if at else ""
            names = _definitions(rows, start, stop) if lines[start] != MARK_MARKDOWN else []
            piece = Piece("cell", names[0].name if names else "", scope, tuple(names))
        rows.emit(out, start, stop, piece)
    return out


def _headings(rows: TextRows, start: int, stop: int) -> list[Heading]:
    headings: list[Heading] = []
    for row in range(start + 1, stop):
        match = _HEADING.match(rows.lines[row])
        if match is not None and match.group(2):
            headings.append((row, len(match.group(1)), match.group(2)[:MAX_SYMBOL]))
    return headings


def _definitions(rows: TextRows, start: int, stop: int) -> list[Definition]:
    """The definitions at the start of a line; each ends with the indented lines below it."""
    names: list[Definition] = []
    for row in range(start + 1, stop):
        match = _DEFINITION.match(rows.lines[row])
        if match is not None:
            end = row + 1
            while end < stop and (rows.lines[end][:1] in " \t\r" or rows.lines[end].startswith(_CLOSING)):
                end += 1
            name = match.group(2)[:MAX_SYMBOL]
            names.append(
                Definition(name, _KINDS[match.group(1)], rows.raw_line(row), "", rows.end_line(row, end))
            )
    return names
