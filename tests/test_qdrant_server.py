"""A Qdrant over a real socket: gRPC, keys, shards that are killed while an index is made and searched.

The server is :mod:`tests.qdrant_server`, over Qdrant's own shard engine; or the cluster
that SPELUNK_TEST_QDRANT_URL names, with the key in QDRANT_API_KEY if it needs one.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("qdrant_client")

from tests.qdrant import URL

if not URL:
    pytest.importorskip("qdrant_edge")

from spelunk import Index
from spelunk.config import resolve
from spelunk.errors import ConfigError, ProviderDownError, ProviderError
from spelunk.observe.events import CallRetried
from spelunk.store.qdrant.connection import Connection
from tests.corpus import python_file

KEY = os.environ.get("QDRANT_API_KEY", "a-key-for-tests") if URL else "a-key-for-tests"
own_server = pytest.mark.skipif(bool(URL), reason="starts and kills the server of the tests")
with_key = pytest.mark.skipif(
    bool(URL) and "QDRANT_API_KEY" not in os.environ, reason="the cluster is used without a key"
)
SHARDS = 2
MOST_RUNS = 60
"""Runs of an update that is disturbed again and again; each gets further."""


class Server(NamedTuple):
    """A running server.

    Attributes:
        url: Its address without a collection.
        folder: Of the shards of the server of the tests.
        prefix: Of the names of this run's collections.
    """

    url: str
    folder: Path
    prefix: str = ""

    def address(self, name: str = "code") -> str:
        return f"{self.url}/{self.prefix}{name}"

    def kill_shard(self, number: int) -> None:
        """Kill the process of a shard; the server starts it again at the next call."""
        os.kill(int((self.folder / f"shard-{number}" / "pid").read_text()), signal.SIGKILL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("q")
    if not URL:
        with running(folder) as made:
            yield made
        return
    named = Server(URL, folder, f"test-{uuid.uuid4().hex[:12]}-")
    try:
        yield named
    finally:
        with client_of(named.address()) as client:
            for found in client.get_collections().collections:
                if found.name.startswith(named.prefix):
                    client.delete_collection(found.name)


@contextmanager
def client_of(address: str) -> Iterator[Any]:
    """A client of the first host of an address."""
    from spelunk.store.qdrant.address import parse
    from spelunk.store.qdrant.connection import new_client

    place = parse(address)
    client = new_client(place.hosts[0], tls=place.tls, key=KEY, timeout=60)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def running(folder: Path, **variables: str) -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.qdrant_server", str(folder), str(SHARDS)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent,
        env=os.environ | {"TEST_QDRANT_KEY": KEY} | variables,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        yield Server(f"qdrant://127.0.0.1:{json.loads(process.stdout.readline())['port']}", folder)
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    for n in range(8):
        (root / f"mod_{n}.py").write_text(python_file(n, 3))
    return root


def opened(tree: Path, tmp_path: Path, address: str, **settings: Any) -> Index:
    given = {
        "mode": "sequential",
        "embedder": "hashed",
        "retry_wait": 0.01,
        "breaker_failures": 1_000,
    } | settings
    return Index.open(tree, index_dir=str(tmp_path / "index"), store=address, **given)


def places(answer: Any) -> list[tuple[str, int, float]]:
    return [(h.path, h.start_line, h.score) for h in answer.hits]


@with_key
def test_a_wrong_key_is_one_clear_line_without_the_key(
    server: Server, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QDRANT_API_KEY", raising=False)
    with opened(tree, tmp_path, server.address("keys")) as index:
        with pytest.raises(ProviderDownError, match="the API key is missing"):
            index.update()
        monkeypatch.setenv("QDRANT_API_KEY", "expired-key")
        index.close()
        with pytest.raises(ProviderDownError, match="the API key is refused") as caught:
            index.update()
        assert "expired-key" not in str(caught.value) and "\n" not in str(caught.value)
        monkeypatch.setenv("QDRANT_API_KEY", KEY)

        assert index.update().files.indexed == 8
        assert index.search("flush", mode="lexical").hits
        assert index.check().ok


@own_server
def test_a_check_without_the_cluster_says_so_and_advises_no_repair(tmp_path: Path, tree: Path) -> None:
    environment = os.environ | {
        "QDRANT_API_KEY": KEY,
        "SPELUNK_EMBEDDER": "hashed",
        "SPELUNK_MODE": "sequential",
    }

    def spelunk(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "spelunk", *words, str(tree)]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    with running(tmp_path / "cluster") as server:
        environment["SPELUNK_STORE"] = server.address()
        assert spelunk("index", "-q").returncode == 0
        assert spelunk("check").returncode == 0

    checked, repaired, told = spelunk("check"), spelunk("check", "--repair"), spelunk("check", "--json")

    for done in (checked, repaired):
        first, last = done.stdout.splitlines()
        assert done.returncode == 1
        assert first.startswith(f"problem: cluster: {environment['SPELUNK_STORE']}: ")
        assert "see that it runs" in last and "--repair" not in last
    assert [problem["what"] for problem in json.loads(told.stdout)["problems"]] == ["cluster"]


@own_server
def test_a_check_of_a_collection_that_is_gone_advises_a_repair_that_fills_it(
    server: Server, tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    with opened(tree, tmp_path, server.address("vanishing")) as index:
        index.update()
        with client_of(server.address("vanishing")) as client:
            client.delete_collection("vanishing")

        found = index.check()

        assert [problem.what for problem in found.problems] == ["full-text"]
        assert index.check(repair=True).ok
        assert index.search("flush", mode="lexical").hits


@own_server
@pytest.mark.parametrize("seed", [1, 2])
def test_shards_killed_at_random_cost_time_and_nothing_else(
    server: Server, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    from spelunk.store.qdrant import point_writer

    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    monkeypatch.setattr(point_writer, "BATCH", 4)
    chance, kills = random.Random(seed), [0]
    upsert = point_writer.PointWriter._apply

    def disturbed(self: Any, call: Any) -> None:
        if chance.random() < 0.3:
            server.kill_shard(chance.randrange(SHARDS))
            kills[0] += 1
        upsert(self, call)

    monkeypatch.setattr(point_writer.PointWriter, "_apply", disturbed)
    address = server.address(f"kills-{seed}")
    with (
        opened(tree, tmp_path, address, retry_attempts=2) as index,
        Index.open(tree, index_dir=str(tmp_path / "local"), mode="sequential", embedder="hashed") as local,
    ):
        for step in range(4):
            (tree / f"mod_{step}.py").write_text(python_file(20 + 10 * seed + step, 3))
            (tree / f"new_{step}.py").write_text(python_file(60 + step, 2))
            for _ in range(MOST_RUNS):
                try:
                    index.update()
                    break
                except ProviderError:
                    continue
            local.update()
            for mode in ("lexical", "semantic", "hybrid"):
                expected = places(local.search("flush queue total", mode=mode))
                assert places(index.search("flush queue total", mode=mode, refresh=False)) == expected
        assert kills[0] > 3
        assert index.check().ok


def test_a_node_that_hangs_is_left_after_the_time_of_a_query(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its socket takes connections and never answers."""
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    retried: list[str] = []

    def note(event: object) -> None:
        if isinstance(event, CallRetried):
            retried.append(event.reason)

    with socket.create_server(("127.0.0.1", 0)) as hung:
        place = f"127.0.0.1:{hung.getsockname()[1]}"
        address = server.address("hangs").replace("qdrant://", f"qdrant://{place},")
        settings = {"store": address, "query_timeout": 0.5, "store_timeout": 3_000.0}
        connection = Connection(resolve(str(tmp_path), settings), observer=note)
        try:
            for _ in range(3):
                assert connection.read(lambda client: client.collection_exists("hangs")) is False
        finally:
            connection.close()

    assert retried == [f"{address}: no answer within 0.5 s"]  # the others went to the next node at once


KILLED_AT = [
    "remote.upsert.before",
    "remote.upsert.after",
    "remote.sealed",
    "publish.manifest.before",
    "publish.manifest.after",
]


@pytest.mark.parametrize("point", KILLED_AT)
def test_a_writer_that_is_killed_leaves_the_last_generation(
    server: Server, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    address = server.address(f"killed-{point.replace('.', '-')}")
    with opened(tree, tmp_path, address) as index:
        index.update()
        (tree / "new.py").write_text("def zeppelin():\n    return 'ballast'\n")
        index.close()

        status = command(tree, tmp_path, address, "index", faults=f"{point}=kill")

        assert status == -signal.SIGKILL
        found = index.search("zeppelin", mode="lexical", refresh=False).hits
        assert bool(found) == (point == "publish.manifest.after")
        index.update()
        assert [h.path for h in index.search("zeppelin", mode="lexical").hits] == ["new.py"]
        assert index.check().ok


@pytest.mark.parametrize("point", ["remote.purge.before", "remote.purge.after"])
def test_a_purge_that_is_killed_is_ended_by_the_next_run(
    server: Server, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    from spelunk.store.qdrant import writer

    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    address = server.address(f"purged-{point.replace('.', '-')}")
    with opened(tree, tmp_path, address) as index:
        index.update()
        (tree / "mod_0.py").write_text("def zeppelin():\n    return 'ballast'\n")
        (tree / "mod_1.py").unlink()
        index.close()

        status = command(tree, tmp_path, address, "index", faults=f"{point}=kill", grace=0.0)

        assert status == -signal.SIGKILL
        assert [h.path for h in index.search("zeppelin", mode="lexical", refresh=False).hits] == ["mod_0.py"]
        assert not any(h.path == "mod_1.py" for h in index.search("flush", limit=100, refresh=False).hits)
        assert index.check().ok
        monkeypatch.setattr(writer, "GRACE_SECONDS", 0.0)
        (tree / "mod_2.py").unlink()
        index.update()
        assert index.check().ok
        with index.snapshot() as reader:
            assert points_in(address) == reader.documents


def points_in(address: str) -> int:
    """Points of chunks in a collection."""
    from qdrant_client import models as m

    chunks = m.Filter(must=[m.FieldCondition(key="chunk", range=m.Range(gte=0))])
    with client_of(address) as client:
        return int(client.count(address.rpartition("/")[2], count_filter=chunks, exact=True).count)


@pytest.mark.parametrize("point", ["migrate.batch", "migrate.switch.before", "migrate.switch.after"])
@pytest.mark.parametrize("back", [False, True])
def test_a_move_that_is_killed_is_continued(
    server: Server, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, back: bool
) -> None:
    if back and point == "migrate.batch":
        point = "migrate.full-text"
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    address = server.address(f"moved-{point.replace('.', '-')}-{back}")
    here, there = ("local", address) if not back else (address, "local")
    with opened(tree, tmp_path, here) as index:
        index.update()
        expected = places(index.search("flush queue"))
    status = command(tree, tmp_path, here, "migrate", "--to", there, faults=f"{point}=kill")
    assert status == -signal.SIGKILL
    done = point == "migrate.switch.after"
    with opened(tree, tmp_path, there if done else here) as index:
        assert places(index.search("flush queue", refresh=False)) == expected
        if not done:
            index.migrate(there)
    with opened(tree, tmp_path, there) as index:
        assert places(index.search("flush queue")) == expected
        index.update()
        assert index.check().ok


def test_of_two_processes_one_writes_and_the_other_takes_over_when_it_is_killed(
    server: Server, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two index directories with the points of one: the second was copied, as onto another machine."""
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    monkeypatch.setenv("SPELUNK_STORE_LEASE", "2")
    address = server.address("leases")
    with opened(tree, tmp_path, address) as index:
        index.update()
    there = tmp_path / "there"
    there.mkdir()
    shutil.copytree(tmp_path / "index", there / "index")
    (tree / "new.py").write_text("def zeppelin():\n    return 'ballast'\n")
    reached = tmp_path / "reached"
    first = start(
        tree,
        tmp_path,
        address,
        "index",
        faults=f"remote.upsert.after=note:{reached};remote.upsert.after=hang",
    )
    try:
        wait_for(reached.exists)
        status, _, said = ended(start(tree, there, address, "index"))
        assert status == 2
        assert (
            "are being written by" in said and f"process {first.pid}" in said and len(said.splitlines()) == 1
        )
    finally:
        first.kill()
        first.communicate()

    status, _, said = ended(start(tree, there, address, "index"))
    assert status == 0, said
    with opened(tree, there, address) as index:
        assert [h.path for h in index.search("zeppelin", mode="lexical").hits] == ["new.py"]
        assert index.check().ok
    (tree / "newer.py").write_text("x = 1\n")
    with (
        opened(tree, tmp_path, address) as index,
        pytest.raises(ConfigError, match="another copy of this index"),
    ):
        index.update()


@own_server
def test_tls_with_a_certificate_of_ones_own(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make a certificate")
    certificate = tmp_path / "own.pem"
    made = [
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-keyout", str(tmp_path / "own.key"), "-out", str(certificate),
    ]  # fmt: skip
    subprocess.run(made, check=True, capture_output=True)
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    monkeypatch.setenv("SPELUNK_RETRY_ATTEMPTS", "1")
    (tmp_path / "q").mkdir()
    with running(tmp_path / "q", TEST_QDRANT_CERTIFICATE=str(certificate)) as server:
        address = server.address("tls").replace("qdrant://", "qdrants://")
        status, _, said = ended(start(tree, tmp_path, address, "index"))
        assert status == 2
        last = said.splitlines()[-1]
        assert last.startswith("spelunk: qdrants://127.0.0.1") and "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" in last
        assert KEY not in said

        monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(certificate))
        status, printed, said = ended(start(tree, tmp_path, address, "index", "--verbose"))
        assert status == 0, said
        assert KEY not in printed + said
        status, _, said = ended(start(tree, tmp_path, address, "check"))
        assert status == 0, said
        for path in (tmp_path / "index").rglob("*"):
            assert path.is_dir() or KEY.encode() not in path.read_bytes()


@pytest.mark.slow
def test_the_smoke_script_of_a_cluster_runs_through(server: Server) -> None:
    folder = Path(sys.executable).parent
    if not (folder / "spelunk").exists():
        pytest.skip("spelunk is not installed as a command")
    done = subprocess.run(
        ["sh", str(Path(__file__).parent.parent / "deploy" / "smoke.sh"), server.url],
        env=os.environ | {"QDRANT_API_KEY": KEY, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all is well" in done.stdout and KEY not in done.stdout + done.stderr


def wait_for(condition: Any) -> None:
    import time

    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start(
    tree: Path, place: Path, store: str, name: str, *more: str, faults: str = "", grace: float | None = None
) -> Any:
    """Start a command of the index directory in ``place``; ``grace`` is for points of replaced files."""
    code = "import sys; from spelunk.cli import main; from spelunk.store.qdrant import writer\n"
    if grace is not None:
        code += f"writer.GRACE_SECONDS = {grace}\n"
    code += "sys.exit(main(sys.argv[1:]))"
    arguments = [sys.executable, "-c", code, name, str(tree), "--index-dir", str(place / "index"), *more]
    settings = {
        "SPELUNK_STORE": store, "SPELUNK_EMBEDDER": "hashed", "SPELUNK_MODE": "sequential",
        "SPELUNK_FAULTS": faults,
    }  # fmt: skip
    return subprocess.Popen(
        arguments, env=os.environ | settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def ended(process: Any) -> tuple[int, str, str]:
    """Wait for a command: its status, and what it printed."""
    out, err = process.communicate(timeout=300)
    return int(process.returncode), out.decode(), err.decode()


def command(
    tree: Path, place: Path, store: str, name: str, *more: str, faults: str, grace: float | None = None
) -> int:
    process = start(tree, place, store, name, *more, faults=faults, grace=grace)
    process.communicate(timeout=300)
    return int(process.returncode)
