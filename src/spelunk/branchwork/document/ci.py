"""The CI table: its rows as data."""

from __future__ import annotations

import re
from dataclasses import dataclass

from spelunk.branchwork.document.document import Document, cells

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
