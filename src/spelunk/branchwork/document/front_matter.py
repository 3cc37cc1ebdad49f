"""The front matter of a document: read as fields, written one scalar at a time.

Understands the YAML that worklogs use: scalars plain and quoted, one level of
nesting, flow and block lists, block scalars, comments. A value it sets is
replaced inside its line; the key, the spacing, the trailing ``# hint`` and
every other line stay as they are. What it cannot read is kept and listed in
``unreadable``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from spelunk.io.lines import body

_KEY = re.compile(r"([ ]*)([A-Za-z_][\w.-]*|\"[^\"]*\"|'[^']*'):(?=[ \t]|$)")
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "e": "\x1b"}
_PLAIN = re.compile(r"[^\s\[\]{},#&*!|>'\"%@`?:-][^\x00-\x1f]*\Z")
_UNSAFE = re.compile(r":(?:\s|\Z)|\s#|\s\Z")
_NOT_TEXT = re.compile(r"(?:[-+]?[\d.][\d_.,:eE+-]*|0x[\da-f]+|true|false|yes|no|on|off|null|~)$", re.I)


@dataclass(frozen=True, slots=True)
class Field:
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


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The fields of a document.

    Attributes:
        start: Index of the opening ``---``.
        end: Index of the closing ``---``.
        fields: By dotted key; of a key given twice the last one counts, as in YAML.
        duplicates: Indices of lines that give a key again.
        unreadable: Indices of lines that are none of the YAML understood here.
    """

    start: int
    end: int
    fields: dict[str, Field] = field(default_factory=dict)
    duplicates: tuple[int, ...] = ()
    unreadable: tuple[int, ...] = ()

    def text(self, key: str) -> str:
        """The value as text, a list joined by commas, ``""`` where empty or absent."""
        found = self.fields.get(key)
        if found is None or found.value is None:
            return ""
        return found.value if isinstance(found.value, str) else ", ".join(found.value)

    def items(self, key: str) -> list[str]:
        """The value as a list; a scalar is split at its commas."""
        found = self.fields.get(key)
        if found is None or found.value is None:
            return []
        if isinstance(found.value, list):
            return list(found.value)
        return [part.strip() for part in found.value.split(",") if part.strip()]


def parse(lines: list[str]) -> FrontMatter | None:
    """The front matter that ``lines`` start with, or None."""
    if not lines or body(lines[0]).lstrip("\ufeff").rstrip() != "---":
        return None
    end = next((n for n in range(1, len(lines)) if body(lines[n]).rstrip() in ("---", "...")), None)
    if end is None:
        return None
    fields: dict[str, Field] = {}
    duplicates: list[int] = []
    unreadable: list[int] = []
    parent = ""
    index = 1
    while index < end:
        text = body(lines[index])
        if not text.strip() or text.lstrip().startswith("#"):
            index += 1
            continue
        found = _KEY.match(text)
        if found is None or (found.group(1) and not parent):
            unreadable.append(index)
            index += 1
            continue
        key = found.group(2).strip("\"'")
        indent = len(found.group(1))
        if indent:
            key = f"{parent}.{key}"
        entry = _value(lines, index, end, key, indent, found.end())
        if not indent:
            parent = key if entry.style == "map" else ""
        if key in fields:
            duplicates.append(index)
        if entry.style == "broken":
            unreadable.append(index)
        fields[key] = entry
        index = entry.end if entry.style != "map" else index + 1
    return FrontMatter(0, end, fields, tuple(duplicates), tuple(unreadable))


def _value(lines: list[str], index: int, end: int, key: str, indent: int, column: int) -> Field:
    text = body(lines[index])
    start = column
    while start < len(text) and text[start] in " \t":
        start += 1
    if start == len(text) or (text[start] == "#" and start > column):
        return _below(lines, index, end, key, indent, column)
    rest = text[start:]
    if rest[0] == "[":
        return _flow(lines, index, end, key, start)
    if rest[0] in "|>":
        stop = _deeper(lines, index, end, indent)
        kept = [body(line).strip() for line in lines[index + 1 : stop]]
        joiner = "\n" if rest[0] == "|" else " "
        return Field(key, index, stop, joiner.join(kept).strip(), start, len(text), "block")
    quoted = _QUOTED.match(rest)
    if quoted:
        return Field(key, index, index + 1, unquote(quoted.group()), start, start + quoted.end(), "quoted")
    stop = start + len(_uncommented(rest))
    value, after = text[start:stop], _deeper(lines, index, end, indent)
    more = [_uncommented(body(line).strip()) for line in lines[index + 1 : after]]
    if more and not any(_KEY.match(body(line)) for line in lines[index + 1 : after]):
        return Field(key, index, after, " ".join([value, *filter(None, more)]), start, stop, "plain")
    return Field(key, index, index + 1, value, start, stop, "plain")


def _below(lines: list[str], index: int, end: int, key: str, indent: int, column: int) -> Field:
    """A key with nothing behind it: a block list, a mapping, or empty."""
    items: list[str] = []
    last = index
    for n in range(index + 1, end):
        text = body(lines[n])
        stripped = text.strip()
        if not stripped or stripped.startswith("#"):
            continue
        depth = len(text) - len(text.lstrip(" "))
        if (stripped == "-" or stripped.startswith("- ")) and depth >= indent:
            items.append(unquote(_uncommented(stripped[1:].strip())))
            last = n
            continue
        if not items and not indent and depth > indent and _KEY.match(text):
            return Field(key, index, index + 1, None, column, column, "map")
        break
    if items:
        return Field(key, index, last + 1, [item for item in items if item], column, column, "list")
    return Field(key, index, index + 1, None, column, column, "empty")


def _flow(lines: list[str], index: int, end: int, key: str, start: int) -> Field:
    """A ``[flow, list]``, possibly over several lines."""
    items: list[str] = []
    current = ""
    line, column = index, start + 1
    while line < end:
        text = body(lines[line])
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
    text = body(lines[index])
    return Field(key, index, index + 1, text[start:], start, len(text), "broken")


def _uncommented(text: str) -> str:
    found = re.search(r"(?:^|[ \t])#", text)
    return (text[: found.start()] if found else text).rstrip()


def _deeper(lines: list[str], index: int, end: int, indent: int) -> int:
    """Behind the last line that is indented more than ``indent``."""
    last = index + 1
    for n in range(index + 1, end):
        text = body(lines[n])
        if text.strip():
            if len(text) - len(text.lstrip(" \t")) <= indent or text.strip().startswith("#"):
                break
            last = n + 1
    return last


def unquote(text: str) -> str:
    """The text that a YAML scalar stands for."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        return _ESCAPE.sub(_unescape, text[1:-1])
    return text


def _unescape(found: re.Match[str]) -> str:
    code = found.group(1) or found.group(2)
    return chr(int(code, 16)) if code else _ESCAPES.get(found.group(3), found.group(3))


def scalar(text: str, *, word: bool = False) -> str:
    """``text`` as a YAML scalar, quoted only where it must be.

    Args:
        word: Also quote what another reader would take for a number or a truth value.
    """
    if not text:
        return ""
    ambiguous = word and _NOT_TEXT.match(text)
    return text if _PLAIN.match(text) and not _UNSAFE.search(text) and not ambiguous else _quote(text)


def _quote(text: str) -> str:
    if any(ord(char) < 32 for char in text):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if ord(c) >= 32 else f"\\x{ord(c):02x}" for c in escaped) + '"'
    return "'" + text.replace("'", "''") + "'"


def replace_value(line: str, entry: Field, value: str) -> str:
    """The key's line with another value; all else in it stays."""
    text = body(line)
    eol = line[len(text) :]
    head, tail = text[: entry.start], text[entry.stop :]
    if entry.start == entry.stop:  # an empty value: `key:` or `key: # hint`
        hint = tail.lstrip(" \t")
        if not value:
            return line
        gap = tail[: len(tail) - len(hint)]
        behind = (gap if hint and len(gap) > 1 else " ") + hint if hint else ""
        return f"{head} {value}{behind}{eol}"
    return f"{head}{value}{tail}{eol}"
