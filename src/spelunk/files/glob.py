"""Translate git's globs to regular expressions, and look up the deciding one for a name.

The semantics are those of git's ``wildmatch.c``, over Latin-1 views of bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from msgspec import Struct

SPECIAL: Final = frozenset("*?[\\")
"""What makes a pattern more than a literal."""

_MAX_STARS: Final = 3
"""With more stars than this in one pattern, backtracking could explode: RE2 matches it instead."""

Matcher = Callable[[str], object]


class Rule(Struct, frozen=True):
    """One line of an ignore file.

    Attributes:
        text: The line as written, without its line end and trailing blanks.
        source: The file, relative to the root if it is inside, or the setting's name.
        line: 1-based line, or position in the setting.
        group: One of the group constants.
        priority: Orders rules: the matching one with the highest decides.
        pattern: What to match: no ``!``, no trailing slash.
        negated: Whether it started with ``!``.
        dir_only: Whether it ended with ``/``.
    """

    text: str
    source: str
    line: int
    group: int
    priority: int
    pattern: str
    negated: bool
    dir_only: bool


Match = tuple[int, Rule]
"""A rule that matched, behind its priority."""


_POSIX: Final[dict[str, str]] = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "digit": "0-9",
    "graph": "!-~", "lower": "a-z", "print": " -~", "punct": "!-/:-@\\[-`{-~", "space": " \\t\\n\\r",
    "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}  # fmt: skip


class MalformedError(Exception):
    """A malformed pattern, which matches nothing."""


def _bracket(pattern: str, i: int) -> tuple[str, int]:
    """A ``[...]`` expression that starts behind its bracket, as a regular expression, and its end."""

    def at(k: int) -> str:
        if k >= len(pattern):
            raise MalformedError
        return pattern[k]

    def code(character: str) -> str:
        return f"\\x{ord(character):02x}"

    negated = at(i) in "!^"
    if negated:
        i += 1
    items: list[str] = []
    previous = ""
    first = True
    while first or at(i) != "]":
        first = False
        c = at(i)
        if c == "\\":
            i += 1
            previous = at(i)
            items.append(code(previous))
        elif c == "-" and previous and pattern[i + 1 : i + 2] not in ("", "]"):
            i += 1
            high = at(i)
            if high == "\\":
                i += 1
                high = at(i)
            if previous <= high:
                items.append(f"{code(previous)}-{code(high)}")
            previous = ""
        elif c == "[" and pattern[i + 1 : i + 2] == ":":
            end = i + 2
            while at(end) != "]":
                end += 1
            if end > i + 2 and pattern[end - 1] == ":":
                name = pattern[i + 2 : end - 1]
                if name not in _POSIX:
                    raise MalformedError
                items.append(_POSIX[name])
                previous = ""
                i = end
            else:
                items.append("\\[")
                previous = "["
        else:
            items.append(code(c))
            previous = c
        i += 1
    body = "".join(items)
    if not body:
        return ("(?s:.)" if negated else "[^\\x00-\\xff]"), i + 1
    return f"[{'^' if negated else ''}{body}]", i + 1


def translate(pattern: str, *, pathname: bool) -> tuple[str, int]:
    """A glob as a regular expression over bytes views, and its number of stars.

    Args:
        pattern: The glob.
        pathname: Whether ``*``, ``?`` and brackets stop at a slash (git's ``WM_PATHNAME``).

    Raises:
        MalformedError: The glob is malformed.
    """
    one = "[^/]" if pathname else "(?s:.)"
    out: list[str] = []
    stars = i = 0
    size = len(pattern)
    while i < size:
        c = pattern[i]
        i += 1
        if c == "*":
            start = i - 1
            while i < size and pattern[i] == "*":
                i += 1
            stars += 1
            double = i - start > 1 and (start == 0 or pattern[start - 1] == "/")
            if pathname and double and pattern.startswith("/", i):
                out.append("(?:(?s:.*)/)?")
                i += 1
            elif not pathname or (double and (i == size or pattern.startswith("\\/", i))):
                out.append("(?s:.*)")
            else:
                out.append("[^/]*")
        elif c == "?":
            out.append(one)
        elif c == "[":
            body, i = _bracket(pattern, i)
            out.append(f"(?!/){body}" if pathname else body)
        elif c == "\\":
            if i >= size:
                raise MalformedError
            out.append(re.escape(pattern[i]))
            i += 1
        else:
            out.append(re.escape(c))
    return "".join(out), stars


@lru_cache(4_096)
def compiled(expression: str, stars: int) -> Matcher:
    """The full-match function of an expression from :func:`translate`; the 4,096 used last are kept."""
    if stars <= _MAX_STARS:
        return re.compile(expression).fullmatch
    import re2  # rarely needed

    matcher: Matcher = re2.compile(expression.replace("(?!/)", "")).fullmatch
    return matcher


def literal_of(pattern: str) -> str | None:
    """The one name that a glob matches, or None if it is a real glob."""
    if SPECIAL.isdisjoint(pattern):
        return pattern
    if "*" in pattern or "?" in pattern or "[" in pattern or pattern.endswith("\\"):
        return None
    return re.sub(r"(?s)\\(.)", r"\1", pattern)


def _never(_: str) -> object:
    return None


class Table:
    """Globs over bare names, each with its rule."""

    __slots__ = ("_finder", "ends", "literals", "others", "starts", "suffixes", "tails")

    def __init__(self, parent: Table | None = None) -> None:
        self.literals: dict[str, Match] = {}
        self.suffixes: dict[str, Match] = {}
        self.ends: tuple[str, ...] = ()
        self.starts: tuple[str, ...] = ()
        self.tails: tuple[tuple[str, str, int, Match], ...] = ()
        self.others: tuple[tuple[str, int, Match], ...] = ()
        self._finder: Callable[[str], Match | None] | None = None
        if parent is not None:
            self.literals = parent.literals.copy()
            self.suffixes = parent.suffixes.copy()
            self.ends, self.starts, self.tails = parent.ends, parent.starts, parent.tails
            self.others = parent.others

    def add(self, pattern: str, rule: Rule) -> None:
        """Add a rule for a glob without a slash."""
        match = (rule.priority, rule)
        self._finder = None
        literal = literal_of(pattern)
        if literal is not None:
            _put(self.literals, literal, match)
            return
        if "?" not in pattern and "[" not in pattern and "\\" not in pattern:
            head, _, tail = pattern.partition("*")
            tail = tail.lstrip("*")
            if "*" not in tail:
                if not head and tail.startswith(".") and "." not in tail[1:]:
                    _put(self.suffixes, tail, match)
                    return
                if head:
                    self.starts += (head,)
                else:
                    self.ends += (tail,)
                self.tails += ((head, tail, len(head) + len(tail), match),)
                return
        try:
            expression, stars = translate(pattern, pathname=False)
        except MalformedError:
            return
        self.others += ((expression, stars, match),)

    def put(self, name: str, rule: Rule) -> None:
        """Add a rule for a whole name."""
        self._finder = None
        _put(self.literals, name, (rule.priority, rule))

    def is_empty(self) -> bool:
        """Whether no rule was added."""
        return not (self.literals or self.suffixes or self.tails or self.others)

    def find(self, name: str) -> Match | None:
        """The deciding rule for a name (a bytes view), or None."""
        if self._finder is None:
            self._finder = self._build()
        return self._finder(name)

    def finder(self) -> Callable[[str], Match | None]:
        """:meth:`find` as a plain function, for a loop over many names. Later additions do not count."""
        if self._finder is None:
            self._finder = self._build()
        return self._finder

    def _build(self) -> Callable[[str], Match | None]:
        literal, suffix, starts, ends, tails, others = (
            self.literals.get, self.suffixes.get, self.starts, self.ends, self.tails, self.others
        )  # fmt: skip
        union = _union(others) if others else None

        def find(name: str) -> Match | None:
            best = literal(name)
            match = suffix(name[name.rfind(".") :])
            if match is not None and (best is None or match[0] > best[0]):
                best = match
            if name.startswith(starts) or name.endswith(ends):
                for head, tail, size, match in tails:
                    if (
                        (best is None or match[0] > best[0])
                        and len(name) >= size
                        and name.startswith(head)
                        and name.endswith(tail)
                    ):
                        best = match
            if union is not None and union(name):
                for expression, stars, match in others:
                    if (best is None or match[0] > best[0]) and compiled(expression, stars)(name):
                        best = match
            return best

        return find


def _put(table: dict[str, Match], key: str, match: Match) -> None:
    old = table.get(key)
    if old is None or old[0] < match[0]:
        table[key] = match


def _union(others: tuple[tuple[str, int, Match], ...]) -> Matcher:
    simple = list(dict.fromkeys(expression for expression, stars, _ in others if stars <= _MAX_STARS))
    hard = [compiled(expression, stars) for expression, stars, _ in others if stars > _MAX_STARS]
    union = compiled("|".join(simple), 0) if simple else _never
    if not hard:
        return union
    return lambda name: union(name) or any(match(name) for match in hard)
