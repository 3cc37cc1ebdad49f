"""The Source protocol: where files come from. A folder today; the revision of a repository fits as well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct, field

from spelunk.config import Options
from spelunk.types import Entry, Failed, Flag, Skipped

Row = tuple[str, int, bytes, str, int]
"""An entry as a plain tuple: path, size, stamp, language and the bits of its flags.

Only atoms, so that the garbage collector need not look at the rows of a large walk
again and again: with :class:`Flag` members in them a walk of 74,000 files took 7 % longer.
"""


def entry_of(row: Row) -> Entry:
    """A row as an object."""
    return Entry(row[0], row[1], row[2], row[3], Flag(row[4]))


class Walk(Struct):
    """The files of a source.

    Attributes:
        rows: Every file offered, by path.
        skipped: Files and folders recognised and left out, by path.
        failed: What could not be looked at, by path.
        fence: What the walk saw of folders and rules, for :meth:`Source.unchanged`. Opaque.
    """

    rows: list[Row] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    fence: bytes = b""

    @property
    def entries(self) -> list[Entry]:
        """The rows as objects, built at each access."""
        return [entry_of(row) for row in self.rows]


class Source(Protocol):
    """A set of files under relative paths. Can be pickled, and used in any process."""

    @property
    def id(self) -> str:
        """What is read, e.g. ``folder:/p`` or ``git:/p@sha``. Equal ids name equal sources."""
        ...

    @property
    def location(self) -> str:
        """A path of this machine whose disk is read."""
        ...

    def walk(self, options: Options) -> Walk:
        """Find every file worth indexing.

        Raises:
            WorkspaceError: There is no such source, or it cannot be read.
        """
        ...

    def unchanged(self, fence: bytes, files: Iterable[tuple[str, bytes]] = ()) -> bool:
        """Whether a new walk would find the same files under the same rules.

        Args:
            fence: Of the last walk.
            files: Paths and stamps of files; whether each is unchanged as well.
        """
        ...

    def stamp(self, path: str) -> bytes | None:
        """The stamp that an unchanged file has; None where there is no such file.

        Compare it with a kept one by ``==``; a kept ``b""`` is never equal.
        """
        ...

    def read(self, entry: Entry, limit: int) -> bytes | Skipped | Failed:
        """The contents of a file.

        Args:
            entry: From :meth:`walk`. The file may have changed since.
            limit: A file with more bytes is skipped.
        """
        ...

    def prefetch(self, entries: Sequence[Entry]) -> None:
        """Hint that these files are read next; errors do not matter."""
        ...

    def close(self) -> None:
        """Release what reading has opened in this process; it can be used again."""
        ...
