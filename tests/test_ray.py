"""The executor over a Ray cluster: the contract of executors, and lost workers, nodes and connections."""

from __future__ import annotations

import argparse
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spelunk import ConfigError, Index, Report
from spelunk.config import DEFAULTS, MIB, Options, resolve
from spelunk.errors import ExecutorError, MemoryLimitError
from spelunk.files.folder import FolderSource
from spelunk.observe import events
from spelunk.pipeline import local, ray_executor
from spelunk.pipeline.executor import Executor
from spelunk.pipeline.in_process import InProcessExecutor, LocalConfig
from spelunk.pipeline.memory import resident
from spelunk.pipeline.plan import Plan
from spelunk.pipeline.ray_executor import RayExecutor, tasks
from spelunk.pipeline.worker import WorkerConfig
from spelunk.store.packet import FilePacket, Item, dump, load
from spelunk.store.packet_portable import dump_portable, load_portable
from spelunk.testing import logical_content
from spelunk.types import Entry
from tests import test_executor as contract
from tests.corpus import write_tree
from tests.ray_cluster import RayCluster

pytest.importorskip("ray", reason="the extra [ray] is not installed")

SOURCE = Path(__file__).parent.parent / "src" / "spelunk"


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with RayCluster(2) as made:
        yield made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    made.mkdir()
    write_tree(made, contract.FILES)
    (made / "empty.py").write_text("")
    return made


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Real code of some 2 MB."""
    made = tmp_path / "corpus"
    shutil.copytree(SOURCE, made, ignore=shutil.ignore_patterns("__pycache__", "static.table"))
    return made


@pytest.fixture
def told() -> list[events.Event]:
    return []


def config_of(root: Path, told: list[events.Event], cluster: RayCluster, **settings: Any) -> LocalConfig:
    given = {"embedder": "hashed", "executor": "ray", "ray_address": cluster.address, **settings}
    return LocalConfig(WorkerConfig(FolderSource(str(root)), resolve(str(root), given)), observer=told.append)


@pytest.fixture
def config(root: Path, told: list[events.Event], cluster: RayCluster) -> LocalConfig:
    return config_of(root, told, cluster)


@pytest.fixture
def running(config: LocalConfig) -> Iterator[Callable[[contract.Make], Executor]]:
    started: list[Executor] = []

    def start(make: contract.Make) -> Executor:
        started.append(make(config))
        return started[-1]

    yield start
    for executor in started:
        executor.close(kill=True)


Running = Callable[[contract.Make], Executor]


# --- the contract ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_file_is_answered_exactly_once(root: Path, running: Running) -> None:
    contract.test_every_file_is_answered_exactly_once(RayExecutor, root, running)


@pytest.mark.slow
@pytest.mark.parametrize("ray_files", ["send", "shared"])
def test_content_does_not_depend_on_order_or_workers(
    ray_files: str, root: Path, told: list[events.Event], cluster: RayCluster
) -> None:
    config = config_of(root, told, cluster, ray_files=ray_files)
    items = contract.items_of(root)
    alone = InProcessExecutor(config)
    expected = contract.answers(alone, contract.batches_of(items))
    alone.close()
    executor = RayExecutor(config)
    try:
        for files_per_batch in (1, 7, 100):
            got = contract.answers(executor, contract.batches_of(items[::-1], files_per_batch))
            assert got == expected
    finally:
        executor.close()


@pytest.mark.slow
def test_a_known_digest_is_answered_as_the_same_file(
    root: Path, config: LocalConfig, running: Running
) -> None:
    contract.test_a_known_digest_is_answered_as_the_same_file(RayExecutor, root, config, running)


@pytest.mark.slow
def test_vectors_that_can_be_used_again_are_named(root: Path, config: LocalConfig, running: Running) -> None:
    contract.test_vectors_that_can_be_used_again_are_named_instead_of_made(RayExecutor, root, config, running)


@pytest.mark.slow
def test_close_ends_a_run_and_its_connection(root: Path, running: Running, told: list[events.Event]) -> None:
    contract.test_close_ends_a_run_and_its_workers(RayExecutor, root, running, told)


@pytest.mark.slow
def test_no_descriptor_is_left_open(root: Path, config: LocalConfig) -> None:
    contract.test_no_descriptor_is_left_open(RayExecutor, root, config)


@pytest.mark.slow
def test_kill_does_not_wait_for_a_piece_in_progress(
    root: Path, running: Running, monkeypatch: pytest.MonkeyPatch, told: list[events.Event]
) -> None:
    contract.arm(monkeypatch, "worker.file@mod_9.py=hang")
    executor = running(RayExecutor)
    run = executor.run(contract.batches_of(contract.items_of(root), 1))
    next(run)

    executor.close(kill=True)

    assert list(run) == []
    assert contract.started(told) and not any(map(contract.alive, contract.started(told)))


# --- files and workers that die -----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("suspect", [True, False])
def test_a_file_that_kills_its_worker_fails_alone(
    suspect: bool, root: Path, running: Running, monkeypatch: pytest.MonkeyPatch, told: list[events.Event]
) -> None:
    contract.arm(monkeypatch, "worker.file@mod_3.py=kill")
    items = contract.items_of(root)
    culprit = [i for i in items if i.candidate.path.endswith("/mod_3.py")] if suspect else []
    rest = [i for i in items if i not in culprit]

    got = contract.answers(running(RayExecutor), contract.batches_of(rest, 20), culprit)

    assert sorted(got) == [i.candidate.path for i in items]
    failed = {path: a for path, a in got.items() if isinstance(a, tuple) and a[0] == "worker"}
    assert failed == {"pkg0/mod_3.py": ("worker", "worker died")}
    assert any(e.kind == events.KILLED for e in told if isinstance(e, events.WorkerDied))


@pytest.mark.slow
def test_a_file_that_hangs_fails_alone(
    root: Path, config: LocalConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract.arm(monkeypatch, "worker.file@mod_9.py=hang")
    executor = RayExecutor(config, hang_seconds=5)
    try:
        got = contract.answers(executor, contract.batches_of(contract.items_of(root), 20))
    finally:
        executor.close(kill=True)

    failed = {path for path, a in got.items() if isinstance(a, tuple) and a[0] == "worker"}
    assert failed == {"pkg0/mod_9.py"} and len(got) == contract.FILES + 3


@pytest.mark.slow
def test_a_node_with_another_version_is_named(config: LocalConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_executor, "fingerprint", lambda options: "another")
    executor = RayExecutor(config)
    try:
        with pytest.raises(ExecutorError, match="another version of Spelunk"):
            contract.answers(executor, contract.batches_of([Item(Entry("a.py", 1, b"s", "python"), None)]))
    finally:
        executor.close(kill=True)


# --- whole updates --------------------------------------------------------------------------------


def update(
    corpus: Path, directory: Path, observer: Callable[[Any], None] = lambda event: None, **settings: Any
) -> Report:
    with Index.open(
        corpus, index_dir=str(directory), observer=observer, mode="parallel", **settings
    ) as index:
        return index.update()


def ray_settings(cluster: RayCluster) -> dict[str, Any]:
    return {"executor": "ray", "ray_address": cluster.address, "files_per_batch": 10}


@pytest.fixture
def expected(corpus: Path, tmp_path: Path) -> tuple[Report, dict[str, Any]]:
    """The report and the content of the local executor."""
    report = update(corpus, tmp_path / "local")
    return report, logical_content(str(tmp_path / "local"))


class Midway:
    """An observer that does something once, when the third piece of a run has come in."""

    def __init__(self, act: Callable[[Midway], None]) -> None:
        self.events: list[events.Event] = []
        self._act = act
        self._pieces = 0

    def __call__(self, event: Any) -> None:
        self.events.append(event)
        if isinstance(event, events.PieceTaken):
            self._pieces += 1
            if self._pieces == 3:
                self._act(self)

    def of(self, kind: type[Any]) -> list[Any]:
        return [e for e in self.events if isinstance(e, kind)]


def same_counts(one: Report, other: Report) -> bool:
    return (one.files, one.chunks, one.bytes, one.skipped) == (
        other.files,
        other.chunks,
        other.bytes,
        other.skipped,
    )


@pytest.mark.slow
@pytest.mark.parametrize("ray_files", ["send", "shared"])
def test_an_index_made_on_two_nodes_is_that_of_the_local_executor(
    ray_files: str, corpus: Path, tmp_path: Path, cluster: RayCluster, expected: tuple[Report, dict[str, Any]]
) -> None:
    seen = Midway(lambda _: None)

    report = update(corpus, tmp_path / "ray", seen, ray_files=ray_files, **ray_settings(cluster))

    assert same_counts(report, expected[0])
    assert (report.mode, report.workers) == ("parallel", 2) and report.peak_rss_bytes > 0
    assert logical_content(str(tmp_path / "ray")) == expected[1]
    assert sum(e.indexed for e in seen.of(events.PieceTaken)) == report.files.indexed
    queued = [e.batches for e in seen.of(events.QueueSampled)]
    assert max(queued) == 2 * report.workers, "tasks under way are bounded"


@pytest.mark.slow
def test_under_a_memory_limit_the_index_is_the_same(
    corpus: Path, tmp_path: Path, cluster: RayCluster, expected: tuple[Report, dict[str, Any]]
) -> None:
    limit = resident() + 500 * MIB  # of this process, which other tests have filled, and of the work
    report = update(corpus, tmp_path / "ray", memory_limit=f"{limit // MIB}MiB", **ray_settings(cluster))

    assert same_counts(report, expected[0]) and report.peak_rss_bytes < limit
    assert logical_content(str(tmp_path / "ray")) == expected[1]


@pytest.mark.slow
def test_repositories_are_read_by_this_machine_and_sent(
    root: Path, tmp_path: Path, cluster: RayCluster
) -> None:
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *command], cwd=root, check=True
        )
    contents = []
    for name, settings in (("ray", ray_settings(cluster)), ("local", {})):
        where = str(tmp_path / name)
        with Index.open(repositories=str(tmp_path), index_dir=where, mode="parallel", **settings) as index:
            assert index.update().files.indexed == contract.FILES + 2
        contents.append(logical_content(where))
    assert contents[0] == contents[1] and "tree/core.c" in contents[0]


@pytest.mark.slow
def test_a_node_killed_midway_costs_nothing_but_time(
    corpus: Path, tmp_path: Path, expected: tuple[Report, dict[str, Any]]
) -> None:
    with RayCluster(2) as own:
        seen = Midway(lambda _: own.ask("kill") and None)
        report = update(corpus, tmp_path / "ray", seen, **ray_settings(own))

    assert same_counts(report, expected[0]) and not report.files.failed
    assert logical_content(str(tmp_path / "ray")) == expected[1]


@pytest.mark.slow
def test_workers_killed_midway_are_replaced(
    corpus: Path, tmp_path: Path, cluster: RayCluster, expected: tuple[Report, dict[str, Any]]
) -> None:
    def kill(seen: Midway) -> None:
        pids = cluster.tasks_at_work()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        assert pids

    seen = Midway(kill)
    report = update(corpus, tmp_path / "ray", seen, **ray_settings(cluster))

    assert same_counts(report, expected[0]) and not report.files.failed
    assert logical_content(str(tmp_path / "ray")) == expected[1]
    assert seen.of(events.WorkerDied)


@pytest.mark.slow
def test_a_lost_connection_is_made_again(
    corpus: Path, tmp_path: Path, cluster: RayCluster, expected: tuple[Report, dict[str, Any]]
) -> None:
    def cut(seen: Midway) -> None:
        os.kill(seen.of(events.WorkerStarted)[-1].pid, signal.SIGKILL)

    seen = Midway(cut)
    report = update(corpus, tmp_path / "ray", seen, **ray_settings(cluster))

    assert same_counts(report, expected[0])
    assert logical_content(str(tmp_path / "ray")) == expected[1]
    assert len(seen.of(events.WorkerStarted)) == 2 and len(seen.of(events.WorkerDied)) == 1


@pytest.mark.slow
def test_a_killed_run_is_continued_by_the_next(
    corpus: Path, tmp_path: Path, cluster: RayCluster, expected: tuple[Report, dict[str, Any]]
) -> None:
    code = (
        "import os, signal, sys; from spelunk import Index; from spelunk.observe import events\n"
        "def look(event):\n"
        "    if isinstance(event, events.Published): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"Index.open({str(corpus)!r}, index_dir={str(tmp_path / 'ray')!r}, observer=look, mode='parallel',"
        f" max_chunks_in_memory=300, **{ray_settings(cluster)!r}).update()"
    )
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    published = len(logical_content(str(tmp_path / "ray")))
    assert 0 < published < expected[0].files.indexed

    report = update(corpus, tmp_path / "ray", **ray_settings(cluster))

    assert report.files.indexed == expected[0].files.indexed - published
    assert logical_content(str(tmp_path / "ray")) == expected[1]


@pytest.mark.slow
def test_a_cluster_lost_for_good_ends_the_run_with_a_reason(corpus: Path, tmp_path: Path) -> None:
    own, reason = RayCluster(1), ""
    try:
        update(
            corpus,
            tmp_path / "ray",
            Midway(lambda _: own.stop()),
            max_chunks_in_memory=1,
            **ray_settings(own),
        )
    except ExecutorError as error:
        reason = str(error)
    finally:
        own.stop()
    print(reason)
    assert "Ray" in reason and "\n" not in reason
    published = len(logical_content(str(tmp_path / "ray")))
    assert published > 0

    report = update(corpus, tmp_path / "ray")  # here, without the cluster

    assert report.files.failed == 0
    assert logical_content(str(tmp_path / "ray")) == logical_content(str(made_locally(corpus, tmp_path)))


def made_locally(corpus: Path, tmp_path: Path) -> Path:
    update(corpus, tmp_path / "local")
    return tmp_path / "local"


# --- without a cluster ----------------------------------------------------------------------------


def test_an_address_where_nothing_listens_is_named(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ExecutorError, match=r"cannot reach the Ray cluster at 127.0.0.1:1 .*`ray start`"):
        update(corpus, tmp_path / "ray", executor="ray", ray_address="127.0.0.1:1")


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("127.0.0.1:1", "cannot reach the Ray cluster at 127.0.0.1:1"),
        ("ray://127.0.0.1:1", "Ray Client is not supported"),
    ],
)
def test_the_address_of_the_environment_is_taken_without_a_setting(
    address: str, says: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ExecutorError, match=says):
        update(corpus, tmp_path / "ray", executor="ray")


def test_without_the_extra_it_is_named(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "ray.py").write_text("raise ImportError('not here')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "path"))
    with pytest.raises(ConfigError, match=r"pip install 'spelunk\[ray\]'"):
        update(corpus, tmp_path / "ray", executor="ray", ray_address="127.0.0.1:1")


@pytest.mark.parametrize("address", ["a b", "host", "http://host:1", "user@host:1", "host:port"])
def test_a_bad_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        resolve(None, {"ray_address": address})


def test_a_memory_limit_below_the_minimum_is_refused_before_anything_starts(
    corpus: Path, tmp_path: Path
) -> None:
    with pytest.raises(MemoryLimitError, match="at least"):
        update(corpus, tmp_path / "ray", executor="ray", ray_address="127.0.0.1:1", memory_limit="50MiB")


def test_an_allocation_above_the_limit_of_a_task_fails_in_the_worker() -> None:
    code = (
        "from spelunk.pipeline import ray_worker\n"
        "ray_worker._limit_memory(50 * 1024**2)\n"
        "held = bytearray(20 * 1024**2)\n"
        "try: bytearray(200 * 1024**2)\n"
        "except MemoryError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "refused\n", done.stderr


def test_small_work_is_done_here() -> None:
    small, large = (
        Plan((Item(Entry("a.py", size, b"", "python"), None),), (), 0, (), (), (), 1)
        for size in (1_000, local.RAY_BYTES)
    )

    def uses(todo: Plan, **settings: Any) -> bool:
        return local.uses_ray(resolve(None, {"executor": "ray", **settings}), todo)

    assert [uses(small), uses(large)] == [False, True]
    assert uses(small, mode="parallel") and not uses(large, mode="sequential")
    assert not local.uses_ray(DEFAULTS, large)


def test_tasks_are_bounded_by_bytes_and_cover_a_batch_in_order() -> None:
    sizes = [1, 3_000_000, 700_000, 700_000, 700_000, 700_000, 2_100_000]
    items = [Item(Entry(f"{n}", size, b"", "python"), None) for n, size in enumerate(sizes)]

    cut = list(tasks(items))

    assert [item for task in cut for item in task] == items
    assert [len(task) for task in cut] == [1, 1, 2, 2, 1]
    assert list(tasks([])) == []


# --- packets between machines ---------------------------------------------------------------------


def packet_of(root: Path, options: Options) -> Any:
    config = LocalConfig(WorkerConfig(FolderSource(str(root)), options))
    executor = InProcessExecutor(config)
    batches = contract.batches_of(contract.items_of(root), 100)
    packets = [packet for _, packet in executor.run(batches)]
    executor.close()
    return packets


def test_a_portable_packet_is_the_same_packet(root: Path) -> None:
    (root / "notes.md").write_text("---\ntitle: x\ntags: [a, b]\n---\n# A\n\ntext\n")
    (root / "latin.txt").write_bytes(b"caf\xe9 \xff text\n")
    packets = packet_of(root, resolve(str(root), {"embedder": "hashed"}))
    assert packets

    for packet in packets:
        assert load_portable(dump_portable(packet)) == packet
        assert load_portable(dump_portable(packet)) == load(dump(packet))


def other_pythons() -> list[str]:
    """Interpreters of other versions from 3.8 on, that start."""
    names = [shutil.which(f"python3.{minor}") for minor in range(8, 16)]
    names += [
        str(p) for p in sorted(Path(pwd.getpwuid(os.getuid()).pw_dir).glob(".pyenv/versions/3.*/bin/python3"))
    ]
    found: dict[str, str] = {}
    for name in filter(None, names):
        done = subprocess.run(
            [name, "-c", "import sys; print(*sys.version_info[:2], sep='.')"], capture_output=True, text=True
        )
        version = done.stdout.strip()
        if done.returncode == 0 and version not in ("3.6", "3.7", f"3.{sys.version_info.minor}"):
            found[version] = name
    return [*found.values()]


def test_another_version_of_python_reads_and_writes_the_same_packet(root: Path) -> None:
    """By the pure Python code of MessagePack, which any interpreter can import from here."""
    import msgpack

    pythons = other_pythons()
    if not pythons:
        pytest.skip("no other version of Python here")
    packet = packet_of(root, resolve(str(root), {"embedder": "hashed"}))[0]
    code = (
        "import sys; sys.path.append(sys.argv[1]); import msgpack\n"
        "value = msgpack.unpackb(sys.stdin.buffer.read(), use_list=False, unicode_errors='surrogatepass')\n"
        "sys.stdout.buffer.write(msgpack.packb(value, unicode_errors='surrogatepass'))"
    )
    where = str(Path(msgpack.__file__).parent.parent)
    for python in pythons:
        done = subprocess.run(
            [python, "-I", "-c", f"import os; os.environ['MSGPACK_PUREPYTHON'] = '1'\n{code}", where],
            input=dump_portable(packet),
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr.decode()
        assert load_portable(done.stdout) == packet, python


def test_texts_with_lone_surrogates_and_large_numbers_are_portable(root: Path) -> None:
    packet = packet_of(root, resolve(str(root), {"embedder": "hashed"}))[0]
    file: FilePacket = packet.files[0]._replace(
        bodies=["a\udc80b"], names=["\ud800"], size=2**40, line_map=b"\0\xff", donor=(2**40, 1)
    )
    odd = packet._replace(
        files=[file],
        same=[3],
        skipped=[(1, "empty", "")],
        failed=[(2, "read", "\udcff")],
        planes=b"\0" * 70_000,
    )

    assert load_portable(dump_portable(odd)) == odd


# --- the manifests --------------------------------------------------------------------------------


DEPLOY = Path(__file__).parent.parent / "deploy" / "ray"


@pytest.mark.parametrize("name", ["raycluster.yaml", "rayjob.yaml"])
def test_a_manifest_names_settings_and_flags_that_exist(name: str) -> None:
    yaml = pytest.importorskip("yaml")
    from spelunk.cli.commands import index as command
    from spelunk.cli.parser import parse
    from spelunk.config import setting_names

    manifest = yaml.safe_load((DEPLOY / name).read_text())
    spec = manifest["spec"].get("rayClusterSpec", manifest["spec"])
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    containers = [c for group in groups for c in group["template"]["spec"]["containers"]]
    variables = {
        v["name"].removeprefix("SPELUNK_").lower(): v["value"] for c in containers for v in c.get("env", [])
    }

    assert manifest["apiVersion"] == "ray.io/v1"
    assert len({c["image"] for c in containers}) == 1, "the same version of Spelunk on every node"
    assert variables.pop("home") == "/index" and set(variables) <= set(setting_names())
    if "entrypoint" in manifest["spec"]:
        program, verb, *words = manifest["spec"]["entrypoint"].split()
        assert (program, verb) == ("spelunk", "index")
        parser = argparse.ArgumentParser()
        command.configure(parser)
        assert parse(parser, words).executor == "ray"
