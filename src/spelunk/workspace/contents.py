"""Files as they are indexed: lines of one, and the outline of the names that it defines.

The text comes from the index and never from the disk, so that a path can lead
to nothing but an indexed file of the workspace.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from msgspec import Struct

from spelunk.errors import UsageError
from spelunk.types import Definition

if TYPE_CHECKING:
    from spelunk.history.places import PlaceHistory
    from spelunk.observe.progress import OnProgress
    from spelunk.store.protocols import Reader
    from spelunk.store.records import FileRow


class Passage(Struct, frozen=True):
    """Lines of a file as indexed.

    Attributes:
        path: Relative path.
        language: The file's language.
        start_line: First line of the text.
        end_line: Last line, inclusive; below ``start_line`` where the file has no line there.
        lines: Number of lines of the file.
        text: The lines with their ends. Of a format that wraps its text (a
            notebook) those lines of the text inside whose line in the raw file is meant.
        stale: Whether the file is known to have changed since.
    """

    path: str
    language: str
    start_line: int
    end_line: int
    lines: int
    text: str
    stale: bool = False


class Outline(Struct, frozen=True):
    """The names that a file defines.

    Attributes:
        path: Relative path.
        language: The file's language.
        lines: Number of lines of the file.
        definitions: In the order of their lines.
        stale: Whether the file is known to have changed since.
    """

    path: str
    language: str
    lines: int
    definitions: tuple[Definition, ...]
    stale: bool = False


class FileContents(ABC):
    """The methods of :class:`spelunk.Index` that give the contents of one file, or its past."""

    root: str

    @abstractmethod
    def refresh(self, *, progress: OnProgress | None = None, freshness: str | None = None) -> bool:
        """See :class:`spelunk.Index`."""

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[Reader]:
        """See :class:`spelunk.Index`."""

    def read(
        self, path: str, start_line: int = 1, end_line: int | None = None, *, refresh: bool = True
    ) -> Passage:
        """Lines of an indexed file.

        Args:
            path: Relative to the root, as search gives it.
            start_line: First line, 1-based.
            end_line: Last line, inclusive; by default the last of the file.
            refresh: Bring the index up to date first.

        Raises:
            UsageError: The file is not indexed, or ``start_line`` is below 1.
        """
        if start_line < 1:
            raise UsageError(f"line {start_line}: lines are counted from 1")
        fresh = self.refresh() if refresh else True
        with self.snapshot() as reader:
            file = indexed_file(reader, path)
            text = reader.text(file.id)
            starts = [*text.starts, len(text.text)]
            if text.line_map is None:
                last = min(file.lines, len(starts) - 1, end_line or file.lines)
                first = min(start_line, last + 1)
                cut = text.text[starts[first - 1] : starts[last]]
            else:
                last = end_line or max(text.line_map, default=0)
                first = start_line
                cut = "".join(
                    text.text[a:b]
                    for raw, a, b in zip(text.line_map, starts, starts[1:], strict=False)
                    if first <= raw <= last
                )
            return Passage(path, file.language, first, last, file.lines, cut, not fresh)

    def outline(self, path: str, *, refresh: bool = True) -> Outline:
        """The names that an indexed file defines: functions, classes, headings.

        Args:
            path: Relative to the root, as search gives it.
            refresh: Bring the index up to date first.

        Raises:
            UsageError: The file is not indexed.
        """
        fresh = self.refresh() if refresh else True
        with self.snapshot() as reader:
            file = indexed_file(reader, path)
            found = {d for chunk in reader.chunks_of(file) for d in chunk.definitions}
            order = sorted(found, key=lambda d: (d.line, -d.end_line, d.name, d.kind, d.scope))
            return Outline(path, file.language, file.lines, tuple(order), not fresh)

    def history(
        self, path: str, line: int | None = None, end_line: int | None = None, *, limit: int = 20
    ) -> PlaceHistory:
        """The commits and branchwork entries behind a file or some of its lines, read from git.

        Args:
            path: Relative to the root; a file that is no longer there has a history too.
            line: First line, 1-based, as the file has it now; None for the whole file.
            end_line: Last line; by default the first.
            limit: Commits wanted, the newest.

        Raises:
            UsageError: The file has no such line.
            GitError: git is missing, refuses the repository or does not answer.
        """
        from spelunk.history.places import history_of

        return history_of(self.root, path, None if line is None else (line, end_line or line), limit)


def indexed_file(reader: Reader, path: str) -> FileRow:
    """The row of an indexed file.

    Raises:
        UsageError: The file is not indexed.
    """
    file = reader.file(path)
    if file is None:
        raise UsageError(f"{path}: not indexed; `spelunk why {path}` says why")
    return file
