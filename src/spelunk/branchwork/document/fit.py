"""Fit text from outside into an entry, a fence or a line, so that it cannot end it."""

from __future__ import annotations

import re

from spelunk.branchwork.errors import DocumentError
from spelunk.io import lines as text_lines
from spelunk.text import markdown


def fit_body(text: str) -> tuple[list[str], list[str]]:
    """Body lines that stay inside their entry, and notes on the changes.

    Headings of levels 1 to 3 are lowered, all by the same number of levels; a
    fence left open is closed.

    Raises:
        DocumentError: An HTML block is never closed.
    """
    lines = text_lines.normal(text)
    notes: list[str] = []
    blocks = markdown.scan(lines)
    levels = [h.level for h in blocks.headings]
    if levels and min(levels) < 4:
        sink = 4 - min(levels)
        for heading in blocks.headings:
            lead = len(lines[heading.line]) - len(lines[heading.line].lstrip())
            rest = lines[heading.line][lead + heading.level :]
            lines[heading.line] = " " * lead + "#" * min(6, heading.level + sink) + rest
        notes.append("headings in the body were lowered to level 4, so that they stay in the entry")
    if blocks.open_html is not None:
        raise DocumentError(f"body line {blocks.open_html + 1}: an HTML block is opened and never closed")
    last = blocks.fences[-1] if blocks.fences else None
    if last and not last.closed and last.depth == 0:
        lines.append(last.marker)
        notes.append("a code fence that was left open in the body was closed")
    return lines, notes


def heading_text(text: str) -> str:
    """One line that reads back as it is when it is a heading's text."""
    return re.sub(r"(^|\s)(#+)$", r"\1\\\2", " ".join(text.split()))
