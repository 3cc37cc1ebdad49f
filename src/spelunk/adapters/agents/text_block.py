"""A marked block in a text file: put at its end, replaced in place, and taken out again byte for byte."""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class CommentStyle(NamedTuple):
    """How a comment is written in a format."""

    before: str
    after: str


MARKDOWN: Final = CommentStyle("<!-- ", " -->")
HASH: Final = CommentStyle("# ", "")

_NEW: Final = " (new file)"
_OPEN: Final = " (no line end before)"
_EMPTY: Final = " (empty file)"
"""How the file was before, where that is not an ordinary one; so that it can be restored."""


def put(text: str | None, body: str, style: CommentStyle) -> str:
    """The text with the block; None for a file that does not exist.

    A block that is there already is replaced where it stands.
    """
    newline = "\r\n" if text and "\r\n" in text else "\n"
    if text is not None and (found := _find(text, style)) is not None:
        return text[: found.start("body")] + _lines(body, newline) + text[found.end("body") :]
    how = _NEW if text is None else _EMPTY if not text else "" if text.endswith("\n") else _OPEN
    text = text or ""
    gap = newline * (0 if not text else 1 if not how else 2)
    return text + gap + _block(body, style, how, newline)


def take_out(text: str, style: CommentStyle) -> tuple[str | None, bool]:
    """The text without the block, and whether there was one; None for the text where the file was new."""
    found = _find(text, style)
    if found is None:
        return text, False
    how = found["how"] or ""
    before, after = text[: found.start()], text[found.end() :]
    newline = "\r\n" if "\r\n" in before else "\n"
    for gap in {_OPEN: (newline * 2, "\n\n"), "": (newline, "\n")}.get(how, ()):
        if before.endswith(gap):
            before = before.removesuffix(gap)
            break
    left = before + after
    return (None if how == _NEW and not left.strip() else left), True


def _block(body: str, style: CommentStyle, how: str, newline: str) -> str:
    start, end = (f"{style.before}spelunk: {word}" for word in ("begin", "end"))
    return f"{start}{how}{style.after}{newline}{_lines(body, newline)}{end}{style.after}{newline}"


def _lines(body: str, newline: str) -> str:
    return body.strip("\n").replace("\n", newline) + newline


def _find(text: str, style: CommentStyle) -> re.Match[str] | None:
    before, after = re.escape(style.before), re.escape(style.after)
    hows = "|".join(map(re.escape, (_NEW, _OPEN, _EMPTY)))
    pattern = rf"^{before}spelunk: begin(?P<how>{hows})?{after}\r?\n(?P<body>.*?)^{before}spelunk: end{after}(?:\r?\n|\Z)"
    return re.search(pattern, text, re.M | re.S)
