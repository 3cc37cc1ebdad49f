"""Ignore rules in git's own semantics, compiled so that most names cost a few dictionary look-ups.

The semantics are those of git's ``dir.c`` and ``wildmatch.c``, byte for byte:
patterns and names are compared as Latin-1 views of their bytes, so ``?`` is one
byte and a name that is not UTF-8 is nothing special.

A :class:`IgnoreRules` holds the rules in force inside one directory. Patterns without
a slash sit in tables shared by all directories below their file; an anchored
pattern is a small automaton over path components that takes one step per
directory, so below the directories it can reach it costs nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from spelunk.files.glob import (
    SPECIAL,
    MalformedError,
    Match,
    Matcher,
    Rule,
    Table,
    compiled,
    literal_of,
    translate,
)

GLOBAL, REPOSITORY, GITIGNORE, IGNORE, SPELUNK, SETTING = range(6)
"""Groups of sources in rising precedence; inside one, the deeper file and the later line win."""

IGNORE_FILES: Final = ((".gitignore", GITIGNORE), (".ignore", IGNORE), (".spelunkignore", SPELUNK))
"""Per-directory ignore files and their groups."""


MAX_RULES: Final = 10_000
"""Rules taken from one ignore file: the first ones. Each directory pays for every rule above it."""


def as_bytes_view(name: str) -> str:
    """The Latin-1 view of a name's bytes; an ASCII name is its own."""
    return name if name.isascii() else os.fsencode(name).decode("latin-1")


def parse(data: bytes, source: str, group: int, depth: int = 0) -> list[Rule]:
    """The rules of an ignore file.

    Args:
        data: Raw contents; CRLF line ends and a byte-order mark are accepted.
        source: Named by every rule.
        group: Precedence of the kind of file.
        depth: Directories between the top and the file; the deeper file wins.
    """
    rules: list[Rule] = []
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    base = (group << 52) | (depth << 32)
    for number, line in enumerate(data.decode("latin-1").split("\n"), 1):
        if not line or line[0] == "#":
            continue
        rule = _rule(line[:-1] if line[-1] == "\r" else line, source, number, group, base + number)
        if rule is not None:
            rules.append(rule)
            if len(rules) == MAX_RULES:
                break
    return rules


def from_setting(patterns: Iterable[str], name: str) -> list[Rule]:
    """The rules of a setting that lists patterns (``exclude``, ``include``)."""
    rules = (
        _rule(as_bytes_view(pattern), name, number, SETTING, (SETTING << 52) + number)
        for number, pattern in enumerate(patterns, 1)
    )
    return [rule for rule in rules if rule is not None]


def _rule(line: str, source: str, number: int, group: int, priority: int) -> Rule | None:
    text = _trimmed(line.partition("\0")[0])
    pattern = text
    negated = pattern.startswith("!")
    if negated:
        pattern = pattern[1:]
    dir_only = pattern.endswith("/")
    if dir_only:
        pattern = pattern[:-1]
    if not pattern:
        return None
    return Rule(text, source, number, group, priority, pattern, negated, dir_only)


def _trimmed(line: str) -> str:
    if not line.endswith(" "):
        return line
    if "\\" not in line:
        return line.rstrip(" ")
    end = len(line)
    while end and line[end - 1] == " ":
        end -= 1
    backslashes = end - len(line[:end].rstrip("\\"))
    return line[: end + 1] if backslashes % 2 else line[:end]


_ANY: Final = "**"
"""The component that matches any number of components."""


class _Anchored(Struct, frozen=True):
    """A pattern with a slash: its components (literal, ``**`` or a matcher), or one expression."""

    rule: Rule
    components: tuple[str | Matcher, ...] = ()
    whole: Matcher | None = None


def _anchored(rule: Rule) -> _Anchored | None:
    """A rule whose pattern has a slash, or None if it can never match.

    git compares the literal prefix first and starts the glob behind it, so
    that ``**`` right behind a literal (``a**/b``) counts as leading. Such a
    pattern, and one whose bracket or escape hides a slash, is kept whole.
    """
    pattern = rule.pattern[1:] if rule.pattern.startswith("/") else rule.pattern
    prefix = len(pattern)
    for index, c in enumerate(pattern):
        if c in SPECIAL:
            prefix = index
            break
    rest = pattern[prefix:]
    try:
        if "\\/" in pattern or ("/" in pattern[pattern.find("[") :] and "[" in pattern):
            whole = True
        else:
            after = rest.lstrip("*")
            whole = bool(
                prefix
                and pattern[prefix - 1] != "/"
                and len(rest) - len(after) > 1
                and after[:1] in ("", "/")
            )
        if whole:
            expression, stars = translate(rest, pathname=True)
            return _Anchored(rule, whole=compiled(re.escape(pattern[:prefix]) + expression, stars))
        return _Anchored(rule, tuple(map(_component, pattern.split("/"))))
    except MalformedError:
        return None


def _component(part: str) -> str | Matcher:
    if len(part) > 1 and not part.strip("*"):
        return _ANY
    literal = literal_of(part)
    if literal is not None:
        return literal
    return compiled(*translate(part, pathname=True))


State = tuple[_Anchored, int]


class IgnoreRules:
    """The rules in force inside one directory. Never changed once built."""

    __slots__ = ("_bases", "_dirs", "_files", "_here_dirs", "_here_files", "_states", "reincludes")

    def __init__(
        self,
        files: Table,
        dirs: Table,
        states: tuple[State, ...] = (),
        bases: tuple[tuple[_Anchored, str], ...] = (),
        reincludes: bool = False,
    ) -> None:
        self._files, self._dirs = files, dirs
        self._states, self._bases = states, bases
        self.reincludes = reincludes
        """Whether a rule of Spelunk's own re-includes something: ``.spelunkignore`` or the setting."""
        self._here_files: Table | None = None
        self._here_dirs: Table | None = None
        if states:
            self._close_states()

    def _close_states(self) -> None:
        """Close the states over ``**`` and make rules for names out of those at their last component."""
        closed: dict[tuple[int, int], State] = {}
        files: Table | None = None
        dirs: Table | None = None
        for anchored, index in self._states:
            last = len(anchored.components) - 1
            while True:
                if (id(anchored), index) in closed:
                    break
                closed[id(anchored), index] = (anchored, index)
                if index == last:
                    part = anchored.components[index]
                    dirs = dirs or Table()
                    _add(dirs, part, anchored.rule)
                    if not anchored.rule.dir_only:
                        files = files or Table()
                        _add(files, part, anchored.rule)
                if index == last or anchored.components[index] != _ANY:
                    break
                index += 1
        self._states = tuple(closed.values())
        self._here_files, self._here_dirs = files, dirs

    def extend(self, rules: Iterable[Rule]) -> IgnoreRules:
        """This scope with the rules of files that lie in its directory."""
        files, dirs = self._files, self._dirs
        states, bases = list(self._states), list(self._bases)
        reincludes = self.reincludes
        own = False
        for rule in rules:
            reincludes = reincludes or (rule.negated and rule.group >= SPELUNK)
            if "/" in rule.pattern:
                anchored = _anchored(rule)
                if anchored is None:
                    continue
                if anchored.whole is not None:
                    bases.append((anchored, ""))
                else:
                    states.append((anchored, 0))
                continue
            if not own:
                files, dirs, own = Table(files), Table(dirs), True
            dirs.add(rule.pattern, rule)
            if not rule.dir_only:
                files.add(rule.pattern, rule)
        return IgnoreRules(files, dirs, tuple(states), tuple(bases), reincludes)

    def enter(self, name: str) -> IgnoreRules:
        """The scope inside a sub-directory, before its own ignore files."""
        if not self._states and not self._bases:
            return self
        name = as_bytes_view(name)
        states: list[State] = []
        for anchored, index in self._states:
            part = anchored.components[index]
            if part is _ANY:
                states.append((anchored, index))
            elif index + 1 < len(anchored.components) and (
                part == name if isinstance(part, str) else part(name)
            ):
                states.append((anchored, index + 1))
        bases = tuple((anchored, f"{base}{name}/") for anchored, base in self._bases)
        return IgnoreRules(self._files, self._dirs, tuple(states), bases, self.reincludes)

    def file(self, name: str) -> Rule | None:
        """The rule that decides about a file of this directory, or None."""
        if not name.isascii():
            name = as_bytes_view(name)
        best = self._files.find(name)
        if self._here_files is not None or self._bases:
            best = self._here(name, self._here_files, best, False)
        return best[1] if best is not None else None

    def file_finder(self) -> Callable[[str], Match | None]:
        """:meth:`file` for a loop over the names of this directory; ASCII names only, and with the priority."""
        if self._here_files is not None or self._bases:
            return lambda name: self._here(name, self._here_files, self._files.find(name), False)
        return self._files.finder()

    def directory(self, name: str) -> Rule | None:
        """The rule that decides about a sub-directory, or None."""
        if not name.isascii():
            name = as_bytes_view(name)
        best = self._dirs.find(name)
        if self._here_dirs is not None or self._bases:
            best = self._here(name, self._here_dirs, best, True)
        return best[1] if best is not None else None

    def _here(self, name: str, table: Table | None, best: Match | None, is_dir: bool) -> Match | None:
        match = table.find(name) if table is not None else None
        if match is not None and (best is None or match[0] > best[0]):
            best = match
        for anchored, base in self._bases:
            rule = anchored.rule
            if (
                (is_dir or not rule.dir_only)
                and (best is None or rule.priority > best[0])
                and anchored.whole is not None
                and anchored.whole(base + name)
            ):
                best = (rule.priority, rule)
        return best

    def reaches_below(self, name: str) -> bool:
        """Whether an anchored re-include of Spelunk's own could match below a sub-directory.

        Only patterns that name a way count: ``!build/docs/*.md`` reaches below
        ``build``; ``!*.md`` and ``!**/x.md`` reach below nothing.
        """
        if not self.reincludes:
            return False
        inside = self.enter(name)
        return any(
            index > 0 and anchored.rule.negated and anchored.rule.group >= SPELUNK
            for anchored, index in inside._states
        )

    def could_match_below(self, name: str) -> bool:
        """Whether any rule could still match something below a sub-directory."""
        if not self._states and not self._bases:
            return not self._dirs.is_empty()
        inside = self.enter(name)
        return bool(inside._states or inside._bases or not inside._dirs.is_empty())


def _add(table: Table, part: str | Matcher, rule: Rule) -> None:
    if part is _ANY:
        table.add("*", rule)
    elif isinstance(part, str):
        table.put(part, rule)
    else:
        table.add(rule.pattern.rpartition("/")[2], rule)


def no_rules() -> IgnoreRules:
    """No rules at all."""
    return IgnoreRules(Table(), Table())
