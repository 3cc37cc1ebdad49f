"""Hold a collection against the manifest: every chunk has its point, and nothing else is shown; and repair it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from qdrant_client import QdrantClient
from qdrant_client import models as m

from spelunk.config import Options
from spelunk.errors import ProviderError
from spelunk.observe.check_report import CLUSTER, Problem
from spelunk.store import remote_rows
from spelunk.store.manifest import Manifest
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.qdrant import collection, points, tenants
from spelunk.store.qdrant.conditions import of_workspace
from spelunk.store.qdrant.connection import Connection
from spelunk.store.qdrant.documents import documents_of, with_chunks
from spelunk.store.qdrant.lease import Lease, mark_of
from spelunk.store.qdrant.point_writer import PointWriter
from spelunk.store.qdrant.points import CHUNK, DENSE, EMBEDDER, FILE
from spelunk.store.qdrant.reader import point_ids
from spelunk.store.qdrant.vocabulary import VocabularyWriter, count, total

FULL_TEXT: Final = "full-text"
VECTOR: Final = "vectors"
PAGE: Final = 2_000


class Difference(NamedTuple):
    """What a collection holds otherwise than the manifest says.

    Attributes:
        missing: Chunks without a point.
        extra: Points that no chunk has, and that no writer has yet to delete.
        lacking: Chunks that should have a vector and have none.
        unexpected: Chunks that wait for a vector and have one.
        embedded: Chunks that have a vector.
        counts: Whether the counts of terms differ from those of the files.
    """

    missing: list[int]
    extra: list[str]
    lacking: list[int]
    unexpected: list[int]
    embedded: int
    counts: bool


def held(connection: Connection, workspace: str) -> Iterator[tuple[str, int, int, int | None]]:
    """Every point of an index: its id, chunk, file and the number of its vector's embedder."""
    offset: Any = None
    mine = m.Filter(must=[of_workspace(workspace)])
    while True:

        def ask(client: QdrantClient, offset: Any = offset) -> tuple[list[Any], Any]:
            return client.scroll(
                connection.collection, scroll_filter=mine, limit=PAGE, offset=offset,
                with_payload=[CHUNK, FILE, EMBEDDER], with_vectors=False,
            )  # fmt: skip

        page, offset = connection.write(ask)
        for record in page:
            yield record.id, record.payload[CHUNK], record.payload[FILE], record.payload.get(EMBEDDER)
        if offset is None:
            return


def difference(manifest: Manifest, connection: Connection) -> Difference:
    """Compare all points of an index with its manifest.

    Raises:
        ProviderError: The cluster cannot be used.
    """
    workspace = str(manifest.meta(tenants.TENANT, ""))
    collection.dimensions_of(connection)
    chunks = [i for i, _ in manifest.chunk_kinds()]
    expected = {point: chunk for chunk, point in point_ids(manifest, workspace, chunks).items()}
    waiting = set(manifest.pending_chunks(refused=True))
    following = int(manifest.meta("next_chunk", 1))
    leaving = {*manifest.superseded(), *remote_rows.retired(manifest)}
    mine = points.embedder_number(str(manifest.meta("embedder", "")))
    found: set[int] = set()
    vectors: set[int] = set()
    extra: list[str] = []
    said = 0
    for point, chunk, file, embedder in held(connection, workspace):
        said += embedder == mine
        if expected.get(point) == chunk:
            found.add(chunk)
            if embedder == mine:
                vectors.add(chunk)
        elif not (file in leaving or (chunk >= following and manifest.journalled())):
            extra.append(point)
    if _with_vector(connection, workspace, mine) < said:  # a payload says so of a point without a vector
        vectors = {chunk for chunk, _ in _having_vector(connection, workspace, mine)} & vectors
    return Difference(
        sorted(set(expected.values()) - found),
        extra,
        sorted(found - vectors - waiting),
        sorted(vectors & waiting),
        len(vectors - waiting),
        total(manifest) != stored_counts(manifest),
    )


def stored_counts(manifest: Manifest) -> dict[tuple[str, str], int]:
    """The counts of terms that searches use."""
    return {(field, term): n for field, term, n in remote_rows.term_counts(manifest)}


def _condition(workspace: str, embedder: int) -> m.Filter:
    return m.Filter(
        must=[
            of_workspace(workspace),
            m.FieldCondition(key=EMBEDDER, match=m.MatchValue(value=embedder)),
            m.HasVectorCondition(has_vector=DENSE),
        ]
    )


def _with_vector(connection: Connection, workspace: str, embedder: int) -> int:
    condition = _condition(workspace, embedder)
    return connection.write(
        lambda client: client.count(connection.collection, count_filter=condition, exact=True).count
    )


def _having_vector(connection: Connection, workspace: str, embedder: int) -> Iterator[tuple[int, str]]:
    offset: Any = None
    condition = _condition(workspace, embedder)
    while True:

        def ask(client: QdrantClient, offset: Any = offset) -> tuple[list[Any], Any]:
            return client.scroll(
                connection.collection,
                scroll_filter=condition,
                limit=PAGE,
                offset=offset,
                with_payload=[CHUNK],
            )

        page, offset = connection.write(ask)
        yield from ((record.payload[CHUNK], record.id) for record in page)
        if offset is None:
            return


def problems(manifest: Manifest, options: Options) -> tuple[list[Problem], int]:
    """What is wrong with the collection, as problems of a check; and the number of chunks that have a vector."""
    place = options.store
    connection = Connection(options, manifest.directory)
    try:
        found = difference(manifest, connection)
    except ProviderError as error:
        kind = FULL_TEXT if _collection_missing(connection) else CLUSTER
        return [Problem(kind, place, str(error).removeprefix(f"{place}: "))], 0
    finally:
        connection.close()
    out = []
    if found.missing or found.extra:
        detail = f"{len(found.missing)} chunks missing, {len(found.extra)} points too many"
        out.append(Problem(FULL_TEXT, place, detail))
    if found.counts:
        out.append(Problem(FULL_TEXT, manifest.name, "counts of terms differ from those of the files"))
    if found.lacking or found.unexpected:
        detail = f"{len(found.lacking)} chunks without a vector, {len(found.unexpected)} recorded as pending that have one"
        out.append(Problem(VECTOR, place, detail))
    return out, found.embedded


def _collection_missing(connection: Connection) -> bool:
    """Whether the cluster answers and has no such collection: a repair makes and fills it."""
    try:
        return not connection.read(lambda client: client.collection_exists(connection.collection))
    except ProviderError:
        return False


def repair(manifest: ManifestWriter, options: Options) -> None:
    """Write missing points from the stored texts, delete those too many, count terms again.

    Chunks that lost their vector are pending afterwards. The writer's lock is held.

    Raises:
        ProviderError: The cluster cannot be used; what is repaired stays.
    """
    connection = Connection(options, manifest.directory)
    tenant = str(manifest.meta(tenants.TENANT, ""))
    lease = Lease(connection, tenant, manifest.directory, options.store_lease)
    try:
        collection.ensure(connection, options, 0)
        lease.acquire(mark_of(manifest))
        found = difference(manifest, connection)
        writer = PointWriter(connection, tenant, lease)
        missing = set(found.missing)
        for file in with_chunks(manifest, found.missing):
            lost = [d for d in documents_of(manifest, file) if d.chunk in missing]
            writer.upsert(lost, {}, "", {})
        for part in points.batches(found.extra, PAGE):
            writer.delete_points(part)
        manifest.start()
        manifest.add_pending([*found.missing, *found.lacking])
        manifest.remove_pending(found.unexpected)
        manifest.publish()
        if found.counts:
            count_again(manifest)
    finally:
        lease.release(mark_of(manifest))
        connection.close()


def count_again(manifest: ManifestWriter) -> None:
    """Count the terms of every file from the stored texts."""
    vocabulary = VocabularyWriter(manifest)
    manifest.start()
    remote_rows.clear_counts(manifest)
    for file in manifest.all_files():
        vocabulary.add(file.id, count(d.fields for d in documents_of(manifest, file)))
    vocabulary.store()
    manifest.publish()
