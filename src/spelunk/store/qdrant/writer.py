"""Write packets to a Qdrant collection and publish them through the local manifest.

Points are sent as packets arrive, under chunk ids that no generation has yet; the
manifest's transaction shows them, all at once. Points of replaced files are
deleted after the publish that hides them, and after a time in which searches on
the generation before it have ended.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient
from qdrant_client import models as m

from spelunk import embed, faults
from spelunk.config import Options
from spelunk.errors import ConfigError, ProviderError
from spelunk.observe import Observer, null_observer
from spelunk.remote.breaker import TransientError
from spelunk.store.document import tie_of
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.packet import FilePacket, Item, Packet
from spelunk.store.qdrant import collection, points, tenants
from spelunk.store.qdrant.conditions import in_ids, of_workspace
from spelunk.store.qdrant.connection import Connection
from spelunk.store.qdrant.points import CHUNK, DENSE, FILE, TERMS, Document
from spelunk.store.qdrant.reader import point_ids, retired
from spelunk.store.qdrant.vocabulary import VocabularyWriter, count
from spelunk.store.records import Known, SegmentRow
from spelunk.store.segment import Rows, stored_vector
from spelunk.store.writer import FullTextWriter, StoreWriter
from spelunk.types import Entry

BATCH: Final = 256
"""Points of one request: some 1 MB."""
GRACE_SECONDS: Final = 60.0
"""How long the points of a replaced file are kept for searches that began before."""
MAX_RETIRED: Final = 10_000
"""File versions kept so; more are deleted at once, because every search names them."""


def retry_unless_applied(result: Any) -> None:
    """Take an update that the server only queued for one that failed.

    Raises:
        TransientError: It was accepted and not applied in time.
    """
    status = getattr(result.status, "value", result.status)
    if status not in ("completed", "acknowledged"):
        raise TransientError(f"an update is {status} and not applied")


class PointWriter:
    """Sends, changes and deletes the points of one index; each call can be repeated."""

    def __init__(self, connection: Connection, workspace: str) -> None:
        """Nothing is sent.

        Args:
            connection: The cluster.
            workspace: The name of the index in the collection.
        """
        self.connection = connection
        self.workspace = workspace

    def upsert(self, documents: Sequence[Document], vectors: dict[int, NDArray[np.float32]], embedder: str,
               scales: dict[int, float]) -> None:  # fmt: skip
        """Write points; a chunk without a vector gets none.

        Args:
            documents: The chunks.
            vectors: By chunk id.
            embedder: Id of the embedder that made them.
            scales: Of the vectors' codes, by chunk id.
        """
        for part in points.batches(documents, BATCH):
            made = [self._point(d, vectors.get(d.chunk), embedder, scales.get(d.chunk, 0.0)) for d in part]
            faults.reach("remote.upsert.before")
            self._apply(lambda client, made=made: client.upsert(self.connection.collection, made, wait=True))
            faults.reach("remote.upsert.after")

    def _point(
        self, document: Document, vector: NDArray[np.float32] | None, embedder: str, scale: float
    ) -> m.PointStruct:
        payload = points.payload_of(document, self.workspace)
        dimensions = points.sparse(document.fields)
        named: dict[str, Any] = {TERMS: m.SparseVector(indices=dimensions, values=[1.0] * len(dimensions))}
        if vector is not None:
            named[DENSE] = vector.tolist()
            payload |= points.vector_payload(embedder, scale)
        place = points.point_id(self.workspace, document.chunk, document.cut_digest)
        return m.PointStruct(id=place, vector=named, payload=payload)

    def set_vectors(self, ids: Sequence[str], rows: Rows, embedder: str) -> None:
        """Give existing points vectors.

        Args:
            ids: The points.
            rows: Their vectors.
            embedder: Id of the embedder that made them.
        """
        for part in points.batches(range(len(ids)), BATCH):
            operations: list[Any] = [
                m.UpdateVectorsOperation(
                    update_vectors=m.UpdateVectors(
                        points=[
                            m.PointVectors(
                                id=ids[n],
                                vector={DENSE: stored_vector(rows.codes[n], rows.scales[n]).tolist()},
                            )
                            for n in part
                        ]
                    )
                )
            ]
            for n in part:
                value = points.vector_payload(embedder, float(rows.scales[n]))
                operations.append(
                    m.SetPayloadOperation(set_payload=m.SetPayload(payload=value, points=[ids[n]]))
                )

            def send(client: QdrantClient, operations: Any = operations) -> Any:
                results = client.batch_update_points(self.connection.collection, operations, wait=True)
                for result in results[:-1]:
                    retry_unless_applied(result)
                return results[-1]

            self._apply(send)

    def expect(self, chunks: int, store: str) -> None:
        """Make sure that a changed address still names the collection with the points of this index.

        Args:
            chunks: How many the index has.
            store: The address before.

        Raises:
            ConfigError: It does not.
        """
        mine = m.Filter(must=[of_workspace(self.workspace)])
        found = self.connection.write(
            lambda client: client.count(self.connection.collection, count_filter=mine, exact=True).count
        )
        if chunks and not found:
            raise ConfigError(
                f"{self.connection.address}: holds nothing of this index, which is in {store}; "
                f"run `spelunk migrate --to {self.connection.address}`"
            )

    def delete(self, *conditions: Any) -> None:
        """Delete the points of this index that meet all conditions."""
        chosen = m.FilterSelector(filter=m.Filter(must=[of_workspace(self.workspace), *conditions]))
        self._apply(lambda client: client.delete(self.connection.collection, chosen, wait=True))

    def delete_points(self, ids: Sequence[str]) -> None:
        """Delete points by id."""
        chosen = m.PointIdsList(points=list(ids))
        self._apply(lambda client: client.delete(self.connection.collection, chosen, wait=True))

    def _apply(self, call: Any) -> None:
        def checked(client: QdrantClient) -> None:
            retry_unless_applied(call(client))

        self.connection.write(checked)


class _Buffer:
    """The documents of a packet, until its vectors are known."""

    def __init__(self, target: PointWriter) -> None:
        self.target = target
        self.documents: list[tuple[Any, ...]] = []

    def add(
        self,
        cid: int,
        file: int,
        body: str,
        name: str,
        path: str,
        language: str,
        kind: str,
        flags: Sequence[str] = (),
    ) -> None:
        self.documents.append((cid, file, body, name, path, language, kind, list(flags)))

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
            self._dimensions = 0
            collection.ensure(self._connection, options, 0)
            self._points = PointWriter(self._connection, self.tenant.name)
            if manifest.generation and str(manifest.meta(tenants.STORE)) != options.store:
                self._points.expect(manifest.counts()[1], str(manifest.meta(tenants.STORE)))
            self._vocabulary = VocabularyWriter(manifest)
            super().__init__(directory, manifest, heap=0, threads=0)
        except BaseException:
            if self._owned:
                self._connection.close()
            raise

    def _open_full_text(self, heap: int, threads: int) -> FullTextWriter:
        self._buffer = _Buffer(self._points)
        return self._buffer

    def recover(self) -> None:
        """Undo unpublished work of a writer that died."""
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
        self._vocabulary.add(number, count({"body": d[2], "name": d[3], "path": d[4]} for d in added))

    def _send(self) -> None:
        """Send the points of the documents that wait, with those of their vectors that are there."""
        documents = [
            document_of(d, self._digests[d[1]], {**self._payloads[d[0]], "generation": self._generation})
            for d in self._buffer.documents
        ]
        vectors: dict[int, NDArray[np.float32]] = {}
        scales: dict[int, float] = {}
        if self._ids:
            rows = Rows.concat(self._parts)
            self._agree(rows.codes.shape[1])
            for n, chunk in enumerate(self._ids):
                vectors[chunk] = stored_vector(rows.codes[n], rows.scales[n])
                scales[chunk] = float(rows.scales[n])
        self._points.upsert(documents, vectors, self._embedder, scales)
        self._buffer.documents.clear()
        self._ids.clear()
        self._kind_codes.clear()
        self._parts.clear()

    def _agree(self, dimensions: int) -> None:
        if self._dimensions != dimensions:
            collection.ensure(self._connection, self._options, dimensions)
            self._dimensions = dimensions

    def _write_vectors(self) -> list[SegmentRow]:
        return []  # they were sent with their points

    def _forget(self, known: Known) -> None:
        self._vocabulary.remove(known.id)
        super()._forget(known)

    def publish(self, **meta: Any) -> int:
        """Make everything applied visible as one generation; see :meth:`StoreWriter.publish`."""
        self._begin()
        self._vocabulary.store()
        return super().publish(**{tenants.STORE: self.tenant.store, tenants.TENANT: self.tenant.name}, **meta)

    def purge(self) -> None:
        """Retire the files that were replaced, and delete the points of those retired for long."""
        manifest = self.manifest
        superseded, now = manifest.superseded(), time.time()
        if superseded:
            manifest.start()
            manifest._many(
                "INSERT OR IGNORE INTO retired VALUES (?, ?)", [(file, now) for file in superseded]
            )
            manifest._run("DELETE FROM purges")
            manifest.commit()
        waiting = retired(manifest)
        before = now if len(waiting) > MAX_RETIRED else now - GRACE_SECONDS
        old = [file for (file,) in manifest.all("SELECT file FROM retired WHERE at <= ?", (before,))]
        if old:
            faults.reach("remote.purge.before")
            self._buffer.delete_files(old)
            faults.reach("remote.purge.after")
            manifest.start()
            manifest._many("DELETE FROM retired WHERE file = ?", [(file,) for file in old])
            manifest.commit()

    def compact(self) -> None:
        """Nothing: the server tidies up by itself."""

    def close(self, *, wait: bool = True) -> None:
        """Drop what was not published; its points are deleted by the next writer."""
        super().close(wait=wait)
        if self._owned:
            self._connection.close()


class RemoteVectors:
    """The vectors of pending chunks, in a collection: implements :class:`spelunk.store.vectors.VectorStore`."""

    def __init__(
        self,
        manifest: ManifestWriter,
        options: Options,
        observer: Observer = null_observer,
        connection: Connection | None = None,
    ) -> None:
        """Nothing is sent; arguments as for :class:`RemoteWriter`."""
        self._manifest = manifest
        self._options = options
        self._connection = connection or Connection(options, manifest.directory, observer)
        self._points = PointWriter(self._connection, str(manifest.meta(tenants.TENANT, "")))

    def dimensions(self) -> int:
        """See :class:`~spelunk.store.vectors.VectorStore`."""
        return collection.dimensions_of(self._connection)

    def add(
        self,
        ids: NDArray[np.int64],
        kinds: NDArray[np.uint8],
        parts: Sequence[Rows],
        refused: Sequence[tuple[int, str]],
    ) -> None:
        """See :class:`~spelunk.store.vectors.VectorStore`."""
        manifest = self._manifest
        manifest.begin_intent("fill")
        if len(ids):
            rows = Rows.concat(parts)
            collection.ensure(self._connection, self._options, rows.codes.shape[1])
            known = point_ids(manifest, self._points.workspace, ids.tolist())
            self._points.set_vectors(
                [known[i] for i in ids.tolist()], rows, str(manifest.meta("embedder", ""))
            )
        manifest.start()
        manifest.remove_pending(ids.tolist())
        manifest.refuse(refused)
        manifest.publish([])

    def compact(self, *, end: bool) -> None:
        """See :class:`~spelunk.store.vectors.VectorStore`; the last call closes the connection."""
        if end:
            self._connection.close()


def about(path: str, start: int, end: int, symbol: str, scope: str) -> dict[str, Any]:
    """The part of a payload that is for people who look at the collection."""
    return {"path": path, "start_line": start, "end_line": end, "symbol": symbol, "scope": scope}


def document_of(columns: tuple[Any, ...], cut_digest: bytes, payload: dict[str, Any]) -> Document:
    """A document of the columns that :meth:`FullTextWriter.add` is given."""
    chunk, file, body, name, path, language, kind, flags = columns
    rest = {points.LANGUAGE: language, points.KIND: kind, points.FLAG: flags, **payload}
    return Document(
        chunk, file, cut_digest, tie_of(body, name), {"body": body, "name": name, "path": path}, rest
    )


def claimed(directory: str, manifest: ManifestWriter, options: Options) -> tenants.Tenant:
    """The name that an index has in the collection; a new index gets one.

    Raises:
        ConfigError: The manifest's chunks are kept elsewhere.
    """
    name = manifest.meta(tenants.TENANT)
    if name is not None:
        return tenants.Tenant(options.store, str(name))
    if manifest.generation:
        raise ConfigError(
            f"the chunks of this index are kept locally; run `spelunk migrate --to {options.store}`, "
            "or `spelunk index --rebuild`"
        )
    tenant = tenants.new(directory, options.store)
    manifest.start()
    manifest.set_meta(tenants.STORE, tenant.store)
    manifest.set_meta(tenants.TENANT, tenant.name)
    manifest.set_meta("lexical", 0)  # no folder has this number
    manifest.commit()
    return tenant


def sweep(
    directory: str, manifest: ManifestWriter, options: Options, observer: Observer = null_observer
) -> None:
    """Delete the points of this directory's indexes that were replaced, or were never published.

    What cannot be deleted now is deleted after the next run.
    """
    own = manifest.meta(tenants.TENANT)
    before = tenants.recorded(directory)
    kept = [t for t in before if t.name == own or not _deleted(directory, t, options, observer)]
    if kept != before:
        tenants.record(directory, kept)


def remove_all(directory: str, options: Options) -> None:
    """Delete all points of a directory's indexes.

    Raises:
        ConfigError, ProviderError: A collection cannot be used.
    """
    for tenant in tenants.recorded(directory):
        connection = Connection(replace(options, store=tenant.store), directory)
        try:
            if connection.write(lambda client: client.collection_exists(connection.collection)):
                PointWriter(connection, tenant.name).delete()
        except ProviderError as error:
            raise type(error)(
                f"{error}; to delete the index and leave its points there, delete {tenants.REMOTE} in {directory} first"
            ) from None
        finally:
            connection.close()
    tenants.record(directory, [])


def _deleted(directory: str, tenant: tenants.Tenant, options: Options, observer: Observer) -> bool:
    """Delete all points of a name; False where that is not possible now."""
    try:
        connection = Connection(replace(options, store=tenant.store), directory, observer)
    except ConfigError:
        return False
    try:
        PointWriter(connection, tenant.name).delete()
        return True
    except ProviderError:
        return False
    finally:
        connection.close()
