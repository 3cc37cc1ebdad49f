"""What one question may parse again, and the uses of names that are read within it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spelunk.chunk.relation import Reference, Role
from spelunk.graph.kept_trees import TREES

if TYPE_CHECKING:
    from spelunk.graph.view import GraphView
    from spelunk.store.records import FileRow


class ParseBudget:
    """Counts the files that one question parses again, and their size.

    Files whose trees are kept from an earlier question count all the same: an answer depends on the files alone.

    Attributes:
        parsed: How many were counted.
    """

    def __init__(self, files: int, size: int) -> None:
        """Count nothing yet.

        Args:
            files: As many at most.
            size: So many bytes of them at most.
        """
        self.parsed = 0
        self._files, self._size = files, size
        self._counted: set[int] = set()
        self._paid: set[int] = set()

    def allows(self, row: FileRow) -> bool:
        """Count a file that is parsed; False where a bound is reached."""
        if row.id in self._paid:
            return True
        if self.parsed >= self._files or row.size > self._size:
            return False
        self.parsed += 1
        self._size -= row.size
        self._counted.add(row.id)
        return True

    def pays(self, row: FileRow) -> bool:
        """Count a file once, however often it is parsed from now on; False where a bound is reached."""
        if row.id not in self._counted and not self.allows(row):
            return False
        self._paid.add(row.id)
        return True


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
