"""What the screen of an interactive search shows, as styled pieces of text: the list, the preview, the status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spelunk.cli.interactive.session import State
from spelunk.io.printable import printable, printable_name
from spelunk.present.phrases import several
from spelunk.present.snippet import Finder, finder, lines_of
from spelunk.search.answer import NOTHING_MATCHED
from spelunk.types import Hit

if TYPE_CHECKING:  # the list may hold handlers of the mouse; ours has none
    from prompt_toolkit.formatted_text import StyleAndTextTuples as Pieces

KEYS = "Esc quit  Enter open  ^F ^T filter"


def list_pieces(state: State) -> Pieces:
    """A line for each hit: where it is, what it is, and its best line."""
    find = _finder(state)
    out: Pieces = []
    for number, hit in enumerate(state.hits):
        style = "class:selected " if number == state.selected else ""
        line = best_line(hit, find)
        if hit.commit is not None:
            place = f"{hit.commit.id[:10]}  {printable_name(hit.commit.subject)}"
            out += [(f"{style}class:path", place), (style, "\n")]
            continue
        text = lines_of(hit.content)[line - hit.start_line] if hit.content else ""
        out.append((f"{style}class:path", printable_name(hit.path)))
        out.append((f"{style}class:line", f":{line}"))
        out.append((style, f"  {printable_name(f'{hit.kind} {hit.symbol}'.strip())}  "))
        out += [(f"{style}{name}", piece) for name, piece in _marked(text.strip(), find)]
        out.append((style, "\n"))
    return out


def preview_pieces(state: State, rows: int) -> Pieces:
    """The lines of the selected hit around its best one, numbered, with what matches marked."""
    hit = state.hit
    if hit is None:
        return [("class:dim", f"\n  {printable(state.error)}\n")] if state.error else []
    find = _finder(state)
    lines = lines_of(hit.content)
    best = best_line(hit, find) - hit.start_line
    first = max(0, min(best - rows // 3, len(lines) - rows))
    width = len(str(hit.start_line + len(lines) - 1))
    out: Pieces = []
    for n in range(first, min(len(lines), first + rows)):
        out.append(("class:line" if n == best else "class:dim", f"{hit.start_line + n:>{width}} "))
        out += [*_marked(lines[n], find), ("", "\n")]
    return out


def status_pieces(state: State) -> Pieces:
    """One line: what was found, what is searched, and the keys."""
    if state.message:
        told = state.message
    elif state.error:
        told = state.error
    elif state.searching:
        told = "searching"
    elif state.answer is None:
        told = "type to search"
    elif not state.answer.files:
        told = "no files to search here"
    else:
        told = several(len(state.hits), "hit") if state.hits else "nothing found"
        told += f" in {several(state.answer.files, 'file')}, {state.answer.took_ms:.0f} ms"
        if state.hits and not state.answer.confident:
            told += ", none near"
    return [
        ("class:status", f" {printable(told)}  "),
        ("class:status.on", f" {state.wanted.files} "),
        ("class:status", " "),
        ("class:status.on", f" {state.wanted.mode} "),
        ("class:status", f"  {KEYS}"),
    ]


def best_line(hit: Hit, find: Finder) -> int:
    """The line of a hit that most of the query stands in; its first where none matches."""
    found = [len(find.terms(line)) for line in lines_of(hit.content)]
    return hit.start_line + (found.index(max(found)) if found else 0)


def _finder(state: State) -> Finder:
    return finder(state.answer.matched if state.answer is not None else NOTHING_MATCHED)


def _marked(line: str, find: Finder) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    at = 0
    for start, end in find.spans(line):
        out += [("", _text(line[at:start])), ("class:match", _text(line[start:end]))]
        at = end
    return [*out, ("", _text(line[at:]))]


def _text(text: str) -> str:
    return printable(text).replace("\t", "    ")
