"""Cut C headers that are tables of macros, line by line: register maps and lists of ids, mostly written by a generator.

Such a header holds nothing but ``#define NAME VALUE``, comments and include
guards. Its lines say all that a syntax tree would, at a twentieth of the price, and its
chunks are as large as a chunk may be: nobody reads them one by one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final, NamedTuple

from spelunk.chunk.rows import MAX_CHARS, Piece, TextRows
from spelunk.types import MAX_SYMBOL, Chunk, Definition

LANGUAGES: Final = frozenset({"c", "cpp"})

LEAST_MACROS: Final = 64
"""Macros from which a header is taken for a table; a shorter one is parsed in no time."""

GROUP_ROWS: Final = 16
"""Rows before the end of a full chunk in which a comment or a blank row is looked for, to cut there."""

_COMMENT: Final = re.compile(r"/\*[^*]*(?:\*(?!/)[^*]*)*\*/|//[^\n]*")
_DEFINE: Final = re.compile(
    r"""^\#[ \t]*+define[ \t]++([A-Za-z_]\w*+)(?:(?:[ \t]++((?:\w++(?![ \t]*+\()|[^\w\s"'\\/]|[ \t]++(?!$))+))?[ \t\r]*+)$""",
    re.MULTILINE | re.ASCII,
)
"""A macro without parameters whose value has no strings, comments and calls. Linear in the line."""
_GUARD: Final = re.compile(r"^#[ \t]*(?:ifn?def[ \t]+\w+|else|endif)[ \t\r]*$", re.MULTILINE | re.ASCII)


class Macro(NamedTuple):
    """A macro of a table.

    Attributes:
        at: Offset of its line.
        name: Its name.
        has_value: Whether it has one; an include guard has none.
    """

    at: int
    name: str
    has_value: bool


def macros_of_table(rows: TextRows) -> list[Macro] | None:
    """The macros of a header that is a table of them, in order; None where it holds anything else."""
    text = rows.text
    if text.count("\n#define ") < max(LEAST_MACROS, rows.count // 4) or "\\" in text:
        return None
    if any("\n#" in comment for comment in _COMMENT.findall(text)):
        return None  # it may hold macros that are none
    left = _GUARD.sub("", _COMMENT.sub("", _DEFINE.sub("", text)))
    if left and not left.isspace():
        return None
    return [Macro(m.start(), m[1], m[2] is not None) for m in _DEFINE.finditer(text)]


def chunk_macros(rows: TextRows, macros: list[Macro]) -> list[Chunk]:
    """Chunks of whole lines, each as large as a chunk may be; each macro is a definition."""
    out: list[Chunk] = []
    starts = rows.starts()
    numbers = [bisect_right(starts, macro.at) - 1 for macro in macros]
    defined = set(numbers)
    first = done = 0
    while first < rows.count:
        stop = max(first + 1, bisect_right(starts, starts[first] + MAX_CHARS) - 1)
        if stop < rows.count:
            for row in range(stop, max(first, stop - GROUP_ROWS), -1):
                if row not in defined and row - 1 in defined:
                    stop = row
                    break
        else:
            stop = rows.count
        end = bisect_right(numbers, stop - 1)
        rows.emit(out, first, stop, _piece(rows, macros[done:end], numbers[done:end]))
        first, done = stop, end
    return out


def _piece(rows: TextRows, macros: list[Macro], numbers: list[int]) -> Piece:
    """The names of the macros, the first one with a value before the others."""
    definitions = [
        Definition(macro.name[:MAX_SYMBOL], "macro", line := rows.raw_line(row), "", line)
        for macro, row in zip(macros, numbers, strict=True)
    ]
    main = next((n for n, macro in enumerate(macros) if macro.has_value), None)
    if main is None:
        return Piece("block", definitions=tuple(definitions))
    definitions.insert(0, definitions.pop(main))
    return Piece("macro", definitions[0].name, "", tuple(definitions))
