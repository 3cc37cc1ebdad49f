"""The CI table: its rows as data, and the rows that a pull request changes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from spelunk.branchwork import lines as text_lines
from spelunk.branchwork.document import Document, cells
from spelunk.branchwork.edit import TABLE_HEAD, ensure_section, insert_block, splice
from spelunk.branchwork.pullrequest import OURS, Check

_FAILS = re.compile(r"❌|🔴|✗|✘|\b(?:fail(?:ed|ing|ure)?|error|timed out|action required|broken)\b", re.I)
_RUNS = re.compile(r"⏳|🟡|🔄|\b(?:running|pending|queued|waiting|in progress|expected)\b", re.I)
_PASSES = re.compile(r"✅|🟢|✓|✔|\b(?:pass(?:ed|ing)?|success(?:ful)?|green|ok)\b", re.I)


@dataclass(frozen=True, slots=True)
class Row:
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


def rows(doc: Document) -> list[Row]:
    """The rows of the CI table, none where there is no table."""
    section = doc.section("CI Status")
    table = doc.table(section) if section else None
    if table is None:
        return []
    found = []
    for n in range(table[0] + 2, table[1]):
        row = [*cells(doc.lines[n]), "", "", ""]
        found.append(Row(n, row[0], row[1], row[2], _state(row[1])))
    return found


def _state(status: str) -> str:
    for state, pattern in (("fail", _FAILS), ("running", _RUNS), ("pass", _PASSES)):
        if pattern.search(status):
            return state
    return "other"


def set_checks(doc: Document, checks: tuple[Check, ...], *, create: bool = False) -> Document:
    """Bring the table up to date with a pull request's checks.

    A row of the same check keeps its place and its details and gets the new
    status; a check without a row gets one at the end; a row that a refresh
    wrote and whose check is gone goes. Every other row is somebody's own.
    """
    if doc.section("CI Status") is None:
        if not checks or not create:
            return doc
        doc, _ = ensure_section(doc, "CI Status")
    section = doc.section("CI Status")
    assert section is not None
    if doc.table(section) is None:
        if not checks:
            return doc
        doc = insert_block(doc, section.line + 1, list(TABLE_HEAD))
    left = list(checks)
    changes: list[tuple[int, list[str]]] = []
    for row in rows(doc):
        mine = row.details == OURS or row.details.startswith(OURS + ":")
        same = [
            c
            for c in left
            if c.name.casefold() == row.check.casefold() and (c.details == row.details or not mine)
        ]
        if same:
            left.remove(same[0])
            if row.status != same[0].status:
                changes.append(
                    (row.line, [_with_status(text_lines.body(doc.lines[row.line]), same[0].status)])
                )
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
    bars = [found.start() for found in re.finditer(r"(?<!\\)\|", line)]
    first = 1 if line.lstrip().startswith("|") else 0
    if len(bars) <= first:
        return f"{line.rstrip()} | {_cell(status)} |"
    start = bars[first] + 1
    end = bars[first + 1] if len(bars) > first + 1 else len(line)
    return f"{line[:start]} {_cell(status)} {line[end:]}"
