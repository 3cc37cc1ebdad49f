r"""Regular expressions in time linear in the text, and what a match must contain.

The engine is RE2, so no pattern backtracks: look-around and back-references do
not exist. As in ripgrep ``^`` and ``$`` match at line boundaries, ``.`` matches
no line end, ``\w``, ``\d``, ``\s`` and ``\b`` know ASCII only; a line may end
with ``\r\n`` without the pattern having to say so.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from spelunk.errors import UsageError

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_HINTS: Final = (
    (re.compile(r"\(\?<?[=!]"), "look-around is not supported; match the surroundings, or use a second term"),
    (re.compile(r"\(\?P=|\\[1-9]"), "back-references are not supported"),
    (re.compile(r"\(\?[>#(]|[+*?}]\+"), "atomic groups, possessive repeats and conditions are not supported"),
    (re.compile(r"\\[zZ]"), r"use $ or \z for the end"),
    (re.compile(r"^[*+?]"), r"escape it (\*) to find the character itself"),
    (re.compile(r"[\[({]"), r"escape ( [ { with a backslash to find them themselves"),
)


@dataclass(frozen=True, slots=True)
class Pattern:
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
    """A pattern ready to search.

    Raises:
        UsageError: Not a regex, or one that needs look-around or
            back-references; the message is one line and says what to do.
    """
    import re2  # the engine, loaded by the first regex

    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        engine = re2.compile(b"(?m)" + pattern.encode(), options)
    except (re2.error, UnicodeEncodeError) as error:
        raise UsageError(_explained(error, pattern)) from None
    own_line_ends = "\r" in pattern or "\\r" in pattern or "\\x" in pattern or "\\0" in pattern
    return Pattern(pattern, ignore_case, engine.finditer, engine.search, own_line_ends)


def finditer_lines(pattern: Pattern, text: str) -> Iterator[tuple[int, int, int]]:
    """Each match as its 1-based line in ``text`` and its start and end in characters.

    A match over several lines is given once, by the line it starts on.
    """
    line, seen = 1, 0
    for start, end in pattern.spans(text):
        line += text.count("\n", seen, start)
        seen = start
        yield line, start, end


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
        return "not a regex: it holds half of a surrogate pair"
    raw = error.args[0] if error.args else str(error)
    reason = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    reason = " ".join(reason.replace("(?m)", "").split())
    hint = next((text for test, text in _HINTS if test.search(pattern)), "")
    return f"not a regex: {reason}" + (f"; {hint}" if hint else "")


Runs = list[frozenset[str]]
"""All of the sets must hold; a set holds if a token contains any of its strings."""

MAX_ALTERNATIVES: Final = 16
"""Strings kept apart in one set; more cost more look-ups than they save."""

MAX_CLASS: Final = 6
"""Characters of a class kept apart: ``ba[rz]``, but not ``0x[0-9a-f]``."""

_MAX_RUN: Final = 48
_WORD: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_FOLDS_BEYOND_ASCII: Final = frozenset("kKsS")
"""Ignoring case, RE2 lets K match the Kelvin sign and s the long s, which are in no ASCII token."""

_NOTHING: Final = frozenset(("",))


def required_runs(pattern: str, *, ignore_case: bool = False) -> Runs | None:
    r"""What the tokens of a text must contain if ``pattern`` matches in it.

    A token is a maximal ``[A-Za-z0-9_]+`` in lower case. ``foo_ba[rz]\(x`` gives
    ``[{"foo_bar", "foo_baz"}, {"x"}]``. It is necessary, never sufficient: what
    it lets through must still be matched.

    Returns:
        The sets, the longest strings first; None where nothing is required or
        the pattern is outside the syntax that Python and RE2 read alike, which
        means that every text has to be scanned.
    """
    if "[:" in pattern:  # [[:alpha:]] is a class in RE2 and something else in Python
        return None
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = re._parser.parse(pattern)  # type: ignore[attr-defined]
        folds = ignore_case or bool(parsed.state.flags & re.IGNORECASE)
        runs, exact = _sequence(list(parsed), folds)
    except (re.error, RecursionError, OverflowError):
        return None
    if exact is not None and "" not in exact:
        runs.append(exact)
    return _reduced(runs) or None


def satisfied(runs: Runs | None, text: str) -> bool:
    """Whether the text has what ``runs`` require."""
    if not runs:
        return True
    lowered = text.lower()
    return all(any(run in lowered for run in one_of) for one_of in runs)


class _Builder:
    """Runs of a sequence: ``open`` is how the run at its current end may read."""

    def __init__(self) -> None:
        self.runs: Runs = []
        self.open: frozenset[str] = _NOTHING
        self.exact = True

    def append(self, strings: frozenset[str]) -> None:
        if len(self.open) * len(strings) > MAX_ALTERNATIVES or max(map(len, self.open)) > _MAX_RUN:
            self.cut()
        self.open = frozenset(a + b for a in self.open for b in strings)

    def cut(self) -> None:
        if "" not in self.open:
            self.runs.append(self.open)
        self.open = _NOTHING
        self.exact = False


def _sequence(items: list[Any], folds: bool) -> tuple[Runs, frozenset[str] | None]:
    """Runs of a parsed sequence, and all it can match where that is a few strings of word characters."""
    builder = _Builder()
    _extend(builder, items, folds)
    if builder.exact:
        return [], builder.open
    builder.cut()
    return builder.runs, None


def _extend(builder: _Builder, items: list[Any], folds: bool) -> None:
    for op, argument in items:
        name = str(op)
        if name in ("LITERAL", "IN"):
            strings = _characters([(op, argument)] if name == "LITERAL" else argument, folds)
            builder.append(strings) if strings else builder.cut()
        elif name == "SUBPATTERN":
            _group, added, removed, inner = argument
            inner_folds = (folds or bool(added & re.IGNORECASE)) and not removed & re.IGNORECASE
            _extend(builder, list(inner), inner_folds)
        elif name == "BRANCH":
            _branch(builder, [_sequence(list(branch), folds) for branch in argument[1]])
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, inner = argument
            _repeat(builder, int(low), int(high), _sequence(list(inner), folds))
        elif name != "AT":  # an anchor takes no text: the run goes on
            builder.cut()


def _characters(items: list[Any], folds: bool) -> frozenset[str]:
    """The word characters a class stands for, lower-case; empty where it is anything else."""
    found: set[str] = set()
    for op, argument in items:
        name = str(op)
        if name == "LITERAL":
            low = high = argument
        elif name == "RANGE":
            low, high = argument
        else:
            return frozenset()
        if high - low > 2 * MAX_CLASS:
            return frozenset()
        found.update(map(chr, range(low, high + 1)))
    if not found <= _WORD or (folds and found & _FOLDS_BEYOND_ASCII):
        return frozenset()
    lowered = frozenset(c.lower() for c in found)
    return lowered if len(lowered) <= MAX_CLASS else frozenset()


def _branch(builder: _Builder, branches: list[tuple[Runs, frozenset[str] | None]]) -> None:
    exact = [strings for _, strings in branches if strings is not None]
    union: frozenset[str] = frozenset().union(*exact)
    if len(exact) == len(branches) and len(union) <= MAX_ALTERNATIVES:
        builder.append(union)
        return
    builder.cut()
    one_of: set[str] = set()
    for runs, strings in branches:
        if strings is not None and "" not in strings:
            runs = [*runs, strings]
        if not runs:
            return
        best: frozenset[str] = max(runs, key=_weight)
        one_of |= best
    if len(one_of) <= 4 * MAX_ALTERNATIVES:
        builder.runs.append(frozenset(one_of))


def _repeat(builder: _Builder, low: int, high: int, inner: tuple[Runs, frozenset[str] | None]) -> None:
    runs, strings = inner
    if strings is None:
        builder.cut()
        if low:
            builder.runs += runs
    elif low == 0 and high == 1:
        builder.append(strings | _NOTHING)
    elif low == 0:
        builder.cut()
    else:
        for _ in range(min(low, _MAX_RUN)):
            builder.append(strings)
        if high > low or low > _MAX_RUN:  # more of the same may stand between
            builder.cut()
            builder.append(strings)


def _weight(one_of: frozenset[str]) -> tuple[int, int]:
    """How much a set is expected to rule out: long strings, then few of them."""
    return min(map(len, one_of)), -len(one_of)


def _reduced(runs: Runs) -> Runs:
    """``runs`` without those that others imply, the most telling first."""
    minimal = {frozenset(s for s in one_of if not any(t in s and t != s for t in one_of)) for one_of in runs}
    kept: Runs = []
    for one_of in sorted(minimal, key=lambda s: (_weight(s), sorted(s)), reverse=True):
        if not any(all(any(run in longer for run in one_of) for longer in other) for other in kept):
            kept.append(one_of)
    return kept
