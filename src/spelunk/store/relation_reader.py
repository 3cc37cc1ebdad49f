"""The protocol between the symbol graph and storage."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from spelunk.chunk.relation import Import, Role
from spelunk.store.records import FileRow

if TYPE_CHECKING:
    from spelunk.store.definition_spans import DefinitionSpans
    from spelunk.store.kept import Kept

Place = tuple[int, int]
"""Id of a file version, and a line in it, 1-based."""


class DefinitionRow(NamedTuple):
    """A definition.

    Attributes:
        file: Id of the file version.
        name: Its name.
        kind: ``function``, ``method``, ``class``, ...
        scope: Names around it, joined by dots; "" at top level.
        line: First line, 1-based.
        end_line: Last line, inclusive.
    """

    file: int
    name: str
    kind: str
    scope: str
    line: int
    end_line: int


class Site(NamedTuple):
    """A stored reference to a name; see :class:`spelunk.chunk.relation.Reference`."""

    file: int
    role: Role
    line: int
    receiver: str


class Sites(NamedTuple):
    """References to one name.

    Attributes:
        sites: Ordered by path and line; at most as many as were asked for.
        total: How many there are.
    """

    sites: list[Site]
    total: int


class NameUse(NamedTuple):
    """How often a file refers to a name with any of some roles."""

    hash: int
    file: int
    uses: int


class RelationReader(Protocol):
    """Definitions, references and imports of one generation, read-only. One thread at a time.

    Names are exact: case counts. Every answer is a function of the files of the
    generation alone.

    Attributes:
        kept: What is kept of the generation for the next question.
    """

    kept: Kept

    def files_at(self, paths: Collection[str]) -> dict[str, FileRow]:
        """The indexed files at these paths; others are left out."""

    def file_rows(self, ids: Collection[int]) -> dict[int, FileRow]:
        """Files by id; ids that do not live are left out."""

    def paths_ending(self, endings: Sequence[str], limit: int = 1_000) -> list[str]:
        """Paths of files that are one of these or end in ``/`` + one of these, in order of path."""

    def all_paths(self) -> list[str]:
        """Paths of all indexed files, in order."""

    def text_of_file(self, file: int) -> str:
        """The text of a file as it was indexed."""

    def definitions_named(self, names: Collection[str], limit: int = 10_000) -> list[DefinitionRow]:
        """Definitions with one of these names, ordered by path and line."""

    def definitions_in(self, files: Collection[int]) -> dict[int, list[DefinitionRow]]:
        """Definitions of files, each list ordered by line; files without any are left out."""

    def definitions_around(self, places: Collection[Place]) -> dict[Place, list[DefinitionRow]]:
        """Definitions whose lines hold a place, each list ordered by first line; places without any are left out.

        For a few places in each file: every definition of a file is held against each of them.
        """

    def innermost(
        self, places: Collection[Place], kinds: Sequence[Collection[str]]
    ) -> dict[Place, DefinitionRow]:
        """The innermost definition around each place; places without any are left out.

        Args:
            places: As for :meth:`definitions_around`, but any number of them in a file.
            kinds: Definitions of the first kinds count first; others only where there are none of them.
        """

    def definition_spans(self, files: Collection[int], kinds: Collection[str]) -> dict[int, DefinitionSpans]:
        """For each of some files what tells apart the definitions of some kinds that its lines lie in."""

    def references_to(self, name: str, roles: Collection[Role] = (), limit: int = 10_000) -> Sites:
        """Stored references to a name; those of all roles where none is given."""

    def imports_of(self, files: Collection[int]) -> dict[int, list[Import]]:
        """Imports of files, in the order of their lines; files without any are left out."""

    def including(self, files: Collection[int], names: Collection[str]) -> dict[int, list[str]]:
        """Of some files the modules of imports that end in the name of a file, as includes do; by file.

        Args:
            files: Their ids.
            names: Last components of paths.
        """

    def importers(self, modules: Collection[str]) -> set[int]:
        """The ids of the files that :meth:`importing` finds, without a limit."""

    def importing(
        self, modules: Collection[str], limit: int = 10_000, names: Collection[str] = ()
    ) -> dict[int, list[Import]]:
        """Files with an import whose module's last part is one of these, and those imports; by path.

        Args:
            modules: Names as :func:`spelunk.store.relation_pack.module_names` takes them from a
                module: the name of a module, of a file with its extension or without it, of a folder.
            limit: Files at most.
            names: Of these files only imports that take one of these names; all where none is given.
        """

    def name_uses(self, roles: Collection[Role]) -> Iterator[NameUse]:
        """Every (name, file) pair with its count, in no particular order, for figures over the whole graph."""

    def name_hash(self, name: str) -> int:
        """The number that stands for a name in :meth:`name_uses`."""
