"""An index whose chunks are in a Qdrant collection: its life, its failures, and moving it there and back.

Runs against the client's local mode; against a server where SPELUNK_TEST_QDRANT_URL names one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

pytest.importorskip("qdrant_client")

from qdrant_client import models as m

from spelunk import Index
from spelunk.errors import ConfigError, ProviderDownError, ProviderError
from spelunk.remote.breaker import states
from spelunk.store.protocols import Filter
from spelunk.store.qdrant import connection, points, writer
from spelunk.store.snapshot import Snapshot
from spelunk.testing import logical_content
from tests.corpus import python_file
from tests.qdrant import SharedClient, collection


class Remote(NamedTuple):
    """A workspace, the address of its collection, and a client to look at it with."""

    root: Path
    address: str
    client: Any
    open: Callable[..., Index]

    @property
    def collection(self) -> str:
        return self.address.rpartition("/")[2]

    def count(self) -> int:
        """Points of chunks: all but the control points of leases."""
        chunks = m.Filter(must=[m.FieldCondition(key=points.CHUNK, range=m.Range(gte=0))])
        return int(self.client.count(self.collection, count_filter=chunks, exact=True).count)


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Remote]:
    root = tmp_path / "tree"
    root.mkdir()
    for n in range(6):
        (root / f"mod_{n}.py").write_text(python_file(n, 3))
    (root / "notes.md").write_text("# Flushing\n\nHow queues are flushed.\n")
    with collection() as (address, client):

        def opened(**settings: Any) -> Index:
            given = {
                "store": address,
                "mode": "sequential",
                "embedder": "hashed",
                "retry_wait": 0.0,
            } | settings
            return Index.open(root, index_dir=str(tmp_path / "index"), **given)

        yield Remote(root, address, client, opened)


def places(answer: Any) -> list[tuple[str, int, float]]:
    return [(h.path, h.start_line, h.score) for h in answer.hits]


QUERIES = [
    "flush queue",
    "batch worker total",
    "how are queues flushed",
    "alpha_beta",
    "sym:flush",
    "/def \\w+_1/",
]


@pytest.mark.parametrize("mode", ["lexical", "semantic", "hybrid"])
def test_answers_are_those_of_a_local_index(remote: Remote, tmp_path: Path, mode: str) -> None:
    with (
        remote.open() as there,
        Index.open(
            remote.root, index_dir=str(tmp_path / "local"), mode="sequential", embedder="hashed"
        ) as here,
    ):
        there.update()
        here.update()

        for query in QUERIES:
            expected = places(here.search(query, mode=mode, limit=10))
            assert places(there.search(query, mode=mode, limit=10)) == expected
        assert places(there.similar("mod_1.py", 3)) == places(here.similar("mod_1.py", 3))


def test_a_file_that_changed_is_found_by_its_new_text_alone(remote: Remote) -> None:
    with remote.open() as index:
        index.update()
        (remote.root / "notes.md").write_text("# Ballast\n\nWhat a zeppelin drops.\n")
        (remote.root / "mod_0.py").unlink()

        answer = index.search("zeppelin ballast", mode="lexical")

        assert [h.path for h in answer.hits] == ["notes.md"]
        assert all(h.path not in ("mod_0.py",) for h in index.search("flush", limit=100).hits)
        assert not any(h.path == "notes.md" for h in index.search("flushed", mode="lexical", limit=100).hits)
        assert index.check().ok


def test_points_of_replaced_files_go_once_no_search_can_need_them(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    with remote.open() as index:
        index.update()
        before = remote.count()
        (remote.root / "notes.md").write_text("# Other\n\nText.\n")
        index.update()
        assert remote.count() > before  # the old points are still there for searches that began before

        monkeypatch.setattr(writer, "GRACE_SECONDS", 0.0)
        (remote.root / "mod_0.py").unlink()
        index.update()

        with index.snapshot() as reader:
            assert remote.count() == reader.documents
        assert index.check().ok


def test_points_that_were_replaced_while_the_clock_was_ahead_do_not_wait_for_that_time(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=time.time())
    monkeypatch.setattr(writer, "time", SimpleNamespace(time=lambda: clock.now))
    with remote.open() as index:
        index.update()
        clock.now += 2 * 86_400
        (remote.root / "notes.md").write_text("# Other\n\nText.\n")
        index.update()
        clock.now -= 2 * 86_400  # somebody has set it right
        (remote.root / "more.md").write_text("# More\n\nText.\n")
        index.update()
        with index.snapshot() as reader:
            assert remote.count() > reader.documents  # for searches that began before

        clock.now += writer.GRACE_SECONDS + 1
        (remote.root / "further.md").write_text("# Further\n\nText.\n")
        index.update()

        with index.snapshot() as reader:
            assert remote.count() == reader.documents


def test_a_reader_sees_its_generation_while_another_is_published(remote: Remote) -> None:
    with remote.open() as index:
        index.update()
        with index.snapshot() as reader:
            before = reader.lexical({"flushed": 1.0}, {"body": 1.0}, Filter(), 10)
            (remote.root / "notes.md").write_text("# Other\n\nText.\n")
            with remote.open() as other:
                other.update()

            assert reader.lexical({"flushed": 1.0}, {"body": 1.0}, Filter(), 10) == before != []
        with index.snapshot() as reader:
            assert reader.lexical({"flushed": 1.0}, {"body": 1.0}, Filter(), 10) == []


def test_two_workspaces_in_one_collection_do_not_see_each_other(remote: Remote, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "zeppelin.py").write_text("def zeppelin():\n    return 'flush'\n")
    with (
        remote.open() as one,
        Index.open(
            other,
            index_dir=str(tmp_path / "other-index"),
            store=remote.address,
            embedder="hashed",
            mode="sequential",
        ) as two,
    ):
        one.update()
        two.update()

        assert {h.path for h in two.search("flush", limit=100).hits} == {"zeppelin.py"}
        assert one.search("zeppelin", mode="lexical").hits == ()
        two.clear()
        assert one.check().ok
        with one.snapshot() as reader:
            assert remote.count() == reader.documents


def test_a_rebuild_replaces_all_points_and_the_old_ones_serve_until_then(remote: Remote) -> None:
    with remote.open() as index:
        index.update()
        expected = places(index.search("flush queue"))

        index.update(rebuild=True)

        assert places(index.search("flush queue")) == expected
        with index.snapshot() as reader:
            assert remote.count() == reader.documents
        assert index.check().ok
        assert index.clear()
        assert remote.count() == 0


@pytest.mark.parametrize("embedder", ["hashed", "static"])
def test_a_move_there_and_back_makes_the_same_index(remote: Remote, tmp_path: Path, embedder: str) -> None:
    with remote.open(store="local", embedder=embedder) as index:
        index.update()
        with Snapshot(index.directory) as snapshot:
            before = [snapshot.vector(i) for i in snapshot.listed(Filter(), 1000)]
        content, expected = logical_content(index.directory), places(index.search("flush queue"))

        moved = index.migrate(remote.address)

        with pytest.raises(ConfigError, match="set store to it"):
            index.search("flush")
        assert not any(name.startswith("lexical") for name in os.listdir(index.directory))
    with remote.open(embedder=embedder) as index:
        assert remote.count() == moved
        assert places(index.search("flush queue")) == expected
        assert index.check().ok
        assert index.update().files.indexed == 0

        assert index.migrate("local") == moved
    with remote.open(store="local", embedder=embedder) as index:
        assert remote.count() == 0
        assert index.check().ok
        assert places(index.search("flush queue")) == expected
        with Snapshot(index.directory) as snapshot:
            assert [snapshot.vector(i) for i in snapshot.listed(Filter(), 1000)] == before
        assert logical_content(index.directory) == content


def test_a_move_that_was_interrupted_goes_on_where_it_was(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spelunk.store.qdrant import migrate

    monkeypatch.setattr(migrate, "BATCH", 4)
    shared: SharedClient = remote.client
    with remote.open(store="local", store_lease=3_600.0) as index:  # nothing is renewed meanwhile
        index.update()
        expected = places(index.search("flush queue"))
        fail_after(monkeypatch, shared, "upsert", 2)
        with pytest.raises(ProviderError):
            index.migrate(remote.address)
        assert places(index.search("flush queue")) == expected  # from the local stores
        sent = remote.count()
        monkeypatch.undo()
        breakers_closed(index)
        shared.calls.clear()

        moved = index.migrate(remote.address)

        assert 0 < sent < moved == remote.count()
        assert shared.calls.count("upsert") == 1 + 3  # the lease: taken, a publish announced, released
    with remote.open() as index:
        assert places(index.search("flush queue")) == expected
        assert index.check().ok


def fail_after(monkeypatch: pytest.MonkeyPatch, client: SharedClient, name: str, calls: int) -> None:
    """Let the client's method work some times and then fail, as a server does that went away."""
    method, left = getattr(client, name), [calls]

    def call(*args: Any, **kwargs: Any) -> Any:
        if left[0] <= 0:
            raise ConnectionError("connection refused")
        left[0] -= 1
        return method(*args, **kwargs)

    monkeypatch.setattr(client, name, call, raising=False)


def breakers_closed(index: Index) -> None:
    path = os.path.join(index.directory, "breakers.json")
    if os.path.exists(path):
        os.unlink(path)


def test_a_store_lost_in_the_middle_publishes_nothing_of_the_run_and_the_next_goes_on(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    with remote.open(retry_attempts=2, breaker_failures=2, breaker_wait=600) as index:
        index.update()
        expected = places(index.search("flush queue"))
        for n in range(6):
            (remote.root / f"new_{n}.py").write_text(python_file(50 + n, 3))
        fail_after(monkeypatch, remote.client, "upsert", 0)
        with pytest.raises(ProviderError, match="connection refused"):
            index.update()
        (state,) = states(index.directory)
        assert (state.name, state.state) == ("store", "open")
        with pytest.raises(ProviderDownError, match="not called for another"):
            index.update()

        monkeypatch.undo()
        breakers_closed(index)
        assert places(index.search("flush queue", refresh=False)) == expected
        assert index.update().files.indexed == 6
        assert index.check().ok
        assert any(h.path.startswith("new_") for h in index.search("flush", limit=100).hits)


def test_points_of_a_run_that_died_are_deleted_by_the_next(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    with remote.open() as index:
        index.update()
        (remote.root / "new.py").write_text(python_file(50, 3))

        def dies(*_: Any, **__: Any) -> int:
            raise KeyboardInterrupt

        monkeypatch.setattr(writer.RemoteWriter, "publish", dies)
        with pytest.raises(KeyboardInterrupt):
            index.update()
        monkeypatch.undo()
        with index.snapshot() as reader:
            assert remote.count() > reader.documents
            assert len(reader.listed(Filter(), 1000)) == reader.documents
        (remote.root / "new.py").write_text("x = 1\n")

        index.update()

        with index.snapshot() as reader:
            assert remote.count() == reader.documents
        assert index.check().ok


def test_a_check_finds_what_is_missing_or_too_many_and_repairs_it(remote: Remote) -> None:
    with remote.open() as index:
        index.update()
        expected = places(index.search("flush queue", mode="semantic"))
        chunks = m.Filter(must=[m.FieldCondition(key=points.CHUNK, range=m.Range(gte=0))])
        page, _ = remote.client.scroll(
            remote.collection, chunks, limit=4, with_payload=True, with_vectors=True
        )
        remote.client.delete(remote.collection, m.PointIdsList(points=[page[0].id, page[1].id]), wait=True)
        strange = m.PointStruct(
            id="00000000-0000-0000-0000-000000000001", vector=page[2].vector, payload=page[2].payload
        )
        remote.client.upsert(remote.collection, [strange], wait=True)
        remote.client.delete_vectors(
            remote.collection, [points.DENSE], m.PointIdsList(points=[page[3].id]), wait=True
        )

        report = index.check()

        details = " ".join(p.detail for p in report.problems)
        assert not report.ok
        assert "2 chunks missing, 1 points too many" in details
        assert "1 chunks without a vector" in details
        # What the manifest does not know is in no answer.
        assert len({(h.path, h.start_line) for h in index.search("flush", limit=100).hits}) == len(
            index.search("flush", limit=100).hits
        )
        assert index.check(repair=True).ok
        assert index.check().ok
        assert places(index.search("flush queue", mode="semantic")) == expected


def test_counts_of_terms_are_checked_and_counted_again(remote: Remote) -> None:
    with remote.open() as index:
        index.update()
        with index.snapshot() as reader:
            expected = reader.vocabulary("", "body")
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(os.path.join(index.directory, "manifest.sqlite"))) as db, db:
            db.execute("UPDATE terms SET chunks = chunks + 1 WHERE term LIKE 'f%'")
        index.close()

        assert [p.detail for p in index.check().problems] == [
            "counts of terms differ from those of the files"
        ]
        assert index.check(repair=True).ok
        with index.snapshot() as reader:
            assert reader.vocabulary("", "body") == expected


def test_the_status_counts_vectors_that_are_elsewhere(remote: Remote) -> None:
    with remote.open() as index:
        index.update()

        status = index.status()

    assert status.vectors == status.chunks > 0


def test_a_folder_without_files_is_searched_before_there_is_a_collection(remote: Remote) -> None:
    for path in remote.root.iterdir():
        path.unlink()
    with remote.open() as index:
        index.update()
        assert [index.search("flush", mode=mode).hits for mode in ("lexical", "semantic", "hybrid")] == [
            ()
        ] * 3
        assert index.search("/flush/").hits == ()


def test_a_collection_of_another_program_is_left_alone(remote: Remote) -> None:
    remote.client.create_collection(
        remote.collection, vectors_config=m.VectorParams(size=4, distance=m.Distance.DOT)
    )
    with remote.open() as index, pytest.raises(ProviderDownError, match="a collection of another program"):
        index.update()
    assert not os.path.exists(os.path.join(index.directory, "lexical-1"))


def test_a_collection_of_another_format_is_left_alone(remote: Remote) -> None:
    remote.client.create_collection(
        remote.collection,
        vectors_config={},
        sparse_vectors_config={"spelunk-terms-99": m.SparseVectorParams()},
    )
    with remote.open() as index, pytest.raises(ProviderDownError, match="another format"):
        index.update()


def test_an_embedder_of_other_dimensions_is_refused(remote: Remote, tmp_path: Path) -> None:
    remote.client.create_collection(
        remote.collection,
        vectors_config={points.DENSE: m.VectorParams(size=64, distance=m.Distance.DOT)},
        sparse_vectors_config={points.TERMS: m.SparseVectorParams()},
    )
    with remote.open() as index, pytest.raises(ConfigError, match="holds vectors of 64 dimensions"):
        index.update()


def test_a_local_index_is_not_taken_for_a_remote_one(remote: Remote) -> None:
    with remote.open(store="local") as index:
        index.update()
    (remote.root / "new.py").write_text("x = 1\n")
    with remote.open() as index, pytest.raises(ConfigError, match="spelunk migrate --to qdrant"):
        index.update()


def test_vectors_that_come_later_are_added_to_their_points(remote: Remote) -> None:
    from spelunk.embed.hashed import HashedEmbedder

    with remote.open() as index:
        index.update()
        expected = places(index.search("flush queue", mode="semantic"))
        from contextlib import closing

        from spelunk.pipeline.backfill import backfill
        from spelunk.store.manifest_writer import ManifestWriter
        from spelunk.store.opening import open_vectors

        with closing(ManifestWriter(index.directory)) as manifest:
            manifest.start()
            manifest.make_all_pending()
            manifest.publish()
            page, _ = remote.client.scroll(remote.collection, limit=1000)
            remote.client.delete_vectors(
                remote.collection, [points.DENSE], m.PointIdsList(points=[r.id for r in page]), wait=True
            )
            with index.snapshot() as reader:
                assert reader.embedder == "" and reader.missing_vectors()[0] == reader.documents

            done = backfill(
                manifest, HashedEmbedder(), vectors=open_vectors(manifest, index.options, index.observer)
            )

        assert done.pending == 0
        assert places(index.search("flush queue", mode="semantic")) == expected
        assert index.check().ok


def test_no_server_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.py").write_text("x = 1\n")
    with (
        Index.open(
            tmp_path / "tree",
            index_dir=str(tmp_path / "index"),
            store="qdrant://127.0.0.1:9/code",
            retry_attempts=1,
        ) as index,
        pytest.raises(ProviderError, match=r"qdrant://127.0.0.1:9/code: .*") as caught,
    ):
        index.update()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "store",
    ["qdrant://", "qdrant://host", "qdrant://host/", "http://host:6333/c", "qdrant://h:99999999/c", "remote",
     "qdrant://key@host/c", "qdrant://host/c?api_key=k"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(tmp_path: Path, store: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Index.open(tmp_path, store=store)
    assert "qdrant://localhost:6334/code" in str(caught.value) or "key" in str(caught.value)


def test_a_workspace_may_not_choose_a_store_or_a_key(tmp_path: Path) -> None:
    (tmp_path / "spelunk.toml").write_text(
        'store = "qdrant://evil:6334/c"\nstore_key_env = "SECRET"\nstore_key_file = "/etc/passwd"\n'
    )
    with Index.open(tmp_path) as index:
        assert index.options.store == "local"
        assert index.options.store_key_env == "QDRANT_API_KEY" and not index.options.store_key_file
        assert {u.name for u in index.untrusted} == {"store", "store_key_env", "store_key_file"}


class Refused(Exception):
    """As gRPC reports a status."""

    def __init__(self, name: str, details: str) -> None:
        super().__init__(details)
        self.name, self.text = name, details

    def code(self) -> Any:
        return self

    def details(self) -> str:
        return self.text


def test_a_key_is_in_no_message(remote: Remote, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("s3cret-key\n")

    def refused(*_: Any, **__: Any) -> Any:
        raise Refused("UNAUTHENTICATED", "Invalid API key s3cret-key\nexpired")

    monkeypatch.setattr(remote.client, "collection_exists", refused, raising=False)
    seen: list[object] = []
    with remote.open(store_key_file=str(key_file)) as index:
        index.observer = seen.append
        with pytest.raises(ProviderDownError, match="the API key is refused") as caught:
            index.update()
        assert "s3cret" not in str(caught.value) and "\n" not in str(caught.value)
        assert "s3cret" not in repr(seen)
        for name in os.listdir(index.directory):
            path = os.path.join(index.directory, name)
            if os.path.isfile(path):
                assert b"s3cret" not in Path(path).read_bytes()


@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        ("PERMISSION_DENIED", "ExpiredSignature", "the API key has expired: set QDRANT_API_KEY"),
        ("PERMISSION_DENIED", "Forbidden: Write access to collection c is required", "does not allow this"),
        ("PERMISSION_DENIED", "Forbidden: Global manage access is required", "does not allow this"),
        ("PERMISSION_DENIED", "Forbidden: Access to collection c is required", "does not allow this"),
        ("PERMISSION_DENIED", "InvalidSignature", "the API key is refused"),
        ("UNAUTHENTICATED", "Invalid API key or JWT", "the API key is refused"),
    ],
)
def test_what_is_wrong_with_a_key_is_said(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, code: str, said: str, told: str
) -> None:
    """The words are those of Qdrant 1.18.3."""

    def refused(*_: Any, **__: Any) -> Any:
        raise Refused(code, said)

    monkeypatch.setenv("QDRANT_API_KEY", "a-token")
    monkeypatch.setattr(remote.client, "collection_exists", refused, raising=False)
    with remote.open() as index, pytest.raises(ProviderDownError, match=told):
        index.update()


def test_a_shard_that_is_lost_is_said_before_the_words_of_the_server(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words are those of Qdrant 1.18.3 with a node of three killed."""
    said = (
        "Service internal error: 1 of 1 read operations failed: Service internal error: Tonic status error: "
        "code: 'The service is currently unavailable', "
        'message: "Failed to connect to http://127.0.0.1:6355/, error: transport error"'
    )
    with remote.open(retry_attempts=1) as index:
        index.update()

        def lost(*_: Any, **__: Any) -> Any:
            raise Refused("INTERNAL", said)

        monkeypatch.setattr(remote.client, "query_points", lost, raising=False)
        with pytest.raises(ProviderError, match=r"is down, and a shard has no other copy .*1 of 1 read"):
            index.search("flush queue", mode="lexical", refresh=False)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a\nb"])
def test_a_key_file_without_a_key_is_refused(remote: Remote, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with remote.open(store_key_file=str(path)) as index, pytest.raises(ConfigError, match="store_key_file"):
        index.update()


def test_a_quota_is_waited_for_and_named_without_the_breaker(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert, left = remote.client.upsert, [2]

    def limited(*args: Any, **kwargs: Any) -> Any:
        if left[0] > 0:
            left[0] -= 1
            raise Refused("RESOURCE_EXHAUSTED", "Write rate limit exceeded:\nretry later")
        return upsert(*args, **kwargs)

    monkeypatch.setattr(remote.client, "upsert", limited, raising=False)
    with remote.open(retry_attempts=3, breaker_failures=1) as index:
        index.update()
        assert left == [0] and index.check().ok

        left[0] = 1_000
        (remote.root / "new.py").write_text("x = 1\n")
        with pytest.raises(ProviderError, match="Write rate limit exceeded: retry later") as caught:
            index.update()
        assert "\n" not in str(caught.value)
        assert not any(s.state == "open" for s in states(index.directory))


def test_another_host_is_asked_when_one_is_lost(remote: Remote) -> None:
    asked: list[str] = []

    class Gone:
        def __getattr__(self, name: str) -> Any:
            def call(*_: Any, **__: Any) -> Any:
                raise Refused("UNAVAILABLE", "connection refused")

            return call

        def close(self) -> None: ...

    def client(host: Any, **_: Any) -> Any:
        asked.append(host.name)
        return Gone() if host.name == "lost" else remote.client

    address = f"qdrant://lost,there/{remote.collection}"
    with pytest.MonkeyPatch.context() as patched, remote.open(store=address) as index:
        patched.setattr(connection, "new_client", client)
        index.update()
        assert index.search("flush queue", mode="lexical").hits
    assert asked[:2] == ["lost", "there"]


def test_the_command_line_moves_an_index(
    remote: Remote, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from spelunk.cli import main

    with remote.open(store="local", embedder="static") as index:
        index.update()
    where = ["--index-dir", str(tmp_path / "index")]

    status = main(["migrate", str(remote.root), "--to", remote.address, "--json", *where])

    printed = json.loads(capsys.readouterr().out)
    assert status == 0 and printed["ok"] and printed["chunks"] == remote.count()
    assert main(["migrate", str(remote.root), "--to", "nowhere", *where]) == 2
    assert "qdrant://localhost:6334/code" in capsys.readouterr().err


def test_a_base_install_imports_no_client() -> None:
    import subprocess
    import sys

    code = (
        "import sys, spelunk.cli, spelunk.index, spelunk.store.opening; print('qdrant_client' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
