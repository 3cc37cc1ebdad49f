"""Line spans of Markdown blocks: headings, code fences, list items, read with markdown-it-py.

Only block structure is parsed (CommonMark); nothing is rendered. Setext
headings and everything in a block quote are treated as text. The parser
is imported at the first scan, because its import takes some 50 ms.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MAX_NESTING: Final = 60
"""Levels of nested lists that are read; the parser recurses for each."""

_MARKER: Final = re.compile(r"([ \t]*)([-+*]|\d{1,9}[.)])([ \t]*)")
_TABLE_RULE: Final = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?")
_TASK: Final = re.compile(r"\[([ xX])\](?:[ \t]+|$)")


class Heading(Struct, frozen=True):
    """An ATX heading outside every list; ``line`` is a 0-based index."""

    line: int
    level: int
    text: str


class Fence(Struct, frozen=True):
    """A fenced code block.

    Attributes:
        start: Index of the opening line.
        end: Index behind the last line: behind the closing fence where there is one.
        marker: The run of backticks or tildes.
        info: The info string.
        closed: False when the text, or the list item around it, ended first.
        depth: How many list items it is in.
    """

    start: int
    end: int
    marker: str
    info: str
    closed: bool
    depth: int


class ListItem(Struct, frozen=True):
    """A list item.

    Attributes:
        start: Index of its first line.
        end: Index behind its last line that is not blank.
        depth: 0 at top level.
        indent: Column of the marker.
        content: Column where its content starts.
        marker: ``-``, ``*``, ``1.``, ...
        task: ``" "``, ``"x"`` or ``"X"`` for a checkbox, else None.
        text: The rest of the first line, behind marker and checkbox.
    """

    start: int
    end: int
    depth: int
    indent: int
    content: int
    marker: str
    task: str | None
    text: str


class Blocks(Struct, frozen=True):
    """The blocks of a text, each kind in the order of the text.

    Attributes:
        breaks: Indices of thematic breaks at top level.
        open_html: Index of an HTML block that nothing closes, or None.
    """

    headings: tuple[Heading, ...]
    fences: tuple[Fence, ...]
    items: tuple[ListItem, ...]
    breaks: tuple[int, ...]
    open_html: int | None = None


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"maxNesting": MAX_NESTING})


def scan(lines: list[str], start: int = 0, end: int | None = None) -> Blocks:
    """The blocks of ``lines[start:end]``; lines may have their endings."""
    texts = [line.rstrip("\r\n").replace("\r", " ").replace("\n", " ") for line in lines[start:end]]
    tokens: list[Token] = []
    parser = _parser()
    parser.block.parse("".join(f"{text}\n" for text in texts), parser, {}, tokens)
    headings: list[Heading] = []
    fences: list[Fence] = []
    items: list[ListItem] = []
    breaks: list[int] = []
    columns: list[int] = []  # content columns of the list items around the token
    quotes = 0
    open_html: int | None = None
    for n, token in enumerate(tokens):
        if token.type.startswith("blockquote_"):
            quotes += token.nesting
        elif token.type == "list_item_close" and not quotes:
            columns.pop()
        if quotes or token.map is None:
            continue
        first, last = token.map
        if token.type == "list_item_open":
            same_line = bool(items) and items[-1].start == first + start and bool(columns)
            items.append(_item(texts, first, last, start, len(columns), columns[-1] if same_line else 0))
            columns.append(items[-1].content)
        elif token.type == "heading_open" and token.markup[0] == "#" and not columns:
            headings.append(Heading(first + start, int(token.tag[1]), tokens[n + 1].content.strip()))
        elif token.type == "fence":
            closed = token.content.count("\n") == last - first - 2
            info = token.info.strip()
            fences.append(Fence(first + start, last + start, token.markup, info, closed, len(columns)))
        elif token.type == "hr" and not columns:
            breaks.append(first + start)
        elif token.type == "html_block" and not any(text.strip() for text in texts[last:]):
            open_html = first + start if _is_open(token.content) else None
    return Blocks(tuple(headings), tuple(fences), tuple(items), tuple(breaks), open_html)


def _item(texts: list[str], first: int, last: int, offset: int, depth: int, column: int) -> ListItem:
    """The item in ``texts[first:last]`` whose marker is at ``column`` or after it."""
    text = texts[first]
    at = next((n for n in range(len(text) + 1) if len(text[:n].expandtabs(4)) >= column), 0)
    match = _MARKER.match(text, at)
    assert match is not None
    behind = len(text[: match.end(2)].expandtabs(4))
    content, body = len(text[: match.end()].expandtabs(4)), text[match.end() :]
    if not body:
        content = behind + 1
    elif content - behind > 4:  # indented code is the item's first block
        content, body = behind + 1, ""
    while last > first + 1 and not texts[last - 1].strip():
        last -= 1
    box = _TASK.match(body)
    return ListItem(
        first + offset, last + offset, depth, len(text[: match.start(2)].expandtabs(4)), content, match.group(2),
        box.group(1) if box else None, (body[box.end() :] if box else body).rstrip(),
    )  # fmt: skip


def _is_open(html: str) -> bool:
    """Whether an HTML block needs an end, other than a blank line, that it does not have."""
    from markdown_it.rules_block.html_block import HTML_SEQUENCES

    text = html.lstrip()
    return next((not end.search(text) for begin, end, _ in HTML_SEQUENCES[:5] if begin.search(text)), False)


def fence_for(text: str, least: int = 3) -> str:
    """A run of backticks longer than any in ``text``, and at least ``least`` long."""
    return "`" * max(least, 1 + max(map(len, re.findall(r"`+", text)), default=0))


def code_span(text: str) -> str:
    """``text`` as inline code, whatever backticks it holds."""
    ticks = fence_for(text, 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def quote(text: str, info: str, least: int) -> list[str]:
    """``text`` inside a fence longer than any run of backticks in it."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    fence = fence_for(text, least)
    return [fence + info, *(line.removesuffix("\r") for line in lines), fence]


def is_table_rule(line: str) -> bool:
    """Whether the line is a table's ``|---|:-:|`` row."""
    text = line.strip()
    return "|" in text and _TABLE_RULE.fullmatch(text) is not None


def cells(line: str) -> list[str]:
    """The cells of a table row, ``\\|`` read as a bar."""
    text = line.strip()
    text = text[1:] if text.startswith("|") else text
    if text.endswith("|") and not text.endswith("\\|"):
        text = text[:-1]
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", text)]
