"""A Qdrant server for tests: gRPC over a real socket, over Qdrant's own shard engine (``qdrant-edge-py``).

``python -m tests.qdrant_server FOLDER SHARDS`` prints its port. Each shard is a process
with a folder of its own; one that was killed is started again with what it had on disk
at the next call, which the front answers with UNAVAILABLE as a cluster does that lost a
node. It has the requests that Spelunk makes, and no others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any, Final

KEY: Final = os.environ.get("TEST_QDRANT_KEY", "")
CERTIFICATE: Final = os.environ.get("TEST_QDRANT_CERTIFICATE", "")
"""A certificate, NAME.pem beside NAME.key; then the server speaks TLS alone."""
AUTH: Final = b"tests"


# --- a shard --------------------------------------------------------------------------------------


class Shard:
    """One process: an edge shard for each collection."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.shards: dict[str, Any] = {}

    def open(self, name: str, config: dict[str, Any] | None = None) -> Any:
        import qdrant_edge as e

        if name not in self.shards:
            path = os.path.join(self.folder, name)
            if config is not None and not os.path.exists(path):
                os.makedirs(path)
                datatype = e.VectorStorageDatatype.Float16
                self.shards[name] = e.EdgeShard.create(
                    path,
                    e.EdgeConfig(
                        vectors={
                            n: e.EdgeVectorParams(size=size, distance=e.Distance.Dot, datatype=datatype)
                            for n, size in config["dense"].items()
                        },
                        sparse_vectors={
                            n: e.EdgeSparseVectorParams(datatype=datatype) for n in config["sparse"]
                        },
                    ),
                )
            else:
                self.shards[name] = e.EdgeShard.load(path)
        return self.shards[name]

    def create(self, name: str, config: dict[str, Any]) -> None:
        self.open(name, config)

    def drop(self, name: str) -> None:
        import shutil

        shard = self.shards.pop(name, None)
        if shard is not None:
            shard.close()
        shutil.rmtree(os.path.join(self.folder, name), ignore_errors=True)

    def update(self, name: str, operations: list[tuple[str, Any]]) -> None:
        import qdrant_edge as e

        shard, make = self.open(name), e.UpdateOperation
        for what, value in operations:
            if what == "upsert":
                shard.update(
                    make.upsert_points([e.Point(uuid.UUID(i), vector(v), payload) for i, v, payload in value])
                )
            elif what == "upsert-if":
                i, v, payload, where = value
                shard.update(
                    make.upsert_points([e.Point(uuid.UUID(i), vector(v), payload)], condition(where))
                )
            elif what == "delete":
                shard.update(make.delete_points([uuid.UUID(i) for i in value]))
            elif what == "delete-where":
                shard.update(make.delete_points_by_filter(condition(value)))
            elif what == "vectors":
                shard.update(make.update_vectors([e.PointVectors(uuid.UUID(i), vector(v)) for i, v in value]))
            elif what == "delete-vectors":
                ids, names = value
                shard.update(make.delete_vectors([uuid.UUID(i) for i in ids], names))
            elif what == "payload":
                ids, payload = value
                shard.update(make.set_payload([uuid.UUID(i) for i in ids], payload))
            elif what == "dense":
                shard.update(make.create_dense_vector(value[0], value[1], e.Distance.Dot))
            elif what == "index":
                key, kind = value
                schema = e.PayloadSchemaType.Keyword if kind == "keyword" else e.PayloadSchemaType.Integer
                shard.update(make.create_field_index(key, schema))
            else:
                raise ValueError(what)
        shard.flush()

    def query(self, name: str, using: str, wanted: Any, where: Any, limit: int, shown: Any) -> list[Any]:
        import qdrant_edge as e

        payload, vectors, exact = shown
        asked = e.SparseVector(*wanted) if isinstance(wanted, tuple) else wanted
        found = self.open(name).query(
            e.QueryRequest(
                limit=limit, query=e.Query.Nearest(asked, using=using), filter=condition(where),
                with_payload=bool(payload), with_vector=vectors, params=e.SearchParams(exact=exact),
            )
        )  # fmt: skip
        return [(str(p.id), p.score, kept(p.payload, payload), plain(p.vector)) for p in found]

    def scroll(self, name: str, where: Any, offset: str | None, limit: int, shown: Any) -> list[Any]:
        import qdrant_edge as e

        payload, vectors, _ = shown
        page, _ = self.open(name).scroll(
            e.ScrollRequest(
                offset=uuid.UUID(offset) if offset else None, limit=limit, filter=condition(where),
                with_payload=bool(payload), with_vector=vectors,
            )
        )  # fmt: skip
        return [(str(p.id), 0.0, kept(p.payload, payload), plain(p.vector)) for p in page]

    def retrieve(self, name: str, ids: list[str], shown: Any) -> list[Any]:
        payload, vectors, _ = shown
        found = self.open(name).retrieve([uuid.UUID(i) for i in ids], bool(payload), vectors)
        return [(str(p.id), 0.0, kept(p.payload, payload), plain(p.vector)) for p in found]

    def count(self, name: str, where: Any) -> int:
        import qdrant_edge as e

        return int(self.open(name).count(e.CountRequest(exact=True, filter=condition(where))))


def vector(value: dict[str, Any]) -> Any:
    import qdrant_edge as e

    return {n: e.SparseVector(*v) if isinstance(v, tuple) else v for n, v in value.items()}


def kept(payload: Any, keys: Any) -> Any:
    return {k: v for k, v in (payload or {}).items() if k in keys} if isinstance(keys, list) else payload


def plain(value: Any) -> Any:
    if not isinstance(value, dict):
        return {}
    return {
        n: list(v) if isinstance(v, list) else (list(v.indices), list(v.values)) for n, v in value.items()
    }


def condition(where: Any) -> Any:
    """A filter of the client's models as one of the engine."""
    import qdrant_edge as e
    from qdrant_client import models as m

    def one(c: Any) -> Any:
        if isinstance(c, m.Filter):
            return condition(c)
        if isinstance(c, m.HasVectorCondition):
            return e.HasVectorCondition(c.has_vector)
        if isinstance(c, m.FieldCondition) and isinstance(c.match, m.MatchValue):
            return e.FieldCondition(c.key, match=e.MatchValue(c.match.value))
        if isinstance(c, m.FieldCondition) and isinstance(c.match, m.MatchAny):
            return e.FieldCondition(c.key, match=e.MatchAny(list(c.match.any)))
        if isinstance(c, m.FieldCondition) and c.range is not None:
            r = c.range
            return e.FieldCondition(c.key, range=e.RangeFloat(gte=r.gte, gt=r.gt, lte=r.lte, lt=r.lt))
        raise ValueError(f"not a condition of this server: {c!r}")

    def several(value: Any) -> Any:
        if value is None:
            return None
        return [one(c) for c in (value if isinstance(value, list) else [value])]

    if where is None:
        return None
    return e.Filter(must=several(where.must), should=several(where.should), must_not=several(where.must_not))


def run_shard(folder: str, socket: str) -> None:
    shard = Shard(folder)
    with Listener(socket, "AF_UNIX", authkey=AUTH) as listener:
        print("ready", flush=True)
        while True:
            with listener.accept() as connection:
                try:
                    while True:
                        method, args = connection.recv()
                        try:
                            connection.send((True, getattr(shard, method)(*args)))
                        except Exception as error:
                            connection.send((False, f"{type(error).__name__}: {error}"))
                except EOFError:
                    pass


# --- the front ------------------------------------------------------------------------------------


class Lost(Exception):
    """A shard's process is gone."""


class Node:
    """A shard's process as the front sees it."""

    def __init__(self, folder: str, number: int) -> None:
        self.folder = os.path.join(folder, f"shard-{number}")
        os.makedirs(self.folder, exist_ok=True)
        self.guard = threading.Lock()
        self.starts = 0
        self.start()

    def start(self) -> None:
        self.starts += 1
        socket = os.path.join(self.folder, f"socket-{self.starts}")
        command = [sys.executable, "-m", "tests.qdrant_server", "shard", self.folder, socket]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None and self.process.stdout.readline() == b"ready\n"
        self.connection: Connection[Any, Any] = Client(socket, "AF_UNIX", authkey=AUTH)
        with open(os.path.join(self.folder, "pid"), "w") as f:
            f.write(str(self.process.pid))

    def call(self, method: str, *args: Any) -> Any:
        with self.guard:
            try:
                self.connection.send((method, args))
                done, value = self.connection.recv()
            except (EOFError, OSError):
                self.process.wait()
                self.start()
                raise Lost(f"{os.path.basename(self.folder)} was lost") from None
        if not done:
            raise ValueError(value)
        return value


def serve(folder: str, shards: int) -> None:
    import grpc as transport
    from google.protobuf.message import Message
    from qdrant_client import grpc as q
    from qdrant_client.conversions.conversion import GrpcToRest as G
    from qdrant_client.conversions.conversion import RestToGrpc as R
    from qdrant_client.grpc import collections_service_pb2_grpc as collections_rpc
    from qdrant_client.grpc import points_service_pb2_grpc as points_rpc

    nodes = [Node(folder, n) for n in range(shards)]
    record = os.path.join(folder, "collections")
    os.makedirs(record, exist_ok=True)

    def node_of(point: str) -> Node:
        return nodes[zlib.crc32(point.encode()) % len(nodes)]

    def ids(values: Any) -> list[str]:
        return [str(G.convert_point_id(i)) for i in values]

    def where(message: Any, field: str) -> Any:
        return G.convert_filter(getattr(message, field)) if message.HasField(field) else None

    def vectors_of(value: Any) -> dict[str, Any]:
        from qdrant_client import models as m

        out = G.convert_vectors(value) if value is not None else {}
        assert isinstance(out, dict)
        return {
            n: (list(v.indices), list(v.values)) if isinstance(v, m.SparseVector) else v
            for n, v in out.items()
        }

    def shown(request: Any) -> Any:
        payload: Any = False
        if request.HasField("with_payload"):
            payload = G.convert_with_payload_interface(request.with_payload)
        vectors: Any = False
        if request.HasField("with_vectors"):
            vectors = G.convert_with_vectors_selector(request.with_vectors)
        exact = bool(getattr(request, "params", None) and request.params.exact)
        if not isinstance(payload, bool):
            payload = list(getattr(payload, "include", payload))
        return (payload, vectors, exact)

    def output(value: dict[str, Any]) -> Any:
        from qdrant_client import models as m

        made = {
            n: m.SparseVector(indices=v[0], values=v[1]) if isinstance(v, tuple) else v
            for n, v in value.items()
        }
        return R.convert_vector_struct_output(made) if made else None

    def load(name: str) -> q.CreateCollection:
        path = os.path.join(record, name)
        if not os.path.exists(path):
            raise KeyError(name)
        with open(path, "rb") as f:
            return q.CreateCollection.FromString(f.read())

    def each(method: str, *args: Any) -> list[Any]:
        return [node.call(method, *args) for node in nodes]

    def update(name: str, operations: list[tuple[str, Any]]) -> q.UpdateResult:
        load(name)
        for node in nodes:
            mine: list[tuple[str, Any]] = []
            for what, value in operations:
                if what in ("upsert", "vectors"):
                    value = [row for row in value if node_of(row[0]) is node]
                elif what == "upsert-if" and node_of(value[0]) is not node:
                    continue
                elif what == "delete":
                    value = [i for i in value if node_of(i) is node]
                elif what in ("payload", "delete-vectors"):
                    value = ([i for i in value[0] if node_of(i) is node], value[1])
                    if not value[0]:
                        continue
                if value or what == "delete-where":
                    mine.append((what, value))
            if mine:
                node.call("update", name, mine)
        return q.UpdateResult(operation_id=0, status=q.UpdateStatus.Completed)

    def payload_of(message: Any) -> Any:
        return G.convert_payload(message)

    def points_of(found: Any) -> Any:
        return found.points.ids

    def chosen(selector: Any) -> tuple[str, Any]:
        if selector.HasField("filter"):
            return "delete-where", G.convert_filter(selector.filter)
        return "delete", ids(points_of(selector))

    class Collections(collections_rpc.CollectionsServicer):  # type: ignore[misc]
        def CollectionExists(self, request: Any, context: Any) -> Message:
            there = os.path.exists(os.path.join(record, request.collection_name))
            return q.CollectionExistsResponse(result=q.CollectionExists(exists=there))

        def Create(self, request: Any, context: Any) -> Message:
            path = os.path.join(record, request.collection_name)
            if os.path.exists(path):
                raise ValueError("already exists")
            dense = {n: p.size for n, p in request.vectors_config.params_map.map.items()}
            config = {"dense": dense, "sparse": list(request.sparse_vectors_config.map)}
            if dense or config["sparse"]:  # else one of another program, which is never used
                each("create", request.collection_name, config)
            with open(path, "wb") as f:
                f.write(request.SerializeToString())
            return q.CollectionOperationResponse(result=True)

        def Delete(self, request: Any, context: Any) -> Message:
            each("drop", request.collection_name)
            if os.path.exists(path := os.path.join(record, request.collection_name)):
                os.unlink(path)
            return q.CollectionOperationResponse(result=True)

        def Get(self, request: Any, context: Any) -> Message:
            made = load(request.collection_name)
            params = q.CollectionParams(shard_number=len(nodes))
            if made.HasField("vectors_config"):
                params.vectors_config.CopyFrom(made.vectors_config)
            params.sparse_vectors_config.CopyFrom(made.sparse_vectors_config)
            config = q.CollectionConfig(
                params=params,
                hnsw_config=q.HnswConfigDiff(m=16, ef_construct=100, full_scan_threshold=10_000),
                optimizer_config=q.OptimizersConfigDiff(
                    deleted_threshold=0.2, vacuum_min_vector_number=1_000, default_segment_number=2,
                    flush_interval_sec=5,
                ),
                wal_config=q.WalConfigDiff(wal_capacity_mb=32, wal_segments_ahead=0),
            )  # fmt: skip
            info = q.CollectionInfo(
                status=q.CollectionStatus.Green, optimizer_status=q.OptimizerStatus(ok=True), config=config
            )
            return q.GetCollectionInfoResponse(result=info)

    class Points(points_rpc.PointsServicer):  # type: ignore[misc]
        def CreateFieldIndex(self, request: Any, context: Any) -> Message:
            kind = "keyword" if request.field_type == q.FieldType.FieldTypeKeyword else "integer"
            return q.PointsOperationResponse(
                result=update(request.collection_name, [("index", (request.field_name, kind))])
            )

        def Upsert(self, request: Any, context: Any) -> Message:
            rows = [
                (str(G.convert_point_id(p.id)), vectors_of(p.vectors), payload_of(p.payload))
                for p in request.points
            ]
            operations: list[tuple[str, Any]] = [("upsert", rows)]
            if request.HasField("update_filter"):
                only = where(request, "update_filter")
                operations = [("upsert-if", (*row, only)) for row in rows]
            return q.PointsOperationResponse(result=update(request.collection_name, operations))

        def Delete(self, request: Any, context: Any) -> Message:
            return q.PointsOperationResponse(result=update(request.collection_name, [chosen(request.points)]))

        def DeleteVectors(self, request: Any, context: Any) -> Message:
            value = (ids(points_of(request.points_selector)), list(request.vectors.names))
            return q.PointsOperationResponse(
                result=update(request.collection_name, [("delete-vectors", value)])
            )

        def CreateVectorName(self, request: Any, context: Any) -> Message:
            made = load(request.collection_name)
            size = request.dense_config.size
            update(request.collection_name, [("dense", (request.vector_name, size))])
            made.vectors_config.params_map.map[request.vector_name].CopyFrom(
                q.VectorParams(size=size, distance=request.dense_config.distance)
            )
            with open(os.path.join(record, request.collection_name), "wb") as f:
                f.write(made.SerializeToString())
            return q.PointsOperationResponse(
                result=q.UpdateResult(operation_id=0, status=q.UpdateStatus.Completed)
            )

        def UpdateBatch(self, request: Any, context: Any) -> Message:
            operations: list[tuple[str, Any]] = []
            for operation in request.operations:
                if operation.HasField("update_vectors"):
                    rows = [
                        (str(G.convert_point_id(p.id)), vectors_of(p.vectors))
                        for p in operation.update_vectors.points
                    ]
                    operations.append(("vectors", rows))
                elif operation.HasField("set_payload"):
                    to = ids(points_of(operation.set_payload.points_selector))
                    operations.append(("payload", (to, payload_of(operation.set_payload.payload))))
                else:
                    raise ValueError("not an operation of this server")
            done = update(request.collection_name, operations)
            return q.UpdateBatchResponse(result=[done for _ in request.operations])

        def Query(self, request: Any, context: Any) -> Message:
            load(request.collection_name)
            asked = G.convert_query(request.query).nearest
            wanted = asked if isinstance(asked, list) else (list(asked.indices), list(asked.values))
            found = each(
                "query", request.collection_name, request.using, wanted, where(request, "filter"), request.limit,
                shown(request),
            )  # fmt: skip
            best = sorted((p for part in found for p in part), key=lambda p: -p[1])[: request.limit]
            return q.QueryResponse(
                result=[
                    q.ScoredPoint(
                        id=q.PointId(uuid=i), score=score, payload=R.convert_payload(payload or {}),
                        vectors=output(value),
                    )
                    for i, score, payload, value in best
                ]
            )  # fmt: skip

        def Scroll(self, request: Any, context: Any) -> Message:
            load(request.collection_name)
            offset = request.offset.uuid if request.HasField("offset") else None
            found = each(
                "scroll",
                request.collection_name,
                where(request, "filter"),
                offset,
                request.limit + 1,
                shown(request),
            )
            page = sorted(p for part in found for p in part)[: request.limit + 1]
            more = page[request.limit :]
            answer = q.ScrollResponse(result=[self._record(p) for p in page[: request.limit]])
            if more:
                answer.next_page_offset.CopyFrom(q.PointId(uuid=more[0][0]))
            return answer

        def _record(self, point: Any) -> Any:
            i, _, payload, value = point
            return q.RetrievedPoint(
                id=q.PointId(uuid=i), payload=R.convert_payload(payload or {}), vectors=output(value)
            )

        def Get(self, request: Any, context: Any) -> Message:
            load(request.collection_name)
            wanted = ids(request.ids)
            found = [
                p
                for node in nodes
                for p in node.call(
                    "retrieve",
                    request.collection_name,
                    [i for i in wanted if node_of(i) is node],
                    shown(request),
                )
            ]
            return q.GetResponse(result=[self._record(p) for p in found])

        def Count(self, request: Any, context: Any) -> Message:
            load(request.collection_name)
            total = sum(each("count", request.collection_name, where(request, "filter")))
            return q.CountResponse(result=q.CountResult(count=total))

    class Guard(transport.ServerInterceptor):
        """Checks the key, and gives failures the status codes that Qdrant gives them."""

        def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
            handler = continuation(details)
            given = dict(details.invocation_metadata).get("api-key", "")

            def call(request: Any, context: Any) -> Any:
                if KEY and given != KEY:
                    context.abort(transport.StatusCode.UNAUTHENTICATED, f"Invalid API key {given}")
                try:
                    return handler.unary_unary(request, context)
                except Lost as error:
                    context.abort(transport.StatusCode.UNAVAILABLE, str(error))
                except KeyError as error:
                    context.abort(transport.StatusCode.NOT_FOUND, f"Collection {error} doesn't exist!")
                except ValueError as error:
                    context.abort(transport.StatusCode.INVALID_ARGUMENT, str(error))

            return transport.unary_unary_rpc_method_handler(
                call, handler.request_deserializer, handler.response_serializer
            )

    server = transport.server(
        ThreadPoolExecutor(8),
        interceptors=[Guard()],
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    points_rpc.add_PointsServicer_to_server(Points(), server)
    collections_rpc.add_CollectionsServicer_to_server(Collections(), server)
    if CERTIFICATE:
        parts = [Path(CERTIFICATE).with_suffix(end).read_bytes() for end in (".key", ".pem")]
        port = server.add_secure_port("127.0.0.1:0", transport.ssl_server_credentials([(parts[0], parts[1])]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(json.dumps({"port": port}), flush=True)
    sys.stdin.read()  # until the test closes it, or dies
    for node in nodes:
        node.process.kill()
        node.process.wait()
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1] == "shard":
        run_shard(sys.argv[2], sys.argv[3])
    else:
        serve(sys.argv[1], int(sys.argv[2]))
