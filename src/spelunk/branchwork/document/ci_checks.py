"""The rows of the CI table that a pull request's checks change."""

from __future__ import annotations

import re

from spelunk.branchwork.document import ci
from spelunk.branchwork.document.document import Document
from spelunk.branchwork.document.edit import TABLE_HEAD, ensure_section, insert_block, splice
from spelunk.branchwork.stack.pull_request import OURS, Check
from spelunk.io import lines as text_lines


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
    for row in ci.rows(doc):
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
