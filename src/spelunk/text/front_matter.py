"""Front matter as facts: ``---`` YAML or ``+++`` TOML at the top of a document.

A small subset is read by hand: scalars, quoted or not, nested maps by
indentation, lists as dashes or in brackets, block scalars. What is not
understood is left out; nothing is ever executed or expanded.
"""

from __future__ import annotations

import re
from typing import Final

from spelunk.types import Fields

MAX_ROWS: Final = 400
"""Front matter that is not closed within so many rows is a thematic break."""

MAX_FIELDS: Final = 100
MAX_VALUE: Final = 500

_KEY: Final = re.compile(
    r"""([ \t]*)(?:"([^"]*)"|'([^']*)'|([^\s:#"'\[\]{}-][^:#\[\]{}]*?))[ \t]*:(?:[ \t]+(.*)|[ \t]*)$"""
)
_ITEM: Final = re.compile(r"([ \t]*)-(?:[ \t]+(.*)|[ \t]*)$")
_TOML_KEY: Final = re.compile(r"""[ \t]*([\w"'.-]+)[ \t]*=[ \t]*(.*)$""")
_TOML_TABLE: Final = re.compile(r"[ \t]*\[\[?([^\[\]]+)\]\]?[ \t]*$")
_FLOW: Final = re.compile(r"""[ \t]*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^,\[\]]+))""")


def front_matter(lines: list[str]) -> tuple[Fields, int]:
    """The fields of a document's front matter and the row behind it.

    Args:
        lines: The rows of the document.

    Returns:
        ``(key, value)`` pairs, nested keys joined by dots and one pair for
        each item of a list; ``((), 0)`` where there is none.
    """
    mark = lines[0].rstrip() if lines else ""
    if mark not in ("---", "+++"):
        return (), 0
    ends = ("---", "...") if mark == "---" else ("+++",)
    for row in range(1, min(len(lines), MAX_ROWS)):
        if lines[row].rstrip() in ends:
            body = [line.rstrip("\r") for line in lines[1:row]]
            fields = _yaml(body) if mark == "---" else _toml(body)
            if not fields and any(line.strip() for line in body) and mark == "---":
                return (), 0  # text between two thematic breaks
            return tuple(fields[:MAX_FIELDS]), row + 1
    return (), 0


def _yaml(lines: list[str]) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    path: list[tuple[int, str]] = []  # the open keys with their indentation
    block = -1  # indentation of the key whose block scalar is open
    gathered: list[str] = []

    def close() -> None:
        nonlocal block
        if block >= 0 and gathered:
            _add(fields, ".".join(key for _, key in path), " ".join(gathered))
        block = -1
        gathered.clear()

    for line in lines:
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        if block >= 0:
            if indent > block:
                gathered.append(line.strip())
                continue
            close()
        if line.lstrip().startswith("#"):
            continue
        item = _ITEM.match(line)
        if item is not None:
            while path and path[-1][0] > indent:
                path.pop()
            text = item.group(2) or ""
            nested = _KEY.match(text)
            if nested is not None and text[:1] not in "\"'[{":
                # a list of maps: its keys stand under the list's own key
                while len(path) > 1 and path[-1][0] >= indent + 1:
                    path.pop()
                key = nested.group(4) or nested.group(2) or nested.group(3) or ""
                prefix = ".".join(k for _, k in path)
                for value in _values(nested.group(5) or ""):
                    _add(fields, f"{prefix}.{key}" if prefix else key, value)
            elif path:
                for value in _values(text):
                    _add(fields, ".".join(k for _, k in path), value)
            continue
        match = _KEY.match(line)
        if match is None:
            continue
        while path and path[-1][0] >= indent:
            path.pop()
        key = match.group(4) or match.group(2) or match.group(3) or ""
        path.append((indent, key.strip()))
        value = (match.group(5) or "").strip()
        if value[:1] in ("|", ">"):
            block = indent
            continue
        for one in _values(value):
            _add(fields, ".".join(k for _, k in path), one)
    close()
    return fields


def _toml(lines: list[str]) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    table = ""
    for line in lines:
        match = _TOML_TABLE.match(line)
        if match is not None:
            table = match.group(1).strip() + "."
            continue
        match = _TOML_KEY.match(line)
        if match is not None:
            for value in _values(match.group(2)):
                _add(fields, table + match.group(1).strip("\"'"), value)
    return fields


def _values(text: str) -> list[str]:
    """The scalar, or each scalar of a list in brackets, without quotes and trailing comment."""
    text = text.strip()
    if text.startswith("["):
        inner = text[1:].partition("]")[0]
        found = (m.group(1) or m.group(2) or (m.group(3) or "").strip() for m in _FLOW.finditer(inner))
        return [value for value in found if value]
    if text.startswith("{"):
        return []
    for quote in "\"'":
        if text.startswith(quote):
            end = text.find(quote, 1)
            return [text[1:end]] if end > 1 else []
    if text.startswith("#"):
        return []
    text = re.split(r"[ \t]#", text, maxsplit=1)[0].strip()
    return [text] if text and text not in ("~", "null") else []


def _add(fields: list[tuple[str, str]], key: str, value: str) -> None:
    if key and value:
        fields.append((key, value[:MAX_VALUE]))
