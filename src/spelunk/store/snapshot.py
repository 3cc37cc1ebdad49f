"""A read-only view of one generation: manifest, full text and vectors that agree.

Opening costs milliseconds and reads no vector: segments are mapped when the
dense side is first asked.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Final

from spelunk.errors import IndexCorruptError, SpelunkError
from spelunk.store.full_text import FullTextDamaged, LexicalReader, LostReader
from spelunk.store.manifest import Manifest
from spelunk.store.records import ChunkRecord, FileRow
from spelunk.store.segment_file import SegmentFile, open_segment, segment_path
from spelunk.store.texts import Text, unpack

if TYPE_CHECKING:
    from spelunk.store.scorer import SegmentScorer
    from spelunk.store.segment import Segment

ATTEMPTS: Final = 20
"""Tries to open while a writer purges or merges; each ends with a publish between them."""


class Snapshot:
    """One generation. Usable from one thread at a time; close it.

    Attributes:
        manifest: Inside a read transaction.
        lexical: The full text as of this generation or later; what a later one
            added is not in the manifest and is dropped by :meth:`visible`.
        generation: Its number.
        damage: What is wrong with the full text, if anything: every search of it raises.
    """

    def __init__(self, directory: str) -> None:
        """Open the newest generation.

        Raises:
            IndexMissingError: Nothing was published yet.
            IndexCorruptError: The manifest is damaged. A damaged full text shows in
                :attr:`damage`, and damaged vectors when :attr:`segments` are asked for.
            IndexFormatError: Written by a newer Spelunk.
        """
        self.directory = directory
        self.manifest = Manifest(directory)
        try:
            self._open()
        except BaseException:
            self.manifest.close()
            raise
        self._texts: dict[int, Text] = {}

    def _open(self) -> None:
        manifest = self.manifest
        self.damage: str | None = None
        for attempt in range(ATTEMPTS):
            manifest.end()
            manifest.begin()
            before = self._marks()
            lost: FullTextDamaged | None = None
            try:
                self.lexical = LexicalReader(self.lexical_directory)
            except FullTextDamaged as error:
                lost = error
            self._files = self._open_segments()
            missing = any(isinstance(file, IndexCorruptError) for file in self._files)
            if lost or missing:
                manifest.end()
                if attempt + 1 < ATTEMPTS and before != self._marks():
                    continue  # a merge or a repair took them away
                manifest.begin()
            if lost:
                self.lose_full_text(lost)
            # A purge between the two opens took out documents that this generation still shows.
            generation = manifest.generation
            manifest.end()
            if before == self._marks():
                manifest.begin()
                if manifest.generation == generation:
                    self.generation = generation
                    self._opened = before
                    return
        raise IndexCorruptError(
            f"{self.directory}: no consistent view in {ATTEMPTS} tries; run `spelunk check`"
        )

    def lose_full_text(self, error: FullTextDamaged) -> None:
        """Go on without the full text: it is damaged."""
        self.damage = str(error)
        self.lexical = LostReader(self.lexical_directory, self.damage)

    @property
    def lexical_directory(self) -> str:
        """Folder of the full text of this generation."""
        return os.path.join(self.directory, self.manifest.full_text_name)

    def _marks(self) -> tuple[object, ...]:
        m = self.manifest
        return (m.replaced, m.name, m.meta("purge", 0), m.meta("merges", 0), m.meta("lexical", 1))

    def _open_segments(self) -> list[SegmentFile | IndexCorruptError]:
        """Map every segment of the generation; one that is damaged is reported when vectors are asked for."""
        out: list[SegmentFile | IndexCorruptError] = []
        for s in self.manifest.segments():
            try:
                out.append(open_segment(segment_path(self.directory, s.name), s.rows))
            except IndexCorruptError as error:
                out.append(error)
        return out

    def _intact_files(self) -> list[SegmentFile]:
        for file in self._files:
            if isinstance(file, IndexCorruptError):
                raise file
        return [file for file in self._files if not isinstance(file, IndexCorruptError)]

    @cached_property
    def segments(self) -> list[Segment]:
        """The vector segments, mapped.

        Raises:
            IndexCorruptError: One is missing or damaged.
        """
        from spelunk.store.segment import Segment

        tombstones = self.manifest.tombstones()
        return [
            Segment(file, tombstones=tombstones.get(os.path.basename(file.path)))
            for file in self._intact_files()
        ]

    @cached_property
    def codes(self) -> list[SegmentScorer]:
        """The vector segments for looking up single chunks, mapped without numpy.

        Raises:
            IndexCorruptError: One is missing or damaged.
        """
        from spelunk.store.scorer import SegmentScorer

        return [SegmentScorer(file) for file in self._intact_files()]

    def visible(self, ids: list[int]) -> dict[int, ChunkRecord]:
        """The chunks of this generation among the ids."""
        return self.manifest.chunks(ids)

    def text(self, file: int) -> Text:
        """A file's text; kept for the snapshot's life."""
        found = self._texts.get(file)
        if found is None:
            found = self._texts[file] = unpack(*self.manifest.content(file))
        return found

    def forget(self, file: int) -> None:
        """Drop a text that is not needed again."""
        self._texts.pop(file, None)

    def files_of(self, chunks: list[int]) -> set[int]:
        """Ids of the files that these chunks of this generation belong to."""
        return self.manifest.files_of_chunks(chunks)

    def files(self, ids: list[int]) -> dict[int, FileRow]:
        """Files by id."""
        return self.manifest.files(ids)

    def rest(self) -> None:
        """Let go of the generation and keep what is open, for :meth:`resume`."""
        self.manifest.end()
        self._texts.clear()

    def resume(self) -> bool:
        """Hold on to the generation again; False if another one is published by now."""
        try:
            self.manifest.begin()
            return self.manifest.generation == self.generation and self._marks() == self._opened
        except SpelunkError:
            return False

    def close(self) -> None:
        """Let go of everything."""
        self.manifest.end()
        self.manifest.close()
        self._texts.clear()

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
