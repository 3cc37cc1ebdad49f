"""Send, change and delete the points of one index; each call can be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient
from qdrant_client import models as m

from spelunk import faults
from spelunk.errors import ConfigError
from spelunk.remote.breaker import TransientError
from spelunk.store.document import ChunkTerms, tie_of
from spelunk.store.qdrant import points
from spelunk.store.qdrant.conditions import of_workspace
from spelunk.store.qdrant.connection import Connection
from spelunk.store.qdrant.lease import Lease
from spelunk.store.qdrant.points import DENSE, TERMS, PointDocument
from spelunk.store.segment import Rows, signed_vector

BATCH: Final = 256
"""Points of one request: some 1 MB."""


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

    def __init__(self, connection: Connection, workspace: str, lease: Lease | None = None) -> None:
        """Nothing is sent.

        Args:
            connection: The cluster.
            workspace: The name of the index in the collection.
            lease: Confirmed before each write; None for points that no index shows any more.
        """
        self.connection = connection
        self.workspace = workspace
        self._lease = lease

    def upsert(self, documents: Sequence[PointDocument], vectors: dict[int, NDArray[np.float32]], embedder: str,
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
        self, document: PointDocument, vector: NDArray[np.float32] | None, embedder: str, scale: float
    ) -> m.PointStruct:
        payload = points.payload_of(document, self.workspace)
        dimensions = points.sparse(document.fields)
        # Built without validation, which took a seventh of a writer's CPU: these are its own values.
        terms = m.SparseVector.model_construct(indices=dimensions, values=[1.0] * len(dimensions))
        named: dict[str, Any] = {TERMS: terms}
        if vector is not None:
            named[DENSE] = vector.tolist()
            payload |= points.vector_payload(embedder, scale)
        place = points.point_id(self.workspace, document.chunk, document.cut_digest)
        return m.PointStruct.model_construct(id=place, vector=named, payload=payload)

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
                                vector={
                                    DENSE: signed_vector(
                                        rows.codes[n], rows.scales[n], rows.planes[:, n]
                                    ).tolist()
                                },
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
        if self._lease is not None:
            self._lease.confirm()

        def checked(client: QdrantClient) -> None:
            retry_unless_applied(call(client))

        self.connection.write(checked)


def about(path: str, start: int, end: int, symbol: str, scope: str) -> dict[str, Any]:
    """The part of a payload that is for people who look at the collection."""
    return {"path": path, "start_line": start, "end_line": end, "symbol": symbol, "scope": scope}


def document_of(terms: ChunkTerms, cut_digest: bytes, payload: dict[str, Any]) -> PointDocument:
    """The document of a chunk as a point, with its payload."""
    chunk, file, body, name, path, language, kind, flags = terms
    rest = {points.LANGUAGE: language, points.KIND: kind, points.FLAG: list(flags), **payload}
    return PointDocument(
        chunk, file, cut_digest, tie_of(body, name), {"body": body, "name": name, "path": path}, rest
    )
