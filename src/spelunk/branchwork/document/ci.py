"""The CI table: its rows as data, and the rows that a pull request's checks change."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from spelunk.branchwork.document.document import Worklog
from spelunk.branchwork.document.edit import TABLE_HEAD, ensure_section, insert_block, splice
from spelunk.branchwork.stack.pull_request import OURS, CheckRun
from spelunk.io import lines as text_lines
from spelunk.text.markdown import cells

_STATES: Final = (
    ("fail", re.compile(r"❌|🔴|✗|✘|\b(?:fail(?:ed|ing|ure)?|error|timed out|action required|broken)\b", re.I)),
    ("running", re.compile(r"⏳|🟡|🔄|\b(?:running|pending|queued|waiting|in progress|expected)\b", re.I)),
    ("pass", re.compile(r"✅|🟢|✓|✔|\b(?:pass(?:ed|ing)?|success(?:ful)?|green|ok)\b", re.I)),
)  # fmt: skip


class CheckRow(Struct, frozen=True):
    """A row of the table.

    Attributes:
        line: Its index.
        state: ``fail``, ``running``, ``pass`` or ``other``, read from the status cell.
    """

    line: int
    check: str
    status: str
    details: str
    state: str


def rows(doc: Worklog) -> list[CheckRow]:
    """The rows of the CI table, none where there is no table."""
    section = doc.section("CI Status")
    table = doc.table(section) if section else None
    out = []
    for n in range(table[0] + 2, table[1]) if table else ():
        check, status, details = [*cells(doc.lines[n]), "", "", ""][:3]
        state = next((name for name, pattern in _STATES if pattern.search(status)), "other")
        out.append(CheckRow(n, check, status, details, state))
    return out


def set_checks(doc: Worklog, checks: tuple[CheckRun, ...], *, create: bool = False) -> Worklog:
    """Bring the table up to date with a pull request's checks.

    A row with the name of a check keeps its place and its details and gets
    the new status; a check without a row gets one at the end; a row that an
    earlier refresh wrote is removed with its check. All other rows stay.
    """
    section = doc.section("CI Status")
    if not (doc.table(section) if section else None):
        if not checks or (section is None and not create):
            return doc
        doc, section = ensure_section(doc, "CI Status")
        if doc.table(section) is None:
            doc = insert_block(doc, section.line + 1, list(TABLE_HEAD))
    left = list(checks)
    changes: list[tuple[int, list[str]]] = []
    for row in rows(doc):
        mine = row.details == OURS or row.details.startswith(OURS + ":")
        named = [c for c in left if c.name.casefold() == row.check.casefold()]
        same = [c for c in named if c.details == row.details or not mine]
        if same:
            left.remove(same[0])
            if row.status != same[0].status:
                text = text_lines.body(doc.lines[row.line])
                changes.append((row.line, [_with_status(text, same[0].status)]))
        elif mine:
            changes.append((row.line, []))
    for line, texts in reversed(changes):
        doc = splice(doc, line, line + 1, texts)
    section = doc.section("CI Status")
    table = doc.table(section) if section else None
    if left and table:
        new = [f"| {_cell(c.name)} | {_cell(c.status)} | {_cell(c.details)} |" for c in left]
        doc = splice(doc, table[1], table[1], new)
    return doc


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _with_status(line: str, status: str) -> str:
    """The row with another second cell; the other cells keep every byte."""
    bars = [bar.start() for bar in re.finditer(r"(?<!\\)\|", line)]
    first = 1 if line.lstrip().startswith("|") else 0
    if len(bars) <= first:
        return f"{line.rstrip()} | {_cell(status)} |"
    end = bars[first + 1] if len(bars) > first + 1 else len(line)
    return f"{line[: bars[first] + 1]} {_cell(status)} {line[end:]}"
