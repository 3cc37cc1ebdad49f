"""The collection: made with the settings of its shards, or held against what an index needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qdrant_client import models as m

from spelunk.config import Options
from spelunk.errors import ConfigError, ProviderDownError
from spelunk.store.qdrant import lease, points

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

    from spelunk.store.qdrant.connection import Connection

PREFIX: Final = "spelunk-"

KEYWORDS: Final = (points.LANGUAGE, points.KIND, points.FLAG)
LOOKED_UP: Final = (points.BODY, points.NAME, points.EMBEDDER, lease.VERSION)
RANGED: Final = (points.CHUNK, points.FILE, points.TIE)


def exists(connection: Connection) -> bool:
    """Whether there is a collection of this name.

    Raises:
        ProviderError: The cluster cannot be used.
    """
    return connection.write(lambda client: client.collection_exists(connection.collection))


def ensure(connection: Connection, options: Options, dimensions: int) -> None:
    """Create the collection if it is missing, and what it lacks.

    Args:
        connection: The cluster.
        options: The settings of a new collection.
        dimensions: Of the vectors; 0 where they are not known yet.

    Raises:
        ConfigError: It is another program's, of another format, or of other dimensions.
        ProviderError: The cluster cannot be used.
    """
    name = connection.collection
    if not exists(connection):
        connection.write(lambda client: _create(client, name, options, dimensions))
    held = connection.write(lambda client: _checked(client, connection))
    connection.write(lambda client: _index_payload(client, name))
    if dimensions and held is None:
        connection.write(lambda client: _add_dense(client, name, options, dimensions))
    elif dimensions and held != dimensions:
        raise ConfigError(
            f"{connection.address}: holds vectors of {held} dimensions, and the embedder makes {dimensions}; "
            "name another collection, or set the embedder back"
        )


def dimensions_of(connection: Connection) -> int:
    """The dimensions of the collection's vectors; 0 where it has none yet.

    Raises:
        ConfigError, ProviderError: As for :func:`ensure`, and where there is no such collection.
    """
    return connection.read(lambda client: _checked(client, connection)) or 0


def _checked(client: QdrantClient, connection: Connection) -> int | None:
    """The dimensions of the dense vectors; None where there are none.

    Raises:
        ProviderDownError: The collection is not one of this format.
    """
    params = client.get_collection(connection.collection).config.params
    sparse: dict[str, Any] = params.sparse_vectors or {}
    dense = params.vectors if isinstance(params.vectors, dict) else {}
    if points.TERMS not in sparse:
        ours = [name for name in (*sparse, *dense) if name.startswith(PREFIX)]
        if ours:
            raise ProviderDownError(
                f"{connection.address}: a collection of another format ({ours[0]}, not {points.TERMS}); "
                "use the Spelunk that made it, or name another collection"
            )
        raise ProviderDownError(
            f"{connection.address}: a collection of another program; name another, which Spelunk creates"
        )
    vector = dense.get(points.DENSE)
    return int(vector.size) if vector is not None else None


def _create(client: QdrantClient, name: str, options: Options, dimensions: int) -> None:
    try:
        client.create_collection(
            name,
            vectors_config={points.DENSE: _dense(options, dimensions)} if dimensions else {},
            sparse_vectors_config={
                points.TERMS: m.SparseVectorParams(
                    index=m.SparseIndexParams(on_disk=options.store_on_disk, datatype=m.Datatype.FLOAT16)
                )
            },
            shard_number=options.store_shards or None,
            replication_factor=options.store_replicas,
            write_consistency_factor=options.store_write_consistency,
            on_disk_payload=True,
            metadata={"program": "spelunk", "format": points.FORMAT},
        )
    except Exception:
        if not client.collection_exists(name):  # else another writer made it at the same time
            raise


def _dense(options: Options, dimensions: int) -> m.VectorParams:
    return m.VectorParams(
        size=dimensions,
        distance=m.Distance.DOT,
        datatype=m.Datatype.FLOAT16,
        on_disk=options.store_on_disk,
        quantization_config=_quantisation(options.store_quantisation),
    )


def _quantisation(name: str) -> Any:
    if name == "scalar":
        return m.ScalarQuantization(
            scalar=m.ScalarQuantizationConfig(type=m.ScalarType.INT8, always_ram=True)
        )
    if name == "binary":
        return m.BinaryQuantization(binary=m.BinaryQuantizationConfig(always_ram=True))
    return None


def _add_dense(client: QdrantClient, name: str, options: Options, dimensions: int) -> None:
    """Add the dense vectors to a collection that was made before their dimensions were known."""
    try:
        client.create_vector_name(
            name,
            points.DENSE,
            m.DenseVectorNameConfig(
                dense=m.DenseVectorConfig(
                    size=dimensions, distance=m.Distance.DOT, datatype=m.VectorStorageDatatype.FLOAT16
                )
            ),
        )
    except Exception:
        params = client.get_collection(name).config.params
        if not isinstance(params.vectors, dict) or points.DENSE not in params.vectors:
            raise
    quantised = _quantisation(options.store_quantisation)
    if quantised is not None or options.store_on_disk:
        diff = m.VectorParamsDiff(on_disk=options.store_on_disk, quantization_config=quantised)
        client.update_collection(name, vectors_config={points.DENSE: diff})


def _index_payload(client: QdrantClient, name: str) -> None:
    """Create the payload indexes; one that exists stays as it is."""
    existing = client.get_collection(name).payload_schema or {}
    wanted: dict[str, Any] = {
        points.WORKSPACE: m.KeywordIndexParams(type=m.KeywordIndexType.KEYWORD, is_tenant=True)
    }
    for key in KEYWORDS:
        wanted[key] = m.KeywordIndexParams(type=m.KeywordIndexType.KEYWORD)
    for key in LOOKED_UP:
        wanted[key] = m.IntegerIndexParams(type=m.IntegerIndexType.INTEGER, lookup=True, range=False)
    for key in RANGED:
        wanted[key] = m.IntegerIndexParams(type=m.IntegerIndexType.INTEGER, lookup=True, range=True)
    for key, schema in wanted.items():
        if key not in existing:
            client.create_payload_index(name, key, schema, wait=True)
