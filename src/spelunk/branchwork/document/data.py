"""A document as data: what ``show --json`` prints and what ``status`` counts."""

from __future__ import annotations

import re
from typing import Any

from spelunk.branchwork.document import ci
from spelunk.branchwork.document.document import CHECKLISTS, GATES, Document, Entry, Section, is_placeholder
from spelunk.branchwork.document.markdown import Item
from spelunk.branchwork.stack.drawing import parse_drawing
from spelunk.branchwork.store import Stored
from spelunk.io import lines as text_lines

_TITLE = re.compile(r"PR #(\d+):\s*(.*)$")
_NUMBER = re.compile(r"#(\d+)")
_TICKET = re.compile(r"\b([A-Z][A-Z0-9]*-\d+)\b")
_KEYS = re.compile(
    r"\s*((?:#\d+|[A-Z][A-Z0-9]*-\d+)(?:\s*[/,]\s*(?:#\d+|[A-Z][A-Z0-9]*-\d+))*)\s*:?\s+(.*)$", re.S
)
_FILE = re.compile(r"`([^`]+)`(?:\s*[-–—:]\s*(.*))?$")
_LEAD = re.compile(r"\*\*(.+?)\*\*:?\s*(.*)$", re.S)


def to_dict(stored: Stored) -> dict[str, Any]:
    """Everything a document says, with 1-based lines."""
    doc = stored.doc
    return {
        "path": stored.path,
        "ref": stored.ref or None,
        "archived": stored.archived,
        "front_matter": front_matter(doc),
        "title": title(doc),
        "stack": _stack(doc),
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


def front_matter(doc: Document) -> dict[str, Any]:
    """The front matter, its values as the types they stand for; None where empty."""
    front = doc.front
    known: dict[str, Any] = {}
    branch: dict[str, Any] = {}
    for key, field in (front.fields if front else {}).items():
        value: Any = field.value if field.value != "" else None
        if key.startswith("branch."):
            leaf = key.partition(".")[2]
            is_number = leaf in ("position", "total") and isinstance(value, str) and value.isdigit()
            branch[leaf] = int(value) if is_number else value
        elif key == "reviewers":
            known[key] = front.items(key) if front else []
        elif key != "branch":
            known[key] = value
    known["branch"] = branch
    number, tickets = pull_request(doc)
    known["pr_number"], known["tickets"] = number, tickets
    return known


def pull_request(doc: Document) -> tuple[int | None, list[str]]:
    """The number in ``pr``, and the tickets beside it."""
    text = doc.field("pr")
    found = re.match(r"\s*#?(\d+)\b", text)
    return (int(found.group(1)) if found else None), _TICKET.findall(text)


def title(doc: Document) -> dict[str, Any] | None:
    """The title: its text, and the pull request's number and title where it has them."""
    found = doc.title
    if found is None:
        return None
    line, text = found
    named = _TITLE.match(text)
    return {
        "line": line + 1,
        "text": text,
        "wip": text.startswith("[WIP]"),
        "pr": int(named.group(1)) if named else None,
        "pr_title": named.group(2) if named else None,
    }


def _stack(doc: Document) -> dict[str, Any] | None:
    fence = doc.stack_fence()
    if fence is None:
        return None
    inside = [text_lines.body(line) for line in doc.lines[fence.start + 1 : fence.end - fence.closed]]
    return {
        "line": fence.start + 1,
        "end_line": fence.end,
        "text": "\n".join(inside),
        "branches": parse_drawing(inside),
    }


def _items(doc: Document, name: str, *, keys: bool = False) -> list[dict[str, Any]]:
    """A section's items as a tree; placeholders are left out."""
    section = doc.section(name)
    roots: list[dict[str, Any]] = []
    open_items: list[tuple[int, dict[str, Any]]] = []
    for item in doc.items(section) if section else []:
        while open_items and open_items[-1][0] >= item.depth:
            open_items.pop()
        if is_placeholder(item.text) and item.end == item.start + 1:
            continue
        text = whole_text(doc, item)
        data: dict[str, Any] = {"line": item.start + 1, "text": text}
        if item.task is not None:
            data["checked"] = item.task != " "
        if keys:
            data.update(_issue(text))
        lead = _LEAD.match(text)
        if lead and name == "Decisions":
            data["title"], data["reason"] = lead.group(1).rstrip(":"), lead.group(2).removeprefix(":").strip()
        parent = open_items[-1][1].setdefault("items", []) if open_items else roots
        parent.append(data)
        open_items.append((item.depth, data))
    return roots


def whole_text(doc: Document, item: Item) -> str:
    """An item's own text: its first line and those that continue it, without the items below it."""
    below = [i.start for i in doc.blocks.items if i.depth > item.depth and item.start < i.start < item.end]
    more = doc.lines[item.start + 1 : min([item.end, *below])]
    stripped = [
        text_lines.body(line)[: item.content].strip() + text_lines.body(line)[item.content :] for line in more
    ]
    return "\n".join([item.text, *stripped]).rstrip()


def _issue(text: str) -> dict[str, Any]:
    found = _KEYS.match(text)
    keys = found.group(1) if found else ""
    number = _NUMBER.search(keys)
    return {
        "number": int(number.group(1)) if number else None,
        "tickets": _TICKET.findall(keys),
        "summary": found.group(2).strip() if found else text,
    }


def _entry(doc: Document, entry: Entry) -> dict[str, Any]:
    start, end = entry.line + 1, entry.end
    while start < end and not doc.lines[start].strip():
        start += 1
    while end > start and not doc.lines[end - 1].strip():
        end -= 1
    body = [text_lines.body(line) for line in doc.lines[start:end]]
    fences = [
        {
            "line": f.start + 1,
            "end_line": f.end,
            "language": f.info.split()[0] if f.info else None,
            "text": "".join(
                text_lines.body(line) + "\n" for line in doc.lines[f.start + 1 : f.end - f.closed]
            ),
            "review": len(f.marker) >= 4 and f.info.split()[:1] in (["markdown"], ["md"]),
        }
        for f in doc.fences(start, end)
    ]
    return {
        "line": entry.line + 1,
        "end_line": end,
        "date": entry.date or None,
        "utc": entry.utc,
        "author": entry.author or None,
        "summary": entry.summary,
        "body": "\n".join(body),
        "reviews": [f["text"] for f in fences if f["review"]],
        "fences": fences,
        "files": _files(doc, start, end),
    }


def _files(doc: Document, start: int, end: int) -> list[dict[str, Any]]:
    """The files named by a `Files changed:` list."""
    items = [i for i in doc.blocks.items if start <= i.start < end]
    heads = [
        i for i in items if i.text.strip(" :*").casefold() in ("files changed", "changed files", "files")
    ]
    inside = [i for i in items for h in heads if h.start < i.start < h.end and i.depth == h.depth + 1]
    for n in range(start, end):  # a plain line above a list does as well
        if text_lines.body(doc.lines[n]).strip(" :*").casefold() in ("files changed", "changed files"):
            below = [i for i in items if i.start > n and i.depth == 0]
            inside += [
                i for i in below if not any(doc.lines[m].strip() for m in range(n + 1, below[0].start))
            ]
    found = []
    for item in inside:
        named = _FILE.match(item.text)
        found.append(
            {"path": named.group(1) if named else item.text, "note": (named.group(2) if named else "") or ""}
        )
    return found


def boxes(doc: Document, section: Section) -> list[Item]:
    """The checkboxes of a section, nested ones included, placeholders not."""
    return [i for i in doc.items(section) if i.task is not None and not is_placeholder(i.text)]


def checklists(doc: Document) -> list[dict[str, Any]]:
    """Ticked and open boxes of each checklist."""
    found = []
    for section in doc.sections:
        items = boxes(doc, section)
        if (section.known in CHECKLISTS or items) and section.known != "Updates":
            still = [{"line": i.start + 1, "text": i.text} for i in items if i.task == " "]
            found.append(
                {
                    "section": section.name,
                    "ticked": len(items) - len(still),
                    "total": len(items),
                    "open": still,
                }
            )
    return found


def blockers(doc: Document) -> list[str]:
    """What stands in the way of the merge, one line each."""
    status = doc.field("status")
    if status == "merged":
        return []
    found = []
    if status == "changes-requested":
        found.append("changes are requested")
    elif status != "approved":
        found.append(f"not approved: the status is {status or 'empty'}")
    for name in GATES:
        section = doc.section(name)
        still = [i for i in boxes(doc, section) if i.task == " "] if section else []
        if still:
            found.append(f"{name}: {len(still)} open, first line {still[0].start + 1}: {still[0].text}")
    waiting = [row for row in ci.rows(doc) if row.state in ("fail", "running")]
    return found + [f"CI: {row.check}: {row.status}" for row in waiting]


def _latest(doc: Document) -> Entry | None:
    """The newest update; of those of one minute the one that was added last, by the order the document has."""
    entries = list(doc.entries)
    if entries and entries[0].date < entries[-1].date:
        entries.reverse()
    return max(entries, key=lambda e: e.date, default=None)


def summary(stored: Stored) -> dict[str, Any]:
    """What ``status`` says of a document."""
    doc = stored.doc
    front = front_matter(doc)
    head = title(doc)
    states = [row.state for row in ci.rows(doc)]
    last = _latest(doc)
    return {
        "path": stored.path,
        "branch": stored.branch,
        "title": head["text"] if head else None,
        "status": front.get("status"),
        "pr": front["pr_number"],
        "base": front["branch"].get("base"),
        "position": front["branch"].get("position"),
        "total": front["branch"].get("total"),
        "reviewers": front.get("reviewers", []),
        "risk": front.get("risk"),
        "last_updated": front.get("last_updated"),
        "checklists": checklists(doc),
        "ci": {state: states.count(state) for state in ("pass", "fail", "running", "other")},
        "updates": len(doc.entries),
        "last_update": {"date": last.date, "author": last.author or None, "summary": last.summary}
        if last
        else None,
        "blockers": blockers(doc),
    }
