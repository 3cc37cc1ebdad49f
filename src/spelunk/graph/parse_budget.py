"""What one question may parse again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
