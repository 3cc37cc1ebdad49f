r"""Derive from a regular expression what the tokens of every matching text must contain.

The result selects candidates by a look-up instead of a scan of all texts; it
never decides a match. A *token* here is a maximal ``[A-Za-z0-9_]+`` in lower case.

The pattern is read by Python's parser, so the plan is made only in the syntax
that Python and RE2 read alike, and a part that is not understood requires nothing.
"""

from __future__ import annotations

import re
import warnings
from typing import Any, Final

from msgspec import Struct

MAX_ALTERNATIVES: Final = 16
"""Strings kept apart in one set; the look-ups of more would cost more than they save."""

MAX_CLASS: Final = 6
"""Characters of a class kept apart: ``ba[rz]``, but not ``0x[0-9a-f]``."""

MAX_CLAUSES: Final = 64
"""Sets kept of one pattern, those expected to rule out most. Implied sets are found by comparing all
pairs: a pattern of 4,000 words took 12 s without a bound."""

_MAX_RUN: Final = 48
WORD_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_FOLDS_BEYOND_ASCII: Final = frozenset("kKsS\u212a\u017f")
"""Ignoring case, RE2 lets k match the Kelvin sign and s the long s, and the reverse."""

DIFFERENT_IN_PYTHON: Final = re.compile(r"\[:|\{,")
"""``[[:alpha:]]`` is a class and ``{,5}`` is literal in RE2 alone."""

_NOTHING: Final = frozenset(("",))
_START: Final = "<"
_END: Final = ">"


class Run(Struct, frozen=True, order=True):
    """Word characters that a token has to contain.

    Attributes:
        text: Lower-case ``[a-z0-9_]+``.
        starts: The token starts with them.
        ends: The token ends with them; with ``starts`` they are the token.
    """

    text: str
    starts: bool = False
    ends: bool = False


def required(pattern: str, *, ignore_case: bool = False) -> list[frozenset[Run]] | None:
    r"""Sets all of which a matching text satisfies, each by a token that fits any of its runs.

    ``def\s+flush_\w+\(`` gives a token that ends with ``def`` and one that
    starts with ``flush_``: a sorted dictionary answers a start or a whole token
    some thousand times faster than a part (0.1 ms against 120 ms on the 638,000
    words of 120 MB of C). Necessary, never sufficient.

    Returns:
        The sets, the most selective first, at most :data:`MAX_CLAUSES`; None where
        nothing is required or the pattern is not understood: every text has to be
        scanned.
    """
    if DIFFERENT_IN_PYTHON.search(pattern):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = re._parser.parse(pattern)  # type: ignore[attr-defined]
        folds = ignore_case or bool(parsed.state.flags & re.IGNORECASE)
        clauses, exact = _sequence(list(parsed), folds)
    except (re.error, RecursionError, OverflowError):
        return None
    if exact is not None and _tells(exact):
        clauses.append(exact)
    return [frozenset(map(_run, one_of)) for one_of in _reduced(clauses)] or None


class _Builder:
    """Clauses of a sequence, from left to right.

    Attributes:
        open: How the run at the current end may read, ``<`` first where a token starts with it.
        gap: A repeat that may be empty and has no word characters is at the end.
        edge: A word boundary is at the end, with nothing of a run before it.
        exact: All that was read is ``open``.
    """

    def __init__(self) -> None:
        self.clauses: list[frozenset[str]] = []
        self.open: frozenset[str] = _NOTHING
        self.gap = self.edge = False
        self.exact = True

    def append(self, strings: frozenset[str]) -> None:
        self.close_gap()
        if self.edge and "" not in strings:
            self.open = frozenset((_START,))
        self.edge = False
        if len(self.open) * len(strings) > MAX_ALTERNATIVES or max(map(len, self.open)) > _MAX_RUN:
            self.cut()
        self.open = frozenset(a + b for a in self.open for b in strings)

    def cut(self) -> None:
        """What comes next is unknown."""
        if _tells(self.open):
            self.clauses.append(self.open)
        self.open = _NOTHING
        self.exact = self.gap = self.edge = False

    def outside(self) -> None:
        """What comes next is no word character, or the end of a line."""
        self.open = frozenset(text + _END for text in self.open)
        self.gap = False
        self.cut()
        self.open = frozenset((_START,))

    def maybe_outside(self) -> None:
        """No word characters, or nothing, come next."""
        self.exact = False
        self.gap = True

    def close_gap(self) -> None:
        """Word characters may come next: they continue a run only if nothing is between."""
        if self.gap and self.open != frozenset((_START,)):
            self.cut()
        self.gap = False

    def boundary(self) -> None:
        self.close_gap()
        if _tells(self.open):
            self.open = frozenset(text + _END for text in self.open)
            self.cut()
        elif self.open == _NOTHING:
            self.exact = False
            self.edge = True


def _tells(strings: frozenset[str]) -> bool:
    return all(text.strip("<>") for text in strings)


def _run(text: str) -> Run:
    return Run(text.strip("<>"), text.startswith(_START), text.endswith(_END))


def _sequence(items: list[Any], folds: bool) -> tuple[list[frozenset[str]], frozenset[str] | None]:
    """Clauses of a parsed sequence, and all it can match where that is a few strings of word characters."""
    builder = _Builder()
    _extend(builder, items, folds)
    if builder.exact:
        return [], builder.open
    builder.cut()
    return builder.clauses, None


def _extend(builder: _Builder, items: list[Any], folds: bool) -> None:
    for op, argument in items:
        name = str(op)
        if name in ("LITERAL", "IN", "CATEGORY"):
            members = argument if name == "IN" else [(op, argument)]
            strings = _characters(members, folds)
            if strings:
                builder.append(strings)
            elif _is_outside(members, folds):
                builder.outside()
            else:
                builder.cut()
        elif name == "SUBPATTERN":
            _group, added, removed, inner = argument
            inner_folds = (folds or bool(added & re.IGNORECASE)) and not removed & re.IGNORECASE
            _extend(builder, list(inner), inner_folds)
        elif name == "BRANCH":
            _branch(builder, [_sequence(list(branch), folds) for branch in argument[1]])
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, inner = argument
            _repeat(builder, int(low), int(high), list(inner), folds)
        elif name == "AT":
            where = str(argument)
            if where in ("AT_BEGINNING", "AT_BEGINNING_STRING", "AT_END", "AT_END_STRING"):
                builder.outside()
            elif where == "AT_BOUNDARY":
                builder.boundary()
        else:
            builder.cut()


def _characters(members: list[Any], folds: bool) -> frozenset[str]:
    """The word characters of a class, lower-case; empty where it is anything else."""
    characters: set[str] = set()
    for op, argument in members:
        name = str(op)
        if name not in ("LITERAL", "RANGE"):
            return frozenset()
        low, high = (argument, argument) if name == "LITERAL" else argument
        if high - low > 2 * MAX_CLASS:
            return frozenset()
        characters.update(map(chr, range(low, high + 1)))
    # RE2 reads a|[Kk] as a|(?i:k), which matches the Kelvin sign
    folds = folds or {"k", "K"} <= characters or {"s", "S"} <= characters
    if not characters <= WORD_CHARACTERS or (folds and characters & _FOLDS_BEYOND_ASCII):
        return frozenset()
    lowered = frozenset(c.lower() for c in characters)
    return lowered if len(lowered) <= MAX_CLASS else frozenset()


def _is_outside(members: list[Any], folds: bool) -> bool:
    """Whether a class has no word character of ASCII."""
    negated = bool(members) and str(members[0][0]) == "NEGATE"
    if negated:
        return any(str(argument) == "CATEGORY_WORD" for _, argument in members[1:])
    for op, argument in members:
        name = str(op)
        if name == "CATEGORY":
            if str(argument) not in ("CATEGORY_SPACE", "CATEGORY_NOT_WORD"):
                return False
        elif name == "LITERAL":
            if chr(argument) in WORD_CHARACTERS or (folds and chr(argument) in _FOLDS_BEYOND_ASCII):
                return False
        elif name != "RANGE" or folds or any(argument[0] <= ord(c) <= argument[1] for c in WORD_CHARACTERS):
            return False
    return True


def _branch(builder: _Builder, branches: list[tuple[list[frozenset[str]], frozenset[str] | None]]) -> None:
    exact = [strings for _, strings in branches if strings is not None]
    union: frozenset[str] = frozenset().union(*exact)
    if len(exact) == len(branches) and len(union) <= MAX_ALTERNATIVES:
        builder.append(union)
        return
    builder.cut()
    one_of: frozenset[str] = frozenset()
    for clauses, strings in branches:
        if strings is not None and _tells(strings):
            clauses = [*clauses, strings]
        if not clauses:
            return
        best: frozenset[str] = max(clauses, key=_weight)
        one_of |= best
    if len(one_of) <= 4 * MAX_ALTERNATIVES:
        builder.clauses.append(one_of)


def _repeat(builder: _Builder, low: int, high: int, inner: list[Any], folds: bool) -> None:
    if len(inner) == 1 and str(inner[0][0]) in ("LITERAL", "IN", "CATEGORY"):
        members = inner[0][1] if str(inner[0][0]) == "IN" else inner
        if not _characters(members, folds) and _is_outside(members, folds):
            if low:
                builder.outside()
            else:
                builder.maybe_outside()
            return
    clauses, strings = _sequence(inner, folds)
    if strings is None:
        builder.cut()
        if low:
            builder.clauses += clauses
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
    """How much a set is expected to rule out: the length of its shortest string, then how few there are."""
    return min(map(len, one_of)), -len(one_of)


def _order(one_of: frozenset[str]) -> tuple[tuple[int, int], list[str]]:
    return _weight(one_of), sorted(one_of)


def _reduced(clauses: list[frozenset[str]]) -> list[frozenset[str]]:
    """At most :data:`MAX_CLAUSES` of ``clauses``, without those that others imply, the most selective first."""
    marked = {frozenset(_whole(text) for text in one_of) for one_of in clauses}
    heaviest = sorted(marked, key=_order, reverse=True)[:MAX_CLAUSES]
    minimal = {
        frozenset(s for s in one_of if not any(t in s and t != s for t in one_of)) for one_of in heaviest
    }
    kept: list[frozenset[str]] = []
    for one_of in sorted(minimal, key=_order, reverse=True):
        if not any(all(any(run in longer for run in one_of) for longer in other) for other in kept):
            kept.append(one_of)
    return kept


def _whole(text: str) -> str:
    """A run with at most one mark on either side."""
    start = _START if text.startswith(_START) else ""
    end = _END if text.endswith(_END) else ""
    return start + text.strip("<>") + end
