"""Write packets to the stores and publish them as generations.

A publish goes: journal the intent → vectors and references (beside, flushed, renamed) → full
text (commit) → manifest transaction, which makes it visible. What a crash
leaves behind has ids that no generation ever published: the next writer
removes it. Documents that were replaced are purged from the full text after
the publish that hides them, so the old generation stays whole until the new
one is visible.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spelunk import faults
from spelunk.observe.profile import NO_LAPS, Laps
from spelunk.store import merge
from spelunk.store.document import ChunkTerms
from spelunk.store.full_text import LexicalWriter
from spelunk.store.full_text_query import flag_terms
from spelunk.store.leftovers import remove_leftovers
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.packet import FilePacket, Item, Packet
from spelunk.store.paths import MAX_KINDS
from spelunk.store.records import FileColumns, FileContent, Known, SegmentRow
from spelunk.store.reference_merge import MAX_MERGED_ROWS, compact_references
from spelunk.store.reference_writer import ReferenceCollector
from spelunk.store.relation_pack import row_count
from spelunk.store.schema import encode_path
from spelunk.store.segment import Rows, Segment, write_segment
from spelunk.types import Entry, Failed, Skipped


class FullTextWriter(Protocol):
    """Where a writer adds and deletes the terms of chunks; the methods are those of :class:`LexicalWriter`."""

    def add(self, chunk: ChunkTerms) -> None:
        """Add one chunk."""
        ...

    def delete_files(self, files: Iterable[int]) -> None:
        """Delete every chunk of these file versions."""
        ...

    def delete_from(self, first_chunk: int) -> None:
        """Delete every chunk with this id or a higher one."""
        ...

    def commit(self) -> None:
        """Make everything so far durable."""
        ...

    def close(self) -> None:
        """Drop what was not committed."""
        ...


class StoreWriter:
    """Applies packets to the stores; :meth:`publish` makes all that were applied one generation.

    Attributes:
        laps: Time of this process by stage.
    """

    laps: Laps = NO_LAPS

    def __init__(self, directory: str, manifest: ManifestWriter, *, heap: int, threads: int) -> None:
        """Open the stores for writing and undo what a crash left unpublished.

        Args:
            directory: The index directory; the writer's lock is held.
            manifest: Open for writing, no transaction under way.
            heap: Memory for the full-text writer in bytes.
            threads: Its threads.
        """
        self.directory = directory
        self.manifest = manifest
        self._lexical = self._open_full_text(heap, threads)
        self._next_chunk = int(manifest.meta("next_chunk", 1))
        self._next_file = int(manifest.meta("next_file", 1))
        self._kinds = {name: code for code, name in enumerate(manifest.kinds())}
        self._known: Mapping[str, Known] = {}
        self._donor_segments: list[list[Segment]] = []
        self._open = self._retain = False
        self._generation = 0
        self._segment = self._references_name = ""
        self._begin_values()
        self.recover()

    def _open_full_text(self, heap: int, threads: int) -> FullTextWriter:
        """Open where the terms of chunks go; a store elsewhere overrides this and what follows."""
        return LexicalWriter(
            os.path.join(self.directory, self.manifest.full_text_name),
            heap=heap,
            threads=threads,
            create=self.manifest.generation == 0,
        )

    def _write_vectors(self) -> list[SegmentRow]:
        """Make the vectors that were applied durable, without showing them."""
        if not self._ids:
            return []
        ids = np.asarray(self._ids, np.int64)
        kinds = np.asarray(self._kind_codes, np.uint8)
        return [write_segment(self.directory, self._segment, ids, kinds, self._parts)]

    def _forget(self, known: Known) -> None:
        """Take a file version out of the open transaction."""
        self.manifest.remove_file(known, retain=self._retain)

    def _begin_values(self) -> None:
        self._ids: list[int] = []
        self._kind_codes: list[int] = []
        self._parts: list[Rows] = []
        self._references = ReferenceCollector()
        self.pending_chunks = 0
        self.pending_files = 0

    def use(
        self, known: Mapping[str, Known], donor_segments: list[list[Segment]], *, retain: bool = False
    ) -> None:
        """Set what the manifest holds now, and the open segments of each workspace with reusable vectors.

        Args:
            known: Published files by path.
            donor_segments: Open segments of each workspace.
            retain: Keep the versions that are replaced, to show them again; for local stores.
        """
        self._known = known
        self._donor_segments = donor_segments
        self._retain = retain

    def recover(self) -> None:
        """Undo unpublished work of a writer that died."""
        if self.manifest.building:
            return  # new and empty, and the files beside it are the published generation's
        if self.manifest.journalled():
            faults.reach("recover.full-text.before")
            self._lexical.delete_from(self._next_chunk)
            self._lexical.commit()
            faults.reach("recover.full-text.after")
            remove_leftovers(self.directory, self.manifest)
            faults.reach("recover.intents.before")
            self.manifest.end_intents()  # last: until then a check expects leftovers
            faults.reach("recover.intents.after")
        else:
            remove_leftovers(self.directory, self.manifest)

    def is_full(self, max_chunks: int) -> bool:
        """Whether what is not published should be, because of the memory that it takes."""
        return self.pending_chunks >= max_chunks or self._references.rows >= MAX_MERGED_ROWS

    def _begin(self) -> None:
        if not self._open:
            faults.reach("intent.before")
            self._segment = self.manifest.segment_name(self._next_chunk)
            self._references_name = self.manifest.reference_name(self._next_file)
            self.manifest.begin_intent("publish", self._next_chunk, self._segment)
            faults.reach("intent.after")
            self.manifest.start()
            self._generation = self.manifest.generation + 1
            self._open = True

    def apply(self, items: Sequence[Item], packet: Packet) -> None:
        """Apply a packet to the stores; nothing of it is visible yet."""
        self._begin()
        at = 0
        embedded = Rows.of_bytes(packet.planes, packet.scales, packet.codes)
        for file in packet.files:
            first = self._next_chunk
            self._take_file(items[file.item].candidate, file)
            count = len(file.chunks)
            codes = [self._kind_code(c.kind) for c in file.chunks]
            vectors: Rows | None = None
            if file.donor is not None:
                vectors = self._donated(file.donor, count)
            elif embedded is not None:
                stop = at + count
                vectors = embedded.take(slice(at, stop))
                at = stop
            if vectors is None:
                self.manifest.add_pending(range(first, first + count))
            elif count:
                self._parts.append(vectors)
                self._ids.extend(range(first, first + count))
                self._kind_codes.extend(codes)
            self.laps.lap("vectors", file.language)
        for i in packet.same:
            self.manifest.update_stamp(items[i].candidate)
            self.manifest.remove_unindexed(items[i].candidate.path)
        for i, reason, detail in packet.skipped:
            self._set_unindexed(Skipped(items[i].candidate.path, reason, detail), items[i].candidate)
        for i, stage, error in packet.failed:
            self._set_unindexed(Failed(items[i].candidate.path, stage, error), items[i].candidate)
        self.pending_chunks += packet.chunks
        self.pending_files += len(packet.files) + len(packet.same) + len(packet.skipped) + len(packet.failed)
        faults.reach("take.end")

    def _set_unindexed(self, what: Skipped | Failed, candidate: Entry) -> None:
        known = self._known.get(what.path)
        if known is not None:
            self._forget(known)
        self.manifest.set_unindexed(what, candidate.stamp)

    def _take_file(self, candidate: Entry, file: FilePacket) -> None:
        known = self._known.get(candidate.path)
        if known is not None:
            self._forget(known)
        else:
            self.manifest.remove_unindexed(candidate.path)
        number, first = self._next_file, self._next_chunk
        self._next_file += 1
        self._next_chunk += len(file.chunks)
        self.manifest.add_file(
            FileColumns(
                id=number, path=encode_path(candidate.path),
                size=candidate.size, stamp=candidate.stamp,
                digest=file.digest, cut_digest=file.cut_digest,
                language=file.language, flags=file.flags, encoding=file.encoding,
                first_chunk=first, chunks=len(file.chunks), lines=file.lines, generation=self._generation,
            ),
            file.chunks,
            file.fields,
            FileContent(file.text, file.line_map, file.imports, row_count(file.references)),
            file.checksum,
        )  # fmt: skip
        lap, language = self.laps.lap, file.language
        lap("manifest", language)
        self._references.add(number, file.references)
        lap("references", language)
        faults.reach("take.rows", candidate.path)
        add, flags = self._lexical.add, flag_terms(file.flags)
        for chunk, body, name in zip(file.chunks, file.bodies, file.names, strict=True):
            if faults.ARMED:
                faults.reach("take.document", candidate.path)
            add(
                ChunkTerms(
                    first + chunk.id, number, body, name, file.path_terms, file.language, chunk.kind, flags
                )
            )
        lap("full text", language)

    def _kind_code(self, kind: str) -> int:
        return self._kinds.setdefault(kind, min(len(self._kinds), MAX_KINDS))

    def _donated(self, donor: tuple[int, int], count: int) -> Rows | None:
        """Return the vectors of a donor's chunks, from one or several segments; None if one is missing."""
        first, workspace = donor
        ids = np.arange(first, first + count)
        parts: list[Rows] = []
        places: list[NDArray[np.int64]] = []
        for segment in self._donor_segments[workspace]:
            if segment.rows and segment.ids[0] < first + count and segment.ids[-1] >= first:
                index = segment.lookup(ids)
                parts.append(segment.select(index))
                places.append(segment.ids[index])
        if sum(map(len, places)) != count or not parts:
            return None
        return Rows.concat(parts).take(np.argsort(np.concatenate(places)))

    def restore(self, entry: Entry, file: int) -> int | None:
        """Show a retained version of a file again; it comes with the next publish.

        Returns its chunks, or None where the version is damaged: the file has to be indexed then.

        Args:
            entry: The file, with the content of that version.
            file: Id of the version.
        """
        self._begin()
        version = self.manifest.retained_version(file)
        if version is None:
            return None
        known = self._known.get(entry.path)
        if known is not None:
            self._forget(known)
        else:
            self.manifest.remove_unindexed(entry.path)
        self.pending_files += 1
        faults.reach("restore.rows", entry.path)
        return self.manifest.restore(file, version, entry, self._generation)

    def remove(self, path: str, known: Known | None) -> None:
        """Remove a file that is gone; it leaves with the next publish."""
        self._begin()
        if known is not None:
            self._forget(known)
        else:
            self.manifest.remove_unindexed(path)

    def set_fence(self, fence: bytes) -> None:
        """Record what the walk saw, for the look before a search."""
        self._begin()
        self.manifest.set_fence(fence)

    def mark_all_stale(self) -> None:
        """Mark every file as changed, because the settings need other contents, so that this run reindexes it.

        Published together with the first files that are redone, so that a run
        that is interrupted is continued where it was.
        """
        self._begin()
        self.manifest.mark_all_stale()

    def publish(self, **meta: Any) -> int:
        """Make everything applied visible as one generation.

        Args:
            meta: Further values of the manifest's ``meta`` table.

        Returns:
            The generation's number.

        Raises:
            StorageError: The disk refuses; the last generation stays.
        """
        lap = self.laps.lap
        self._begin()
        faults.reach("publish.begin")
        faults.reach("publish.vectors.before")
        rows = self._write_vectors()
        faults.reach("publish.vectors.after")
        lap("vectors")
        references = self._references.write(self.directory, self._references_name)
        faults.reach("publish.references.after")
        lap("references")
        faults.reach("publish.full-text.before")
        if self.pending_chunks:
            self._lexical.commit()
        faults.reach("publish.full-text.after")
        lap("commit full text")
        m = self.manifest
        m.set_meta("next_chunk", self._next_chunk)
        m.set_meta("next_file", self._next_file)
        m.set_kinds(list(self._kinds))
        for key, value in meta.items():
            m.set_meta(key, value)
        number = m.publish(rows, references)
        faults.reach("publish.end")
        lap("commit manifest")
        self._open = False
        self._begin_values()
        return number

    def purge(self) -> None:
        """Delete replaced documents from the full text; call it after their publish."""
        superseded = self.manifest.superseded()
        if not superseded:
            return
        faults.reach("purge.mark.before")
        # A reader that opened its manifest before this and its full text after it looks at the
        # number again, sees that it moved, and opens anew.
        self.manifest.mark_purge()
        faults.reach("purge.mark.after")
        faults.reach("purge.full-text.before")
        self._lexical.delete_files(superseded)
        self._lexical.commit()
        faults.reach("purge.full-text.after")
        faults.reach("purge.end.before")
        self.manifest.end_purge()
        faults.reach("purge.end.after")

    def compact(self) -> None:
        """Merge segments; see :func:`spelunk.store.merge.compact`."""
        merge.compact(self.manifest)
        compact_references(self.manifest)

    def close(self, *, wait: bool = True) -> None:
        """Drop what was not published and close the full text.

        Args:
            wait: Let background merges of the full text end; without it they are dropped.
        """
        self.manifest.abandon()
        self._open = False
        if wait:
            self._lexical.close()
