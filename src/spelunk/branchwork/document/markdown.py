"""Where the blocks of a Markdown text begin and end, line by line.

Useful for finding headings, code fences and list items without rendering
anything. It follows CommonMark's block rules for what decides those three:
fences, HTML blocks, list containers, lazy paragraphs and indentation. It is
not a renderer: setext headings, link definitions and inline markup are text.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

_MARKER = re.compile(r"([-+*]|\d{1,9}[.)])(?=[ \t]|$)")
_FENCE = re.compile(r"(`{3,})([^`]*)$|(~{3,})(.*)$")
_HEADING = re.compile(r"(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*$")
_BREAK = re.compile(r"(?:\*[ \t]*){3,}$|(?:-[ \t]*){3,}$|(?:_[ \t]*){3,}$")
_SETEXT = re.compile(r"(?:=+|-+)[ \t]*$")
_TASK = re.compile(r"\[([ xX])\](?:[ \t]+|$)")
_BLOCK_TAGS = (
    "address article aside base basefont blockquote body caption center col colgroup dd details dialog dir div dl "
    "dt fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hr html iframe legend "
    "li link main menu menuitem nav noframes ol optgroup option p param search section summary table tbody td "
    "tfoot th thead title tr track ul"
).replace(" ", "|")
_ATTRIBUTE = r"\s+[A-Za-z_:][\w.:-]*(?:\s*=\s*(?:[^\s\"'=<>`]+|'[^']*'|\"[^\"]*\"))?"


@functools.cache
def _html_kinds() -> tuple[tuple[re.Pattern[str], re.Pattern[str] | None], ...]:
    """The seven kinds of HTML block: how each starts, and the text that ends it (a blank line where None)."""
    return (
        (
            re.compile(r"<(?:script|pre|style|textarea)(?:\s|>|$)", re.I),
            re.compile(r"</(?:script|pre|style|textarea)>", re.I),
        ),
        (re.compile(r"<!--"), re.compile(r"-->")),
        (re.compile(r"<\?"), re.compile(r"\?>")),
        (re.compile(r"<![A-Za-z]"), re.compile(r">")),
        (re.compile(r"<!\[CDATA\["), re.compile(r"\]\]>")),
        (re.compile(rf"</?(?:{_BLOCK_TAGS})(?:\s|/?>|$)", re.I), None),
        (re.compile(rf"(?:<[A-Za-z][\w-]*(?:{_ATTRIBUTE})*\s*/?>|</[A-Za-z][\w-]*\s*>)\s*$"), None),
    )


@dataclass(frozen=True, slots=True)
class Heading:
    """An ATX heading outside every list; ``line`` is a 0-based index."""

    line: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Fence:
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


@dataclass(frozen=True, slots=True)
class Item:
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


@dataclass(frozen=True, slots=True)
class Blocks:
    """What :func:`scan` found, each list in the order of the text.

    Attributes:
        breaks: Indices of thematic breaks at top level.
        open_html: Index where an HTML block starts that nothing ends, or None.
    """

    headings: tuple[Heading, ...]
    fences: tuple[Fence, ...]
    items: tuple[Item, ...]
    breaks: tuple[int, ...]
    open_html: int | None = None


def scan(lines: list[str], start: int = 0, end: int | None = None) -> Blocks:
    """The blocks of ``lines[start:end]``; lines may carry their endings."""
    scanner = _Scanner()
    for index in range(start, len(lines) if end is None else end):
        scanner.line(index, lines[index].rstrip("\r\n"))
    return scanner.finish(len(lines) if end is None else end)


def _columns(text: str, column: int) -> tuple[int, int]:
    """How many leading blanks ``text`` has, and the column behind them (tabs stop at 4)."""
    for n, char in enumerate(text):
        if char == " ":
            column += 1
        elif char == "\t":
            column += 4 - column % 4
        else:
            return n, column
    return len(text), column


class _OpenItem:
    __slots__ = ("content", "depth", "empty", "end", "indent", "marker", "start", "task", "text")

    def __init__(self, start: int, depth: int, indent: int, content: int, marker: str, rest: str) -> None:
        self.start, self.end, self.depth = start, start + 1, depth
        self.indent, self.content, self.marker = indent, content, marker
        box = _TASK.match(rest)
        self.task = box.group(1) if box else None
        self.text = rest[box.end() :] if box else rest
        self.empty = not rest


class _Scanner:
    def __init__(self) -> None:
        self.headings: list[Heading] = []
        self.fences: list[Fence] = []
        self.items: list[_OpenItem] = []
        self.breaks: list[int] = []
        self.open: list[_OpenItem] = []
        self.paragraph = False  # a paragraph that the next line may continue
        self.quote = False  # ... and that paragraph is inside a block quote
        self.fence: tuple[int, str, str, int] | None = None  # start, marker, info, depth
        self.html: tuple[int, re.Pattern[str] | None, int] | None = None  # start, end, depth

    def line(self, index: int, text: str) -> None:
        skip, column = _columns(text, 0)
        if skip == len(text):
            self.blank()
            return
        matched = 0
        while matched < len(self.open) and column >= self.open[matched].content:
            matched += 1
        if self.fence is not None and self.in_fence(index, text[skip:], column, matched):
            return
        if self.html is not None:
            _, ends, depth = self.html
            if matched >= depth:
                self.touch(index, matched)
                if ends is not None and ends.search(text):
                    self.html = None
                return
            self.html = None
        self.block(index, text[skip:], column, matched)

    def blank(self) -> None:
        if self.html is not None and self.html[1] is None:
            self.html = None
        if self.fence is None and self.open and self.open[-1].empty:
            self.open.pop()  # an item that starts with a blank line holds at most that one
        self.paragraph = self.quote = False

    def in_fence(self, index: int, text: str, column: int, matched: int) -> bool:
        assert self.fence is not None
        start, marker, info, depth = self.fence
        if matched < depth:  # the list item around it has ended, and the fence with it
            self.fences.append(Fence(start, index, marker, info, False, depth))
            self.fence = None
            return False
        base = self.open[depth - 1].content if depth else 0
        self.touch(index, depth)
        run = text.rstrip(" \t")
        if column - base < 4 and len(run) >= len(marker) and run == marker[0] * len(run):
            self.fences.append(Fence(start, index + 1, marker, info, True, depth))
            self.fence = None
        return True

    def block(self, index: int, text: str, column: int, matched: int) -> None:
        base = self.open[matched - 1].content if matched else 0
        lazy = self.paragraph and (matched < len(self.open) or self.quote)
        if column - base < 4:
            if text[0] == ">":
                self.close_to(index, matched)
                inner = text[1:].strip()
                self.paragraph = self.quote = bool(inner) and not _starts_block(inner)
                return
            heading = _HEADING.match(text) if text[0] == "#" else None
            if heading:
                self.close_to(index, matched)
                self.paragraph = self.quote = False
                if not self.open:
                    self.headings.append(
                        Heading(index, len(heading.group(1)), (heading.group(2) or "").strip())
                    )
                return
            fence = _FENCE.match(text) if text[0] in "`~" else None
            if fence:
                self.close_to(index, matched)
                self.paragraph = self.quote = False
                marker, info = fence.group(1) or fence.group(3), fence.group(2) or fence.group(4) or ""
                self.fence = (index, marker, info.strip(), len(self.open))
                return
            if text[0] == "<" and self.html_start(index, text, matched):
                return
            if self.paragraph and not lazy and _SETEXT.match(text):
                self.touch(index, matched)
                self.paragraph = False
                return
            if text[0] in "*-_" and _BREAK.match(text):
                self.close_to(index, matched)
                self.paragraph = self.quote = False
                if not self.open:
                    self.breaks.append(index)
                return
            if self.item(index, text, column, matched, interrupts=self.paragraph and not lazy):
                return
        elif not self.paragraph:  # indented code
            self.close_to(index, matched)
            return
        if lazy:
            self.touch(index, len(self.open))
            return
        self.close_to(index, matched)
        self.paragraph, self.quote = True, False

    def html_start(self, index: int, text: str, matched: int) -> bool:
        for n, (starts, ends) in enumerate(_html_kinds()):
            if starts.match(text) and not (n == 6 and self.paragraph):
                self.close_to(index, matched)
                self.paragraph = self.quote = False
                if ends is None or not ends.search(text):
                    self.html = (index, ends, len(self.open))
                return True
        return False

    def item(self, index: int, text: str, column: int, matched: int, *, interrupts: bool) -> bool:
        found = _MARKER.match(text)
        if found is None:
            return False
        marker = found.group(1)
        rest = text[found.end() :]
        if interrupts and (not rest.strip() or (marker[0].isdigit() and int(marker[:-1]) != 1)):
            return False
        self.close_to(index, matched)
        behind = column + len(marker)
        skip, content = _columns(rest, behind)
        body = rest[skip:]
        if not body:
            content = behind + 1
        elif content - behind > 4:  # indented code as the item's first block
            content, body = behind + 1, ""
        opened = _OpenItem(index, len(self.open), column, content, marker, body)
        opened.empty = not rest.strip()
        self.items.append(opened)
        self.open.append(opened)
        self.paragraph = self.quote = False
        if body:
            self.block(index, body, content, len(self.open))
        return True

    def close_to(self, index: int, matched: int) -> None:
        del self.open[matched:]
        self.touch(index, matched)

    def touch(self, index: int, matched: int) -> None:
        for item in self.open[:matched]:
            item.end = index + 1
            if item.start != index:
                item.empty = False

    def finish(self, end: int) -> Blocks:
        if self.fence is not None:
            start, marker, info, depth = self.fence
            self.fences.append(Fence(start, end, marker, info, False, depth))
        items = tuple(
            Item(i.start, i.end, i.depth, i.indent, i.content, i.marker, i.task, i.text.rstrip())
            for i in self.items
        )
        open_html = self.html[0] if self.html is not None and self.html[1] is not None else None
        return Blocks(tuple(self.headings), tuple(self.fences), items, tuple(self.breaks), open_html)


def _starts_block(text: str) -> bool:
    """Whether a quoted line is something that a following plain line cannot continue."""
    return bool(_HEADING.match(text) or _FENCE.match(text) or _BREAK.match(text))


def fence_for(text: str, least: int = 3) -> str:
    """A run of backticks longer than any in ``text``, and at least ``least`` long."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(least, longest + 1)


def code_span(text: str) -> str:
    """``text`` as inline code, whatever backticks it holds."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    if not longest:
        return f"`{text}`"
    ticks = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"
