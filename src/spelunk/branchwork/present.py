"""Results as text and JSON."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Final

_LANGUAGES: Final = {
    ".py": "python", ".rs": "rust", ".js": "javascript", ".ts": "typescript", ".tsx": "tsx", ".go": "go", ".c": "c",
    ".h": "c", ".cpp": "cpp", ".java": "java", ".rb": "ruby", ".sh": "bash", ".toml": "toml", ".yml": "yaml",
    ".yaml": "yaml", ".json": "json", ".md": "markdown", ".sql": "sql", ".html": "html", ".css": "css",
    ".diff": "diff", ".patch": "diff", ".kt": "kotlin", ".swift": "swift", ".zig": "zig", ".hs": "haskell",
}  # fmt: skip


def language_of(path: str) -> str:
    """The fence language for a file's ending, ``""`` if unknown."""
    return _LANGUAGES.get(os.path.splitext(path)[1].lower(), "")


def print_text(text: str) -> None:
    """Text on standard output, byte for byte where it holds no valid UTF-8 or the terminal cannot show it."""
    if not text:
        return
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    buffer.write(text.encode("utf-8", "surrogateescape"))
    buffer.flush()


def print_json(facts: dict[str, Any]) -> None:
    """One JSON object on standard output."""
    text = json.dumps(facts, ensure_ascii=False, indent=2)
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes that are no text stay visible as escapes
        text = json.dumps(facts, indent=2)
    print_text(text + "\n")


def status_text(facts: dict[str, Any]) -> str:
    """What ``status`` prints."""
    pr = f"PR #{facts['pr']}" if facts["pr"] is not None else "no pull request"
    place = (
        f"{facts['position']} of {facts['total']} on {facts['base']}"
        if facts["position"]
        else "not placed yet"
    )
    lines = [
        f"{facts['branch']}  {facts['status']}  {pr}",
        f"  title     {facts['title']}",
        f"  stack     {place}",
        f"  updated   {facts['last_updated'] or 'never'}",
    ]
    if facts["reviewers"]:
        lines.append(f"  reviewers {', '.join(facts['reviewers'])}")
    last = facts["last_update"]
    if last:
        author = f" @{last['author']}" if last["author"] else ""
        lines.append(f"  last      {last['date']}{author}: {last['summary']}")
    ci = facts["ci"]
    if any(ci.values()):
        lines.append("  CI        " + ", ".join(f"{n} {state}" for state, n in ci.items() if n))
    for box in facts["checklists"]:
        if box["total"]:
            lines.append(f"  {box['section']}: {box['ticked']} of {box['total']}")
            lines += [f"    [ ] {item['text']}  ({facts['path']}:{item['line']})" for item in box["open"]]
    if facts["blockers"]:
        lines += ["blocks the merge:", *(f"  {line}" for line in facts["blockers"])]
    elif facts["status"] != "merged":
        lines.append("nothing blocks the merge")
    return "\n".join(lines) + "\n"


def list_text(rows: list[dict[str, Any]]) -> str:
    """What ``list`` prints: one line a document, in columns."""
    table = [
        (
            row["state"], row["status"] or "?", row["branch"] or "?", f"#{row['pr']}" if row["pr"] is not None else "-",
            row["last_updated"] or "-", f"{row['ref']}:{row['path']}" if row["ref"] else row["path"],
        )
        for row in rows
    ]  # fmt: skip
    widths = [max((len(row[n]) for row in table), default=0) for n in range(5)]
    return "".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:5], widths, strict=True)), row[5]]) + "\n"
        for row in table
    )
