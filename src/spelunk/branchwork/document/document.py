"""A branchwork document as a list of lines, with the spans of its parts.

Nothing is ever rendered back: ``Worklog.text`` is the text that was read. See
:mod:`spelunk.branchwork.document.edit` for the edits.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final

from msgspec import Struct

from spelunk.io import lines as text_lines
from spelunk.text import front_matter, markdown
from spelunk.text.front_matter import FrontMatter
from spelunk.text.markdown import Blocks, Fence, ListItem, is_table_rule

STATUSES: Final = ("draft", "in-review", "changes-requested", "approved", "merged")
RISKS: Final = ("low", "medium", "high")
SECTIONS: Final = (
    "PR Stack Context", "Issues", "Definition of Done", "Merge Checklist", "CI Status",
    "Decisions", "Notes", "Updates", "Follow-up Work",
)  # fmt: skip
REQUIRED_SECTIONS: Final = SECTIONS[:-1]
"""Sections that every document must have by default."""
CHECKLISTS: Final = ("Issues", "Definition of Done", "Merge Checklist", "Follow-up Work")
GATES: Final = ("Definition of Done", "Merge Checklist")
"""Checklists whose open boxes block the merge."""

_ALIASES: Final = {
    "issues and tickets": "Issues", "stack": "PR Stack Context", "pr stack": "PR Stack Context", "dod": "Definition of Done",
    "done": "Definition of Done", "merge": "Merge Checklist", "ci": "CI Status", "followup": "Follow-up Work",
    "follow-up": "Follow-up Work", "follow up": "Follow-up Work", "follow up work": "Follow-up Work",
    "followup work": "Follow-up Work", "follow-ups": "Follow-up Work", "timeline": "Updates",
}  # fmt: skip
_EXAMPLE = re.compile(r"do not edit below this line|^`{3,}(?:markdown|md)\s*$", re.I)
_DATE = r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{1,2}:\d{2})(?::\d{2})?)?[ ]*(UTC|Z)?"
DATE_TEXT = re.compile(_DATE + r"$", re.I)
_ENTRY = re.compile(rf"{_DATE}\s*[:—–-]\s*(?:\[@([^\]]+)\]\s*)?(.*)$", re.I)
_FROM = re.compile(r"^(.*?)\s+from\s+@([\w.-]+(?:\[bot\])?)\s*$")


class Section(Struct, frozen=True):
    """A level-2 heading and the lines below it.

    Attributes:
        name: As written.
        known: The name in :data:`SECTIONS` that it is equivalent to, or ``""``.
        line: Index of the heading.
        end: Index behind its last line.
    """

    name: str
    known: str
    line: int
    end: int


class UpdateEntry(Struct, frozen=True):
    """An update.

    Attributes:
        line: Index of the heading.
        end: Index behind its last line.
        heading: The heading's text as written.
        date: ``YYYY-MM-DD HH:MM``, without the time where none is given, ``""`` where unreadable.
        utc: Whether the heading says UTC.
        author: Without ``@``; ``""`` if none is given.
        summary: The rest of the heading.
        variant: How the heading differs from the form that is written, or ``""``.
    """

    line: int
    end: int
    heading: str
    date: str
    utc: bool
    author: str
    summary: str
    variant: str


def canonical(name: str) -> str:
    """The known section that ``name`` means, or ``""``."""
    key = " ".join(name.casefold().replace("&", " and ").split()).rstrip(":")
    return next((known for known in SECTIONS if known.casefold() == key), _ALIASES.get(key, ""))


def is_placeholder(text: str) -> bool:
    """Whether an item's text only marks where one should go."""
    return text.strip() in ("", "…", "...")


class Worklog:
    """The parts of one text; each is located at its first use.

    Attributes:
        lines: The lines with their endings.
        eol: The ending that new lines get.
        end: Index where a template's example starts; the lines behind it are not read.
    """

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.eol = text_lines.ending(lines)
        self.front: FrontMatter | None = front_matter.parse(lines)
        self.end = _example(lines, self.start)

    @classmethod
    def parse(cls, text: str) -> Worklog:
        """Read a document; every text is one."""
        return cls(text_lines.split(text))

    @property
    def text(self) -> str:
        """Exactly the text that was read."""
        return "".join(self.lines)

    @property
    def start(self) -> int:
        """Index of the first line behind the front matter."""
        return self.front.end + 1 if self.front else 0

    @cached_property
    def blocks(self) -> Blocks:
        """Headings, fences, items behind the front matter and before the example."""
        return markdown.scan(self.lines, self.start, self.end)

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """Every level-2 section, in order."""
        cuts = [h for h in self.blocks.headings if h.level <= 2]
        spans = zip(cuts, [h.line for h in cuts[1:]] + [self.end], strict=False)
        return tuple(Section(h.text, canonical(h.text), h.line, end) for h, end in spans if h.level == 2)

    def section(self, name: str) -> Section | None:
        """The first section with that name, or one with an equivalent name."""
        wanted = canonical(name)
        folded = " ".join(name.casefold().split())
        for section in self.sections:
            if (wanted and section.known == wanted) or " ".join(section.name.casefold().split()) == folded:
                return section
        return None

    @property
    def title(self) -> tuple[int, str] | None:
        """Index and text of the first level-1 heading before any section."""
        first = next((h for h in self.blocks.headings if h.level <= 2), None)
        return (first.line, first.text) if first and first.level == 1 else None

    @property
    def entries(self) -> tuple[UpdateEntry, ...]:
        """The updates, in the order of the text."""
        section = self.section("Updates")
        if section is None:
            return ()
        heads = [h for h in self.blocks.headings if h.level == 3 and section.line < h.line < section.end]
        ends = [h.line for h in heads[1:]] + [self.content_end(section)]
        return tuple(_entry(h.line, end, h.text) for h, end in zip(heads, ends, strict=False))

    def content_end(self, section: Section) -> int:
        """Where the section's own content ends: before its last blank lines, or a footer under a rule."""
        end = section.end
        if section is self.sections[-1]:
            rules = [n for n in self.blocks.breaks if section.line < n < section.end]
            if rules and not any(h.line > rules[-1] for h in self.blocks.headings):
                end = rules[-1]
        while end > section.line + 1 and not self.lines[end - 1].strip():
            end -= 1
        return end

    def items(self, section: Section) -> list[ListItem]:
        """Every list item in the section, nested ones included."""
        end = self.content_end(section)
        return [item for item in self.blocks.items if section.line < item.start < end]

    def fences(self, start: int, end: int) -> list[Fence]:
        """The code fences that start in ``lines[start:end]``."""
        return [fence for fence in self.blocks.fences if start <= fence.start < end]

    def stack_fence(self) -> Fence | None:
        """The fence that holds the drawn stack."""
        section = self.section("PR Stack Context")
        if section is None:
            return None
        fences = [f for f in self.fences(section.line, section.end) if f.depth == 0]
        text = [f for f in fences if f.info.split()[:1] == ["text"]]
        return next(iter(text or [f for f in fences if not f.info]), None)

    def table(self, section: Section) -> tuple[int, int] | None:
        """Header index and index behind the last row of the section's first table."""
        inside = {n for f in self.blocks.fences for n in range(f.start, f.end)}
        for n in range(section.line + 1, section.end - 1):
            if n not in inside and "|" in self.lines[n] and is_table_rule(self.lines[n + 1]):
                end = n + 2
                while end < section.end and "|" in self.lines[end] and self.lines[end].strip():
                    end += 1
                return n, end
        return None

    def inside(self, fence: Fence) -> list[str]:
        """The lines of a fence's content, without endings."""
        return [text_lines.body(line) for line in self.lines[fence.start + 1 : fence.end - fence.closed]]

    def field(self, key: str) -> str:
        """A front-matter value as text, ``""`` where empty or absent."""
        return self.front.text(key) if self.front else ""

    def open_fence(self) -> Fence | None:
        """A top-level fence that is never closed: lines added behind it would be code."""
        last = self.blocks.fences[-1] if self.blocks.fences else None
        return last if last and not last.closed and last.end == self.end and last.depth == 0 else None


def _entry(line: int, end: int, heading: str) -> UpdateEntry:
    match = _ENTRY.match(heading)
    if match is None:
        return UpdateEntry(line, end, heading, "", False, "", heading, "not `<date> UTC: [@author] summary`")
    day, clock, zone, author, summary = match.groups()
    date = f"{day} {clock.zfill(5)}" if clock else day
    variants = ["no time of day"] * (not clock) + ["no UTC"] * (not zone)
    if author is None:
        quoted = _FROM.match(summary)
        author = quoted.group(2) if quoted else ""
        variants.append(f"author given as `from @{author}`" if quoted else "no [@author]")
    author, variant = author.strip().lstrip("@"), ", ".join(variants)
    return UpdateEntry(line, end, heading, date, bool(zone), author, summary.strip(), variant)


def _example(lines: list[str], start: int) -> int:
    """Where a template's ``## Example`` starts, else the number of lines.

    The example quotes a whole document in a fence that the document's own
    fences close early, so it is cut off by line before anything is parsed.
    """
    for n in range(start, len(lines)):
        if lines[n].rstrip() == "## Example" and any(map(_EXAMPLE.search, lines[n + 1 : n + 6])):
            fences = markdown.scan(lines, start, n).fences
            if not (fences and fences[-1].end == n and not fences[-1].closed):  # else it is quoted code
                return n
    return len(lines)
