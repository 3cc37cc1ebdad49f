"""Here are packets, make them a generation: the one writer over all three stores.

A publish goes: journal the intent → vectors (aside, flushed, renamed) → full
text (commit) → manifest transaction, which makes it visible. What a crash
leaves behind has ids the manifest never handed out as published: the next
writer removes it. Documents that were replaced are purged from the full text
after the publish that hides them, so the old generation stays whole until the
new one is visible.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spelunk import faults
from spelunk.store import merge as segments
from spelunk.store.full_text import LexicalWriter
from spelunk.store.manifest import Known, ManifestWriter, SegmentRow
from spelunk.store.packet import FilePacket, Item, Packet
from spelunk.store.paths import MAX_KINDS, lexical_name, remove_leftovers
from spelunk.store.scan import Rows, Segment
from spelunk.store.schema import encode_path
from spelunk.types import Entry, Failed, Skipped


def _vectors_of(packet: Packet) -> Rows | None:
    """The vectors made by the worker, for the files without a donor; None where none were."""
    if not packet.scales:
        return None
    n = len(packet.scales) // 4
    return Rows(
        np.frombuffer(packet.planes, np.uint64).reshape(-1, n),
        np.frombuffer(packet.scales, np.float32),
        np.frombuffer(packet.codes, np.int8).reshape(n, -1),
    )


class StoreWriter:
    """Takes packets; :meth:`publish` makes all taken so far one generation."""

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
        self._lexical = LexicalWriter(
            os.path.join(directory, lexical_name(manifest)),
            heap=heap,
            threads=threads,
            create=manifest.generation == 0,
        )
        self._next_chunk = int(manifest.meta("next_chunk", 1))
        self._next_file = int(manifest.meta("next_file", 1))
        self._kinds = {name: code for code, name in enumerate(manifest.kinds())}
        self._known: Mapping[str, Known] = {}
        self._donor_segments: list[list[Segment]] = []
        self._open = False
        self._generation = 0
        self._begin_values()
        self.recover()

    def _begin_values(self) -> None:
        self._ids: list[int] = []
        self._kind_codes: list[int] = []
        self._parts: list[Rows] = []
        self._first_chunk = self._next_chunk
        self.pending_chunks = 0
        self.pending_files = 0

    def use(self, known: Mapping[str, Known], donor_segments: list[list[Segment]]) -> None:
        """What the manifest holds now, and where donors' vectors lie."""
        self._known = known
        self._donor_segments = donor_segments

    def recover(self) -> None:
        """Undo unpublished work of a writer that died, and finish its purges."""
        if self.manifest.all("SELECT 1 FROM intents LIMIT 1"):
            faults.reach("recover.full-text.before")
            self._lexical.delete_from(self._next_chunk)
            self._lexical.commit()
            faults.reach("recover.full-text.after")
            remove_leftovers(self.directory, self.manifest)
            faults.reach("recover.intents.before")
            self.manifest.run("DELETE FROM intents")  # last: until then a check expects leftovers
            faults.reach("recover.intents.after")
        else:
            remove_leftovers(self.directory, self.manifest)

    def _begin(self) -> None:
        if not self._open:
            faults.reach("intent.before")
            self.manifest.run(
                "INSERT INTO intents (what, first_chunk, segment, started) VALUES ('publish', ?, ?, ?)",
                (self._next_chunk, self._segment_name(), time.time()),
            )
            faults.reach("intent.after")
            self.manifest.start()
            self._generation = self.manifest.generation + 1
            self._open = True

    def _segment_name(self) -> str:
        return f"{self._first_chunk:012d}.vec"

    def take(self, items: Sequence[Item], packet: Packet) -> None:
        """Apply a packet to the stores; nothing of it is visible yet."""
        self._begin()
        at = 0
        embedded = _vectors_of(packet)
        for file in packet.files:
            first = self._next_chunk
            self._take_file(items[file.item].candidate, file)
            count = len(file.rows)
            codes = [self._kind_code(row[4]) for row in file.rows]
            vectors: Rows | None = None
            if file.donor is not None:
                vectors = self._donated(file.donor, count)
            elif embedded is not None:
                stop = at + count
                vectors = Rows(embedded.planes[:, at:stop], embedded.scales[at:stop], embedded.codes[at:stop])
                at = stop
            if vectors is None:
                self.manifest.many(
                    "INSERT INTO pending (chunk) VALUES (?)", ((i,) for i in range(first, first + count))
                )
            elif count:
                self._parts.append(vectors)
                self._ids.extend(range(first, first + count))
                self._kind_codes.extend(codes)
        for i in packet.same:
            self.manifest.update_stamp(items[i].candidate)
            self.manifest.remove_other(items[i].candidate.path)
        for i, reason, detail in packet.skipped:
            self._set_other(Skipped(items[i].candidate.path, reason, detail), items[i].candidate)
        for i, stage, error in packet.failed:
            self._set_other(Failed(items[i].candidate.path, stage, error), items[i].candidate)
        self.pending_chunks += packet.chunks
        self.pending_files += len(packet.files) + len(packet.same) + len(packet.skipped) + len(packet.failed)
        faults.reach("take.end")

    def _set_other(self, what: Skipped | Failed, candidate: Entry) -> None:
        known = self._known.get(what.path)
        if known is not None:
            self.manifest.remove_file(known)
        self.manifest.set_other(what, candidate.stamp)

    def _take_file(self, candidate: Entry, file: FilePacket) -> None:
        known = self._known.get(candidate.path)
        if known is not None:
            self.manifest.remove_file(known)
        else:
            self.manifest.remove_other(candidate.path)
        number, first = self._next_file, self._next_chunk
        self._next_file += 1
        self._next_chunk += len(file.rows)
        m = self.manifest
        m.add_file(
            (
                number, encode_path(candidate.path), candidate.size, candidate.stamp, file.digest, file.layout,
                file.language, file.flags, file.encoding, first, len(file.rows), file.lines, self._generation,
            )
        )  # fmt: skip
        m.run("INSERT INTO contents VALUES (?, ?, ?)", (number, file.text, file.line_map))
        m.run("INSERT INTO seals VALUES (?, ?)", (number, file.seal))
        m.many(
            "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(first + n, number, *row) for n, row in enumerate(file.rows)],
        )
        if file.fields:
            m.many(
                "INSERT INTO fields VALUES (?, ?, ?, ?)",
                [(first + n, number, k, v) for n, k, v in file.fields],
            )
        faults.reach("take.rows", candidate.path)
        add = self._lexical.add
        for n, (row, body, name) in enumerate(zip(file.rows, file.bodies, file.names, strict=True)):
            if faults.ARMED:
                faults.reach("take.document", candidate.path)
            add(first + n, number, body, name, file.path_terms, file.language, row[4])

    def _kind_code(self, kind: str) -> int:
        return self._kinds.setdefault(kind, min(len(self._kinds), MAX_KINDS))

    def _donated(self, donor: tuple[int, int], count: int) -> Rows | None:
        """The vectors of a donor's chunks, which may lie in several segments; None if one is missing."""
        first, workspace = donor
        ids = np.arange(first, first + count)
        found: list[Rows] = []
        places: list[NDArray[np.int64]] = []
        for segment in self._donor_segments[workspace]:
            if segment.rows and segment.ids[0] < first + count and segment.ids[-1] >= first:
                index = segment.lookup(ids)
                found.append(segment.select(index))
                places.append(segment.ids[index])
        order = np.argsort(np.concatenate(places)) if places else np.zeros(0, np.intp)
        if len(order) != count:
            return None
        return Rows(
            np.concatenate([r.planes for r in found], axis=1)[:, order],
            np.concatenate([r.scales for r in found])[order],
            np.concatenate([r.codes for r in found])[order],
        )

    def remove(self, path: str, known: Known | None) -> None:
        """A file is gone: it leaves with the next publish."""
        self._begin()
        if known is not None:
            self.manifest.remove_file(known)
        else:
            self.manifest.remove_other(path)

    def set_fence(self, fence: bytes) -> None:
        """Record what the walk saw, for the look before a search."""
        self._begin()
        self.manifest.set_fence(fence)

    def outdate(self) -> None:
        """Other contents are asked for: no file counts as done.

        Published together with the first files that are redone, so that a run
        that is interrupted goes on where it was.
        """
        self._begin()
        m = self.manifest
        m.run("UPDATE files SET stamp = x'', digest = x''")
        m.run("UPDATE others SET stamp = x''")

    def publish(self, **meta: Any) -> int:
        """Make everything taken visible as one generation.

        Args:
            meta: Further values of the manifest's ``meta`` table.

        Returns:
            The generation's number.

        Raises:
            StorageError: The disk refuses; the last generation stays.
        """
        self._begin()
        faults.reach("publish.begin")
        rows: list[SegmentRow] = []
        faults.reach("publish.vectors.before")
        if self._ids:
            ids = np.asarray(self._ids, np.int64)
            kinds = np.asarray(self._kind_codes, np.uint8)
            rows.append(segments.write(self.directory, self._segment_name(), ids, kinds, self._parts))
        faults.reach("publish.vectors.after")
        faults.reach("publish.full-text.before")
        if self.pending_chunks:
            self._lexical.commit()
        faults.reach("publish.full-text.after")
        m = self.manifest
        m.set_meta("next_chunk", self._next_chunk)
        m.set_meta("next_file", self._next_file)
        m.set_meta("kinds", json.dumps(list(self._kinds)))
        for key, value in meta.items():
            m.set_meta(key, value)
        number = m.publish(rows)
        faults.reach("publish.end")
        self._open = False
        self._begin_values()
        return number

    def purge(self) -> None:
        """Take replaced documents out of the full text; call it after their publish."""
        gone = [row[0] for row in self.manifest.all("SELECT file FROM purges")]
        if not gone:
            return
        faults.reach("purge.mark.before")
        # A reader that opened its manifest before this and its full text after it looks at the
        # number again, sees that it moved, and opens afresh.
        self.manifest.start()
        self.manifest.set_meta("purge", int(self.manifest.meta("purge", 0)) + 1)
        self.manifest.commit()
        faults.reach("purge.mark.after")
        faults.reach("purge.full-text.before")
        self._lexical.delete_files(gone)
        self._lexical.commit()
        faults.reach("purge.full-text.after")
        faults.reach("purge.end.before")
        self.manifest.start()
        self.manifest.run("DELETE FROM purges")
        self.manifest.set_meta("purged", self.manifest.meta("purge", 0))
        self.manifest.commit()
        faults.reach("purge.end.after")

    def compact(self) -> None:
        """See :func:`spelunk.store.merge.compact`."""
        segments.compact(self.manifest)

    def close(self, *, merge: bool = True) -> None:
        """Forget what was not published and close the full text.

        Args:
            merge: Let background merges end; without it they are dropped.
        """
        self.manifest.abandon()
        self._open = False
        if merge:
            self._lexical.close()
