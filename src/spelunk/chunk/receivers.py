"""Read a receiver and a name from the text of an expression."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from spelunk.chunk.relation_tables._table import RelationTable
from spelunk.types import MAX_SYMBOL

MAX_RECEIVER: Final = 80
"""Characters of a receiver, cut on the left."""

MAX_READ: Final = 240
"""Bytes read before the end of a name. A chain of a thousand calls ends in a node that spans all of it."""

_MAX_NESTING: Final = 30

_QUOTED: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|\'[^\'\\\n]*(?:\\.[^\'\\\n]*)*\'|`[^`]*`', re.DOTALL)
_COMMENT: Final = re.compile(r"/\*.*?\*/|//[^\n]*|#[^\n\[{(]*\n", re.DOTALL)
_INNER: Final = re.compile(r"\([^][(){}]*\)|\[[^][(){}]*\]|\{[^][(){}]*\}")
_PAIRS: Final = (
    ("(", re.compile(r"\([^][(){}]*\)"), "\x01"),
    ("[", re.compile(r"\[[^][(){}]*\]"), "\x02"),
    ("{", re.compile(r"\{[^][(){}]*\}"), "\x03"),
)
_MARKS: Final = {"(": "\x01", "[": "\x02", "{": "\x03"}
_ANGLES: Final = re.compile(r"(?:::)?<[^<>]*>")
_BEFORE_BRACE: Final = re.compile(r"\s+\x03")
_has_space: Final = re.compile(r"\s").search
_PLAIN: Final = re.compile(r"(?:[\w.:$]|->)+").fullmatch
_has_brackets: Final = re.compile(r"[][(){}<\"'`?!\s]|//|/\*").search
_has_quotes: Final = re.compile(r"[\"'`#]|//|/\*").search
_OPERATOR: Final = re.compile(r"[\s,;=+*%^~|<>/]+|(?<!:):(?!:)|&(?!\.)|-")
CLOSING: Final = frozenset(b")]}>\"'`")
"""Bytes at the end of a receiver that is not plain."""

_OPENING: Final = {ord(">"): ord("<"), ord("]"): ord("[")}


class Written(NamedTuple):
    """What an expression says.

    Attributes:
        name: Its last name; "" where none stands at the end.
        receiver: What stands before it, at most :data:`MAX_RECEIVER` characters.
        trailing: Bytes of type arguments after the name.
    """

    name: str
    receiver: str
    trailing: int


_NOTHING: Final = Written("", "", 0)


class Splitter:
    """The rules of one language: what separates, what a name is made of.

    Attributes:
        before: Matches, in the reversed source, the separator and the plain receiver before a name.
    """

    __slots__ = ("_first", "_not_names", "_safe", "_separators", "_space", "_split", "before")

    def __init__(self, table: RelationTable) -> None:
        separators = "|".join(map(re.escape, table.separators)) or "(?!)"
        self._first = table.separators[0] if table.separators else "\0"
        self._not_names = table.not_names
        self._split = re.compile(rf"(?:(.*)(?:{separators}))??({table.word})$", re.DOTALL)
        self._space = re.compile(rf"\s*({separators}|[?!&]+\.)\s*")
        self._safe = re.compile(rf"{table.safe}(?={separators})")
        reverse = "|".join(re.escape(s[::-1]) for s in table.separators) or "(?!)"
        blank = r"[ \t\r\n]*"
        self.before = re.compile(
            rf"{blank}(?:{reverse})[?!&]?{blank}(?:[\w$@\x80-\xff]|(?:{reverse})[?!&]?)*".encode("latin-1")
        )

    def read(self, written: bytes, *, window: bool = False) -> Written:
        """Receiver and name; ``window`` where the text may begin before the expression does."""
        text = written.decode("utf-8", "replace")
        receiver, _, name = text.rpartition(self._first)
        trailing = 0
        if not (name.isidentifier() and (not receiver or _PLAIN(receiver))):
            if written.endswith((b">", b"]")):
                trailing = _arguments(written)
                text = written[: len(written) - trailing].decode("utf-8", "replace")
            if _has_brackets(text):
                text = self._plain(text, window)
            match = self._split.match(text)
            if match is None:
                return _NOTHING
            receiver, name = (match.group(1) or "").rstrip(":"), match.group(2)
        if name in self._not_names or len(name) > MAX_SYMBOL:
            return _NOTHING
        return Written(name, receiver[-MAX_RECEIVER:], trailing)

    def receiver(self, source: bytes, start: int, end: int) -> str:
        """What stands before the name at ``[start, end)``."""
        first = max(0, start - MAX_READ)
        backwards = source[first:start][::-1]
        match = self.before.match(backwards)
        if match is None:
            return ""
        last = match.end()
        window = last < len(backwards) and backwards[last] in CLOSING
        return self.read(source[first if window else start - last : end], window=window).receiver

    def _plain(self, text: str, window: bool) -> str:
        """The expression with its brackets and strings emptied, without blanks, comments and type arguments."""
        # each step is looked at before it is taken: most of them are not needed, and an expression costs more
        if _has_quotes(text):
            text = _COMMENT.sub("", _QUOTED.sub('""', text))
        text = _emptied(text)
        # what is still open began before the part that is read, or in broken code
        text = text[max(map(text.rfind, "()[]{}")) + 1 :]
        if _has_space(text):
            text = self._space.sub(r"\1", _BEFORE_BRACE.sub("\x03", text))
        if "?" in text or "!" in text or "&" in text:  # what a table's ``safe`` is made of
            text = self._safe.sub("", text)
        text = text.replace("->", "\x04").replace("=>", "\x05")
        while "<" in text:
            shorter = _ANGLES.sub("", text)
            if shorter == text:
                break
            text = shorter
        pieces = _OPERATOR.split(text) if window else text.split()
        text = pieces[-1] if pieces else ""
        text = text.replace("\x04", "->").replace("\x05", "=>")
        return text.replace("\x01", "()").replace("\x02", "[]").replace("\x03", "{}")


def _emptied(text: str) -> str:
    """The text with one letter for each pair of brackets and what is in it, innermost first."""
    if sum(map(text.count, "([{")) > _MAX_NESTING:
        for _ in range(_MAX_NESTING):
            text, emptied = _INNER.subn(_marked, text)
            if not emptied:
                break
        return text
    size = len(text) + 1
    while len(text) < size:
        size = len(text)
        for bracket, pair, mark in _PAIRS:
            if bracket in text:
                text = pair.sub(mark, text)
    return text


def _marked(brackets: re.Match[str]) -> str:
    """One letter for a pair of brackets and what is in it."""
    return _MARKS[brackets.group()[0]]


def _arguments(written: bytes) -> int:
    """Bytes of the type arguments at the end; 0 where their bracket is not closed."""
    closing = written[-1]
    opening = _OPENING[closing]
    depth = 0
    for at in range(len(written) - 1, -1, -1):
        byte = written[at]
        if byte == closing:
            depth += 1
        elif byte == opening:
            depth -= 1
            if depth == 0:
                head = written[:at].rstrip()
                return len(written) - len(head.removesuffix(b"::"))
    return 0
