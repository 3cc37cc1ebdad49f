"""Answers as places alone, in the forms of ripgrep: ``-l``, ``-c`` and ``--vimgrep``.

Paths are written so that they can be opened from the current folder, since other
programs read these forms.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final

from spelunk.errors import UsageError
from spelunk.io.printable import LINE, MATCH, PATH, printable, printable_name, styled
from spelunk.present.snippet import Finder, finder, lines_of, window
from spelunk.search.answer import Answer
from spelunk.types import Hit

FILES: Final = "files"
COUNT: Final = "count"
VIMGREP: Final = "vimgrep"
FORMS: Final = (FILES, COUNT, VIMGREP)


def path_of(hit: Hit, prefixes: Mapping[str, str]) -> str:
    """The absolute path of a hit's file.

    Args:
        hit: A hit of a file.
        prefixes: What :func:`spelunk.search.many.prefixes` puts before the paths of each root.
    """
    return os.path.join(hit.root, hit.path.removeprefix(prefixes.get(hit.root, "")))


def from_here(path: str, here: str) -> str:
    """An absolute path as it can be opened from a folder: relative where it lies within."""
    beneath = here.rstrip("/") + "/"
    return path.removeprefix(beneath) if path.startswith(beneath) else path


def places_text(
    answer: Answer,
    form: str,
    prefixes: Mapping[str, str],
    here: str,
    *,
    limit: int | None = None,
    null: bool = False,
    color: bool = False,
) -> str:
    """The answer in one of :data:`FORMS`.

    ``files`` has each file once, in the order of the answer; ``count`` adds how many of
    its lines match; ``vimgrep`` has a line for each match, ``path:line:column:text``, the
    column counted in bytes from 1.

    Args:
        answer: Hits in files.
        form: One of :data:`FORMS`.
        prefixes: As for :func:`path_of`.
        here: The current folder; absolute and real.
        limit: At most this many files.
        null: Put a NUL byte behind each path instead of what is there.
        color: Colour paths, lines and matches.

    Raises:
        UsageError: A hit is a commit.
    """
    files: dict[str, list[Hit]] = {}
    for hit in answer.hits:
        if hit.commit is not None:
            raise UsageError("commits are in no file; use --json or --jsonl for them")
        path = path_of(hit, prefixes)
        if path in files or limit is None or len(files) < limit:
            files.setdefault(path, []).append(hit)
    find = finder(answer.matched)
    across = bool(answer.matched.regexes)
    out: list[str] = []
    for path, hits in files.items():
        name = from_here(path, here)
        shown = styled(name if null else printable_name(name), PATH, color)
        end = "\0" if null else ":"
        if form == FILES:
            out.append(shown + ("\0" if null else "\n"))
        elif form == COUNT:
            out.append(f"{shown}{end}{len(_matches(hits, find, across))}\n")
        else:
            rows = _matches(hits, find, across) or _first_lines(hits)
            out += (f"{shown}{end}{row}\n" for found in rows for row in _vimgrep(found, color))
    return "".join(out)


_Found = tuple[int, str, list[tuple[int, int]]]
"""A line's number, its text, and what matches in it."""


def _matches(hits: Sequence[Hit], find: Finder, across: bool) -> list[_Found]:
    """The lines that match, in their order, each once.

    Args:
        hits: Hits in one file.
        find: What matches in a line.
        across: Where no line of a hit matches by itself, take the lines in which a match begins that
            runs over their ends.
    """
    lines: dict[int, _Found] = {}
    for hit in hits:
        own = [
            (number, text, find.spans(text) or [(0, 0)])
            for number, text in enumerate(lines_of(hit.content), hit.start_line)
            if find.terms(text)  # a regex may match the empty text, which has no span
        ]
        for found in own or (_across(hit, find) if across else ()):
            lines[found[0]] = found
    return [row for _, row in sorted(lines.items())]


def _across(hit: Hit, find: Finder) -> list[_Found]:
    """The lines of a hit in which a match begins that ends in a later one."""
    rows = {}
    lines = lines_of(hit.content)
    for start, _ in find.spans(hit.content):
        line = hit.content.count("\n", 0, start)
        if line < len(lines):
            column = start - (hit.content.rfind("\n", 0, start) + 1)
            text = lines[line]
            rows[line] = (hit.start_line + line, text, [(min(column, len(text)), len(text))])
    return list(rows.values()) or _first_lines([hit])[0:1]


def _first_lines(hits: Sequence[Hit]) -> list[_Found]:
    """The first line of each hit: of those that were found by their meaning."""
    return [(hit.start_line, lines_of(hit.content)[0], [(0, 0)]) for hit in hits]


def _vimgrep(found: _Found, color: bool) -> list[str]:
    """A row for each match in a line: number, column, and the line, cut where it is very long."""
    line, text, spans = found
    rows = []
    for start, end in spans:
        column = len(text[:start].encode("utf-8", "replace")) + 1
        first, last = window(text, [(start, end)])
        before, match, after = text[first:start], text[start : min(end, last)], text[end:last]
        shown = f"{printable(before)}{styled(printable(match), MATCH, color)}{printable(after)}"
        rows.append(f"{styled(str(line), LINE, color)}:{column}:{shown}")
    return rows
