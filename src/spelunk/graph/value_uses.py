"""Uses of a name as a value in a file: not stored, but read from its text and kept for later questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spelunk.chunk.relation import Reference, Role
from spelunk.config import DEFAULTS
from spelunk.graph.kept_trees import TREES
from spelunk.graph.view import GraphView
from spelunk.types import Document

if TYPE_CHECKING:
    from spelunk.store.records import FileRow


def uses_as_value(view: GraphView, file: int, name: str, piece: str = "") -> list[Reference] | None:
    """Uses of a name as a value in a file, by line, kept for later questions; None where a bound is reached.

    Args:
        view: Of the question.
        file: Id of the file.
        name: The name.
        piece: The text of the file with blank lines where no uses are looked for; "" to look everywhere.
    """
    from spelunk.chunk.uses import uses

    row = view.row(file)
    if not view.budget.pays(row):
        view.unparsed.add(file)
        return None
    found = TREES.uses(row.digest, row.path, name)
    if found is None:
        if piece:
            found = _in_piece(row, name, piece)
        else:
            parsed = view.parsed(file)
            local = {d.line for d in view.locals(file) if d.name == name}
            every = [] if parsed is None else uses(parsed, name)
            found = [r for r in every if r.role is Role.USE and r.line not in local]
        TREES.keep_uses(row.digest, row.path, name, found)
    return found


def _in_piece(row: FileRow, name: str, piece: str) -> list[Reference]:
    from spelunk.chunk import parse
    from spelunk.chunk.local_definitions import local_definitions
    from spelunk.chunk.uses import uses

    parsed = parse(Document(row.path, piece, row.digest, row.language, size=row.size), DEFAULTS)
    local = {d.line for d in local_definitions(parsed) if d.name == name}
    return [r for r in uses(parsed, name) if r.role is Role.USE and r.line not in local]
