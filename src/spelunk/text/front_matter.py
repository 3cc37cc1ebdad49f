"""Front matter of Markdown documents: read ``---`` YAML or ``+++`` TOML as fields with their places.

A subset of YAML is read by hand: scalars plain and quoted, nested mappings,
flow and block lists, block scalars, comments. Nothing is executed or expanded.
Every value has its place in the text, for :mod:`spelunk.text.front_matter_edit`.
Lines that are not understood are listed, not dropped.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

MAX_ROWS: Final = 400
"""A ``---`` that is not closed within so many rows is a thematic break."""

MAX_FIELDS: Final = 100
MAX_VALUE: Final = 500
"""Bounds on the fields given to every chunk of a document."""

_KEY: Final = re.compile(
    r"""([ \t]*)(?:"([^"]*)"|'([^']*)'|([^\s:#"'\[\]{}-][^:#\[\]{}]*?))[ \t]*:(?=[ \t]|$)"""
)
_QUOTED: Final = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'")
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "e": "\x1b"}
_TOML_KEY: Final = re.compile(r"""[ \t]*([\w"'.-]+)[ \t]*=[ \t]*(.*)$""")
_TOML_TABLE: Final = re.compile(r"[ \t]*\[\[?([^\[\]]+)\]\]?[ \t]*$")


class Field(Struct, frozen=True):
    """One key and its value.

    Attributes:
        key: Dotted, e.g. ``branch.name``.
        line: 0-based index of the key's line.
        end: Index behind the last line of the value.
        value: Text, a list of texts, or None where the value is empty or a mapping.
        start: Column where the value starts in the key's line; where a new one goes if it is empty.
        stop: Column behind the value in that line.
        style: ``plain``, ``quoted``, ``flow``, ``list``, ``block``, ``map``, ``empty``
            or ``broken`` for a list that is never closed.
    """

    key: str
    line: int
    end: int
    value: str | list[str] | None
    start: int
    stop: int
    style: str


class FrontMatter(Struct, frozen=True):
    """The front matter of one document.

    Attributes:
        end: Index of the closing line; the opening one is line 0.
        rows: Every field, in the order of the text.
        fields: By dotted key; of a key given twice the last one counts, as in YAML.
        unreadable: Indices of lines that are not understood.
    """

    end: int
    rows: tuple[Field, ...]
    fields: dict[str, Field]
    unreadable: tuple[int, ...] = ()

    @property
    def duplicates(self) -> tuple[int, ...]:
        """Indices of lines whose key an earlier line gives."""
        return tuple(b.line for n, b in enumerate(self.rows) if any(a.key == b.key for a in self.rows[:n]))

    def text(self, key: str) -> str:
        """The value as text, a list joined by commas, ``""`` where empty or absent."""
        field = self.fields.get(key)
        if field is None or field.value is None:
            return ""
        return field.value if isinstance(field.value, str) else ", ".join(field.value)

    def items(self, key: str) -> list[str]:
        """The value as a list; a scalar is split at its commas."""
        field = self.fields.get(key)
        if field is not None and isinstance(field.value, list):
            return list(field.value)
        return [part.strip() for part in self.text(key).split(",") if part.strip()]


def front_matter(lines: list[str]) -> tuple[tuple[tuple[str, str], ...], int]:
    """The fields of a document's front matter, for filters, and the row behind it.

    Returns:
        ``(key, value)`` pairs, nested keys joined by dots and one pair for
        each item of a list, bounded in number and length; ``((), 0)`` where
        there is none.
    """
    pairs: list[tuple[str, str]] = []
    if lines and lines[0].rstrip() == "+++":
        end = _closing(lines, ("+++",))
        pairs = _toml(lines[1:end])
    else:
        front = parse(lines)
        end = front.end if front else 0
        if front:
            pairs = [pair for field in front.rows for pair in _pairs(field)]
            if not pairs and any(line.strip() for line in lines[1:end]):
                end = 0  # text between two thematic breaks
    if not end:
        return (), 0
    return tuple((key, value[:MAX_VALUE]) for key, value in pairs if key and value)[:MAX_FIELDS], end + 1


def parse(lines: list[str]) -> FrontMatter | None:
    """The YAML front matter that ``lines`` (with or without endings) start with, or None."""
    if not lines or lines[0].lstrip("\ufeff").rstrip() != "---":
        return None
    end = _closing(lines, ("---", "..."))
    if not end:
        return None
    rows: list[Field] = []
    unreadable: list[int] = []
    open_keys: list[tuple[int, str]] = []  # mappings and lists of mappings around the line, with their indent
    index = 1
    while index < end:
        text = lines[index].rstrip("\r\n")
        match = _KEY.match(text)
        if not text.strip() or text.lstrip().startswith("#"):
            index += 1
            continue
        indent = len(match.group(1)) if match else 0
        while open_keys and open_keys[-1][0] >= indent:
            open_keys.pop()
        if match is None or (indent and not open_keys):
            unreadable.append(index)
            index += 1
            continue
        key = ".".join(
            [*(key for _, key in open_keys[-1:]), match.group(2) or match.group(3) or match.group(4) or ""]
        )
        field = _value(lines, index, end, key, indent, match.end())
        if field.style == "broken":
            unreadable.append(index)
        if field.style in ("map", "list"):
            open_keys.append((indent, key))
        rows.append(field)
        index = field.end
    return FrontMatter(end, tuple(rows), {row.key: row for row in rows}, tuple(unreadable))


def _closing(lines: list[str], marks: tuple[str, ...]) -> int:
    """Index of the line that closes front matter; 0 where none does."""
    return next((n for n in range(1, min(len(lines), MAX_ROWS)) if lines[n].rstrip() in marks), 0)


def _value(lines: list[str], index: int, end: int, key: str, indent: int, column: int) -> Field:
    text = lines[index].rstrip("\r\n")
    start = column
    while start < len(text) and text[start] in " \t":
        start += 1
    if start == len(text) or (text[start] == "#" and start > column):
        return _below(lines, index, end, key, indent, column)
    rest = text[start:]
    if rest[0] == "[":
        return _flow(lines, index, end, key, start)
    after = _deeper(lines, index, end, indent)
    if rest[0] in "|>":
        kept = [line.strip() for line in lines[index + 1 : after]]
        joiner = "\n" if rest[0] == "|" else " "
        return Field(key, index, after, joiner.join(kept).strip(), start, len(text), "block")
    quoted = _QUOTED.match(rest)
    if quoted:
        return Field(key, index, index + 1, unquote(quoted.group()), start, start + quoted.end(), "quoted")
    value = _uncommented(rest)
    more = [_uncommented(line.strip()) for line in lines[index + 1 : after]]
    if more and not any(_KEY.match(line.rstrip("\r\n")) for line in lines[index + 1 : after]):
        joined = " ".join([value, *filter(None, more)])
        return Field(key, index, after, joined, start, start + len(value), "plain")
    return Field(key, index, index + 1, value, start, start + len(value), "plain")


def _below(lines: list[str], index: int, end: int, key: str, indent: int, column: int) -> Field:
    """A key with nothing behind it: a block list, a mapping, or empty."""
    items: list[str] = []
    last = index
    for n in range(index + 1, end):
        text = lines[n].rstrip("\r\n")
        stripped = text.strip()
        if not stripped or stripped.startswith("#"):
            continue
        depth = len(text) - len(text.lstrip(" \t"))
        if (stripped == "-" or stripped.startswith("- ")) and depth >= indent:
            items.append(unquote(_uncommented(stripped[1:].strip())))
            last = n
            continue
        if not items and depth > indent and _KEY.match(text):
            return Field(key, index, index + 1, None, column, column, "map")
        if not items or depth <= indent or not any(_KEY.match(item) for item in items):
            break  # else another key of the last item, which is a mapping
        items[-1] += "\n" + stripped
        last = n
    if items:
        return Field(key, index, last + 1, [item for item in items if item], column, column, "list")
    return Field(key, index, index + 1, None, column, column, "empty")


def _flow(lines: list[str], index: int, end: int, key: str, start: int) -> Field:
    """A ``[flow, list]``, possibly over several lines."""
    items: list[str] = []
    current = ""
    line, column = index, start + 1
    while line < end:
        text = lines[line].rstrip("\r\n")
        while column < len(text):
            char = text[column]
            quoted = _QUOTED.match(text, column) if char in "\"'" and not current.strip() else None
            if quoted:
                current, column = unquote(quoted.group()), quoted.end()
                continue
            if char in ",]":
                if current.strip():
                    items.append(current.strip())
                current = ""
                if char == "]":
                    style = "flow" if line == index else "block"
                    return Field(key, index, line + 1, items, start, column + 1, style)
            elif char == "#" and (column == 0 or text[column - 1] in " \t"):
                break
            else:
                current += char
            column += 1
        line, column, current = line + 1, 0, current + " "
    text = lines[index].rstrip("\r\n")
    return Field(key, index, index + 1, text[start:], start, len(text), "broken")


def _uncommented(text: str) -> str:
    comment = re.search(r"(?:^|[ \t])#", text)
    return (text[: comment.start()] if comment else text).rstrip()


def _deeper(lines: list[str], index: int, end: int, indent: int) -> int:
    """Behind the last line that is indented more than ``indent``."""
    last = index + 1
    for n in range(index + 1, end):
        text = lines[n].rstrip("\r\n")
        if text.strip():
            if len(text) - len(text.lstrip(" \t")) <= indent or text.strip().startswith("#"):
                break
            last = n + 1
    return last


def _pairs(field: Field) -> list[tuple[str, str]]:
    """The values of a field for a filter; the keys of a list of mappings follow the key of the list."""
    if isinstance(field.value, str):
        empty = field.style == "plain" and (field.value in ("~", "null") or field.value.startswith("{"))
        return [] if empty else [(field.key, " ".join(field.value.split("\n")))]
    pairs: list[tuple[str, str]] = []
    for item in field.value or ():
        for line in item.split("\n") if field.style == "list" else [item]:
            match = _KEY.match(line) if field.style == "list" else None
            if match is None:
                pairs.append((field.key, line))
            else:
                name = match.group(2) or match.group(3) or match.group(4) or ""
                nested = _value([line], 0, 1, f"{field.key}.{name}", 0, match.end())
                pairs += _pairs(nested)
    return pairs


def _toml(lines: list[str]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    table = ""
    for line in lines:
        text = line.rstrip("\r\n")
        match = _TOML_TABLE.match(text)
        if match is not None:
            table = match.group(1).strip() + "."
            continue
        match = _TOML_KEY.match(text)
        if match is not None and match.group(2):
            pairs += _pairs(_value([text], 0, 1, table + match.group(1).strip("\"'"), 0, match.start(2)))
    return pairs


def unquote(text: str) -> str:
    """The text of a YAML scalar."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        return _ESCAPE.sub(_unescape, text[1:-1])
    return text


def _unescape(match: re.Match[str]) -> str:
    code = match.group(1) or match.group(2)
    return chr(int(code, 16)) if code else _ESCAPES.get(match.group(3), match.group(3))
