"""Entries of branchwork documents about a place: those that name the file, and those of the branches behind it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from spelunk.io.regular import read_regular
from spelunk.settings_files import workspace_files
from spelunk.text import worklog
from spelunk.text.front_matter import front_matter

MAX_DOCUMENTS: Final = 1_000
MAX_BYTES: Final = 512 * 1024
"""Of a document; a larger one is passed over."""
MAX_LINES: Final = 3
"""Lines of one document that are told."""

_HEADING: Final = re.compile(r"#{1,6}[ \t]+(.*)")
_MERGED: Final = re.compile(
    r"Merge (?:branch|remote-tracking branch) '([^']+)'|Merge pull request #\d+ from [^/\s]+/(\S+)"
)


class WorklogNote(NamedTuple):
    """A line of a branchwork document.

    Attributes:
        path: Of the document, relative to the workspace.
        line: Its number; 1 where the document as a whole is meant.
        branch: The document's branch.
        status: The document's status.
        heading: The heading above the line: of a dated entry its time, author and summary.
        text: The line.
    """

    path: str
    line: int
    branch: str
    status: str
    heading: str
    text: str


def notes_about(root: str, path: str, subjects: Collection[str], limit: int) -> list[WorklogNote]:
    """Lines that name a file, then documents whose branch was merged in one of some commits.

    Args:
        root: Absolute path of the workspace.
        path: The file, relative to it.
        subjects: Subjects of the commits behind the place.
        limit: How many, at most.
    """
    if path == ".":
        path = "\n"  # the workspace itself is in no document
    names = re.compile(rf"(?<![\w./-]){re.escape(path)}(?![\w/-])|`{re.escape(os.path.basename(path))}`")
    merged = {branch for subject in subjects for branch in branches_merged(subject)}
    named: list[WorklogNote] = []
    of_branches: list[WorklogNote] = []
    for document, text in _documents(root):
        lines = text.split("\n")
        facts, start = front_matter(lines)
        fields = dict(facts)
        if not worklog.is_worklog(document, facts):
            continue
        branch, status = fields.get("branch.name", fields.get("branch", "")), fields.get("status", "")
        found = list(_lines_with(lines, start, names))[:MAX_LINES]
        named += [WorklogNote(document, n, branch, status, heading, text) for n, heading, text in found]
        if not found and branch in merged:
            title = next((m[1] for line in lines[start:] if (m := _HEADING.match(line))), "")
            of_branches.append(WorklogNote(document, 1, branch, status, title, ""))
    return (named + of_branches)[:limit]


def branches_merged(subject: str) -> list[str]:
    """The branch that a merge's subject names, if it is one by git or by a git host."""
    match = _MERGED.match(subject)
    return [] if match is None else [match[1] or match[2]]


def _lines_with(lines: list[str], start: int, names: re.Pattern[str]) -> Iterator[tuple[int, str, str]]:
    heading = ""
    for number, line in enumerate(lines[start:], start + 1):
        if titled := _HEADING.match(line):
            heading = titled[1].strip()
        if names.search(line):
            yield number, heading, line.strip()


def _documents(root: str) -> Iterator[tuple[str, str]]:
    """The Markdown documents in the folder of the worklogs, by path; no link is followed."""
    file = next(workspace_files(root), None)
    folder = worklog.folder(file.table if file else {})
    if not folder:
        return
    count = 0
    for place, folders, names in os.walk(os.path.join(root, folder)):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(place, name)
            if not name.endswith(".md"):
                continue
            count += 1
            if count > MAX_DOCUMENTS:
                return
            try:
                raw = read_regular(path, MAX_BYTES, follow=False)
            except (OSError, ValueError):
                continue
            yield os.path.relpath(path, root), raw.decode("utf-8", "replace")
