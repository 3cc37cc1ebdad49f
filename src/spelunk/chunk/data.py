"""Cut data files along their top-level keys, line by line: TOML, YAML, JSON, INI.

The indentation and the brackets at the start of lines are enough. Nothing is
parsed, so a broken file is cut like a good one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Final, NamedTuple

from spelunk.chunk.lines import chunk_lines
from spelunk.chunk.rows import SMALL_CHARS, TARGET_CHARS, TINY_CHARS, Piece, TextRows
from spelunk.types import MAX_SYMBOL, Chunk, Definition

Part = tuple[int, str]
"""Row where a part starts, and its key (``""`` for none)."""

Finder = Callable[[list[str], int, int, int], list[Part]]
"""Finds the keys among the lines ``[first, stop)``, given the level."""

MAX_LEVELS: Final = 4
"""How deep a large part is opened to find keys to cut at."""

_TABLE: Final = re.compile(r"[ \t]*\[\[?[ \t]*([^\[\]]+?)[ \t]*\]\]?[ \t]*(?:[#;].*)?\r?$")
_TOML_KEY: Final = re.compile(r"""([\w.-]+|"[^"]*"|'[^']*')(?:\.[\w.-]+)*[ \t]*=""")
_INI_KEY: Final = re.compile(r"([^\s=:#;\[][^=:]*?)[ \t]*[=:]")
_YAML_KEY: Final = re.compile(
    r"""([ \t]*)(?:-[ \t]+)*(?:"([^"]+)"|'([^']+)'|([^\s#"'\[\]{}&*!|>%@`-][^#]*?|-[^\s#][^#]*?))[ \t]*:(?=\s|$)"""
)
_JSON_KEY: Final = re.compile(r"""([ \t]*)(?:\{[ \t]*)?"((?:[^"\\]|\\.)*)"[ \t]*:""")
_NOTE: Final = re.compile(r"[ \t]*(?:[#;]|//)")


def chunk_data(language: str, rows: TextRows) -> list[Chunk]:
    """A chunk for each table or key (kind ``entry``); tiny ones are joined, large ones opened."""
    find = _FINDERS.get(language)
    if find is None:
        return chunk_lines(rows)
    out: list[Chunk] = []
    _cut(rows, out, find, _Section(0, rows.count))
    return out


class _Section(NamedTuple):
    """The rows ``[first, stop)`` below one key.

    Attributes:
        scope: Keys around it, joined by dots.
        symbol: Its key; "" for the whole document.
        level: Keys around its members.
        key_row: Row of its key, below comments and blank rows.
    """

    first: int
    stop: int
    scope: str = ""
    symbol: str = ""
    level: int = 0
    key_row: int = 0

    @property
    def inner(self) -> str:
        """Scope of its members."""
        return f"{self.scope}.{self.symbol}" if self.scope and self.symbol else self.scope or self.symbol


def _cut(rows: TextRows, out: list[Chunk], find: Finder, section: _Section) -> None:
    """Emit the chunks of a section."""
    parts = find(rows.lines, section.key_row, section.stop, section.level)
    row_of = {key: row for row, key in reversed(parts)}
    parts = _with_comments(rows.lines, parts, section.first)
    kind = "entry" if section.symbol or parts else "block"
    if parts and not section.level and rows.size(section.first, parts[0][0]) < TINY_CHARS:
        parts[0] = (section.first, parts[0][1])  # an opening brace, a document mark
    elif not parts or parts[0][0] > section.first:
        parts.insert(0, (section.first, ""))
    group: list[Part] = []
    total = 0

    def flush(stop: int) -> None:
        nonlocal total
        if group:
            rows.emit(out, group[0][0], stop, _piece(rows, section, kind, [*group, (stop, "")], row_of))
        group.clear()
        total = 0

    for (row, key), (end, _) in pairwise([*parts, (section.stop, "")]):
        own = rows.size(row, end)
        if total + own > TARGET_CHARS or own >= SMALL_CHARS or (total >= SMALL_CHARS and key):
            flush(row)
        if own > TARGET_CHARS * 2 and key and section.level < MAX_LEVELS:
            flush(row)
            _cut(
                rows,
                out,
                find,
                _Section(row, end, section.inner, key, section.level + 1, _row_in(row_of, key, row, end)),
            )
            continue
        group.append((row, key))
        total += own
    flush(section.stop)


def _piece(rows: TextRows, section: _Section, kind: str, group: list[Part], row_of: dict[str, int]) -> Piece:
    """What a group of parts is called and defines; the last part only says where the group ends."""
    names: list[Definition] = []
    stop = group[-1][0]
    symbol = section.symbol[:MAX_SYMBOL]
    for (row, key), (end, _) in pairwise(group):
        if key:
            at = _row_in(row_of, key, row, stop)
            last = max(rows.end_line(row, end), rows.raw_line(at))
            names.append(Definition(key[:MAX_SYMBOL], "key", rows.raw_line(at), section.inner, last))
    if group[0][1] == "" and section.level and symbol:
        last = rows.end_line(section.first, section.stop)
        names.insert(0, Definition(symbol, "key", rows.raw_line(section.key_row), section.scope, last))
        return Piece(kind, symbol, section.scope, tuple(names))
    if names:
        return Piece(kind, names[0].name, section.inner, tuple(names))
    return Piece(kind, section.symbol, section.scope)


def _row_in(row_of: dict[str, int], key: str, first: int, stop: int) -> int:
    """The row of a key in ``[first, stop)``; of a key that stands there twice its first row."""
    return row_of[key] if first <= row_of[key] < stop else first


def _with_comments(lines: list[str], parts: list[Part], first: int) -> list[Part]:
    """Move each part up over the comment lines directly above it."""
    result: list[Part] = []
    floor = first
    for row, key in parts:
        start = row
        while start > floor and _NOTE.match(lines[start - 1]):
            start -= 1
        if result and start <= result[-1][0]:
            start = row
        result.append((start, key))
        floor = row + 1
    return result


def _toml(lines: list[str], first: int, stop: int, level: int) -> list[Part]:
    parts: list[Part] = []
    pattern = _TOML_KEY
    table = False
    for row in range(first + (level > 0), stop):
        line = lines[row]
        if line.lstrip()[:1] == "[":
            match = _TABLE.match(line)
            if match and level == 0:
                parts.append((row, match.group(1).strip("\"' ")))
                table = True
        elif not table:
            match = pattern.match(line)
            if match:
                parts.append((row, line.partition("=")[0].strip().strip("\"'")))
    return parts


def _ini(lines: list[str], first: int, stop: int, level: int) -> list[Part]:
    parts: list[Part] = []
    table = False
    for row in range(first + (level > 0), stop):
        line = lines[row]
        if line[:1] == "[" and level == 0:
            match = _TABLE.match(line)
            if match:
                parts.append((row, match.group(1)))
                table = True
        elif not table and line[:1] not in (" ", "\t", ""):
            match = _INI_KEY.match(line)
            if match:
                parts.append((row, match.group(1)))
    return parts


def _indented(pattern: re.Pattern[str]) -> Finder:
    """Keys at the smallest indentation inside the rows given."""

    def find(lines: list[str], first: int, stop: int, level: int) -> list[Part]:
        keys: list[tuple[int, int, str]] = []
        least = 1_000_000
        for row in range(first + (level > 0), stop):
            line = lines[row]
            width = len(line) - len(line.lstrip())
            if width > least or len(line) == width:
                continue
            match = pattern.match(line)
            if match is not None:
                least = width
                key = next((g for g in match.groups()[1:] if g), "")
                keys.append((row, width, key.strip()))
        return [(row, key) for row, width, key in keys if width == least]

    return find


_FINDERS: Final[dict[str, Finder]] = {
    "toml": _toml,
    "ini": _ini,
    "properties": _ini,
    "yaml": _indented(_YAML_KEY),
    "json": _indented(_JSON_KEY),
}
