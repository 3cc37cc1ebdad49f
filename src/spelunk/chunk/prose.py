"""Cut documents along their headings: Markdown, reStructuredText, Org, AsciiDoc, LaTeX, plain text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from spelunk.chunk.lines import chunk_lines, join_blocks
from spelunk.chunk.rows import SMALL_CHARS, TARGET_CHARS, Piece, TextRows
from spelunk.text import worklog
from spelunk.text.front_matter import front_matter
from spelunk.types import MAX_SYMBOL, Chunk, Definition, Document, Fields

Heading = tuple[int, int, str]
"""Row where the section starts, level (1 is outermost), title."""

_ATX: Final = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t\r]*$")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_SETEXT: Final = re.compile(r" {0,3}(=+|-+)[ \t\r]*$")
_SETEXT_MARKS: Final = ("=", "-")
_NOT_PARAGRAPH: Final = re.compile(r"[ \t]*(?:[-*+>|]|\d+[.)])(?:[ \t]|$)|[ \t]{4}|\t")
_RST_RULE: Final = re.compile(r"""([!-/:-@\[-`{-~])\1{2,}[ \t\r]*$""")
_RST_RULES: Final = frozenset(chr(n) * 3 for n in range(33, 127) if not chr(n).isalnum())
"""How a rule begins."""
_ORG: Final = re.compile(r"(\*{1,8})[ \t]+(?:(?:TODO|DONE)[ \t]+)?(.+?)[ \t]*(?::[\w:@]+:)?[ \t\r]*$")
_ASCIIDOC: Final = re.compile(r"(={1,6})[ \t]+(.+?)[ \t\r]*$")
_LATEX: Final = re.compile(
    r"[ \t]*\\(part|chapter|section|subsection|subsubsection|paragraph)\*?(?:\[[^\]]*\])?\{([^}]*)"
)
_LATEX_LEVEL: Final = {
    word: n + 1
    for n, word in enumerate(["part", "chapter", "section", "subsection", "subsubsection", "paragraph"])
}
_MARKUP: Final = re.compile(r"[`*]+|!?\[([^\]]*)\]\([^)]*\)")


def chunk_prose(document: Document, rows: TextRows) -> list[Chunk]:
    """Sections of kind ``section``; paragraphs of kind ``paragraph`` for text without headings.

    The scope is the path of the enclosing headings, joined by `` > ``; front
    matter becomes the fields of every chunk. A worklog gives chunks of its own
    kind, each dated entry a chunk (:mod:`spelunk.text.worklog`).
    """
    fields: Fields = ()
    first = 0
    if document.language == "markdown":
        fields, first = front_matter(rows.lines)
    find = _FINDERS.get(document.language)
    headings = find(rows.lines, first) if find is not None else []
    if document.language == "text":
        headings = [h for h in rst_headings(rows.lines) if _is_plain_title(rows.lines, h[0])]
    is_worklog = document.language == "markdown" and worklog.is_worklog(document.path, fields)
    kind = worklog.KIND if is_worklog else "section"
    if not headings:
        return chunk_lines(rows, kind if fields or is_worklog else "paragraph", fields)
    return _sections(rows, headings, Piece(kind, fields=fields))


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


def outline(headings: list[Heading], rows: TextRows) -> list[Definition]:
    """A definition of kind ``section`` for each heading, with its scope and the end of its section.

    A section ends before the next heading of its own or an outer level.
    """
    scopes: list[str] = []
    stops = [rows.count] * len(headings)
    path: list[int] = []  # the headings around the current one
    for i, (row, level, _) in enumerate(headings):
        while path and headings[path[-1]][1] >= level:
            stops[path.pop()] = row
        scopes.append(" > ".join(headings[n][2] for n in path))
        path.append(i)
    return [
        Definition(title, "section", rows.raw_line(row), scope, rows.end_line(row, stop))
        for (row, _, title), scope, stop in zip(headings, scopes, stops, strict=True)
    ]


def _sections(rows: TextRows, headings: list[Heading], like: Piece) -> list[Chunk]:
    """Emit a chunk for each section; small subsections stay with their parent.

    Args:
        like: Kind and fields of every chunk.
    """
    out: list[Chunk] = []
    if headings[0][0] > 0:
        _emit(rows, out, 0, headings[0][0], like)
    is_worklog = like.kind == worklog.KIND
    sections = outline(headings, rows)
    summaries = [
        worklog.entry_summary(title) if is_worklog and level == 3 else None for _, level, title in headings
    ]
    bounds = [row for row, _, _ in headings] + [rows.count]
    count = len(headings)
    i = 0
    while i < count:
        row, level, _ = headings[i]
        main, summary = sections[i], summaries[i]
        if summary is not None:
            main = Definition(summary[:MAX_SYMBOL], main.kind, main.line, main.scope, main.end_line)
        names = [main] if main.name else []
        i += 1
        while i < count:
            if headings[i][1] <= level:
                break
            if summary is None:
                size = rows.size(row, bounds[i + 1])
                own = rows.size(bounds[i], bounds[i + 1])
                if summaries[i] is not None or size > TARGET_CHARS or own >= SMALL_CHARS:
                    break
                if sections[i].name:
                    names.append(sections[i])
            i += 1  # headings inside an update entry belong to it
        piece = like._replace(symbol=main.name, scope=main.scope, definitions=tuple(names))
        _emit(rows, out, row, bounds[i], piece)
    return out


def _emit(rows: TextRows, out: list[Chunk], first: int, stop: int, piece: Piece) -> None:
    """Emit a section: whole up to twice the target size, else by its paragraphs."""
    if rows.size(first, stop) <= TARGET_CHARS * 2:
        rows.emit(out, first, stop, piece)
        return
    for a, b in join_blocks(rows, first, stop):
        low, high = rows.raw_line(a), rows.raw_line(b - 1)
        here = tuple(name for name in piece.definitions if low <= name.line <= high)
        rows.emit(out, a, b, piece._replace(definitions=here))


def _plain(title: str) -> str:
    return _MARKUP.sub(r"\1", title).strip()[:MAX_SYMBOL]


def markdown_headings(lines: list[str], first: int = 0) -> list[Heading]:
    """ATX and setext headings outside fences (CommonMark 4.2, 4.3, 4.5).

    Args:
        lines: The rows of the document.
        first: The row to begin at, behind the front matter.
    """
    headings: list[Heading] = []
    # Paragraphs matter only above a rule, and most documents have none.
    rules = any(_SETEXT.match(line) for line in lines if line.lstrip(" ")[:1] in _SETEXT_MARKS)
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
        if not rules:
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
    last = len(lines) - 1
    candidates = [n for n, line in enumerate(lines) if line[:3] in _RST_RULES]
    rules = {n: match for n in candidates if (match := _RST_RULE.match(lines[n])) is not None}
    row = first
    for at in sorted({*rules, *(n - 1 for n in rules)}):  # a title is a rule's neighbour
        if at < row or at >= last:
            continue
        row, line, below = at, lines[at], lines[at + 1]
        match = rules.get(row + 1) if line and not line[0].isspace() else None
        title = line.strip()
        if match is not None and title and row not in rules and (row == first or not lines[row - 1].strip()):
            if len(below.rstrip()) >= len(title) or len(below.rstrip()) >= 4:
                level = styles.setdefault(match.group(1), len(styles) + 1)
                headings.append((row, level, _plain(title)))
                row += 2
                continue
        elif row + 2 <= last and line.strip():
            match = rules.get(row)
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
