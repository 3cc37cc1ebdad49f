"""Uses of a name as a value in a file: not stored, but read from its text and kept for later questions."""

from __future__ import annotations

from spelunk.chunk.relation import Reference, Role
from spelunk.graph.kept_trees import TREES
from spelunk.graph.view import GraphView


def uses_as_value(view: GraphView, file: int, name: str) -> list[Reference] | None:
    """Uses of a name as a value in a file, by line, kept for later questions; None where a bound is reached."""
    from spelunk.chunk.uses import uses

    row = view.row(file)
    if not view.budget.pays(row):
        view.unparsed.add(file)
        return None
    found = TREES.uses(row.digest, row.path, name)
    if found is None:
        parsed = view.parsed(file)
        local = {d.line for d in view.locals(file) if d.name == name}
        every = [] if parsed is None else uses(parsed, name)
        found = [r for r in every if r.role is Role.USE and r.line not in local]
        TREES.keep_uses(row.digest, row.path, name, found)
    return found
