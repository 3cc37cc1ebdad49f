"""The vectors of pending chunks, in a collection."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spelunk.config import Options
from spelunk.observe import Observer, null_observer
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.qdrant import collection, tenants
from spelunk.store.qdrant.connection import Connection
from spelunk.store.qdrant.lease import MARK, Lease, mark_of
from spelunk.store.qdrant.point_writer import PointWriter
from spelunk.store.qdrant.reader import point_ids
from spelunk.store.segment import Rows


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
        tenant = str(manifest.meta(tenants.TENANT, ""))
        self._lease = Lease(self._connection, tenant, manifest.directory, options.store_lease)
        self._points = PointWriter(self._connection, tenant, self._lease)

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
            self._lease.acquire(mark_of(manifest))
            known = point_ids(manifest, self._points.workspace, ids.tolist())
            self._points.set_vectors(
                [known[i] for i in ids.tolist()], rows, str(manifest.meta("embedder", ""))
            )
        manifest.start()
        manifest.remove_pending(ids.tolist())
        manifest.refuse(refused)
        if self._lease.held:
            before, mark = mark_of(manifest), uuid.uuid4().hex
            self._lease.seal(before, mark)
            manifest.set_meta(MARK, mark)
        manifest.publish([])

    def compact(self, *, end: bool) -> None:
        """See :class:`~spelunk.store.vectors.VectorStore`; the last call closes the connection."""
        if end:
            self._lease.release(mark_of(self._manifest))
            self._connection.close()
