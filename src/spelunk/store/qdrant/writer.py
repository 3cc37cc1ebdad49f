"""Write packets to a Qdrant collection and publish them through the local manifest.

Points are sent as packets arrive, under chunk ids that no generation has yet; the
manifest's transaction shows them, all at once. Points of replaced files are
deleted after the publish that hides them, and after a time in which searches on
the generation before it have ended.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models as m

from spelunk import embed, faults
from spelunk.config import Options
from spelunk.errors import ProviderDownError
from spelunk.observe import Observer, null_observer
from spelunk.store import remote_rows
from spelunk.store.document import ChunkTerms
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.packet import FilePacket, Item, Packet
from spelunk.store.qdrant import collection, points, tenants
from spelunk.store.qdrant.conditions import in_ids
from spelunk.store.qdrant.connection import Connection
from spelunk.store.qdrant.lease import MARK, Lease, mark_of
from spelunk.store.qdrant.point_writer import PointWriter, about, document_of
from spelunk.store.qdrant.points import CHUNK, FILE
from spelunk.store.qdrant.sweep import claimed, sweep
from spelunk.store.qdrant.vocabulary import VocabularyWriter, count
from spelunk.store.records import Known, SegmentRow
from spelunk.store.reference_merge import compact_references
from spelunk.store.segment import Rows, signed_vector
from spelunk.store.writer import FullTextWriter, StoreWriter
from spelunk.types import Entry

GRACE_SECONDS: Final = 60.0
"""How long the points of a replaced file are kept for searches that began before."""
MAX_RETIRED: Final = 10_000
"""File versions kept so; more are deleted at once, because every search names them."""


class _Buffer:
    """The documents of a packet, until its vectors are known."""

    def __init__(self, target: PointWriter) -> None:
        self.target = target
        self.documents: list[ChunkTerms] = []

    def add(self, chunk: ChunkTerms) -> None:
        self.documents.append(chunk)

    def delete_files(self, files: Iterable[int]) -> None:
        for part in points.batches(sorted(files), 1_000):
            self.target.delete(in_ids(FILE, part))

    def delete_from(self, first_chunk: int) -> None:
        self.target.delete(m.FieldCondition(key=CHUNK, range=m.Range(gte=first_chunk)))

    def commit(self) -> None:
        """Nothing is left to do: each request was answered when it was applied."""

    def close(self) -> None:
        self.documents.clear()


class RemoteWriter(StoreWriter):
    """Applies packets to a collection; the manifest stays in the index directory."""

    def __init__(
        self,
        directory: str,
        manifest: ManifestWriter,
        options: Options,
        observer: Observer = null_observer,
        connection: Connection | None = None,
    ) -> None:
        """Make or check the collection, and undo what a crash left unpublished.

        Args:
            directory: The index directory; the writer's lock is held.
            manifest: Open for writing, no transaction under way.
            options: ``store`` and the settings of calls.
            observer: Is sent retries and changes of the breaker.
            connection: Used instead of a new one, and not closed.

        Raises:
            ConfigError: The collection cannot be used with these settings.
            ProviderError: The cluster cannot be used.
        """
        self._owned = connection is None
        self._connection = connection or Connection(options, directory, observer)
        self._options = options
        self._observer = observer
        self._embedder = embed.identify(options)
        try:
            self.tenant = claimed(directory, manifest, options)
        except BaseException:
            self._close_connection()
            raise
        self._lease = Lease(self._connection, self.tenant.name, directory, options.store_lease)
        try:
            self._dimensions: int | None = None  # the collection is made when the first points are
            if collection.exists(self._connection):
                collection.ensure(self._connection, options, 0)
                self._dimensions = 0
            elif manifest.generation:
                raise ProviderDownError(
                    f"{self._connection.address}: the collection of this index is gone; "
                    "run `spelunk index --rebuild` to fill a new one"
                )
            self._points = PointWriter(self._connection, self.tenant.name, self._lease)
            if self._dimensions is not None:
                self._lease.acquire(mark_of(manifest))
            if manifest.generation and str(manifest.meta(tenants.STORE)) != options.store:
                self._points.expect(manifest.counts()[1], str(manifest.meta(tenants.STORE)))
            self._vocabulary = VocabularyWriter(manifest)
            super().__init__(directory, manifest, heap=0, threads=0)
        except BaseException:
            self._lease.release(mark_of(manifest))
            self._close_connection()
            raise

    def _open_full_text(self, heap: int, threads: int) -> FullTextWriter:
        self._buffer = _Buffer(self._points)
        return self._buffer

    def recover(self) -> None:
        """Undo unpublished work of a writer that died."""
        if self._dimensions is None:
            self.manifest.end_intents()  # of a run that sent nothing
        super().recover()
        if not self.manifest.building:
            sweep(self.directory, self.manifest, self._options, self._observer)

    def apply(self, items: Sequence[Item], packet: Packet) -> None:
        """Apply a packet and send its points; nothing of it is visible yet."""
        self._payloads: dict[int, dict[str, Any]] = {}
        self._digests: dict[int, bytes] = {}
        super().apply(items, packet)
        self._send()

    def _take_file(self, candidate: Entry, file: FilePacket) -> None:
        first = self._next_chunk
        number = self._next_file
        super()._take_file(candidate, file)
        path = candidate.path.encode("utf-8", "replace").decode()
        self._digests[number] = file.cut_digest
        for chunk in file.chunks:
            self._payloads[first + chunk.id] = about(
                path, chunk.start_line, chunk.end_line, chunk.symbol, chunk.scope
            )
        added = (
            self._buffer.documents[len(self._buffer.documents) - len(file.chunks) :] if file.chunks else []
        )
        self._vocabulary.add(number, count({"body": d.body, "name": d.names, "path": d.path} for d in added))

    def _send(self) -> None:
        """Send the points of the documents that wait, with those of their vectors that are there."""
        documents = [
            document_of(d, self._digests[d.file], {**self._payloads[d.chunk], "generation": self._generation})
            for d in self._buffer.documents
        ]
        vectors: dict[int, NDArray[np.float32]] = {}
        scales: dict[int, float] = {}
        rows = Rows.concat(self._parts) if self._ids else None
        if documents:
            self._agree(rows.codes.shape[1] if rows is not None else 0)
        if rows is not None:
            for n, chunk in enumerate(self._ids):
                vectors[chunk] = signed_vector(rows.codes[n], rows.scales[n], rows.planes[:, n])
                scales[chunk] = float(rows.scales[n])
        self._points.upsert(documents, vectors, self._embedder, scales)
        self._buffer.documents.clear()
        self._ids.clear()
        self._kind_codes.clear()
        self._parts.clear()

    def _agree(self, dimensions: int) -> None:
        """Make the collection, or its vectors, when their dimensions are known."""
        if self._dimensions is None or (dimensions and self._dimensions != dimensions):
            collection.ensure(self._connection, self._options, dimensions)
            self._dimensions = dimensions
            self._lease.acquire(mark_of(self.manifest))

    def _write_vectors(self) -> list[SegmentRow]:
        return []  # they were sent with their points

    def _forget(self, known: Known) -> None:
        self._vocabulary.remove(known.id)
        super()._forget(known)

    def publish(self, **meta: Any) -> int:
        """Make everything applied visible as one generation; see :meth:`StoreWriter.publish`."""
        self._begin()
        self._vocabulary.store()
        values = {tenants.STORE: self.tenant.store, tenants.TENANT: self.tenant.name}
        if self._lease.held:
            values[MARK] = uuid.uuid4().hex
            self._lease.seal(mark_of(self.manifest), values[MARK])
        faults.reach("remote.sealed")
        return super().publish(**values, **meta)

    def purge(self) -> None:
        """Retire the files that were replaced, and delete the points of those retired for long."""
        manifest = self.manifest
        superseded, now = manifest.superseded(), time.time()
        ahead = len(remote_rows.retired(manifest)) > len(remote_rows.retired(manifest, now))
        if superseded or ahead:
            manifest.start()
            remote_rows.retire(manifest, superseded, now)
            remote_rows.retire_again(manifest, now)
            manifest.commit()
        waiting = remote_rows.retired(manifest)
        before = now if len(waiting) > MAX_RETIRED else now - GRACE_SECONDS
        old = remote_rows.retired(manifest, before)
        if old:
            faults.reach("remote.purge.before")
            self._buffer.delete_files(old)
            faults.reach("remote.purge.after")
            manifest.start()
            remote_rows.forget_retired(manifest, old)
            manifest.commit()

    def compact(self) -> None:
        """Merge reference segments, which are local; the server tidies up by itself."""
        compact_references(self.manifest)

    def close(self, *, wait: bool = True) -> None:
        """Drop what was not published; its points are deleted by the next writer."""
        super().close(wait=wait)
        self._lease.release(mark_of(self.manifest))
        self._close_connection()

    def _close_connection(self) -> None:
        if self._owned:
            self._connection.close()
