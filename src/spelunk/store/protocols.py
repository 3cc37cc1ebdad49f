"""The protocol between search and storage: neutral filters, requirements, and the reader of a generation.

Importable without numpy and Tantivy. It holds everything that search needs of a store, so
that another store, remote or in memory, can serve the same search.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

from spelunk.store.records import ChunkRecord, FileRow
from spelunk.store.relation_reader import RelationReader
from spelunk.store.texts import Text
from spelunk.text.required import Run
from spelunk.types import Flag

ChunkId = int
FileId = int
TextField = Literal["body", "name", "path"]
"""Fields of the full text: a chunk's text, the names it defines, its path."""


class FieldFilter(NamedTuple):
    """A filter on a front-matter field; case does not count."""

    key: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def allows(self, values: Iterable[str]) -> bool:
        """Whether a file with these values of the field passes."""
        folded = {value.casefold() for value in values}
        if self.include and folded.isdisjoint(map(str.casefold, self.include)):
            return False
        return folded.isdisjoint(map(str.casefold, self.exclude))


class Filter(Struct, frozen=True):
    """Which chunks may be returned; a store applies it before it chooses the best.

    The members hold together; the values of one are alternatives. An empty
    tuple is no condition.

    Attributes:
        languages: Canonical languages of the file.
        not_languages: Languages left out.
        kinds: Kinds of the chunk.
        not_kinds: Kinds left out.
        flags: The file has one of these.
        not_flags: The file has none of these.
        paths: Parts of paths or globs (:mod:`spelunk.store.path_filter`), held
            against ``prefix`` + path.
        not_paths: The same, left out.
        fields: Front-matter fields of the file.
        within: Files and folders to stay in, relative to the root.
        not_terms: Terms of the body that a chunk must not have.
        prefix: Put before each path for ``paths`` and ``not_paths``.
        only: Paths of files, exactly; None for no condition.
    """

    languages: tuple[str, ...] = ()
    not_languages: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    not_kinds: tuple[str, ...] = ()
    flags: Flag = Flag.NONE
    not_flags: Flag = Flag.NONE
    paths: tuple[str, ...] = ()
    not_paths: tuple[str, ...] = ()
    fields: tuple[FieldFilter, ...] = ()
    within: tuple[str, ...] = ()
    not_terms: tuple[str, ...] = ()
    prefix: str = ""
    only: tuple[str, ...] | None = None

    def allows_kind(self, kind: str) -> bool:
        """Whether chunks of this kind pass."""
        return (not self.kinds or kind in self.kinds) and kind not in self.not_kinds


class Requirement(Struct, frozen=True):
    """A necessary condition of a match: the field has a term that fits one of the runs.

    A chunk that was cut inside a line, or holds a word too long to be indexed
    whole, meets every requirement on the body.
    """

    any_of: frozenset[Run]
    field: Literal["body", "name"] = "body"


class Scored(NamedTuple):
    """A chunk with its score.

    Attributes:
        id: The chunk.
        score: Higher is better; comparable between readers for the same arguments.
        tie: Orders chunks of equal score: a number that depends on the content of
            the chunk alone.
    """

    id: ChunkId
    score: float
    tie: int = 0


class Reader(Protocol):
    """One generation of an index, read-only. Usable from one thread at a time.

    What it returns is a function of the files of the generation alone: never
    of the order in which they were added, nor of what was deleted before.

    Attributes:
        relations: Definitions, references and imports of the generation.
        generation: The generation's number.
        documents: Chunks in it.
        damage: Why the full text cannot be read; None while it can. With it
            :meth:`frequencies` and :meth:`vocabulary` have no term, :meth:`lexical` returns nothing, and
            :meth:`listed`, :meth:`files_with` and :meth:`nearest` apply neither
            requirements nor ``not_terms``. It may be found by any of them.
        embedder: Id of the embedder that made the vectors; "" where there are none.
        dimensions: Of the vectors; 0 where there are none. Raises IndexCorruptError
            where they are damaged.
    """

    @property
    def relations(self) -> RelationReader: ...  # noqa: D102
    @property
    def generation(self) -> int: ...  # noqa: D102
    @property
    def documents(self) -> int: ...  # noqa: D102
    @property
    def damage(self) -> str | None: ...  # noqa: D102
    @property
    def embedder(self) -> str: ...  # noqa: D102
    @property
    def dimensions(self) -> int: ...  # noqa: D102

    def frequencies(self, terms: Collection[str], field: TextField) -> dict[str, int]:
        """How many chunks of the generation have each term in a field; terms of none are left out."""
        ...

    def vocabulary(self, prefix: str, field: TextField) -> dict[str, int]:
        """The terms of a field that begin with ``prefix``, with the number of chunks that have each."""
        ...

    def lexical(
        self,
        terms: Mapping[str, float],
        fields: Mapping[TextField, float],
        where: Filter,
        limit: int,
        requires: Sequence[Requirement] = (),
    ) -> list[Scored]:
        """The chunks with the highest sum of term weight times field weight times impact.

        Args:
            terms: Weight by term, inverse document frequency included.
            fields: Weight by field.
            where: Which chunks may be returned.
            limit: How many, at least 1; more only where the last ones are equal in
                score and ``tie``.
            requires: What a chunk must meet besides.

        Returns:
            Best first; equal scores by ``tie``.
        """
        ...

    def listed(self, where: Filter, limit: int, requires: Sequence[Requirement] = ()) -> list[ChunkId]:
        """The first chunks that pass, by path and place in the file; paths that are not UTF-8 last."""
        ...

    def files_with(
        self, where: Filter, groups: Sequence[Sequence[Requirement]], limit: int | None = None
    ) -> list[FileRow]:
        """Files with a chunk that passes and, for each group, a chunk that meets all of the group.

        Ordered as :meth:`listed`; the first ``limit`` of them. The chunks of the groups need not pass.
        """
        ...

    def nearest(self, vector: Sequence[float], where: Filter, limit: int) -> list[Scored]:
        """The chunks whose vectors have the highest positive cosine with ``vector``, best first.

        The cosines are those of :meth:`cosines`. A store may overlook some of the
        nearest where more than 1,024 chunks pass.

        Args:
            vector: Of :attr:`dimensions` numbers.
            where: Which chunks may be returned.
            limit: How many, at least 1; more only where the last ones have equal cosines.

        Raises:
            IndexCorruptError: The vectors are damaged.
        """
        ...

    def cosines(self, vector: Sequence[float], ids: Sequence[ChunkId]) -> dict[ChunkId, float]:
        """The cosine of those of the chunks that have a vector.

        Args:
            vector: Of :attr:`dimensions` numbers.
            ids: Chunks of this generation; ids that no chunk had are left out.

        Raises:
            IndexCorruptError: The vectors are damaged.
        """
        ...

    def vector(self, chunk: ChunkId) -> list[float] | None:
        """The stored vector of a chunk of this generation; None if it has none.

        Raises:
            IndexCorruptError: The vectors are damaged.
        """
        ...

    def missing_vectors(self) -> tuple[int, str]:
        """How many chunks still wait for a vector, and why; ``(0, "")`` where none do."""
        ...

    def chunks(self, ids: Sequence[ChunkId]) -> dict[ChunkId, ChunkRecord]:
        """Chunks by id; ids that are not of this generation are left out."""
        ...

    def files(self, ids: Sequence[FileId]) -> dict[FileId, FileRow]:
        """Files by id; ids that are not of this generation are left out."""
        ...

    def file(self, path: str) -> FileRow | None:
        """The file at a path; None where there is none."""
        ...

    def files_named(self, names: Collection[str]) -> list[FileRow]:
        """The files that are called by one of the names, by path.

        Args:
            names: In lower case: last components of paths, with extensions or without
                any; a file such as ``__init__.py`` is called by its folder's name too
                (:func:`spelunk.store.paths.names_of`).
        """
        ...

    def chunks_of(self, file: FileRow) -> list[ChunkRecord]:
        """The chunks of a file, in order."""
        ...

    def text(self, file: FileId) -> Text:
        """The text of a file as it was indexed.

        Raises:
            IndexCorruptError: It is missing or damaged.
        """
        ...

    def forget(self, file: FileId) -> None:
        """Drop a file's text from memory; it is not needed again."""
        ...

    def languages(self) -> dict[str, int]:
        """How many files are of each language."""
        ...

    def kinds(self) -> dict[str, int]:
        """How many chunks are of each kind."""
        ...

    def field_names(self) -> set[str]:
        """The front-matter fields that some file has."""
        ...

    def coverage(self) -> tuple[int, int]:
        """Files that are searchable, and files that will be when the running first update is done."""
        ...
