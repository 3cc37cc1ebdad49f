"""Commits and the history of a place as plain values for JSON, and as text for people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from spelunk.io.printable import DIM, LINE, PATH, printable, printable_name, styled

if TYPE_CHECKING:
    from spelunk.history.places import PlaceHistory
    from spelunk.types import Commit

SCHEMA_VERSION: Final = 1
SHORT_ID: Final = 10
"""Digits of an id that are shown; unique in repositories of some million objects."""
SHOWN_FILES: Final = 4
SHORT_BODY: Final = 6
"""Lines of a body that are shown without ``-v``; a longer body is cut."""

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_TRAILER: Final = re.compile(r"(?i:signed-off-by|co-authored-by|reviewed-by|acked-by|change-id|cc):\s")


def commit_object(commit: Commit) -> dict[str, Any]:
    """A commit as plain values."""
    return {
        "id": commit.id,
        "subject": _well_formed(commit.subject),
        "body": _well_formed(commit.body),
        "author": _well_formed(commit.author),
        "date": commit.date,
        "files": [printable_name(p) if _SURROGATES.search(p) else p for p in commit.files],
        "file_count": commit.file_count,
    }


def change_object(commit: Commit) -> dict[str, Any]:
    """A commit as plain values without its files: the last change of a hit."""
    return {k: v for k, v in commit_object(commit).items() if k not in ("files", "file_count")}


def place_object(told: PlaceHistory) -> dict[str, Any]:
    """The history of a place as plain values; docs/cli.md documents the keys."""
    first, last = told.lines or (None, None)
    return {
        "schema_version": SCHEMA_VERSION,
        "root": told.root,
        "path": told.path,
        "start_line": first,
        "end_line": last,
        "notice": told.notice or None,
        "commits": [commit_object(commit) for commit in told.commits],
        "worklogs": [
            {
                "path": n.path,
                "line": n.line,
                "branch": n.branch,
                "status": n.status,
                "heading": n.heading,
                "text": n.text,
            }
            for n in told.worklogs
        ],
    }


def place_text(told: PlaceHistory, *, verbose: bool = False, color: bool = False) -> str:
    """The history of a place for people: a line for each commit, its body below, then the branchwork entries."""
    out: list[str] = []
    for commit in told.commits:
        out.append(commit_line(commit, color))
        out += [f"    {line}" for line in body_lines(commit, None if verbose else SHORT_BODY)]
        if verbose and commit.files:
            out.append(styled(f"    files: {files_line(commit, None)}", DIM, color))
    for note in told.worklogs:
        place = styled(printable_name(note.path), PATH, color)
        about = " ".join(filter(None, (note.branch, note.status and f"({note.status})")))
        out.append(f"{place}:{note.line}  {printable(about)}  {printable(note.heading)}".rstrip())
        if note.text and note.text.lstrip("# ") != note.heading:
            out.append(f"    {printable(note.text)}")
    return "".join(f"{line}\n" for line in out)


def commit_line(commit: Commit, color: bool = False) -> str:
    """Short id, date, author and subject."""
    number = styled(commit.id[:SHORT_ID], LINE, color)
    return f"{number}  {commit.date[:10]}  {printable(commit.author)}  {printable(commit.subject)}"


def change_line(commit: Commit) -> str:
    """What a hit says of its last change."""
    return (
        f"last changed by {printable(commit.author)} on {commit.date[:10]}"
        f" ({commit.id[:SHORT_ID]}): {printable(commit.subject)}"
    )


def files_line(commit: Commit, limit: int | None = SHOWN_FILES) -> str:
    """The first files of a commit, and how many more there are."""
    shown = [printable_name(path) for path in commit.files[:limit]]
    more = commit.file_count - len(shown)
    return ", ".join(shown) + (
        f" and {more:,} more" if more > 0 and shown else f"{more:,} files" if more > 0 else ""
    )


def body_lines(commit: Commit, limit: int | None) -> list[str]:
    """The lines of a body without trailers at its end; cut to a number of lines that are not blank."""
    lines = [printable(line.rstrip()) for line in commit.body.split("\n")] if commit.body else []
    if limit is None:
        return lines
    while lines and (not lines[-1] or _TRAILER.match(lines[-1])):
        lines.pop()
    lines = [line for line in lines if line]
    return lines if len(lines) <= limit else [*lines[: limit - 1], "…"]


def _well_formed(text: str) -> str:
    """Without lone surrogates, which no UTF-8 stream can carry."""
    return _SURROGATES.sub("\ufffd", text)
