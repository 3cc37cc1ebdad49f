"""Validate a document, line by line.

Errors are forms that other readers would misread. Warnings are forms that are
still read but no longer written.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from msgspec import Struct

from spelunk.branchwork.document import ci, data
from spelunk.branchwork.document.document import DATE_TEXT, GATES, RISKS, STATUSES, Worklog
from spelunk.branchwork.names import CURRENT_FILE, seconds, slug
from spelunk.branchwork.settings import Settings
from spelunk.branchwork.stack.graph import CURRENT, parse_drawing
from spelunk.branchwork.store import Stored
from spelunk.io import lines as text_lines
from spelunk.text.markdown import cells, code_span, is_table_rule

REQUIRED: Final = (
    "date", "slug", "status", "pr", "branch", "branch.name", "branch.base", "branch.position", "branch.total",
    "reviewers", "dri", "scope", "risk", "backout_plan", "last_updated",
)  # fmt: skip
WARNING: Final = "warning"
_PR: Final = re.compile(r"#?\d+(?:\s*/\s*\S.*)?$|[A-Z][A-Z0-9]*-\d+$")
_CI_BOX: Final = re.compile(r"\b(?:CI|checks)\b.*\b(?:pass|green)", re.I)


class WorklogProblem(Struct, frozen=True):
    """One fault of a document.

    Attributes:
        line: 1-based.
        level: ``error`` or ``warning``.
    """

    path: str
    line: int
    message: str
    level: str = "error"

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {'warning: ' if self.level == WARNING else ''}{self.message}"


_Findings = Iterator[tuple[int, str] | tuple[int, str, str]]
"""0-based line, message, and ``warning`` where it is one."""


def check(stored: Stored, settings: Settings) -> list[WorklogProblem]:
    """Every problem of a document, by line."""
    problems = [
        WorklogProblem(stored.path, line + 1, message, *level)
        for part in (_front, _title, _sections, _stack, _table, _updates, _boxes, _text)
        for line, message, *level in part(stored.doc, settings)
    ]
    name, wanted = stored.path.rpartition("/")[2], f"CURRENT-{slug(stored.branch)}"
    if (
        stored.branch
        and CURRENT_FILE.match(name)
        and not re.fullmatch(re.escape(wanted) + r"(?:-\d+)?\.md", name)
    ):
        message = f"the file is called {name}, the branch {stored.branch} gives {wanted}.md"
        problems.append(WorklogProblem(stored.path, 1, message, WARNING))
    return sorted(problems, key=lambda p: (p.line, p.message))


def _front(doc: Worklog, settings: Settings) -> _Findings:
    front = doc.front
    if front is None:
        yield 0, "no front matter: the first line must be ---, and a later one close it"
        return
    for key in REQUIRED:
        if key not in front.fields:
            yield 0, f"front matter: {key} is missing"
    for lines, fault in ((front.duplicates, "is given twice"), (front.unreadable, "is not understood")):
        for line in lines:
            yield line, f"front matter: {text_lines.body(doc.lines[line]).strip()!r} {fault}"
    for key, field in front.fields.items():
        if key not in REQUIRED:
            yield field.line, f"front matter: {key} is not a field of a branchwork document", WARNING
    for key, message in _values(doc):
        yield front.fields[key].line if key in front.fields else 0, f"{key}: {message}"


def _values(doc: Worklog) -> Iterator[tuple[str, str]]:
    """Faults of front-matter values, by key."""
    of, fields = doc.field, doc.front.fields if doc.front else {}
    for key in ("date", "last_updated"):
        text = of(key)
        if text and (not DATE_TEXT.match(text) or seconds(text) is None or len(text) < 16):
            yield key, f"{text!r} is not YYYY-MM-DD HH:MM UTC"
    if of("status") not in STATUSES:
        yield "status", f"{of('status')!r} is not one of {', '.join(STATUSES)}"
    if of("risk") and of("risk") not in RISKS:
        yield "risk", f"{of('risk')!r} is not one of {', '.join(RISKS)}"
    if of("pr") and not _PR.match(of("pr")):
        yield "pr", f"{of('pr')!r} is not a number, or a number and a ticket like 47 / BLZ-42"
    if of("reviewers") and not isinstance(fields["reviewers"].value, list):
        yield "reviewers", "must be a list: [name, name]"
    if "branch" in fields and fields["branch"].style not in ("map", "empty"):
        yield "branch", "must hold name, base, position and total below it"
    name = of("branch.name")
    if not name:
        yield "branch.name", "is empty, so no command finds the document"
    elif of("slug") != f"branchwork-{slug(name)}":
        yield "slug", f"{of('slug')!r} must be 'branchwork-{slug(name)}' for the branch {name}"
    position, total = of("branch.position"), of("branch.total")
    for key, text in (("branch.position", position), ("branch.total", total)):
        if text and (not text.isdigit() or int(text) < 1):
            yield key, f"{text!r} is not a number from 1"
    if position.isdigit() and total.isdigit() and int(position) > int(total) > 0:
        yield "branch.position", f"{position} is more than the total, {total}"


def _title(doc: Worklog, settings: Settings) -> _Findings:
    head = data.title(doc)
    number, _ = data.pull_request(doc)
    if head is None:
        yield doc.start, "no title: add `# [WIP] `branch`` or `# PR #<n>: <title>` below the front matter"
        return
    line, text = head["line"] - 1, head["text"]
    wip = f"[WIP] {code_span(doc.field('branch.name'))}"
    if number is None and text != wip:
        yield line, f"title: {text!r} must be {wip!r} while there is no pull request"
    elif number is not None and head["pr"] != number:
        yield line, f"title: {text!r} must start with 'PR #{number}: ', as pr says"
    elif number is not None and not head["pr_title"]:
        yield line, f"title: PR #{number} has no title"


def _sections(doc: Worklog, settings: Settings) -> _Findings:
    seen: dict[str, int] = {}
    for section in doc.sections:
        if section.known and seen.setdefault(section.known, section.line) != section.line:
            yield (
                section.line,
                f"section {section.name!r} is there twice, first in line {seen[section.known] + 1}",
            )
    for name in settings.required_sections:
        if doc.section(name) is None:
            yield max(len(doc.lines) - 1, 0), f"section {name!r} is missing"


def _stack(doc: Worklog, settings: Settings) -> _Findings:
    section, fence = doc.section("PR Stack Context"), doc.stack_fence()
    if section is None:
        return
    if fence is None:
        yield section.line, "the stack has no ```text fence; `spelunk branchwork refresh` draws it"
        return
    inside = doc.inside(fence)
    marked = [n for n, text in enumerate(inside) if CURRENT in text]
    name, total = doc.field("branch.name"), doc.field("branch.total")
    if not any(text.strip() and not text.strip().startswith("#") for text in inside):
        yield fence.start, "the stack is not drawn yet; `spelunk branchwork refresh` draws it", WARNING
        return
    if not marked:
        yield fence.start, f"the drawn stack has no {CURRENT} on {name}", WARNING
    elif parse_drawing([inside[marked[0]]])[0]["name"] != name:
        yield fence.start + 1 + marked[0], f"the drawn stack has its {CURRENT} on another branch than {name}"
    drawn = len(parse_drawing(inside)) - 1
    if total.isdigit() and 0 < drawn != int(total):
        yield fence.start, f"the drawn stack has {drawn} branches, branch.total says {total}", WARNING


def _table(doc: Worklog, settings: Settings) -> _Findings:
    section = doc.section("CI Status")
    table = doc.table(section) if section else None
    if section is None:
        return
    if table is None:
        rows = [n for n in range(section.line + 1, section.end) if doc.lines[n].lstrip().startswith("|")]
        line = rows[0] if rows else section.line
        yield line, "CI Status has no table Check | Status | Details with a |---| row"
        return
    head = [cell.casefold() for cell in cells(doc.lines[table[0]])]
    if head != ["check", "status", "details"]:
        yield table[0], "the CI table's columns must be Check | Status | Details"
    for n in range(table[0] + 2, table[1]):
        if len(cells(doc.lines[n])) != len(head) and not is_table_rule(doc.lines[n]):
            yield n, f"the CI row has {len(cells(doc.lines[n]))} cells, the table {len(head)} columns"


def _updates(doc: Worklog, settings: Settings) -> _Findings:
    dated: list[tuple[float, int]] = []
    for entry in doc.entries:
        when = seconds(entry.date) if entry.date else None
        if when is None:
            fault = f": {entry.date!r} is no date" if entry.date else f" {entry.heading!r} is {entry.variant}"
            yield entry.line, f"update{fault}"
            continue
        dated.append((when, entry.line))
        if entry.variant and not (entry.variant == "no UTC" and settings.local_time):
            written = f"update: {entry.variant}; written today: `<date> UTC: [@author] summary`"
            yield entry.line, written, WARNING
        if not entry.summary:
            yield entry.line, "update: no summary"
    up = [line for (a, _), (b, line) in pairwise(dated) if a < b]
    down = [line for (a, _), (b, line) in pairwise(dated) if a > b]
    oldest_first = settings.order == "oldest" or (settings.order == "keep" and len(up) > len(down))
    wrong, right = (down, up) if oldest_first else (up, down)
    if wrong and not right:
        yield wrong[0], f"updates: the order is {'newest' if wrong is down else 'oldest'} first", WARNING
    else:
        for line in wrong:
            yield line, "update: out of order by its date", WARNING


def _boxes(doc: Worklog, settings: Settings) -> _Findings:
    waiting = [row for row in ci.rows(doc) if row.state in ("fail", "running")]
    for name in GATES:
        for item in data.boxes(doc, doc.section(name)):
            if item.task == " " and doc.field("status") == "approved":
                yield item.start, f"{name}: {item.text!r} is open, but the status is approved"
            if item.task != " " and waiting and _CI_BOX.search(item.text):
                names = ", ".join(f"{row.check} is {row.status}" for row in waiting)
                yield item.start, f"{name}: {item.text!r} is ticked, but {names}", WARNING


def _text(doc: Worklog, settings: Settings) -> _Findings:
    for n, line in enumerate(doc.lines):
        marker = line.startswith(("<<<<<<< ", ">>>>>>> "))
        if marker and not any(f.start < n < f.end - f.closed for f in doc.blocks.fences):
            yield n, "a merge conflict is left in the document"
    fence, html = doc.open_fence(), doc.blocks.open_html
    if fence is not None:
        yield fence.start, "a code fence is opened and never closed"
    if html is not None:
        yield html, "an HTML comment or block is opened and never closed"


def code_files(paths: list[str], settings: Settings) -> list[str]:
    """The paths that count as code: no documents of branchwork, and none of the ``not_code`` patterns."""
    return [
        path for path in paths
        if not path.startswith(settings.dir + "/") and path != settings.link_path
        and not any(fnmatch.fnmatchcase(name, p) for p in settings.not_code for name in (path, path.rpartition("/")[2]))
    ]  # fmt: skip
