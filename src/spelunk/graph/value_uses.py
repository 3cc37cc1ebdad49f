"""Uses of a name as a value in a file: not stored, but read from its text and kept for later questions."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spelunk.chunk.relation import Reference, Role
from spelunk.config import DEFAULTS
from spelunk.graph.kept_trees import TREES
from spelunk.graph.mentions import in_code_of_c, mentions, pieces_of_c
from spelunk.graph.view import GraphView
from spelunk.types import Document

if TYPE_CHECKING:
    from spelunk.store.records import FileRow


def lines_with(view: GraphView, file: FileRow, name: str) -> Sequence[int]:
    """The lines on which the text of a file has a name as a whole word, ascending; none of a notebook."""
    kept = view.reader.kept
    key = ("lines", file.id, name)
    found: array[int] | None = kept.get(key)
    if found is None:
        text = "" if file.language == "notebook" else view.reader.text_of_file(file.id)
        found = array("I", dict.fromkeys(line for line, _ in mentions(text, name)))
        kept.put(key, found, 80 + 4 * len(found))
    return found


def uses_as_value(view: GraphView, file: FileRow, name: str, lines: Sequence[int]) -> list[Reference] | None:
    """Uses of a name as a value in a file, by line, kept for later questions; None where a bound is reached.

    Args:
        view: Of the question.
        file: The file.
        name: The name.
        lines: Lines with the name that no stored reference explains, ascending. Of C only the pieces of the text that
            they are in are parsed, and nothing at all of C and C++ where they are comments or strings.
    """
    here = tuple(lines)
    piece = ""
    if file.language in ("c", "cpp"):
        key = ("code", file.id, name, here)
        is_code: bool | None = view.reader.kept.get(key)
        if is_code is None:
            piece = text = view.reader.text_of_file(file.id)
            if file.language == "c":
                piece = pieces_of_c(text, here)
            wanted = set(here)
            is_code = in_code_of_c(piece, [at for line, at in mentions(piece, name) if line in wanted])
            view.reader.kept.put(key, is_code, 100 + 8 * len(here))
        if not is_code:
            return []
    if not view.budget.pays(file):
        view.unparsed.add(file.id)
        return None
    in_pieces = here if file.language == "c" else ()
    found = TREES.uses(file.digest, file.path, name, in_pieces)
    if found is None:
        if in_pieces:
            found = _in_piece(file, name, piece or pieces_of_c(view.reader.text_of_file(file.id), here))
        else:
            found = _in_file(view, file, name)
        TREES.keep_uses(file.digest, file.path, name, found, in_pieces)
    return found


def _in_file(view: GraphView, file: FileRow, name: str) -> list[Reference]:
    from spelunk.chunk.uses import uses

    parsed = view.parsed(file.id)
    local = {d.line for d in view.locals(file.id) if d.name == name}
    every = [] if parsed is None else uses(parsed, name)
    return [r for r in every if r.role is Role.USE and r.line not in local]


def _in_piece(row: FileRow, name: str, piece: str) -> list[Reference]:
    from spelunk.chunk import parse
    from spelunk.chunk.local_definitions import local_definitions
    from spelunk.chunk.uses import uses

    parsed = parse(Document(row.path, piece, row.digest, row.language, size=row.size), DEFAULTS)
    local = {d.line for d in local_definitions(parsed) if d.name == name}
    return [r for r in uses(parsed, name) if r.role is Role.USE and r.line not in local]
