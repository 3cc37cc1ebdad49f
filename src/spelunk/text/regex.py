r"""Regular expressions in time linear in the text.

The engine is RE2, so no pattern backtracks: look-around and back-references do
not exist. As in ripgrep ``^`` and ``$`` match at line boundaries, ``.`` matches
no line end, ``\w``, ``\d``, ``\s`` and ``\b`` know ASCII only; a line may end
with ``\r\n`` without mention in the pattern.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Struct

from spelunk.errors import UsageError
from spelunk.text.required import Run, required

__all__ = ["Pattern", "Run", "compile", "required"]

MAX_REASON: Final = 300
"""Characters of the engine's reason that are quoted; it quotes the pattern."""
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_HINTS: Final = (
    (re.compile(r"\(\?<?[=!]"), "look-around is not supported; match the surroundings, or use a second term"),
    (re.compile(r"\(\?P=|\\[1-9]"), "back-references are not supported"),
    (re.compile(r"\(\?[>#(]|[+*?}]\+"), "atomic groups, possessive repeats and conditions are not supported"),
    (re.compile(r"\\[zZ]"), r"use $ or \z for the end"),
    (re.compile(r"^[*+?]"), r"escape it (\*) to find the character itself"),
    (re.compile(r"[\[({]"), r"escape ( [ { with a backslash to find the characters themselves"),
)


class Pattern(Struct, frozen=True):
    """A compiled pattern.

    Attributes:
        source: What was compiled.
        ignore_case: Whether case is ignored everywhere.
    """

    source: str
    ignore_case: bool
    _finditer: Callable[[bytes], Iterator[Any]]
    _search: Callable[[bytes], Any]
    _own_line_ends: bool

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in ``text``."""
        data = _encoded(text)
        return self._search(data if self._own_line_ends else data.replace(b"\r\n", b"\n")) is not None

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end of each match from left to right, in characters of ``text``."""
        data = _encoded(text)
        removed: list[int] = []
        if not self._own_line_ends and b"\r\n" in data:
            data, removed = _without_returns(data)
        ascii_only = text.isascii()
        seen_bytes = seen_chars = 0
        last = (-1, -1)
        for match in self._finditer(data):
            start, end = span = match.span()
            if span == last or (start == end < len(data) and data[start] & 0xC0 == 0x80):
                continue  # the engine's way over empty matches: twice, or inside a character
            last = span
            returns = (bisect_left(removed, start), bisect_left(removed, end)) if removed else (0, 0)
            if not ascii_only:
                seen_chars += len(data[seen_bytes:start].decode("utf-8", "ignore"))
                start, seen_bytes = seen_chars, start
                seen_chars += len(data[seen_bytes:end].decode("utf-8", "ignore"))
                end, seen_bytes = seen_chars, end
            yield start + returns[0], end + returns[1]


def compile(pattern: str, *, ignore_case: bool = False) -> Pattern:
    """Compile a pattern.

    Raises:
        UsageError: The pattern is no regex, or needs look-around or
            back-references; the message is one line and says what to do.
    """
    import re2  # the engine, loaded by the first regex

    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    options.never_capture = True  # thousands of groups would be located in every match
    try:
        engine = re2.compile(b"(?m)" + pattern.encode(), options)
    except (re2.error, UnicodeEncodeError) as error:
        raise UsageError(_explained(error, pattern)) from None
    own_line_ends = "\r" in pattern or "\\r" in pattern or "\\x" in pattern or "\\0" in pattern
    return Pattern(pattern, ignore_case, engine.finditer, engine.search, own_line_ends)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _SURROGATES.sub("\ufffd", text).encode()


def _without_returns(data: bytes) -> tuple[bytes, list[int]]:
    r"""``data`` with ``\n`` for ``\r\n``, and where in it the line feeds are that lost a return."""
    pieces = data.split(b"\r\n")
    at, removed = 0, []
    for piece in pieces[:-1]:
        at += len(piece)
        removed.append(at)
        at += 1
    return b"\n".join(pieces), removed


def _explained(error: Exception, pattern: str) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "not a valid regex: it holds half of a surrogate pair"
    raw = error.args[0] if error.args else str(error)
    reason = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    reason = " ".join(reason[:MAX_REASON].replace("(?m)", "").split())
    hint = next((text for test, text in _HINTS if test.search(pattern)), "")
    return f"not a valid regex ('{reason}')" + (f"; {hint}" if hint else "")
