"""A document as data: the answers of ``show --json`` and ``status``."""

from __future__ import annotations

import re
from typing import Any, Final

from spelunk.branchwork.document import ci
from spelunk.branchwork.document.document import (
    CHECKLISTS,
    GATES,
    Section,
    UpdateEntry,
    Worklog,
    is_placeholder,
)
from spelunk.branchwork.stack.graph import parse_drawing
from spelunk.branchwork.store import Stored
from spelunk.io.lines import body
from spelunk.text.markdown import ListItem

_TITLE: Final = re.compile(r"PR #(\d+):\s*(.*)$")
_TICKET: Final = re.compile(r"\b([A-Z][A-Z0-9]*-\d+)\b")
_KEY: Final = r"(?:#\d+|[A-Z][A-Z0-9]*-\d+)"
_KEYS: Final = re.compile(rf"\s*({_KEY}(?:\s*[/,]\s*{_KEY})*)\s*:?\s+(.*)$", re.S)
_FILE: Final = re.compile(r"`([^`]+)`(?:\s*[-–—:]\s*(.*))?$")
_LEAD: Final = re.compile(r"\*\*(.+?)\*\*:?\s*(.*)$", re.S)


def to_dict(stored: Stored) -> dict[str, Any]:
    """Every part of a document, with 1-based lines."""
    doc = stored.doc
    return {
        "path": stored.path, "ref": stored.ref or None, "archived": stored.archived,
        "front_matter": front_matter(doc), "title": title(doc), "stack": _stack(doc),
        "issues": _items(doc, "Issues", keys=True),
        "definition_of_done": _items(doc, "Definition of Done"),
        "merge_checklist": _items(doc, "Merge Checklist"),
        "ci": [
            {"line": r.line + 1, "check": r.check, "status": r.status, "details": r.details, "state": r.state}
            for r in ci.rows(doc)
        ],
        "decisions": _items(doc, "Decisions"),
        "notes": _items(doc, "Notes"),
        "updates": [_entry(doc, entry) for entry in doc.entries],
        "follow_up": _items(doc, "Follow-up Work", keys=True),
        "sections": [
            {"name": s.name, "known": s.known or None, "line": s.line + 1, "end_line": doc.content_end(s)}
            for s in doc.sections
        ],
    }  # fmt: skip


def front_matter(doc: Worklog) -> dict[str, Any]:
    """The front matter, its values as the types they stand for; None where empty."""
    data: dict[str, Any] = {}
    branch: dict[str, Any] = {}
    for key, field in (doc.front.fields if doc.front else {}).items():
        value: Any = field.value if field.value != "" else None
        if key.startswith("branch."):
            leaf = key.partition(".")[2]
            is_number = leaf in ("position", "total") and isinstance(value, str) and value.isdigit()
            branch[leaf] = int(value) if is_number else value
        elif key == "reviewers" and doc.front:
            data[key] = doc.front.items(key)
        elif key != "branch":
            data[key] = value
    number, tickets = pull_request(doc)
    return {**data, "branch": branch, "pr_number": number, "tickets": tickets}


def pull_request(doc: Worklog) -> tuple[int | None, list[str]]:
    """The number in ``pr``, and the tickets beside it."""
    number = re.match(r"\s*#?(\d+)\b", doc.field("pr"))
    return (int(number.group(1)) if number else None), _TICKET.findall(doc.field("pr"))


def title(doc: Worklog) -> dict[str, Any] | None:
    """The title: its text, and the pull request's number and title where it has them."""
    if doc.title is None:
        return None
    line, text = doc.title
    named = _TITLE.match(text)
    return {
        "line": line + 1, "text": text, "wip": text.startswith("[WIP]"),
        "pr": int(named.group(1)) if named else None, "pr_title": named.group(2) if named else None,
    }  # fmt: skip


def _stack(doc: Worklog) -> dict[str, Any] | None:
    fence = doc.stack_fence()
    if fence is None:
        return None
    drawn = doc.inside(fence)
    place = {"line": fence.start + 1, "end_line": fence.end}
    return {**place, "text": "\n".join(drawn), "branches": parse_drawing(drawn)}


def _items(doc: Worklog, name: str, *, keys: bool = False) -> list[dict[str, Any]]:
    """A section's items as a tree, without placeholders."""
    section = doc.section(name)
    roots: list[dict[str, Any]] = []
    parents: list[tuple[int, dict[str, Any]]] = []
    for item in doc.items(section) if section else []:
        while parents and parents[-1][0] >= item.depth:
            parents.pop()
        if is_placeholder(item.text) and item.end == item.start + 1:
            continue
        text = _whole_text(doc, item)
        data: dict[str, Any] = {"line": item.start + 1, "text": text}
        if item.task is not None:
            data["checked"] = item.task != " "
        if keys:
            data.update(_issue(text))
        if name == "Decisions" and (lead := _LEAD.match(text)):
            data["title"], data["reason"] = lead.group(1).rstrip(":"), lead.group(2).removeprefix(":").strip()
        (parents[-1][1].setdefault("items", []) if parents else roots).append(data)
        parents.append((item.depth, data))
    return roots


def _whole_text(doc: Worklog, item: ListItem) -> str:
    """An item's own text: its first line and those that continue it, without the items below it."""
    below = [i.start for i in doc.blocks.items if i.depth > item.depth and item.start < i.start < item.end]
    more = map(body, doc.lines[item.start + 1 : min([item.end, *below])])
    unindented = [line[: item.content].strip() + line[item.content :] for line in more]
    return "\n".join([item.text, *unindented]).rstrip()


def _issue(text: str) -> dict[str, Any]:
    match = _KEYS.match(text)
    keys = match.group(1) if match else ""
    number = re.search(r"#(\d+)", keys)
    return {
        "number": int(number.group(1)) if number else None, "tickets": _TICKET.findall(keys),
        "summary": match.group(2).strip() if match else text,
    }  # fmt: skip


def _entry(doc: Worklog, entry: UpdateEntry) -> dict[str, Any]:
    start, end = entry.line + 1, entry.end
    while start < end and not doc.lines[start].strip():
        start += 1
    while end > start and not doc.lines[end - 1].strip():
        end -= 1
    quoted = [
        f
        for f in doc.fences(start, end)
        if len(f.marker) >= 4 and f.info.split()[:1] in (["markdown"], ["md"])
    ]
    return {
        "line": entry.line + 1, "end_line": end, "date": entry.date or None, "utc": entry.utc,
        "author": entry.author or None, "summary": entry.summary,
        "body": "\n".join(map(body, doc.lines[start:end])),
        "reviews": ["".join(f"{line}\n" for line in doc.inside(f)) for f in quoted],
        "files": _files(doc, start, end),
    }  # fmt: skip


def _files(doc: Worklog, start: int, end: int) -> list[dict[str, Any]]:
    """The files in a list below the item, or the line, ``Files changed:``."""
    items = [i for i in doc.blocks.items if start <= i.start < end]
    named: list[ListItem] = []
    for n in range(start, end):
        if body(doc.lines[n]).strip(" -*:").casefold() in ("files changed", "changed files", "files"):
            head = next((i for i in items if i.start == n), None)
            depth, stop = (head.depth + 1, head.end) if head else (0, end)
            below = [i for i in items if n < i.start < stop and i.depth == depth]
            if head or (below and not "".join(doc.lines[n + 1 : below[0].start]).strip()):
                named += below
    files = [(_FILE.match(item.text), item.text) for item in named]
    return [{"path": m.group(1) if m else text, "note": (m.group(2) if m else "") or ""} for m, text in files]


def boxes(doc: Worklog, section: Section | None) -> list[ListItem]:
    """The checkboxes of a section, nested ones included, without placeholders."""
    items = doc.items(section) if section else []
    return [i for i in items if i.task is not None and not is_placeholder(i.text)]


def _checklists(doc: Worklog) -> list[dict[str, Any]]:
    """Ticked and open boxes of each checklist."""
    lists = []
    for section in doc.sections:
        items = boxes(doc, section)
        if (section.known in CHECKLISTS or items) and section.known != "Updates":
            still = [{"line": i.start + 1, "text": i.text} for i in items if i.task == " "]
            counts = {"ticked": len(items) - len(still), "total": len(items), "open": still}
            lists.append({"section": section.name, **counts})
    return lists


def _blockers(doc: Worklog) -> list[str]:
    """What blocks the merge, one line each."""
    status = doc.field("status")
    if status == "merged":
        return []
    lines = []
    if status == "changes-requested":
        lines.append("changes are requested")
    elif status != "approved":
        lines.append(f"not approved: the status is {status or 'empty'}")
    for name in GATES:
        still = [i for i in boxes(doc, doc.section(name)) if i.task == " "]
        if still:
            lines.append(f"{name}: {len(still)} open, first line {still[0].start + 1}: {still[0].text}")
    return lines + [f"CI: {r.check}: {r.status}" for r in ci.rows(doc) if r.state in ("fail", "running")]


def _latest(doc: Worklog) -> UpdateEntry | None:
    """The newest update; of several in one minute the last that was added, by the order of the document."""
    entries = list(doc.entries)
    if entries and entries[0].date < entries[-1].date:
        entries.reverse()
    return max(entries, key=lambda e: e.date, default=None)


def summary(stored: Stored) -> dict[str, Any]:
    """The answer of ``status``."""
    doc = stored.doc
    front, head, last = front_matter(doc), title(doc), _latest(doc)
    states = [row.state for row in ci.rows(doc)]
    return {
        "path": stored.path, "branch": stored.branch, "title": head["text"] if head else None,
        "status": front.get("status"), "pr": front["pr_number"], "base": front["branch"].get("base"),
        "position": front["branch"].get("position"), "total": front["branch"].get("total"),
        "reviewers": front.get("reviewers", []), "risk": front.get("risk"), "last_updated": front.get("last_updated"),
        "checklists": _checklists(doc),
        "ci": {state: states.count(state) for state in ("pass", "fail", "running", "other")},
        "updates": len(doc.entries),
        "last_update": last and {"date": last.date, "author": last.author or None, "summary": last.summary},
        "blockers": _blockers(doc),
    }  # fmt: skip
