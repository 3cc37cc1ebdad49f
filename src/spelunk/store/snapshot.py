"""A read-only view of one generation: manifest, full text and vectors that agree.

Opening costs milliseconds and reads no vector: segments are mapped when the
dense side is first asked.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING, Final

from spelunk.errors import IndexCorruptError, SpelunkError
from spelunk.store.full_text import FullTextDamaged, LexicalReader, LostReader
from spelunk.store.manifest import ChunkRow, FileRow, Manifest
from spelunk.store.paths import VECTORS, lexical_name
from spelunk.store.texts import Text, unpack

if TYPE_CHECKING:
    from spelunk.store.scan import Segment
    from spelunk.store.segment import Codes

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
            before = (manifest.meta("purge", 0), manifest.meta("merges", 0), manifest.meta("lexical", 1))
            lost: FullTextDamaged | None = None
            try:
                self.lexical = LexicalReader(self.lexical_directory)
            except FullTextDamaged as error:
                lost = error
            self._segments = manifest.segments()
            missing = any(not os.path.exists(self._segment_path(s.name)) for s in self._segments)
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
        return os.path.join(self.directory, lexical_name(self.manifest))

    def _marks(self) -> tuple[int, int, int]:
        m = self.manifest
        return (m.meta("purge", 0), m.meta("merges", 0), m.meta("lexical", 1))

    def _segment_path(self, name: str) -> str:
        return os.path.join(self.directory, VECTORS, name)

    @cached_property
    def segments(self) -> list[Segment]:
        """The vector segments, mapped.

        Raises:
            IndexCorruptError: One is missing or damaged.
        """
        from spelunk.store.scan import Segment

        return [Segment(self._segment_path(s.name), s.rows) for s in self._segments]

    @cached_property
    def codes(self) -> list[Codes]:
        """The vector segments for looking up single chunks, mapped without numpy.

        Raises:
            IndexCorruptError: One is missing or damaged.
        """
        from spelunk.store.segment import Codes

        return [Codes(self._segment_path(s.name), s.rows) for s in self._segments]

    @property
    def dead(self) -> int:
        """Vector rows of files that were replaced or removed."""
        return sum(s.dead for s in self._segments)

    def visible(self, ids: list[int]) -> dict[int, ChunkRow]:
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
        ranges = self.manifest.all(
            "SELECT first_chunk, id, chunks FROM files WHERE chunks > 0 ORDER BY first_chunk"
        )
        firsts = [r[0] for r in ranges]
        out: set[int] = set()
        for chunk in chunks:
            at = bisect_right(firsts, chunk) - 1
            if at >= 0 and chunk < ranges[at][0] + ranges[at][2]:
                out.add(ranges[at][1])
        return out

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
