"""What the name at a line and column means: the definition there, or the one that is referred to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from spelunk.chunk.relation import Reference, Role
from spelunk.errors import UsageError
from spelunk.graph.citation import PLACE, check_line, file_at
from spelunk.graph.grading import Candidate
from spelunk.graph.languages import EXTENDING
from spelunk.graph.resolve import Resolver
from spelunk.graph.spans import last_line
from spelunk.graph.view import GraphView

if TYPE_CHECKING:
    from spelunk.store.records import FileRow
    from spelunk.store.relation_reader import DefinitionRow

_WORD: Final = re.compile(r"\w+")
_TAG: Final = re.compile(r"\b(?:struct|union|enum|class)\s+$")
MOST_LINES: Final = 2_000
"""Lines of a struct of C that are looked at for its beginning."""
_TYPE_FIRST: Final = frozenset({"c", "cpp", "java", "csharp", "dart", "cuda", "arduino", "php"})
"""Languages in which the name of a type may stand before what is defined: ``foo foo;``."""
HERE: Final = "here"
"""The rule of a place that is the name of the definition itself."""


def rows_at(view: GraphView, file: FileRow, line: int, column: int) -> list[DefinitionRow]:
    """The definitions that the name at a place means, those of the highest confidence.

    Raises:
        UsageError: There is no such line, or no name at the column.
    """
    found = candidates_at(Resolver(view), file, line, column)
    return [c.row for c in found if c.confidence >= found[0].confidence]


def candidates_of(resolver: Resolver, asked: str) -> list[Candidate]:
    """What the name at ``FILE:LINE:COLUMN`` may mean; none for anything else that is asked.

    Raises:
        UsageError: As :func:`rows_at`.
    """
    place = PLACE.fullmatch(asked.strip())
    if place is None or place.group(3) is None:
        return []
    file = file_at(resolver.view, place.group(1))
    return [] if file is None else candidates_at(resolver, file, int(place.group(2)), int(place.group(3)))


def candidates_at(resolver: Resolver, file: FileRow, line: int, column: int) -> list[Candidate]:
    """What the name at a place may mean, the most likely first.

    Args:
        resolver: Of the generation.
        file: Its row.
        line: 1-based.
        column: 1-based, of any character of the name, or just behind it.

    Raises:
        UsageError: There is no such line, or no name at the column.
    """
    check_line(file, line)
    view = resolver.view
    lines = view.lines(file.id)
    text = lines[line - 1] if line <= len(lines) else ""
    word = next((m for m in _WORD.finditer(text) if m.start() < column <= m.end() + 1), None)
    if word is None:
        raise UsageError(f"{file.path}:{line}:{column}: no name there; give the column of a name, from 1")
    name = word.group()
    rows = [d for d in view.definitions(file.id) if (d.name, d.line) == (name, line)]
    for others in (view.fields, view.locals):
        rows = rows or [d for d in others(file.id) if (d.name, d.line) == (name, line)]
    here = [d for d in rows if d.kind not in EXTENDING]
    before = text[: word.start()]
    is_first = not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", before)
    if here and (is_first or file.language in _TYPE_FIRST):
        return [Candidate(row, 1.0, HERE) for row in here[:1]]
    imports = [one for one in view.imports(file.id) if (one.line, one.name) == (line, name)]
    found = [Reference(one.alias, Role.IMPORT, line) for one in imports if one.alias]  # ``a`` of ``a as b``
    found = found or _references(view, file.id, name, line)
    if not found and not rows:  # one more signature, or one more equation, of the same function
        whole = [d for d in view.named_in(file.id, name) if d.line < line <= last_line(d)]
        if whole:
            return [Candidate(whole[-1], 1.0, HERE)]
    if not found and any(one.line == line for one in view.imports(file.id)):
        found = [Reference(name, Role.TYPE, line)]  # a part of the path of an import
    if not found:
        return [Candidate(row, 1.0, HERE) for row in rows[:1]]
    called, member = text[word.end() :].startswith("("), before.endswith((".", "::", "->"))

    def unlike(reference: Reference) -> tuple[bool, bool, bool]:
        """How a reference differs from what stands at the column; the most alike is the least."""
        receiver = reference.receiver.rpartition(")")[2].rpartition("]")[2]
        is_behind = before.rstrip(".:->").endswith(receiver)
        return (reference.role is Role.CALL) != called, bool(reference.receiver) != member, not is_behind

    found.sort(key=unlike)
    candidates = resolver.resolve_at(file.id, found[0]).candidates
    tagged = view.row(file.id).language in ("c", "cpp") and _TAG.search(text[: word.start()])
    return [c for one in candidates for c in _with_tag(view, one)] if tagged else candidates


def _with_tag(view: GraphView, found: Candidate) -> list[Candidate]:
    """Before ``} name;`` at the end of a ``typedef`` the line ``typedef struct name {`` where it begins."""
    row = found.row
    lines = view.lines(row.file)
    if not view.line(row.file, row.line).startswith("}"):
        return [found]
    head = re.compile(rf"\b(?:struct|union|enum|class)\s+{re.escape(row.name)}\b[^;]*$")
    for at in range(row.line - 2, max(-1, row.line - 2 - MOST_LINES), -1):
        if at < len(lines) and head.search(lines[at]):
            return [found._replace(row=row._replace(line=at + 1, end_line=row.line)), found]
    return [found]


def _references(view: GraphView, file: int, name: str, line: int) -> list[Reference]:
    """The references to a name at a line, its uses as a value included."""
    from spelunk.chunk.uses import uses

    found = [r for r in view.relations(file).references if (r.line, r.name) == (line, name)]
    if not found:
        parsed = view.parsed(file)
        found = [r for r in uses(parsed, name) if r.line == line] if parsed is not None else []
    return found
