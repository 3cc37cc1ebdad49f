"""A read-only view of one generation: manifest, full text and vectors that agree.

Opening costs milliseconds: every segment is mapped, and no vector is read.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from spelunk.errors import IndexCorruptError, SpelunkError
from spelunk.store.full_text import LexicalReader
from spelunk.store.holding import Holding, spans_holding
from spelunk.store.location import refuse_remote
from spelunk.store.manifest import Manifest
from spelunk.store.paths import names_of
from spelunk.store.protocols import ChunkId, FileId, Filter, Requirement, Scored, TextField
from spelunk.store.records import ChunkRecord, FileRow
from spelunk.store.segment_file import SegmentFile, open_segments
from spelunk.store.tantivy_errors import FullTextDamaged
from spelunk.store.texts import Text, unpack
from spelunk.store.where import FileSpan, Where

if TYPE_CHECKING:
    from spelunk.store.reference_segment import ReferenceSegment
    from spelunk.store.relations_snapshot import SnapshotRelations
    from spelunk.store.scorer import SegmentScorer
    from spelunk.store.segment import Segment

ATTEMPTS: Final = 20
"""Tries to open while a writer purges or merges; each ends with a publish between them."""


class Snapshot:
    """One generation: the :class:`~spelunk.store.protocols.Reader` of the local stores.

    Usable from one thread at a time; close it.

    Attributes:
        generation: Its number.
        documents: Chunks in it.
        damage: What is wrong with the full text, if anything.
    """

    def __init__(self, directory: str) -> None:
        """Open the newest generation.

        Raises:
            IndexMissingError: Nothing was published yet.
            IndexCorruptError: The manifest is damaged. A damaged full text shows in
                :attr:`damage`, and damaged vectors when they are first read.
            IndexFormatError: Written by a newer Spelunk.
        """
        self.directory = directory
        self._manifest = Manifest(directory)
        try:
            self._open()
        except BaseException:
            self._manifest.close()
            raise
        self._texts: dict[int, Text] = {}
        self._wheres: dict[Filter, Where] = {}

    def _open(self) -> None:
        manifest = self._manifest
        self.damage: str | None = None
        self._full_text: LexicalReader | None = None
        for attempt in range(ATTEMPTS):
            manifest.end()
            manifest.begin()
            before = self._marks()
            refuse_remote(manifest)
            lost: FullTextDamaged | None = None
            try:
                self._full_text = LexicalReader(os.path.join(self.directory, manifest.full_text_name))
            except FullTextDamaged as error:
                lost = error
            self._segment_files = open_segments(self.directory, manifest.segments())
            self._reference_segments = self._open_references()
            opened = (*self._segment_files, *self._reference_segments)
            missing = any(isinstance(file, IndexCorruptError) for file in opened)
            if lost or missing:
                manifest.end()
                if attempt + 1 < ATTEMPTS and before != self._marks():
                    continue  # a merge or a repair took them away
                manifest.begin()
            if lost:
                self._lose_full_text(lost)
            # A purge between the two opens took out documents that this generation still shows.
            generation = manifest.generation
            manifest.end()
            if before == self._marks():
                manifest.begin()
                if manifest.generation == generation:
                    self.generation = generation
                    self._opened = before
                    self._settle()
                    return
        raise IndexCorruptError(
            f"{self.directory}: no consistent view in {ATTEMPTS} tries; run `spelunk check`"
        )

    def _settle(self) -> None:
        """Count the chunks, and hide what the full text holds of other generations."""
        manifest = self._manifest
        self.documents = manifest.published_counts()[1]
        if self._full_text is not None and self._full_text.documents != self.documents:
            from spelunk.store.manifest_references import hidden_files

            self._full_text.hide(int(manifest.meta("next_chunk", 1)), hidden_files(manifest))

    def _lose_full_text(self, error: FullTextDamaged) -> None:
        self.damage = str(error)
        self._full_text = None

    def _marks(self) -> tuple[object, ...]:
        m = self._manifest
        return (m.replaced, m.name, m.meta("purge", 0), m.meta("merges", 0), m.meta("lexical", 1))

    def _open_references(self) -> list[ReferenceSegment | IndexCorruptError]:
        rows = self._manifest.reference_segments()
        if not rows:
            return []
        from spelunk.store.reference_segment import open_references

        return open_references(self.directory, rows)

    @cached_property
    def relations(self) -> SnapshotRelations:
        """Definitions, references and imports of the generation; use it in the thread of the snapshot."""
        from spelunk.store.relations_snapshot import SnapshotRelations

        return SnapshotRelations(self._manifest, self._reference_segments, self.text, self._opened)

    def _intact_files(self) -> list[SegmentFile]:
        for file in self._segment_files:
            if isinstance(file, IndexCorruptError):
                raise file
        return [file for file in self._segment_files if not isinstance(file, IndexCorruptError)]

    @cached_property
    def segments(self) -> list[Segment]:
        """The vector segments, mapped.

        Raises:
            IndexCorruptError: One is missing or damaged.
        """
        from spelunk.store.segment import Segment

        tombstones = self._manifest.tombstones()
        return [
            Segment(file, tombstones=tombstones.get(os.path.basename(file.path)))
            for file in self._intact_files()
        ]

    @cached_property
    def _scorers(self) -> list[SegmentScorer]:
        """The vector segments for looking up single chunks, mapped without numpy."""
        from spelunk.store.scorer import SegmentScorer

        return [SegmentScorer(file) for file in self._intact_files()]

    def _where(self, wanted: Filter) -> Where:
        resolved = self._wheres.get(wanted)
        if resolved is None:
            resolved = self._wheres[wanted] = Where(self._manifest, wanted)
        return resolved

    def frequencies(self, terms: Collection[str], field: TextField) -> dict[str, int]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        if self._full_text is None:
            return {}
        try:
            return self._full_text.frequencies(terms, field)
        except FullTextDamaged as error:
            self._lose_full_text(error)
            return {}

    def vocabulary(self, prefix: str, field: TextField) -> dict[str, int]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        if self._full_text is None:
            return {}
        try:
            return self._full_text.vocabulary(prefix, field)
        except FullTextDamaged as error:
            self._lose_full_text(error)
            return {}

    def lexical(
        self,
        terms: Mapping[str, float],
        fields: Mapping[TextField, float],
        where: Filter,
        limit: int,
        requires: Sequence[Requirement] = (),
    ) -> list[Scored]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        if self._full_text is None:
            return []
        condition = self._where(where).full_text
        try:
            return self._full_text.top(terms, limit, fields=fields, where=condition, requires=requires)
        except FullTextDamaged as error:
            self._lose_full_text(error)
            return []

    def listed(self, where: Filter, limit: int, requires: Sequence[Requirement] = ()) -> list[ChunkId]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        resolved = self._where(where)
        passing = self._matching(resolved, requires) if requires or resolved.by_chunks else None
        out: list[ChunkId] = []
        for span in resolved.spans:
            if passing is not None:
                out += passing[bisect_left(passing, span.first) : bisect_left(passing, span.end)]
            elif resolved.by_chunks:
                out += self._of_kinds([span], where)
            else:
                out += range(span.first, span.end)
            if len(out) >= limit:
                return out[:limit]
        return out

    def files_with(
        self, where: Filter, groups: Sequence[Sequence[Requirement]], limit: int | None = None
    ) -> list[FileRow]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        resolved = self._where(where)
        if len(groups) == 1 and not (resolved.by_files or resolved.by_columns or resolved.by_chunks):
            chunks = self._matching(resolved, groups[0])
            if chunks is not None:
                return self._rows_of(self._holding.files(chunks, limit))
        spans = resolved.spans
        if resolved.by_chunks:
            passing = self._matching(resolved, ())
            if passing is None:  # kinds are known without the full text
                passing = self._of_kinds(spans, where)
            spans = spans_holding(spans, passing)
        everywhere = self._where(Filter())
        for group in groups:
            spans = spans_holding(spans, self._matching(everywhere, group))
        return self._rows_of([span.file for span in spans[:limit]])

    def _rows_of(self, ids: Sequence[FileId]) -> list[FileRow]:
        relations: SnapshotRelations | None = self.__dict__.get("relations")  # which keeps rows
        rows = self._manifest.files(ids) if relations is None else relations.file_rows(ids)
        return [*map(rows.__getitem__, ids)]

    @cached_property
    def _holding(self) -> Holding:
        return Holding(self._manifest)

    def _of_kinds(self, spans: Sequence[FileSpan], where: Filter) -> list[ChunkId]:
        """Chunks of the files whose kind passes, ascending."""
        return sorted(
            i
            for span in spans
            for i, kind in self._manifest.kinds_between(span.first, span.end)
            if where.allows_kind(kind)
        )

    def _matching(self, where: Where, requires: Sequence[Requirement]) -> list[ChunkId] | None:
        """Ids that pass in the full text, ascending; None if it cannot be read."""
        if self._full_text is None:
            return None
        try:
            return self._full_text.matching(where.full_text, requires)
        except FullTextDamaged as error:
            self._lose_full_text(error)
            return None

    def _having(self, terms: Sequence[str]) -> list[ChunkId]:
        """Chunks with one of the terms in their text, ascending; none if the full text cannot be read."""
        if self._full_text is None or not terms:
            return []
        try:
            return self._full_text.having(terms)
        except FullTextDamaged as error:
            self._lose_full_text(error)
            return []

    @property
    def embedder(self) -> str:
        """Id of the embedder that made the vectors; "" where there are none."""
        return str(self._manifest.meta("embedder", "")) if self._segment_files else ""

    @property
    def dimensions(self) -> int:
        """Dimensions of the vectors; 0 where there are none.

        Raises:
            IndexCorruptError: The vectors are damaged.
        """
        return self._scorers[0].dimensions if self._scorers else 0

    def nearest(self, vector: Sequence[float], where: Filter, limit: int) -> list[Scored]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        from spelunk.store import scan

        allowed = self._where(where).vectors(self._having(where.not_terms))
        return [Scored(i, cosine) for i, cosine in scan.nearest(self.segments, vector, limit, allowed)]

    def cosines(self, vector: Sequence[float], ids: Sequence[ChunkId]) -> dict[ChunkId, float]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        from spelunk.store.scorer import quantize_query

        query = quantize_query(vector)
        scores: dict[ChunkId, float] = {}
        for scorer in self._scorers:
            scores.update(scorer.cosines(ids, query))
        return scores

    def vector(self, chunk: ChunkId) -> list[float] | None:
        """See :class:`~spelunk.store.protocols.Reader`."""
        import numpy as np

        for segment in self.segments:
            rows = segment.lookup(np.asarray([chunk]))
            if len(rows):
                return [float(x) for x in segment.vector(int(rows[0]))]
        return None

    def missing_vectors(self) -> tuple[int, str]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        pending, _ = self._manifest.pending()
        return pending, str(self._manifest.meta("embedder_error", "")) if pending else ""

    def chunks(self, ids: Sequence[ChunkId]) -> dict[ChunkId, ChunkRecord]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return self._manifest.chunks(ids)

    def files(self, ids: Sequence[FileId]) -> dict[FileId, FileRow]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return self._manifest.files(ids)

    def file(self, path: str) -> FileRow | None:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return self._manifest.file(path)

    def all_files(self) -> Iterator[FileRow]:
        """Every file, by path."""
        return self._manifest.all_files()

    def files_named(self, names: Collection[str]) -> list[FileRow]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        wanted = {file for name in names for file in self._names.get(name, ())}
        return sorted(self._manifest.files(sorted(wanted)).values(), key=lambda file: file.path)

    @cached_property
    def _names(self) -> dict[str, list[FileId]]:
        """Files by their names; of 79,000 files made in some 0.2 s, once for a generation."""
        by_name: dict[str, list[FileId]] = {}
        for number, path in self._manifest.searchable_paths():
            for name in names_of(path):
                by_name.setdefault(name, []).append(number)
        return by_name

    def chunks_of(self, file: FileRow) -> list[ChunkRecord]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return self._manifest.chunks_of(file)

    def text(self, file: FileId) -> Text:
        """A file's text; kept for the snapshot's life or until :meth:`forget`."""
        if file not in self._texts:
            self._texts[file] = unpack(*self._manifest.content(file)[:2])
        return self._texts[file]

    def forget(self, file: FileId) -> None:
        """See :class:`~spelunk.store.protocols.Reader`."""
        self._texts.pop(file, None)

    def languages(self) -> dict[str, int]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return dict(self._manifest.languages())

    def kinds(self) -> dict[str, int]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return self._manifest.chunks_by_kind()

    def field_names(self) -> set[str]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return self._manifest.field_keys()

    def fields_of(self, chunks: Sequence[ChunkId]) -> dict[ChunkId, list[tuple[str, str]]]:
        """Front-matter fields of chunks."""
        return self._manifest.fields_of(chunks)

    def coverage(self) -> tuple[int, int]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        files = self._manifest.published_counts()[0]
        is_complete = self._manifest.meta("complete", 0)
        return files, files if is_complete else int(self._manifest.meta("planned", 0)) or files

    def rest(self) -> None:
        """Release the generation and keep what is open, for :meth:`resume`."""
        self._manifest.end()
        self._texts.clear()
        self._wheres.clear()

    def resume(self) -> bool:
        """Hold the generation again; False if another one is published by now."""
        try:
            self._manifest.begin()
            return self._manifest.generation == self.generation and self._marks() == self._opened
        except SpelunkError:
            return False

    def close(self) -> None:
        """Release everything."""
        self._manifest.end()
        self._manifest.close()
        self._texts.clear()

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
