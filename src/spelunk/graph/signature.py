"""The head of a definition and the first line of its documentation, read from its text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

MOST_LINES: Final = 12
"""Lines that a head may have."""
MOST_CHARS: Final = 240
MOST_COMMENT: Final = 60
"""Lines of a comment above a definition that are read upwards."""

_COMMENT: Final = re.compile(
    r"^\s*(?://[/!]?|/\*\*?|\*(?!/)|#(?!\[|!\[|include|define|if|endif|pragma)|--+\s?\|?|;+|%+|\{-\|?)\s?"
)
_SKIPPED: Final = re.compile(r"^\s*(?:@\w|#\[|\[\w|template\b|export\s*$|public\s*$)")
_DOCSTRING: Final = re.compile(r'^\s*[rRuUbB]{0,2}("""|\'\'\'|"|\')')
_WORDS: Final = re.compile(r"\w")
_OPENING: Final = "([{"
_CLOSING: Final = ")]}"
_ENDS: Final = {"python": ":", "ruby": "", "lua": "", "elixir": "", "haskell": "=", "bash": "{", "julia": ""}
"""The character that ends the head outside brackets; "" for the end of the line, and a brace elsewhere."""


def signature(lines: Sequence[str], line: int, end_line: int, language: str) -> str:
    """The head of the definition that begins at a line, on one line.

    Args:
        lines: Of the file.
        line: 1-based.
        end_line: Last line of the definition.
        language: Of the file.
    """
    stop = _ENDS.get(language, "{")
    depth = 0
    out: list[str] = []
    for text in lines[line - 1 : min(end_line, line - 1 + MOST_LINES)]:
        kept, depth, ended = _head(text, depth, stop)
        out.append(kept.strip())
        if (
            ended
            or (depth <= 0 and (not stop or text.rstrip().endswith((";", "=>"))))
            or sum(map(len, out)) > MOST_CHARS
        ):
            break
        if depth <= 0 and stop == "{" and not _goes_on(text):
            break
    head = " ".join(filter(None, out)).rstrip(" {;=")
    return head if len(head) <= MOST_CHARS else head[: MOST_CHARS - 1] + "…"


def _goes_on(text: str) -> bool:
    """Whether a head without a brace goes on in the next line: it ends with a bracket or an operator."""
    return text.rstrip().endswith((")", ",", "(", "|", "&", "->", ":")) or not text.strip()


def _head(text: str, depth: int, stop: str) -> tuple[str, int, bool]:
    """The part of a line that belongs to a head, the depth of brackets behind it, whether the head ends."""
    quote = ""
    for at, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'`":
            quote = c if text.find(c, at + 1) >= 0 else ""
        elif c == stop and depth == 0 and not (stop == ":" and text[at + 1 : at + 2] == "="):
            return text[:at], depth, True
        elif c in _OPENING:
            depth += 1
        elif c in _CLOSING:
            depth -= 1
    return text, depth, False


def doc_line(lines: Sequence[str], line: int, end_line: int, language: str) -> str:
    """The first line of a definition's documentation: a docstring, or the comment right above it."""
    inside = _docstring(lines, line, end_line) if language in ("python", "elixir", "julia", "clojure") else ""
    return inside or _comment_above(lines, line)


def _docstring(lines: Sequence[str], line: int, end_line: int) -> str:
    """The first line of a string behind the head."""
    depth = 0
    for at in range(line - 1, min(end_line, line - 1 + MOST_LINES, len(lines))):
        _, depth, ended = _head(lines[at], depth, ":")
        if not ended:
            continue
        for number in range(at + 1, min(end_line, at + 4)):
            text = lines[number] if number < len(lines) else ""
            quoted = _DOCSTRING.match(text)
            if quoted is not None:
                rest = text[quoted.end() :].split(quoted[1])[0].strip()
                below = lines[number + 1].strip() if number + 1 < len(lines) else ""
                return _cut(rest or below)
            if text.strip():
                return ""
        return ""
    return ""


def _comment_above(lines: Sequence[str], line: int) -> str:
    """The first sentence line of the comment that ends above a line; decorators between are passed."""
    at = line - 2
    first = ""
    for _ in range(MOST_COMMENT):
        if at < 0:
            break
        text = lines[at] if at < len(lines) else ""
        comment = _COMMENT.match(text)
        if comment is not None or text.strip() == "*/":
            body = text[comment.end() :] if comment is not None else ""
            body = body.strip().removesuffix("*/").strip()
            first = body if _WORDS.search(body) else first
        elif not _SKIPPED.match(text) or first:
            break
        at -= 1
    return _cut(first)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARS else text[: MOST_CHARS - 1] + "…"
