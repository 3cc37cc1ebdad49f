"""One generation of an index in memory: a reader that answers from Python data.

It is built from the packets of phase 1, as the stores are, and scores with the
pure functions of the store (:mod:`spelunk.store.impact`, :mod:`spelunk.store.scorer`):
its answers equal those of a real index of the same files, scores included. It
looks at every chunk for every question, so it is for small corpora.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from spelunk.config import DEFAULTS
from spelunk.errors import IndexCorruptError
from spelunk.pipeline.executor import Batches, Result
from spelunk.store.document import tie_of
from spelunk.store.impact import decode, score_scale, score_units
from spelunk.store.packet import FilePacket, Item
from spelunk.store.path_filter import path_test
from spelunk.store.paths import names_of
from spelunk.store.protocols import ChunkId, FileId, Filter, Reader, Requirement, Scored, TextField
from spelunk.store.records import ChunkRecord, FileRow
from spelunk.store.relation_pack import unpack_imports, unpack_rows
from spelunk.store.schema import path_order
from spelunk.store.scorer import cosine, quantize_query
from spelunk.store.segment import Rows, stored_vector
from spelunk.store.texts import Text, unpack
from spelunk.testing.executor import MemoryExecutor
from spelunk.testing.relations import MemoryFile, MemoryRelations
from spelunk.testing.source import MemorySource
from spelunk.text.required import Run
from spelunk.text.tokens import LONG_WORD, MAX_WORD
from spelunk.types import Flag

if TYPE_CHECKING:
    from spelunk.config import Options
    from spelunk.embed import Embedder

Levels = Mapping[TextField, Mapping[str, int]]
"""The level of each term, by field."""


class _Stored(NamedTuple):
    """A chunk, its terms and its vector: one row, or none."""

    record: ChunkRecord
    file: FileRow
    levels: Levels
    tie: int
    vector: Rows | None


class MemoryReader:
    """Implements :class:`spelunk.store.protocols.Reader`.

    Attributes:
        generation: As given.
        damage: As given: why the full text cannot be read.
    """

    def __init__(
        self,
        results: Iterable[Result] = (),
        *,
        embedder: str = "",
        generation: int = 1,
        damage: str | None = None,
        vector_damage: str | None = None,
        waiting: Collection[str] = (),
        why: str = "",
        planned: int = 0,
        first_id: int = 1,
    ) -> None:
        """Index the packets of an executor; a path may occur once.

        Args:
            results: Batches and their packets.
            embedder: Id of the embedder that made their vectors.
            generation: Number of the generation.
            damage: Answer as an index whose full text is damaged.
            vector_damage: Answer as an index whose vectors are damaged.
            waiting: Paths of files whose chunks wait for vectors.
            why: Why they wait.
            planned: Files that will be searchable after the running first update;
                0 where it is done.
            first_id: The lowest id of chunks and files.
        """
        self.generation = generation
        self.damage = damage
        self._vector_damage = vector_damage
        self._embedder = embedder
        self._waiting, self._why, self._planned = frozenset(waiting), why, planned
        self._files: dict[FileId, FileRow] = {}
        self._fields: dict[FileId, list[tuple[str, str]]] = {}
        self._texts: dict[FileId, Text] = {}
        self._chunks: dict[ChunkId, _Stored] = {}
        self._packets: dict[FileId, FilePacket] = {}
        self._next_chunk = first_id
        for items, packet in results:
            rows, start = Rows.of_bytes(packet.planes, packet.scales, packet.codes), 0
            for file in packet.files:
                stop = start + len(file.chunks)
                self._add(
                    first_id + len(self._files),
                    items[file.item].candidate.path,
                    file,
                    None if rows is None else rows.take(slice(start, stop)),
                )
                start = stop

    @classmethod
    def of_files(
        cls,
        files: Mapping[str, str | bytes],
        *,
        embedder: Embedder | None = None,
        options: Options = DEFAULTS,
        generation: int = 1,
        damage: str | None = None,
        vector_damage: str | None = None,
        waiting: Collection[str] = (),
        why: str = "",
        planned: int = 0,
        first_id: int = 1,
    ) -> MemoryReader:
        """Cut, tokenise and embed files, and index them.

        Args:
            files: Content by relative path.
            embedder: Makes the vectors; None makes none.
            options: The settings of chunks and sizes.
            generation: This and the others as for the constructor.
        """
        source = MemorySource(files)
        items = [Item(entry, None) for entry in source.walk(options).entries]
        executor = MemoryExecutor(source, options, embedder=embedder)
        return cls(
            executor.run(Batches(items, max(1, len(items)), 1)),
            embedder="" if embedder is None else embedder.id,
            generation=generation,
            damage=damage,
            vector_damage=vector_damage,
            waiting=waiting,
            why=why,
            planned=planned,
            first_id=first_id,
        )

    def _add(self, number: FileId, path: str, file: FilePacket, vectors: Rows | None) -> None:
        row = FileRow(
            number, path, file.size, file.digest, file.language, Flag(file.flags), self._next_chunk,
            len(file.chunks), file.lines, file.encoding, self.generation,
        )  # fmt: skip
        self._files[number] = row
        self._fields[number] = [(field.key, field.value) for field in file.fields]
        self._packets[number] = file
        self._texts[number] = unpack(file.text, file.line_map)
        of_path = dict(decode(file.path_terms))
        for n, (chunk, body, names) in enumerate(zip(file.chunks, file.bodies, file.names, strict=True)):
            levels: Levels = {"body": dict(decode(body)), "name": dict(decode(names)), "path": of_path}
            vector = None
            if vectors is not None and path not in self._waiting:
                vector = vectors.take(slice(n, n + 1))
            self._chunks[self._next_chunk] = _Stored(
                chunk._replace(id=self._next_chunk, file=number), row, levels, tie_of(body, names), vector
            )
            self._next_chunk += 1

    @property
    def documents(self) -> int:
        """Chunks in it."""
        return len(self._chunks)

    @property
    def embedder(self) -> str:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return self._embedder if any(c.vector is not None for c in self._chunks.values()) else ""

    @property
    def dimensions(self) -> int:
        """See :class:`~spelunk.store.protocols.Reader`."""
        self._check_vectors()
        widths = {c.vector.codes.shape[1] for c in self._chunks.values() if c.vector is not None}
        return int(max(widths, default=0))

    def frequencies(self, terms: Collection[str], field: TextField) -> dict[str, int]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        if self.damage is not None:
            return {}
        counts = {term: sum(term in c.levels[field] for c in self._chunks.values()) for term in terms}
        return {term: count for term, count in counts.items() if count}

    def vocabulary(self, prefix: str, field: TextField) -> dict[str, int]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        terms = {term for c in self._chunks.values() for term in c.levels[field] if term.startswith(prefix)}
        return self.frequencies(terms, field)

    def lexical(
        self,
        terms: Mapping[str, float],
        fields: Mapping[TextField, float],
        where: Filter,
        limit: int,
        requires: Sequence[Requirement] = (),
    ) -> list[Scored]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        scale = score_scale(terms, fields)
        if self.damage is not None or not scale:
            return []
        scored = []
        for chunk in self._passing(where, requires):
            units = sum(
                score_units(weight, boost, chunk.levels[field][term], scale)
                for term, weight in terms.items()
                for field, boost in fields.items()
                if term in chunk.levels[field]
            )
            if units:
                scored.append(Scored(chunk.record.id, units / scale, chunk.tie))
        return _best(scored, limit)

    def listed(self, where: Filter, limit: int, requires: Sequence[Requirement] = ()) -> list[ChunkId]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return [chunk.record.id for chunk in self._passing(where, requires)][:limit]

    def files_with(
        self, where: Filter, groups: Sequence[Sequence[Requirement]], limit: int | None = None
    ) -> list[FileRow]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        files = {chunk.file.id for chunk in self._passing(where)}
        for group in groups:
            files &= {chunk.file.id for chunk in self._passing(Filter(), group)}
        return sorted((self._files[i] for i in files), key=_by_path)[:limit]

    def nearest(self, vector: Sequence[float], where: Filter, limit: int) -> list[Scored]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        ids = [chunk.record.id for chunk in self._passing(where)]
        cosines = self.cosines(vector, ids)
        return _best([Scored(i, score) for i, score in cosines.items() if score > 0], limit)

    def cosines(self, vector: Sequence[float], ids: Sequence[ChunkId]) -> dict[ChunkId, float]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        self._check_vectors()
        query = quantize_query(vector)
        rows = {i: self._chunks[i].vector for i in ids if i in self._chunks}
        return {
            i: cosine(row.codes[0].tolist(), float(row.scales[0]), query)
            for i, row in rows.items()
            if row is not None
        }

    def vector(self, chunk: ChunkId) -> list[float] | None:
        """See :class:`~spelunk.store.protocols.Reader`."""
        self._check_vectors()
        row = self._chunks[chunk].vector if chunk in self._chunks else None
        if row is None:
            return None
        return [float(x) for x in stored_vector(row.codes[0], row.scales[0])]

    def missing_vectors(self) -> tuple[int, str]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        waiting = sum(c.file.path in self._waiting for c in self._chunks.values())
        return waiting, self._why if waiting else ""

    def chunks(self, ids: Sequence[ChunkId]) -> dict[ChunkId, ChunkRecord]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return {i: self._chunks[i].record for i in ids if i in self._chunks}

    def files(self, ids: Sequence[FileId]) -> dict[FileId, FileRow]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return {i: self._files[i] for i in ids if i in self._files}

    def file(self, path: str) -> FileRow | None:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return next((file for file in self._files.values() if file.path == path), None)

    def files_named(self, names: Collection[str]) -> list[FileRow]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        called = [f for f in self._files.values() if f.chunks and not names_of(f.path).isdisjoint(names)]
        return sorted(called, key=lambda file: file.path)

    def chunks_of(self, file: FileRow) -> list[ChunkRecord]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return [self._chunks[file.first_chunk + n].record for n in range(file.chunks)]

    def text(self, file: FileId) -> Text:
        """See :class:`~spelunk.store.protocols.Reader`."""
        if file not in self._texts:
            raise IndexCorruptError(f"text of file {file} missing")
        return self._texts[file]

    def forget(self, file: FileId) -> None:
        """Keep the text: there is no other copy."""

    @cached_property
    def relations(self) -> MemoryRelations:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return MemoryRelations(
            {
                i: MemoryFile(
                    self._files[i],
                    self._texts[i].text,
                    self.chunks_of(self._files[i]),
                    unpack_rows(packet.references),
                    unpack_imports(packet.imports),
                )
                for i, packet in self._packets.items()
            }
        )

    def languages(self) -> dict[str, int]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return dict(Counter(file.language for file in self._files.values()))

    def kinds(self) -> dict[str, int]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return dict(Counter(chunk.record.kind for chunk in self._chunks.values()))

    def field_names(self) -> set[str]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return {key for key, _ in chain.from_iterable(self._fields.values())}

    def coverage(self) -> tuple[int, int]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return len(self._files), self._planned or len(self._files)

    def _check_vectors(self) -> None:
        if self._vector_damage is not None:
            raise IndexCorruptError(self._vector_damage)

    def _passing(self, where: Filter, requires: Sequence[Requirement] = ()) -> Iterator[_Stored]:
        """The chunks that pass, by path and place in the file."""
        passes = path_test(where)
        by_text = self.damage is None
        for file in sorted(self._files.values(), key=_by_path):
            if not (passes(file.path) and self._file_passes(file, where)):
                continue
            for i in range(file.first_chunk, file.first_chunk + file.chunks):
                chunk = self._chunks[i]
                body = chunk.levels["body"]
                if (
                    where.allows_kind(chunk.record.kind)
                    and not (by_text and any(term in body for term in where.not_terms))
                    and not (by_text and not all(_meets(chunk.levels, r) for r in requires))
                ):
                    yield chunk

    def _file_passes(self, file: FileRow, where: Filter) -> bool:
        if where.languages and file.language not in where.languages:
            return False
        if file.flags & where.not_flags or (where.flags and not file.flags & where.flags):
            return False
        fields = self._fields[file.id]
        return file.language not in where.not_languages and all(
            field.allows(value for key, value in fields if key.lower() == field.key.lower())
            for field in where.fields
        )


def _by_path(file: FileRow) -> tuple[bool, str | bytes]:
    return path_order(file.path)


def _meets(levels: Levels, requirement: Requirement) -> bool:
    """Whether a chunk meets a requirement; a run beyond the longest term is decided by its text alone."""
    terms = levels[requirement.field]
    runs = [run for run in requirement.any_of if len(run.text) <= MAX_WORD]
    if (requirement.field == "body" or not runs) and LONG_WORD in terms:
        return True
    return any(_fits(term, run) for run in runs for term in terms)


def _fits(term: str, run: Run) -> bool:
    if run.starts and run.ends:
        return term == run.text
    if run.starts:
        return term.startswith(run.text)
    return term.endswith(run.text) if run.ends else run.text in term


def _best(scored: Iterable[Scored], limit: int) -> list[Scored]:
    """The best, best first; more than ``limit`` where the last ones are equal in score and tie."""
    best = sorted(scored, key=lambda s: (-s.score, s.tie, s.id))
    if len(best) <= limit:
        return best
    last = best[limit - 1]
    return [s for s in best if (-s.score, s.tie) <= (-last.score, last.tie)]


_: type[Reader] = MemoryReader
