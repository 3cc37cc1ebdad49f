"""Where the text of a file mentions a name, and whether only comments and strings do, without parsing it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

_SKIPPED_IN_C: Final = re.compile(
    r'//[^\n]*|/\*.*?(?:\*/|\Z)|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.){1,4}\'', re.DOTALL
)
"""Comments, strings and characters of C and C++."""
_RAW_STRING: Final = re.compile(r'R"[^()\\\s]{0,16}\(')
_UNBALANCED: Final = re.compile(
    r"^[ \t]*#[ \t]*(?:error|warning|pragma|include|import)\b.*(?:/\*|//|['\"]).*", re.M
)
"""Directives whose text is no code: a quote or the begin of a comment there means nothing."""


def mentions(text: str, name: str) -> Iterator[tuple[int, int]]:
    """The lines, 1-based, and offsets at which a text has a name as a whole word, in order."""
    line, before, at = 1, 0, text.find(name)
    while at >= 0:
        end = at + len(name)
        if (at and _is_word(text[at - 1])) or _is_word(text[end : end + 1]):
            at = text.find(name, at + 1)
            continue
        line += text.count("\n", before, at)
        yield line, at
        before, at = at, text.find(name, end)


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def pieces_of_c(text: str, lines: Collection[int]) -> str:
    """A text of C with all lines blank that are not of the same piece as one of some lines.

    A piece goes from behind a brace at the margin to the next one: a function, with what stands before it. To parse a
    few of them takes a fraction of the time that the whole file takes.

    Args:
        text: As indexed.
        lines: Their numbers, 1-based.
    """
    written = text.split("\n")
    kept = [""] * len(written)
    for number in sorted(lines):
        first = last = min(number, len(written)) - 1
        if kept[first]:
            continue
        while first > 0 and not written[first - 1].startswith("}"):
            first -= 1
        while last < len(written) - 1 and not written[last].startswith("}"):
            last += 1
        kept[first : last + 1] = written[first : last + 1]
    return "\n".join(kept)


def in_code_of_c(text: str, offsets: Collection[int]) -> bool:
    """Whether one of some places in a text of C or C++ may be code: no comment, string or character.

    Where the text is such that only a parser can tell, it may.
    """
    if _RAW_STRING.search(text):
        return True
    directives = [found.span() for found in _UNBALANCED.finditer(text)]
    left = sorted(offsets)
    n = d = at = 0
    while n < len(left):
        found = _SKIPPED_IN_C.search(text, at)
        if found is None or left[n] < found.start():
            return True
        while d < len(directives) and directives[d][1] <= found.start():
            d += 1
        inside = d < len(directives) and directives[d][0] <= found.start()
        if inside and found.end() > directives[d][1]:  # it would swallow the lines behind
            return True
        while n < len(left) and left[n] < found.end():
            n += 1
        at = found.end()
    return False
