"""A read-only view of one generation whose chunks are points of a Qdrant collection.

The manifest is local and decides what exists; terms and vectors are asked of the
server under the same filters. What comes back is held against the manifest, and
scored and ordered here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient
from qdrant_client import models as m

from spelunk.config import Options
from spelunk.errors import IndexCorruptError
from spelunk.observe import Observer, null_observer
from spelunk.store import remote_rows
from spelunk.store.document import TIE_BITS
from spelunk.store.impact import score_scale
from spelunk.store.manifest import Manifest
from spelunk.store.protocols import ChunkId, Filter, Requirement, Scored, TextField
from spelunk.store.qdrant import collection, points, tenants
from spelunk.store.qdrant.conditions import narrowed, one_of, visible
from spelunk.store.qdrant.connection import Connection
from spelunk.store.qdrant.points import BODY, CHUNK, DENSE, EMBEDDER, NAME, SCALE, TERMS, TIE
from spelunk.store.qdrant.vocabulary import Vocabulary
from spelunk.store.scorer import cosine, quantize_query
from spelunk.store.segment import stored_vector
from spelunk.store.snapshot import ATTEMPTS, Snapshot
from spelunk.store.where import Where

TIES_FETCHED: Final = 16
"""As in the embedded full text: times the hits wanted that are fetched to choose among equal scores."""
TIE_PARTS: Final = 8
PAGE: Final = 2_000
"""Points of one answer where all that pass are listed."""
MORE_NEAREST: Final = 2
"""Times the chunks wanted that are asked of the server by vector: its scores are of half precision."""
LEAST_NEAREST: Final = 64
MAX_SURELY_NEAREST: Final = 1_024
"""Chunks up to which the nearest are found without fail; see :class:`~spelunk.store.protocols.Reader`."""

_Vector = tuple[NDArray[np.int8], float]
"""Codes and scale of a stored vector."""


class RemoteSnapshot(Snapshot):
    """One generation: the :class:`~spelunk.store.protocols.Reader` of a collection. One thread at a time."""

    def __init__(
        self,
        directory: str,
        options: Options,
        observer: Observer = null_observer,
        connection: Connection | None = None,
    ) -> None:
        """Open the newest generation; the server is not asked.

        Args:
            directory: The index directory.
            options: The settings of calls.
            observer: Is sent retries and changes of the breaker.
            connection: Used instead of a new one, and not closed.

        Raises:
            As :class:`Snapshot`; and ConfigError where a library or the key is missing.
        """
        self._owned = connection is None
        self._connection = connection or Connection(options, directory, observer)
        self._vectors: dict[ChunkId, _Vector] = {}
        self._dimensions: int | None = None
        try:
            super().__init__(directory)
        except BaseException:
            if self._owned:
                self._connection.close()
            raise

    def _open(self) -> None:
        """Hold the generation. A purge deletes no point that it shows: it waits for readers."""
        manifest = self._manifest
        for _ in range(ATTEMPTS):
            manifest.end()
            manifest.begin()
            before = self._marks()
            self._reference_segments = self._open_references()
            if not any(isinstance(file, IndexCorruptError) for file in self._reference_segments):
                break
            manifest.end()
            if before == self._marks():
                manifest.begin()
                break  # damaged, and not merged away meanwhile
        self.damage: str | None = None
        self._full_text = None
        self._segment_files = []
        self.generation = manifest.generation
        self.documents = manifest.counts()[1]
        self.workspace = str(manifest.meta(tenants.TENANT, ""))
        self._vocabulary = Vocabulary(manifest)
        self._opened = self._marks()
        self._visible = visible(
            self.workspace,
            int(manifest.meta("next_chunk", 1)),
            [*manifest.superseded(), *remote_rows.retired(manifest)],
        )

    # Terms

    def frequencies(self, terms: Collection[str], field: TextField) -> dict[str, int]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return self._vocabulary.frequencies(terms, field)

    def vocabulary(self, prefix: str, field: TextField) -> dict[str, int]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        return self._vocabulary.beginning(prefix, field)

    def lexical(
        self,
        terms: Mapping[str, float],
        fields: Mapping[TextField, float],
        where: Filter,
        limit: int,
        requires: Sequence[Requirement] = (),
    ) -> list[Scored]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        scale = score_scale(terms, fields)
        if not scale or not self.documents:
            return []
        units = points.sparse_query(terms, fields, scale)
        query = m.SparseVector(indices=list(units), values=[float(n) for n in units.values()])
        best = self._best(query, self._filter(self._where(where), requires), limit)
        return [Scored(s.id, s.score / scale, s.tie) for s in best]

    def _best(self, query: m.SparseVector, condition: m.Filter, limit: int) -> list[Scored]:
        """The best points with their units; of equal last ones those with the least ``tie``."""
        hits = self._by_terms(query, condition, limit + 1)
        if len(hits) <= limit or hits[limit].score < hits[limit - 1].score:
            return self._held(hits[:limit])
        edge = hits[limit - 1].score
        above = [hit for hit in hits if hit.score > edge]
        return self._held(above) + self._least_ties(query, condition, edge, limit, limit - len(above))

    def _least_ties(
        self, query: m.SparseVector, condition: m.Filter, edge: float, limit: int, wanted: int
    ) -> list[Scored]:
        """Of the points with the score ``edge`` the ``wanted`` ones with the least ``tie``."""
        most, end = TIES_FETCHED * limit, 1 << TIE_BITS
        while True:
            part = condition
            if end < 1 << TIE_BITS:
                inside = m.FieldCondition(key=TIE, range=m.Range(gte=0, lt=end))
                part = narrowed(condition, None, [inside])
            count = most if end > 1 else max(1, self.documents)
            hits = self._by_terms(query, part, count)
            if len(hits) < count or hits[-1].score < edge or end == 1:
                break
            end //= TIE_PARTS
        equal = self._held([hit for hit in hits if hit.score == edge])
        last = equal[min(wanted, len(equal)) - 1].tie if equal else 0
        return [s for s in equal if s.tie <= last]

    def _by_terms(self, query: m.SparseVector, condition: m.Filter, limit: int) -> list[Any]:
        def ask(client: QdrantClient) -> list[Any]:
            return client.query_points(
                self._connection.collection, query=query, using=TERMS, query_filter=condition, limit=limit,
                with_payload=[CHUNK, TIE],
            ).points  # fmt: skip

        return self._connection.read(ask)

    def _held(self, hits: Sequence[Any]) -> list[Scored]:
        """The hits that are chunks of this generation, best first."""
        known = self._point_ids([hit.payload[CHUNK] for hit in hits])
        scored = [
            Scored(hit.payload[CHUNK], float(hit.score), hit.payload[TIE])
            for hit in hits
            if known.get(hit.payload[CHUNK]) == hit.id
        ]
        return sorted(scored, key=lambda s: (-s.score, s.tie, s.id))

    def _filter(self, where: Where, requires: Sequence[Requirement] = ()) -> m.Filter:
        met = []
        for requirement in requires:
            key = BODY if requirement.field == "body" else NAME
            terms = self._vocabulary.fitting(requirement.any_of, requirement.field)
            met.append(one_of(key, sorted(map(points.number_of, terms))))
        return narrowed(self._visible, where.full_text, met)

    def _matching(self, where: Where, requires: Sequence[Requirement]) -> list[ChunkId] | None:
        return self._listed_by(self._filter(where, requires))

    def _listed_by(self, condition: m.Filter) -> list[ChunkId]:
        """The chunks of all points that pass, ascending."""
        if not self.documents:
            return []  # there may be no collection yet
        found: list[tuple[ChunkId, str]] = []
        offset: Any = None
        while True:

            def ask(client: QdrantClient, offset: Any = offset) -> tuple[list[Any], Any]:
                return client.scroll(
                    self._connection.collection, scroll_filter=condition, limit=PAGE, offset=offset,
                    with_payload=[CHUNK], with_vectors=False,
                )  # fmt: skip

            page, offset = self._connection.read(ask)
            found += [(record.payload[CHUNK], record.id) for record in page]
            if offset is None:
                break
        known = self._point_ids([chunk for chunk, _ in found])
        return sorted(chunk for chunk, point in found if known.get(chunk) == point)

    # Vectors

    @property
    def embedder(self) -> str:
        """Id of the embedder that made the vectors; "" where there are none."""
        pending = sum(self._manifest.pending())
        return str(self._manifest.meta("embedder", "")) if self.documents > pending else ""

    @property
    def dimensions(self) -> int:
        """Dimensions of the vectors; 0 where there are none."""
        if self._dimensions is None:
            self._dimensions = collection.dimensions_of(self._connection) if self.embedder else 0
        return self._dimensions

    def nearest(self, vector: Sequence[float], where: Filter, limit: int) -> list[Scored]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        if not self.embedder:
            return []
        mine = m.FieldCondition(key=EMBEDDER, match=m.MatchValue(value=points.embedder_number(self.embedder)))
        condition = narrowed(self._visible, self._where(where).full_text, [mine])
        asked = max(LEAST_NEAREST, MORE_NEAREST * limit)
        while True:
            found = self._by_vector(vector, condition, asked)
            scores = self.cosines(vector, list(found))
            ranked = sorted((-score, i) for i, score in scores.items() if score > 0)
            if len(found) < asked or asked >= MAX_SURELY_NEAREST or len(ranked) < limit:
                break
            if min(found.values()) < -ranked[limit - 1][0] - _half_precision(vector):
                break
            asked = min(MAX_SURELY_NEAREST, 4 * asked)
        if len(ranked) > limit:
            ranked = [pair for pair in ranked if pair[0] <= ranked[limit - 1][0]]
        return [Scored(i, -negative) for negative, i in ranked]

    def _by_vector(self, vector: Sequence[float], condition: m.Filter, limit: int) -> dict[ChunkId, float]:
        """The chunks that the server takes for the nearest, with its scores; their vectors are kept."""
        exact = self.documents <= MAX_SURELY_NEAREST

        def ask(client: QdrantClient) -> list[Any]:
            return client.query_points(
                self._connection.collection, query=[float(x) for x in vector], using=DENSE, query_filter=condition,
                limit=limit, with_payload=[CHUNK, SCALE], with_vectors=[DENSE],
                search_params=m.SearchParams(exact=True) if exact else None,
            ).points  # fmt: skip

        hits = self._connection.read(ask)
        self._keep(hits)
        known = self._embedded_ids([hit.payload[CHUNK] for hit in hits])
        return {hit.payload[CHUNK]: hit.score for hit in hits if known.get(hit.payload[CHUNK]) == hit.id}

    def cosines(self, vector: Sequence[float], ids: Sequence[ChunkId]) -> dict[ChunkId, float]:
        """See :class:`~spelunk.store.protocols.Reader`."""
        query = quantize_query(vector)
        vectors = self._stored(ids)
        levels = np.asarray(query.levels, np.int64)
        return {
            i: cosine((int(codes.astype(np.int64) @ levels),), scale, query._replace(levels=[1]))
            for i, (codes, scale) in vectors.items()
        }

    def vector(self, chunk: ChunkId) -> list[float] | None:
        """See :class:`~spelunk.store.protocols.Reader`."""
        stored = self._stored([chunk]).get(chunk)
        if stored is None:
            return None
        return [float(x) for x in stored_vector(stored[0], np.float32(stored[1]))]

    def _stored(self, ids: Sequence[ChunkId]) -> dict[ChunkId, _Vector]:
        """The vectors of chunks of this generation that have one."""
        known = self._embedded_ids(ids)
        missing = {i: point for i, point in known.items() if i not in self._vectors}
        for part in points.batches(list(missing.values()), PAGE):

            def ask(client: QdrantClient, part: Any = part) -> list[Any]:
                return client.retrieve(
                    self._connection.collection, ids=list(part), with_payload=[CHUNK, SCALE, EMBEDDER],
                    with_vectors=[DENSE],
                )  # fmt: skip

            mine = points.embedder_number(self.embedder)
            self._keep([r for r in self._connection.read(ask) if r.payload.get(EMBEDDER) == mine])
        return {i: self._vectors[i] for i in known if i in self._vectors}

    def _keep(self, records: Sequence[Any]) -> None:
        for record in records:
            values = (record.vector or {}).get(DENSE) if isinstance(record.vector, dict) else None
            if values is not None and record.payload.get(SCALE) is not None:
                self._vectors[record.payload[CHUNK]] = codes_of(values, record.payload[SCALE])

    # The manifest decides

    def _point_ids(self, chunks: Sequence[ChunkId]) -> dict[ChunkId, str]:
        """The ids that the points of these chunks have; chunks of other generations are left out."""
        return point_ids(self._manifest, self.workspace, chunks)

    def _embedded_ids(self, chunks: Sequence[ChunkId]) -> dict[ChunkId, str]:
        """The same for the chunks that do not wait for a vector."""
        known = self._point_ids(chunks)
        if any(self._manifest.pending()):
            for chunk in remote_rows.pending_among(self._manifest, list(known)):
                del known[chunk]
        return known

    def rest(self) -> None:
        """See :meth:`Snapshot.rest`."""
        super().rest()
        self._vectors.clear()

    def close(self) -> None:
        """Release everything."""
        super().close()
        self._vectors.clear()
        if self._owned:
            self._connection.close()


def _half_precision(vector: Sequence[float]) -> float:
    """By how much a score of half-precision numbers may differ from a cosine: 2**-11 of the length, twice."""
    return float(np.linalg.norm(np.asarray(vector, np.float64))) * 2.0**-10


def codes_of(values: Sequence[float], scale: float) -> _Vector:
    """The codes of a vector as the server keeps it: half precision is enough to tell them apart.

    Raises:
        IndexCorruptError: It is none that was written.
    """
    numbers = np.asarray(values, np.float64)
    codes = np.rint(numbers / scale) if scale else np.zeros(len(numbers))
    if codes.size and not np.abs(codes).max() <= 127:
        raise IndexCorruptError("a vector in the collection is damaged; run `spelunk check --repair`")
    return codes.astype(np.int8), float(np.float32(scale))


def point_ids(manifest: Manifest, workspace: str, chunks: Sequence[ChunkId]) -> dict[ChunkId, str]:
    """The ids that the points of these chunks have; chunks that the generation lacks are left out."""
    rows = remote_rows.chunk_digests(manifest, list(dict.fromkeys(chunks)))
    return {chunk: points.point_id(workspace, chunk, digest) for chunk, digest in rows}
