"""A query that does not parse, with a mark below the fault."""

from __future__ import annotations

import unicodedata

from spelunk.errors import QuerySyntaxError
from spelunk.io.printable import printable_name

COLUMNS = 100


def caret(error: QuerySyntaxError) -> str:
    """Two lines: the query around the fault, and a caret below the column; nothing for a blank query."""
    if not error.query.strip():
        return ""
    at = max(0, error.column - 1)
    start = max(0, at - COLUMNS // 2)
    before = printable_name(("…" if start else "") + error.query[start:at])
    after = printable_name(error.query[at : start + COLUMNS])
    return f"  {before}{after}\n  {' ' * _width(before)}^\n"


def _width(text: str) -> int:
    """Columns of a text on a terminal."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))
