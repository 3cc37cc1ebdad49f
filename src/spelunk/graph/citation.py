"""Places as questions and answers write them: ``FILE:LINE``, ``FILE:LINE-LINE``, ``FILE:LINE:COLUMN``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from spelunk.errors import UsageError
from spelunk.graph.view import GraphView

if TYPE_CHECKING:
    from spelunk.store.records import FileRow

PLACE: Final = re.compile(r"(.+?):(\d{1,9})(?::(\d{1,9})|-\d{1,9})?", re.DOTALL)
"""Path, line and column of a place."""


def file_at(view: GraphView, path: str) -> FileRow | None:
    """The file at a path, or the only one whose path ends so."""
    path = path.removeprefix("./")
    row = view.row_at(path)
    if row is None:
        ending = view.reader.paths_ending([path.lstrip("/")], 2)
        row = view.row_at(ending[0]) if len(ending) == 1 else None
    return row


def check_line(row: FileRow, line: int) -> None:
    """Refuse a line that a file has not.

    Raises:
        UsageError: Its text ends before.
    """
    if not 1 <= line <= max(1, row.lines):
        raise UsageError(f"{row.path}:{line}: no such line; the indexed text ends at line {row.lines}")
