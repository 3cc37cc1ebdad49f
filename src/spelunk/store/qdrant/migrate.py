"""Move the chunks of an index into a collection, or back, without reading, parsing or embedding a file.

Chunk ids stay as they are. What is written is beside the published stores until
one transaction of the manifest switches; a run that was interrupted is continued.
The writer's lock is held.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient

from spelunk import faults
from spelunk.config import Options
from spelunk.errors import IndexCorruptError, IndexStateError
from spelunk.observe import Observer, null_observer
from spelunk.store import remote_rows
from spelunk.store.leftovers import remove_leftovers
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.paths import MAX_KINDS, full_text_name
from spelunk.store.qdrant import collection, points, tenants
from spelunk.store.qdrant.check import difference, held
from spelunk.store.qdrant.connection import Connection
from spelunk.store.qdrant.documents import documents_of
from spelunk.store.qdrant.lease import MARK, Lease, mark_of
from spelunk.store.qdrant.point_writer import BATCH, PointWriter
from spelunk.store.qdrant.points import CHUNK, DENSE, EMBEDDER, SCALE, PointDocument
from spelunk.store.qdrant.reader import codes_of, point_ids
from spelunk.store.qdrant.sweep import sweep
from spelunk.store.qdrant.vocabulary import VocabularyWriter, count, total
from spelunk.store.records import SegmentRow
from spelunk.store.repair import write_full_text
from spelunk.store.segment import Rows, Segment, planes_of, signed_vector, write_segment
from spelunk.store.segment_file import segment_path

MIGRATE: Final = "migrate"
"""Intent of a move: it ends with the removal of the old stores."""
ROWS: Final = 65_536
"""Vectors of one segment that is written; they are in memory until then."""
PAGE: Final = 1_000

OnMoved = Callable[[int, int], object]
"""Called with chunks moved and chunks in all."""


def to_collection(
    directory: str, options: Options, moved: OnMoved, observer: Observer = null_observer
) -> int:
    """Move an index into the collection that ``options.store`` names.

    Returns:
        The number of its chunks.

    Raises:
        IndexStateError: It has work that an update has to end first, or is damaged.
        ConfigError, ProviderError: The collection cannot be used; what was sent is used by the next run.
    """
    manifest = ManifestWriter(directory)
    connection = Connection(options, directory, observer)
    try:
        _refuse_unfinished(manifest)
        before = manifest.meta(tenants.TENANT)
        tenant = _begun(directory, str(connection.address), before)
        segments = [
            Segment(segment_path(directory, s.name), s.rows, manifest.tombstones().get(s.name))
            for s in manifest.segments()
        ]
        collection.ensure(connection, options, segments[0].dimensions if segments else 0)
        vocabulary = VocabularyWriter(manifest)
        lease = Lease(connection, tenant.name, directory, options.store_lease)
        lease.acquire(mark_of(manifest))
        try:
            writer = PointWriter(connection, tenant.name, lease)
            _send(manifest, writer, vocabulary, segments, moved)
            _switch(manifest, tenant, writer, lease)
        finally:
            lease.release(mark_of(manifest))
        remove_leftovers(directory, manifest)
        manifest.end_intents()
        sweep(directory, manifest, options, observer)
        return manifest.counts()[1]
    finally:
        connection.close()
        manifest.close()


def _refuse_unfinished(manifest: ManifestWriter) -> None:
    if not manifest.generation or manifest.unfinished():
        raise IndexStateError("the last update did not end; run `spelunk index` first")


def _begun(directory: str, store: str, own: object) -> tenants.Tenant:
    """The name of a migration that was begun and not ended; else a new one."""
    for tenant in tenants.recorded(directory):
        if tenant.store == store and tenant.name != own:
            return tenant
    return tenants.new(directory, store)


def _send(
    manifest: ManifestWriter,
    writer: PointWriter,
    vocabulary: VocabularyWriter,
    segments: Sequence[Segment],
    moved: OnMoved,
) -> None:
    """Send every chunk that is not there yet, with its vector."""
    connection, chunks = writer.connection, manifest.counts()[1]
    embedder, there = str(manifest.meta("embedder", "")), set()
    for point, chunk, _, _ in held(connection, writer.workspace):
        there.add((chunk, point))
    counted = remote_rows.counted_files(manifest)
    waiting: list[PointDocument] = []
    done = 0

    def send() -> None:
        vectors, scales = _vectors(segments, [d.chunk for d in waiting])
        writer.upsert(waiting, vectors, embedder, scales)
        faults.reach("migrate.batch")
        waiting.clear()
        manifest.commit()  # the counts of files whose points are there
        manifest.start()

    manifest.start()
    for file in manifest.all_files():
        ids = range(file.first_chunk, file.first_chunk + file.chunks)
        known = point_ids(manifest, writer.workspace, list(ids))
        sent = all(pair in there for pair in known.items())
        if not sent or file.id not in counted:
            documents = documents_of(manifest, file)
            if not sent:
                waiting += documents
            vocabulary.add(file.id, count(d.fields for d in documents))
        done += file.chunks
        if len(waiting) >= BATCH:
            send()
            moved(done, chunks)
    if waiting:
        send()
    manifest.commit()
    moved(done, chunks)


def _vectors(
    segments: Sequence[Segment], ids: Sequence[int]
) -> tuple[dict[int, NDArray[np.float32]], dict[int, float]]:
    """Vectors and scales of those chunks that have one."""
    wanted = np.asarray(sorted(ids), np.int64)
    vectors: dict[int, NDArray[np.float32]] = {}
    scales: dict[int, float] = {}
    for segment in segments:
        for row in segment.lookup(wanted).tolist():
            chunk = int(segment.ids[row])
            vectors[chunk] = signed_vector(segment.codes[row], segment.scales[row], segment.planes[:, row])
            scales[chunk] = float(segment.scales[row])
    return vectors, scales


def _switch(manifest: ManifestWriter, tenant: tenants.Tenant, writer: PointWriter, lease: Lease) -> None:
    """Compare what was sent with the manifest, and use it from now on.

    Raises:
        IndexCorruptError: It is not the same.
    """
    manifest.start()
    remote_rows.replace_counts(manifest, [(*key, n) for key, n in total(manifest).items()])
    manifest.set_meta(tenants.STORE, tenant.store)
    manifest.set_meta(tenants.TENANT, tenant.name)
    manifest.set_meta("lexical", 0)
    manifest.drop_segments()
    try:
        found = difference(manifest, writer.connection)  # of the manifest as it will be
        if found.extra:
            writer.delete_points(found.extra)
        if found.missing or found.lacking:
            raise IndexCorruptError(
                f"{len(found.missing)} chunks and {len(found.lacking)} vectors are missing in {tenant.store}; "
                "run the command again"
            )
        faults.reach("migrate.switch.before")
        before, mark = mark_of(manifest), uuid.uuid4().hex
        lease.seal(before, mark)
        manifest.set_meta(MARK, mark)
        manifest.begin_intent(MIGRATE)  # until the old stores are deleted
        manifest.publish(settled=False)
    except BaseException:
        manifest.abandon()
        raise
    faults.reach("migrate.switch.after")


def to_directory(directory: str, options: Options, moved: OnMoved, observer: Observer = null_observer) -> int:
    """Move an index out of the collection that ``options.store`` names, into its index directory.

    Arguments, result and errors as for :func:`to_collection`.
    """
    manifest = ManifestWriter(directory)
    connection = Connection(options, directory, observer)
    try:
        _refuse_unfinished(manifest)
        remove_leftovers(directory, manifest)
        number = max(1, manifest.next_full_text())
        write_full_text(os.path.join(directory, full_text_name(number)), manifest)
        faults.reach("migrate.full-text")
        lease = Lease(connection, str(manifest.meta(tenants.TENANT)), directory, options.store_lease)
        lease.acquire(mark_of(manifest))
        try:
            segments = _fetch(manifest, connection, moved)
        finally:
            lease.release(mark_of(manifest))
        manifest.start()
        manifest.switch_full_text(number)
        remote_rows.forget_meta(manifest, tenants.STORE, tenants.TENANT, MARK)
        remote_rows.drop_tables(manifest)
        faults.reach("migrate.switch.before")
        manifest.publish(segments)
        faults.reach("migrate.switch.after")
        remove_leftovers(directory, manifest)
        sweep(directory, manifest, options, observer)
        return manifest.counts()[1]
    finally:
        manifest.abandon()
        connection.close()
        manifest.close()


def _fetch(manifest: ManifestWriter, connection: Connection, moved: OnMoved) -> list[SegmentRow]:
    """Write the vectors of all chunks that have one into segments that nothing refers to yet.

    Raises:
        IndexCorruptError: The collection lacks some.
    """
    workspace = str(manifest.meta(tenants.TENANT))
    mine = points.embedder_number(str(manifest.meta("embedder", "")))
    code = {name: min(n, MAX_KINDS) for n, name in enumerate(manifest.kinds())}
    waiting = set(manifest.pending_chunks(refused=True))
    rows = [(i, kind) for i, kind in manifest.chunk_kinds() if i not in waiting]
    out: list[SegmentRow] = []
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS]
        found: dict[int, tuple[NDArray[np.int8], float]] = {}
        positive: dict[int, NDArray[np.bool_]] = {}
        known = point_ids(manifest, workspace, [i for i, _ in part])
        for ids in points.batches(list(known.values()), PAGE):

            def ask(client: QdrantClient, ids: Any = ids) -> list[Any]:
                return client.retrieve(
                    connection.collection,
                    list(ids),
                    with_payload=[CHUNK, SCALE, EMBEDDER],
                    with_vectors=[DENSE],
                )

            for record in connection.write(ask):
                if record.payload.get(EMBEDDER) == mine and isinstance(record.vector, dict):
                    values, chunk = record.vector[DENSE], record.payload[CHUNK]
                    found[chunk] = codes_of(values, record.payload[SCALE])
                    positive[chunk] = np.asarray(values, np.float32) > 0
            moved(start + len(found), len(rows))
        if len(found) < len(part):
            raise IndexCorruptError(
                f"{len(part) - len(found)} vectors are missing in {connection.address}; "
                "run `spelunk check --repair`, then this again"
            )
        ids_, kinds = np.asarray([i for i, _ in part], np.int64), [code.get(k, 0) for _, k in part]
        codes = np.stack([found[i][0] for i, _ in part])
        scales = np.asarray([found[i][1] for i, _ in part], np.float32)
        planes = planes_of(np.stack([positive[i] for i, _ in part]))
        name = manifest.segment_name(part[0][0])
        out.append(
            write_segment(
                manifest.directory, name, ids_, np.asarray(kinds, np.uint8), [Rows(planes, scales, codes)]
            )
        )
    return out
