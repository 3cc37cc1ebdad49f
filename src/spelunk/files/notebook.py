"""Jupyter notebooks: the cells' sources out of their JSON, with raw line numbers.

The JSON is scanned once, token by token, and only the strings of cell sources
are decoded, so outputs and attachments cost no memory, however large or deep.
"""

from __future__ import annotations

import json
import re
from typing import Final

MAX_TOKENS: Final = 1_000_000
"""A notebook with more JSON tokens is treated as plain lines: bounds the time on hostile input."""

MARK_CODE: Final = "# %%"
MARK_MARKDOWN: Final = "# %% [markdown]"
MARK_RAW: Final = "# %% [raw]"
"""Lines that open a cell in the unwrapped text: the "percent" script format that editors know."""

_TOKEN: Final = re.compile(r'("[^"\\]*+(?:\\.[^"\\]*+)*+")(\s*+:)?|[{}\[\]]', re.DOTALL)
_MAX_DEPTH: Final = 200
_MARKS: Final = {"markdown": MARK_MARKDOWN, "heading": MARK_MARKDOWN, "raw": MARK_RAW}


def unwrap(text: str) -> tuple[str, tuple[int, ...]] | None:
    """The sources of a notebook's cells, one after the other, each below a marker line.

    Args:
        text: The JSON, nbformat 3 or 4.

    Returns:
        The text, and the 1-based raw line of each of its lines; None where
        the JSON is broken, too deep or too long, or holds no list of cells.
    """
    out: list[str] = []
    lines: list[int] = []
    if not text.lstrip().startswith("{"):
        return None
    stack: list[str] = []
    keys: list[str] = []  # the key under which each open container stands
    key = ""
    cell_depth = -1
    seen_cells = False
    kind = "code"
    sources: list[tuple[str, int]] = []
    line = 1
    counted = 0
    for count, match in enumerate(_TOKEN.finditer(text)):
        if count >= MAX_TOKENS:
            return None
        string = match.group(1)
        if string is None:
            mark = match.group()
            if mark in "{[":
                if len(stack) >= _MAX_DEPTH:
                    return None
                if mark == "[" and key == "cells" and cell_depth < 0 and stack and stack[-1] == "{":
                    seen_cells = True
                    cell_depth = len(stack) + 1
                stack.append(mark)
                keys.append(key)
                if mark == "{" and len(stack) == cell_depth + 1:
                    kind, sources = "code", []
                key = ""
            else:
                if not stack or (stack.pop() == "{") != (mark == "}"):
                    return None
                keys.pop()
                key = ""
                if cell_depth >= 0:
                    if len(stack) == cell_depth and mark == "}":
                        _append(out, lines, kind, sources)
                    elif len(stack) < cell_depth:
                        cell_depth = -1
        elif match.group(2) is not None:
            key = string[1:-1]
        elif cell_depth >= 0:
            depth = len(stack)
            in_cell = depth == cell_depth + 1
            if in_cell and key == "cell_type":
                kind = string[1:-1]
            elif (in_cell and key in ("source", "input")) or (
                depth == cell_depth + 2 and stack[-1] == "[" and keys[-1] in ("source", "input")
            ):
                line += text.count("\n", counted, match.start())
                counted = match.start()
                try:
                    sources.append((json.loads(string, strict=False), line))
                except ValueError:
                    return None
    if stack or not seen_cells:
        return None
    return _clean("\n".join(out)), tuple(lines)


def _append(out: list[str], lines: list[int], kind: str, sources: list[tuple[str, int]]) -> None:
    if not any(value and not value.isspace() for value, _ in sources):
        return
    out.append(_MARKS.get(kind, MARK_CODE))
    lines.append(sources[0][1])
    fresh = True
    for value, line in sources:
        for i, part in enumerate(value.split("\n")):
            if i or fresh:
                out.append(part)
                lines.append(line)
            else:
                if not out[-1]:
                    lines[-1] = line  # the string before ended its line
                out[-1] += part
        fresh = False
    if out[-1] == "":
        out.pop()
        lines.pop()


def _clean(text: str) -> str:
    """Escapes in JSON can spell half a surrogate pair, which no codec can write."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
