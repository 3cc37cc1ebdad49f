"""Data files along their top-level structure, line by line: TOML, YAML, JSON, INI.

The indentation and the brackets at the start of lines are enough; nothing is
parsed, so a broken file is cut like a good one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from spelunk.chunk.lines import chunk_lines
from spelunk.chunk.rows import SMALL_CHARS, TARGET_CHARS, TINY_CHARS, Layout
from spelunk.types import MAX_SYMBOL, Chunk, Definition, Document

Part = tuple[int, str]
"""Row where a part starts, and its key (``""`` for none)."""

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


def chunk_data(document: Document, layout: Layout) -> list[Chunk]:
    """A chunk for each table or key (kind ``entry``), tiny ones joined, large ones opened."""
    find = _FINDERS.get(document.language)
    if find is None:
        return chunk_lines(layout)
    out: list[Chunk] = []
    _cut(layout, out, find, 0, layout.count, "", "", 0)
    return out


def _cut(
    layout: Layout,
    out: list[Chunk],
    find: Callable[[list[str], int, int, int], list[Part]],
    first: int,
    stop: int,
    scope: str,
    symbol: str,
    level: int,
) -> None:
    parts = find(layout.lines, first, stop, level)
    kind = "entry" if symbol or parts else "block"
    rows = {key: row for row, key in reversed(parts)}
    parts = _with_comments(layout.lines, parts, first)
    if parts and not level and layout.size(first, parts[0][0]) < TINY_CHARS:
        parts[0] = (first, parts[0][1])  # an opening brace, a document mark
    elif not parts or parts[0][0] > first:
        parts.insert(0, (first, ""))
    inner = f"{scope}.{symbol}" if scope and symbol else scope or symbol
    group: list[Part] = []
    total = 0
    count = len(parts)
    for i, (row, key) in enumerate(parts):
        end = parts[i + 1][0] if i + 1 < count else stop
        own = layout.size(row, end)
        if group and (total + own > TARGET_CHARS or own >= SMALL_CHARS or (total >= SMALL_CHARS and key)):
            _flush(layout, out, group, row, inner, scope, symbol, kind, level, rows)
            group, total = [], 0
        if own > TARGET_CHARS * 2 and key and level < MAX_LEVELS:
            if group:
                _flush(layout, out, group, row, inner, scope, symbol, kind, level, rows)
                group, total = [], 0
            _cut(layout, out, find, row, end, inner, key, level + 1)
            continue
        group.append((row, key))
        total += own
    if group:
        _flush(layout, out, group, stop, inner, scope, symbol, kind, level, rows)


def _flush(
    layout: Layout,
    out: list[Chunk],
    group: list[Part],
    stop: int,
    inner: str,
    scope: str,
    symbol: str,
    kind: str,
    level: int,
    rows: dict[str, int],
) -> None:
    names: list[Definition] = []
    first = group[0][0]
    for row, key in group:
        if key:
            at = max(row, rows[key]) if rows[key] < stop else row
            names.append(Definition(key[:MAX_SYMBOL], "key", layout.raw_line(at)))
    if group[0][1] == "" and level and symbol:
        names.insert(0, Definition(symbol[:MAX_SYMBOL], "key", layout.raw_line(first)))
        layout.emit(out, first, stop, kind, symbol[:MAX_SYMBOL], scope, tuple(names))
        return
    title = names[0].name if names else symbol
    layout.emit(out, first, stop, kind, title, inner if names else scope, tuple(names))


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


def _indented(pattern: re.Pattern[str]) -> Callable[[list[str], int, int, int], list[Part]]:
    """Keys at the smallest indentation inside the rows given."""

    def find(lines: list[str], first: int, stop: int, level: int) -> list[Part]:
        found: list[tuple[int, int, str]] = []
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
                found.append((row, width, key.strip()))
        return [(row, key) for row, width, key in found if width == least]

    return find


_FINDERS: Final[dict[str, Callable[[list[str], int, int, int], list[Part]]]] = {
    "toml": _toml,
    "ini": _ini,
    "properties": _ini,
    "yaml": _indented(_YAML_KEY),
    "json": _indented(_JSON_KEY),
}
