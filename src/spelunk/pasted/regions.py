"""The lines of a pasted text with the region each stands in: title, prose, code, environment and so on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from spelunk.pasted.vocabulary import (
    EMPTY_ANSWERS,
    ENVIRONMENT_WORDS,
    LABELS,
    NO_SCOPES,
    OUTPUT_ENDINGS,
    TEMPLATE_HEADINGS,
)  # fmt: skip

TITLE, HEADING, PROSE, CODE, ENVIRONMENT, TEMPLATE, COMMENT = (
    "title", "heading", "prose", "code", "environment", "template", "comment",
)  # fmt: skip
"""Regions. ``template`` is what an issue form brings along: its headings, empty answers, check boxes."""

_FENCE: Final = re.compile(r"(?:[>\s]*+)(`{3,}+|~{3,}+)[ ]*+([\w+#.-]*+)")
_QUOTE: Final = re.compile(r"^(?:> ?)++")
_HEADING: Final = re.compile(r"#{1,6}+[ \t]++(?=\S)")
_BOLD: Final = re.compile(r"\*\*(?=\S)([^*\n]{1,80}+)\*\*:?+$")
_RULE: Final = re.compile(r"(?:={3,}+|-{3,}+)$")
_TAG: Final = re.compile(
    r"</?+(?:details|summary|br|p|div|img|b|i|em|strong|pre|code|a|kbd|sub|sup|table|thead|tbody|tr|t[dh]|ul|ol|li|h[1-6]|span|font|center)(?=[\s/>])[^<>\n]*+>",
    re.IGNORECASE,
)
_CHECK_BOX: Final = re.compile(r"[-*+] \[[ xX]?\] ")
_VERSION_LINE: Final = re.compile(
    r"(?:[-*+•]|\d{1,3}+\.|(?![-*+•]|\d{1,3}+\.))[ \t]*+[\w .()\[\]/@+'-]{1,50}?(?:[:=@ \t]|==|>=)[ \t]*+v?\d++\.\d[\w.+~-]*+[ \t]*+$",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(r"[-*+•]?[ \t]*+\**+([A-Za-z][\w ./-]{1,40}?)\**+[ \t]*+:")
_TITLE_LABEL: Final = re.compile(
    r"(?:\[(?=[A-Za-z])([\w /-]{1,20})\]|([A-Za-z]{2,12}(?: [a-z]{2,12})?)(?=:)):?+\s++(?=\S)"
)
_INDENTED: Final = re.compile(r"(?: {4}|\t)(?=\s*+\S)")
_CODE_LINE: Final = re.compile(
    r"\s*+(?:>>> |\.\.\. |\$ |%% |(?:def|class|import|from|func|fn|pub|package|using|namespace|const|let|var|public|private|static|#include|@\w++) ?[\w({<\".]|[})\];]+$)"
)
_CODE_END: Final = re.compile(r"(?:[{};]|\):|\)|->|=>|,)$")


class Line(Struct, frozen=True):
    """One line: its region, its text without the marks of Markdown and HTML around it, and the tags of HTML."""

    region: str
    text: str
    fenced: bool = False
    tags: str = ""


def plain(text: str) -> str:
    """A heading in lower case without its punctuation."""
    return " ".join(re.sub(r"[^\w' ]", " ", text.lower()).split()).strip("_ ")


def without_comments(text: str) -> Iterator[tuple[str, bool]]:
    """The parts of a text between and within HTML comments; true for a comment, which may have no end."""
    at = 0
    while True:
        start = text.find("<!--", at)
        if start < 0:
            break
        end = text.find("-->", start + 4)
        if end < 0:  # not closed: a comment of one line
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
        else:
            end += 3
        yield text[at:start], False
        yield text[start:end], True
        at = end
    yield text[at:], False


def lines_of(text: str) -> list[Line]:
    """The lines of a text with their regions, in order; a line of white space alone is left out."""
    found: list[Line] = []
    state = _Scanner()
    for part, comment in without_comments(text):
        if comment:
            found += [
                Line(COMMENT, line) for line in part[4:].removesuffix("-->").splitlines() if line.strip()
            ]
            continue
        rows = part.splitlines()
        for n, row in enumerate(rows):
            line = state.line(row, rows[n + 1] if n + 1 < len(rows) else "")
            if line is not None:
                found.append(line)
    return found


class _Scanner:
    """The state between lines: an open fence, the section, whether a title was seen."""

    def __init__(self) -> None:
        self.fence = ""
        self.section = PROSE
        self.titled = False
        self.blank = True
        self.indented = False

    def line(self, row: str, following: str) -> Line | None:
        if row.startswith(">") and not row.startswith(">>>"):
            row = _QUOTE.sub("", row, count=1)
            following = _QUOTE.sub("", following, count=1)
        fence = _FENCE.match(row) if "```" in row or "~~~" in row else None
        if fence is not None:
            mark, info = fence.groups()
            rest = row[fence.end() :]
            if not self.fence:
                if mark[0] not in rest:  # not a code span
                    self.fence = mark
                    return Line(TEMPLATE, row[fence.end(1) :], True) if info or rest.strip() else None
            elif mark.startswith(self.fence) and not info and not rest.strip():
                self.fence = ""
                return None
        if not row.strip():
            self.blank = True
            self.indented = False
            return None
        blank, self.blank = self.blank, False
        if self.fence:
            return Line(ENVIRONMENT if self.section == ENVIRONMENT else CODE, row, True)
        text = _TAG.sub(" ", row) if "<" in row else row
        stripped = text.strip()
        if not stripped:
            return Line(TEMPLATE, row)  # tags alone
        if _INDENTED.match(row) and (blank or self.indented):
            self.indented = True
            return Line(ENVIRONMENT if self.section == ENVIRONMENT else CODE, row)
        self.indented = False
        line = self._unfenced(stripped, text, following.strip())
        return line if text is row or line is None else replace(line, tags=" ".join(_TAG.findall(row)))

    def _unfenced(self, stripped: str, text: str, following: str) -> Line | None:
        head = _heading(stripped, following)
        if _RULE.match(stripped):
            return None
        if head is not None:
            spoken = plain(head)
            words = spoken.split()
            if spoken in TEMPLATE_HEADINGS:
                self.section = PROSE
                return Line(TEMPLATE, head)
            if 0 < len(words) <= 4 and (words[0] in ENVIRONMENT_WORDS or words[-1] in ENVIRONMENT_WORDS):
                if self.titled:
                    self.section = ENVIRONMENT
                    return Line(TEMPLATE, head)
            elif len(words) <= 4 and words and words[-1] in OUTPUT_ENDINGS:
                self.section = PROSE
                return Line(TEMPLATE, head)
            self.section = PROSE
            if self.titled:
                return Line(HEADING, head)
            self.titled = True
            return Line(TITLE, head)
        answer = plain(stripped)
        if answer in EMPTY_ANSWERS or not answer or _CHECK_BOX.match(stripped):
            return Line(TEMPLATE, stripped)
        if answer in TEMPLATE_HEADINGS and len(answer) > 3 and self.titled:
            self.section = PROSE
            return Line(TEMPLATE, stripped)
        label = _LABEL.match(stripped)
        if label and plain(label.group(1)) in LABELS and len(stripped) < 120:
            return Line(ENVIRONMENT, text)
        if (
            len(stripped) < 100
            and _VERSION_LINE.match(stripped)
            and self.titled
            and len(stripped.split()) < 6
        ):
            return Line(ENVIRONMENT, text)
        if self.section == ENVIRONMENT:
            return Line(ENVIRONMENT, text)
        if looks_like_code(text):
            return Line(CODE, text)
        if not self.titled:
            self.titled = True
            return Line(TITLE, stripped)
        return Line(PROSE, text)


def _heading(stripped: str, following: str) -> str | None:
    """The text of a heading, or None where the line is none."""
    mark = _HEADING.match(stripped)
    if mark is not None:
        return stripped[mark.end() :].rstrip("# ")
    bold = _BOLD.match(stripped)
    if bold is not None:
        return bold.group(1)
    if following and following[0] in "=-" and _RULE.match(following) and len(stripped) < 120:
        return stripped
    return None


def without_label(title: str) -> str:
    """A title without what forms and commit conventions put before it: ``[Bug]:``, ``Subject:``."""
    label = _TITLE_LABEL.match(title)
    if label is None or plain(label.group(1) or label.group(2)) not in NO_SCOPES:
        return title
    return title[label.end() :]


def looks_like_code(text: str) -> bool:
    """Whether a line outside a fence is one of a program or a shell."""
    stripped = text.rstrip()[:400]
    if _CODE_LINE.match(stripped):
        return (
            " " not in stripped.strip()
            or any(c in "(){}[];=.\"'/<>" for c in stripped)
            or stripped.endswith(":")
        )
    if not _CODE_END.search(stripped):
        return False
    if stripped[-1] in "{}":
        return True
    if stripped[-1] == ";" or stripped.endswith("):"):
        return any(c in "(=[" for c in stripped)
    return False


def regions(lines: Sequence[Line]) -> set[str]:
    """The regions that occur."""
    return {line.region for line in lines}
