"""Mend what a grammar misreads: the same text with a byte or two changed, so that all positions stay.

The grammar of TypeScript joins a member of an interface that ends without a semicolon with a call
signature that begins with type parameters on the next line (``a: B`` and ``<T>(x: T): C``), and
takes the rest of the file for an error. A semicolon in place of a blank before the ``<`` parts them.
"""

from __future__ import annotations

import re
from typing import Final

MENDABLE: Final = frozenset({"typescript"})
"""Grammars whose texts are mended where their tree has errors. Not TSX, where ``<`` begins an element."""

MAX_ABOVE: Final = 60
"""Lines of comments between two members."""

_SIGNATURE: Final = re.compile(rb"^[ \t]+(?=<[\w\s$])", re.MULTILINE)
_COMMENT: Final = re.compile(rb"^\s*(?://|/?\*)|^\s*$")
_ENDED: Final = re.compile(rb"[\w>)\]}'\"]\s*$")
"""The end of a line whose member is complete; none behind an operator or an opening bracket."""


def mended(source: bytes) -> bytes:
    """A text of TypeScript with semicolons before call signatures; the same object where nothing is to be mended."""
    out: bytearray | None = None
    for match in _SIGNATURE.finditer(source):
        if _ENDED.search(_line_above(source, match.start())):
            out = bytearray(source) if out is None else out
            out[match.end() - 1] = ord(";")
    return source if out is None else bytes(out)


def _line_above(source: bytes, start: int) -> bytes:
    """The nearest line above one that begins at an offset, and that is neither blank nor a comment."""
    for _ in range(MAX_ABOVE):
        if start <= 0:
            break
        end = start - 1
        start = source.rfind(b"\n", 0, end) + 1
        line = source[start:end]
        if not _COMMENT.search(line):
            return line.partition(b" //")[0]
    return b""
