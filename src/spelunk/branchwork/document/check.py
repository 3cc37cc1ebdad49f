"""What is wrong in a document, line by line.

Errors are what other readers would stumble over. Warnings are forms that are
still read but no longer written.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from spelunk.branchwork.document import ci, data
from spelunk.branchwork.document.document import (
    DATE_TEXT,
    GATES,
    RISKS,
    STATUSES,
    Document,
    cells,
    is_delimiter,
)
from spelunk.branchwork.document.markdown import code_span
from spelunk.branchwork.names import CURRENT_FILE, seconds, slug
from spelunk.branchwork.settings import Settings
from spelunk.branchwork.stack.graph import CURRENT, parse_drawing
from spelunk.branchwork.store import Stored
from spelunk.io import lines as text_lines
from spelunk.text.front_matter import FrontMatter

REQUIRED = (
    "date", "slug", "status", "pr", "branch", "branch.name", "branch.base", "branch.position", "branch.total",
    "reviewers", "dri", "scope", "risk", "backout_plan", "last_updated",
)  # fmt: skip
_PR = re.compile(r"#?\d+(?:\s*/\s*\S.*)?$|[A-Z][A-Z0-9]*-\d+$")
_CI_BOX = re.compile(r"\b(?:CI|checks)\b.*\b(?:pass|green)", re.I)


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding.

    Attributes:
        line: 1-based.
        level: ``error`` or ``warning``.
    """

    path: str
    line: int
    message: str
    level: str = "error"

    def __str__(self) -> str:
        mark = "warning: " if self.level == "warning" else ""
        return f"{self.path}:{self.line}: {mark}{self.message}"


def check(stored: Stored, settings: Settings) -> list[Problem]:
    """Every problem of a document, by line."""
    doc = stored.doc
    found: list[Problem] = []

    def report(line: int, message: str, level: str = "error") -> None:
        found.append(Problem(stored.path, line + 1, message, level))

    for part in (_front, _title, _sections, _stack, _table, _updates, _boxes, _text):
        for line, message, *level in part(doc, settings):
            report(line, message, *level)
    for line, message in _name(stored):
        report(line, message, "warning")
    return sorted(found, key=lambda p: (p.line, p.message))


_Findings = Iterator[tuple[int, str] | tuple[int, str, str]]


def _front(doc: Document, settings: Settings) -> _Findings:
    front = doc.front
    if front is None:
        yield 0, "no front matter: the first line must be ---, and a later one close it"
        return
    for key in REQUIRED:
        if key not in front.fields:
            yield front.start, f"front matter: {key} is missing"
    for line in front.duplicates:
        yield line, f"front matter: {text_lines.body(doc.lines[line]).strip()!r} is given twice"
    for line in front.unreadable:
        yield line, f"front matter: {text_lines.body(doc.lines[line]).strip()!r} is not understood"
    for key in front.fields:
        if key not in REQUIRED:
            yield (
                front.fields[key].line,
                f"front matter: {key} is not a field of a branchwork document",
                "warning",
            )
    yield from _values(doc, front)


def _values(doc: Document, front: FrontMatter) -> _Findings:
    def line(key: str) -> int:
        return front.fields[key].line if key in front.fields else front.start

    def of(key: str) -> str:
        return front.text(key)

    for key in ("date", "last_updated"):
        text = of(key)
        if text and (not DATE_TEXT.match(text) or seconds(text) is None or len(text) < 16):
            yield line(key), f"{key}: {text!r} is not YYYY-MM-DD HH:MM UTC"
    if of("status") not in STATUSES:
        yield line("status"), f"status: {of('status')!r} is not one of {', '.join(STATUSES)}"
    if of("risk") and of("risk") not in RISKS:
        yield line("risk"), f"risk: {of('risk')!r} is not one of {', '.join(RISKS)}"
    if of("pr") and not _PR.match(of("pr")):
        yield line("pr"), f"pr: {of('pr')!r} is not a number, or a number and a ticket like 47 / BLZ-42"
    if of("reviewers") and not isinstance(front.fields["reviewers"].value, list):
        yield line("reviewers"), "reviewers: must be a list: [name, name]"
    if "branch" in front.fields and front.fields["branch"].style not in ("map", "empty"):
        yield line("branch"), "branch: must hold name, base, position and total below it"
    name = of("branch.name")
    if not name:
        yield line("branch.name"), "branch.name: is empty, so no command finds the document"
    elif of("slug") != f"branchwork-{slug(name)}":
        yield line("slug"), f"slug: {of('slug')!r} must be 'branchwork-{slug(name)}' for the branch {name}"
    numbers = {}
    for key in ("branch.position", "branch.total"):
        if of(key) and (not of(key).isdigit() or int(of(key)) < 1):
            yield line(key), f"{key}: {of(key)!r} is not a number from 1"
        elif of(key):
            numbers[key] = int(of(key))
    if len(numbers) == 2 and numbers["branch.position"] > numbers["branch.total"]:
        yield (
            line("branch.position"),
            f"branch.position: {of('branch.position')} is more than the total, {of('branch.total')}",
        )


def _title(doc: Document, settings: Settings) -> _Findings:
    head = data.title(doc)
    number, _ = data.pull_request(doc)
    if head is None:
        yield (
            doc.start,
            "no title: a line `# [WIP] `branch`` or `# PR #<n>: <title>` belongs below the front matter",
        )
        return
    line, text = head["line"] - 1, head["text"]
    wip = f"[WIP] {code_span(doc.field('branch.name'))}"
    if number is None and text != wip:
        yield line, f"title: {text!r} must be {wip!r} while there is no pull request"
    elif number is not None and head["pr"] != number:
        yield line, f"title: {text!r} must start with 'PR #{number}: ', as pr says"
    elif number is not None and not head["pr_title"]:
        yield line, f"title: PR #{number} has no title"


def _sections(doc: Document, settings: Settings) -> _Findings:
    seen: dict[str, int] = {}
    for section in doc.sections:
        if section.known and section.known in seen:
            yield (
                section.line,
                f"section {section.name!r} is there twice, first in line {seen[section.known] + 1}",
            )
        elif section.known:
            seen[section.known] = section.line
    for name in settings.required_sections:
        if doc.section(name) is None:
            yield len(doc.lines) - 1 if doc.lines else 0, f"section {name!r} is missing"


def _stack(doc: Document, settings: Settings) -> _Findings:
    section = doc.section("PR Stack Context")
    if section is None:
        return
    fence = doc.stack_fence()
    if fence is None:
        yield section.line, "the stack has no ```text fence; `spelunk branchwork refresh` draws it"
        return
    inside = [text_lines.body(line) for line in doc.lines[fence.start + 1 : fence.end - fence.closed]]
    marked = [n for n, text in enumerate(inside) if CURRENT in text]
    name = doc.field("branch.name")
    if not any(text.strip() and not text.strip().startswith("#") for text in inside):
        yield fence.start, "the stack is not drawn yet; `spelunk branchwork refresh` draws it", "warning"
        return
    if not marked:
        yield fence.start, f"the drawn stack has no {CURRENT} on {name}", "warning"
    elif parse_drawing([inside[marked[0]]])[0]["name"] != name:
        yield fence.start + 1 + marked[0], f"the drawn stack has its {CURRENT} on another branch than {name}"
    drawn = len(parse_drawing(inside)) - 1
    if doc.field("branch.total").isdigit() and drawn != int(doc.field("branch.total")) and drawn > 0:
        yield (
            fence.start,
            f"the drawn stack has {drawn} branches, branch.total says {doc.field('branch.total')}",
            "warning",
        )


def _table(doc: Document, settings: Settings) -> _Findings:
    section = doc.section("CI Status")
    if section is None:
        return
    table = doc.table(section)
    if table is None:
        rows = [n for n in range(section.line + 1, section.end) if doc.lines[n].lstrip().startswith("|")]
        yield (
            rows[0] if rows else section.line,
            "CI Status has no table Check | Status | Details with a |---| row",
        )
        return
    head = [cell.casefold() for cell in cells(doc.lines[table[0]])]
    if head != ["check", "status", "details"]:
        yield table[0], "the CI table's columns must be Check | Status | Details"
    for n in range(table[0] + 2, table[1]):
        if len(cells(doc.lines[n])) != len(head) and not is_delimiter(doc.lines[n]):
            yield n, f"the CI row has {len(cells(doc.lines[n]))} cells, the table {len(head)} columns"


def _updates(doc: Document, settings: Settings) -> _Findings:
    dated: list[tuple[float, int]] = []
    for entry in doc.entries:
        when = seconds(entry.date) if entry.date else None
        if not entry.date:
            yield entry.line, f"update {entry.heading!r} is {entry.variant}"
            continue
        if when is None:
            yield entry.line, f"update: {entry.date!r} is no date"
            continue
        dated.append((when, entry.line))
        if entry.variant and not (entry.variant == "no UTC" and settings.local_time):
            yield (
                entry.line,
                f"update: {entry.variant}; written today: `<date> UTC: [@author] summary`",
                "warning",
            )
        if not entry.summary:
            yield entry.line, "update: no summary"
    up = [line for (a, _), (b, line) in pairwise(dated) if a < b]
    down = [line for (a, _), (b, line) in pairwise(dated) if a > b]
    wrong, right = (down, up) if settings.order == "oldest" else (up, down)
    if settings.order == "keep" and len(up) > len(down):
        wrong, right = down, up
    if wrong and not right:
        yield wrong[0], f"updates: the order is {'newest' if wrong is down else 'oldest'} first", "warning"
    else:
        for line in wrong:
            yield line, "update: out of order by its date", "warning"


def _boxes(doc: Document, settings: Settings) -> _Findings:
    waiting = [row for row in ci.rows(doc) if row.state in ("fail", "running")]
    for name in GATES:
        section = doc.section(name)
        for item in data.boxes(doc, section) if section else []:
            if item.task == " " and doc.field("status") == "approved":
                yield item.start, f"{name}: {item.text!r} is open, but the status is approved"
            if item.task != " " and waiting and _CI_BOX.search(item.text):
                names = ", ".join(f"{row.check} is {row.status}" for row in waiting)
                yield item.start, f"{name}: {item.text!r} is ticked, but {names}", "warning"


def _text(doc: Document, settings: Settings) -> _Findings:
    for n, line in enumerate(doc.lines):
        if re.match(r"(?:<{7}|>{7}) |={7}\r?$", line) and _conflict(doc, n):
            yield n, "a merge conflict is left in the document"
    fence = doc.open_fence()
    if fence is not None:
        yield fence.start, "a code fence is opened and never closed"
    if doc.blocks.open_html is not None:
        yield doc.blocks.open_html, "an HTML comment or block is opened and never closed"


def _conflict(doc: Document, line: int) -> bool:
    return not any(f.start < line < f.end - f.closed for f in doc.blocks.fences) and not doc.lines[
        line
    ].startswith("=")


def _name(stored: Stored) -> Iterator[tuple[int, str]]:
    name = stored.path.rpartition("/")[2]
    branch = stored.branch
    if branch and CURRENT_FILE.match(name):
        wanted = f"CURRENT-{slug(branch)}"
        if not re.fullmatch(re.escape(wanted) + r"(?:-\d+)?\.md", name):
            yield 0, f"the file is called {name}, the branch {branch} gives {wanted}.md"


def code_files(paths: list[str], settings: Settings) -> list[str]:
    """Those of the changed paths that count as code."""
    return [
        path for path in paths
        if not path.startswith(settings.dir + "/") and path != settings.link_path
        and not any(fnmatch.fnmatchcase(path, p) or fnmatch.fnmatchcase(path.rpartition("/")[2], p) for p in settings.not_code)
    ]  # fmt: skip
