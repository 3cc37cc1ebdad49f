"""Documents along their headings: Markdown, reStructuredText, Org, AsciiDoc, LaTeX, plain text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from spelunk.chunk.lines import chunk_lines, join_blocks
from spelunk.chunk.rows import SMALL_CHARS, TARGET_CHARS, Fields, Layout
from spelunk.text import worklog
from spelunk.text.front_matter import front_matter
from spelunk.types import MAX_SYMBOL, Chunk, Definition, Document

Heading = tuple[int, int, str]
"""Row where the section starts, level (1 is outermost), title."""

_ATX: Final = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t\r]*$")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_SETEXT: Final = re.compile(r" {0,3}(=+|-+)[ \t\r]*$")
_NOT_PARAGRAPH: Final = re.compile(r"[ \t]*(?:[-*+>|]|\d+[.)])(?:[ \t]|$)|[ \t]{4}|\t")
_RST_RULE: Final = re.compile(r"""([!-/:-@\[-`{-~])\1{2,}[ \t\r]*$""")
_ORG: Final = re.compile(r"(\*{1,8})[ \t]+(?:(?:TODO|DONE)[ \t]+)?(.+?)[ \t]*(?::[\w:@]+:)?[ \t\r]*$")
_ASCIIDOC: Final = re.compile(r"(={1,6})[ \t]+(.+?)[ \t\r]*$")
_LATEX: Final = re.compile(
    r"[ \t]*\\(part|chapter|section|subsection|subsubsection|paragraph)\*?(?:\[[^\]]*\])?\{([^}]*)"
)
_LATEX_LEVEL: Final = {
    "part": 1,
    "chapter": 2,
    "section": 3,
    "subsection": 4,
    "subsubsection": 5,
    "paragraph": 6,
}
_MARKUP: Final = re.compile(r"[`*]+|!?\[([^\]]*)\]\([^)]*\)")


def chunk_prose(document: Document, layout: Layout) -> list[Chunk]:
    """Sections of kind ``section``; paragraphs of kind ``paragraph`` for text without headings.

    The scope is the path of the enclosing headings, joined by `` > ``; front
    matter becomes the fields of every chunk. A worklog gives chunks of its own
    kind, each dated entry a chunk (:mod:`spelunk.text.worklog`).
    """
    fields: Fields = ()
    first = 0
    if document.language == "markdown":
        fields, first = front_matter(layout.lines)
    find = _FINDERS.get(document.language)
    headings = find(layout.lines, first) if find is not None else []
    if document.language == "text":
        headings = [h for h in rst_headings(layout.lines) if _is_plain_title(layout.lines, h[0])]
    is_worklog = document.language == "markdown" and worklog.is_worklog(document.path, fields)
    kind = worklog.KIND if is_worklog else "section"
    if not headings:
        return chunk_lines(layout, kind if fields or is_worklog else "paragraph", fields)
    return _sections(layout, headings, kind, fields, is_worklog)


def _is_plain_title(lines: list[str], row: int) -> bool:
    """Whether a title in a plain text is underlined as documents do it: as long as itself."""
    title, rule = lines[row].strip(), lines[row + 1].strip()
    if _RST_RULE.match(title):
        title, rule = rule, title
    return (
        rule[:1] in "=-~^*+#"
        and len(title) <= len(rule) <= 2 * len(title) + 4
        and (title[:1].isalnum() or title[:1] in "`*(:")
    )


def _sections(
    layout: Layout, headings: list[Heading], kind: str, fields: Fields, is_worklog: bool
) -> list[Chunk]:
    out: list[Chunk] = []
    if headings[0][0] > 0:
        _emit(layout, out, 0, headings[0][0], kind, "", "", [], fields)
    path: list[tuple[int, str]] = []
    count = len(headings)
    i = 0
    while i < count:
        row, level, title = headings[i]
        while path and path[-1][0] >= level:
            path.pop()
        scope = " > ".join(t for _, t in path)
        path.append((level, title))
        symbol, update = _update(title) if is_worklog and level == 3 else (title, False)
        names = [Definition(symbol, "section", layout.raw_line(row))] if symbol else []
        i += 1
        # small subsections stay with their parent
        while i < count and not update:
            nested, nested_level, nested_title = headings[i]
            if nested_level <= level or (is_worklog and nested_level == 3 and _update(nested_title)[1]):
                break
            stop = _end_of(headings, i, layout.count)
            if layout.size(row, stop) > TARGET_CHARS or layout.size(nested, stop) >= SMALL_CHARS:
                break
            names.append(Definition(nested_title, "section", layout.raw_line(nested)))
            while path[-1][0] >= nested_level:
                path.pop()
            path.append((nested_level, nested_title))
            i += 1
        stop = headings[i][0] if i < count else layout.count
        if update:  # headings inside an entry belong to it
            while i < count and headings[i][1] > level:
                i += 1
            stop = headings[i][0] if i < count else layout.count
        _emit(layout, out, row, stop, kind, symbol, scope, names, fields)
    return out


def _end_of(headings: list[Heading], i: int, count: int) -> int:
    return headings[i + 1][0] if i + 1 < len(headings) else count


def _update(title: str) -> tuple[str, bool]:
    """The summary of an update entry's heading, and whether the heading is one."""
    summary = worklog.entry_summary(title)
    return (title, False) if summary is None else (summary[:MAX_SYMBOL], True)


def _emit(
    layout: Layout,
    out: list[Chunk],
    first: int,
    stop: int,
    kind: str,
    symbol: str,
    scope: str,
    names: list[Definition],
    fields: Fields,
) -> None:
    if layout.size(first, stop) <= TARGET_CHARS * 2:
        layout.emit(out, first, stop, kind, symbol, scope, tuple(names), fields)
        return
    for a, b in join_blocks(layout, first, stop):
        low, high = layout.raw_line(a), layout.raw_line(b - 1)
        here = tuple(name for name in names if low <= name.line <= high)
        layout.emit(out, a, b, kind, symbol, scope, here, fields)


def _plain(title: str) -> str:
    return _MARKUP.sub(r"\1", title).strip()[:MAX_SYMBOL]


def markdown_headings(lines: list[str], first: int = 0) -> list[Heading]:
    """ATX and setext headings outside fences (CommonMark 4.2, 4.3, 4.5).

    Args:
        lines: The rows of the document.
        first: The row to begin at, behind the front matter.
    """
    headings: list[Heading] = []
    fence = ""
    comment = False
    paragraph = -1  # row where the paragraph under way began
    for row in range(first, len(lines)):
        line = lines[row]
        if fence:
            match = _FENCE.match(line)
            if match and match.group(1).startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            continue
        if comment:
            comment = "-->" not in line
            continue
        stripped = line.strip()
        if not stripped:
            paragraph = -1
            continue
        lead = stripped[0]
        if lead in "`~":
            match = _FENCE.match(line)
            if match and not (lead == "`" and "`" in stripped.lstrip("`")):
                fence = match.group(1)
                paragraph = -1
                continue
        elif lead == "#":
            match = _ATX.match(line)
            if match:
                headings.append((row, len(match.group(1)), _plain(match.group(2) or "")))
                paragraph = -1
                continue
        elif lead in "=-" and paragraph >= 0:
            match = _SETEXT.match(line)
            if match:
                title = _plain(" ".join(part.strip() for part in lines[paragraph:row]))
                headings.append((paragraph, 1 if lead == "=" else 2, title))
                paragraph = -1
                continue
        elif lead == "<" and stripped.startswith("<!--") and "-->" not in stripped:
            comment = True
            paragraph = -1
            continue
        if _NOT_PARAGRAPH.match(line):
            paragraph = -1 if paragraph < 0 or not line.startswith(("    ", "\t")) else paragraph
        elif paragraph < 0:
            paragraph = row
    return headings


def rst_headings(lines: list[str], first: int = 0) -> list[Heading]:
    """Titles under, or between, rules of one punctuation character.

    Levels follow the order in which the styles appear, as docutils defines it.
    """
    headings: list[Heading] = []
    styles: dict[str, int] = {}
    row = first
    last = len(lines) - 1
    while row < last:
        line = lines[row]
        below = lines[row + 1]
        match = _RST_RULE.match(below) if line and not line[0].isspace() else None
        title = line.strip()
        if (
            match is not None
            and title
            and not _RST_RULE.match(line)
            and (row == first or not lines[row - 1].strip())
        ):
            if len(below.rstrip()) >= len(title) or len(below.rstrip()) >= 4:
                level = styles.setdefault(match.group(1), len(styles) + 1)
                headings.append((row, level, _plain(title)))
                row += 2
                continue
        elif row + 2 <= last and line.strip():
            match = _RST_RULE.match(line)
            title = below.strip()
            if match is not None and title and lines[row + 2].rstrip() == line.rstrip():
                level = styles.setdefault(match.group(1) * 2, len(styles) + 1)
                headings.append((row, level, _plain(title)))
                row += 3
                continue
        row += 1
    return headings


def _marked(pattern: re.Pattern[str]) -> Callable[[list[str], int], list[Heading]]:
    """A finder of headings whose level is the length of their mark."""

    def find(lines: list[str], first: int = 0) -> list[Heading]:
        headings: list[Heading] = []
        for row in range(first, len(lines)):
            line = lines[row]
            if line[:1] in "*=":
                match = pattern.match(line)
                if match:
                    headings.append((row, len(match.group(1)), _plain(match.group(2))))
        return headings

    return find


def latex_headings(lines: list[str], first: int = 0) -> list[Heading]:
    """The sectioning commands of LaTeX's standard classes."""
    headings: list[Heading] = []
    for row in range(first, len(lines)):
        if "\\" in lines[row]:
            match = _LATEX.match(lines[row])
            if match:
                headings.append((row, _LATEX_LEVEL[match.group(1)], _plain(match.group(2))))
    return headings


_FINDERS: Final[dict[str, Callable[[list[str], int], list[Heading]]]] = {
    "markdown": markdown_headings,
    "rst": rst_headings,
    "org": _marked(_ORG),
    "asciidoc": _marked(_ASCIIDOC),
    "latex": latex_headings,
}
