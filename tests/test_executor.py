"""The contract of an executor: every file answered once, a deadly one isolated, close and kill at any time."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spelunk import faults
from spelunk.config import resolve
from spelunk.embed.hashed import HashedEmbedder
from spelunk.files.folder import FolderSource
from spelunk.files.walk import walk
from spelunk.observe import events
from spelunk.pipeline.executor import Batches, Executor, pieces
from spelunk.pipeline.in_process import InProcessExecutor, LocalConfig
from spelunk.pipeline.limiter import ReadLimiter
from spelunk.pipeline.pool import ProcessExecutor
from spelunk.pipeline.worker import WorkerConfig
from spelunk.store.packet import FilePacket, Item
from spelunk.testing import MemoryExecutor, MemorySource
from spelunk.types import Entry, Failed, Skipped
from tests.corpus import write_tree

FILES = 24
Make = Callable[[LocalConfig], Executor]


def forked(config: LocalConfig) -> Executor:
    return ProcessExecutor(config, 2, forking=True)


def spawned(config: LocalConfig) -> Executor:
    return ProcessExecutor(config, 2, forking=False)


def memory(config: LocalConfig) -> Executor:
    """The double, with the embedder that the settings name."""
    source, options, _ = config.worker
    return MemoryExecutor(source, options, embedder=HashedEmbedder(), deadly=["pkg0/mod_3.py"])


def memory_source(config: LocalConfig) -> Executor:
    """The double over a double of the files."""
    source, options, _ = config.worker
    files = {e.path: source.read(e, 10**9) for e in source.walk(options).entries}
    contents = {path: raw for path, raw in files.items() if isinstance(raw, bytes)}
    return MemoryExecutor(MemorySource(contents), options, embedder=HashedEmbedder())


EXECUTORS: list[Make] = [InProcessExecutor, forked, spawned]
PROCESSES: list[Make] = [forked, spawned]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    made.mkdir()
    write_tree(made, FILES)
    (made / "empty.py").write_text("")
    return made


@pytest.fixture
def told() -> list[events.Event]:
    return []


@pytest.fixture
def config(root: Path, told: list[events.Event]) -> LocalConfig:
    return LocalConfig(
        WorkerConfig(FolderSource(str(root)), resolve(str(root), {"embedder": "hashed"})),
        observer=told.append,
    )


@pytest.fixture
def running(config: LocalConfig) -> Iterator[Callable[[Make], Executor]]:
    """Starts executors, and closes them at the end."""
    started: list[Executor] = []

    def start(make: Make) -> Executor:
        started.append(make(config))
        return started[-1]

    yield start
    for executor in started:
        executor.close(kill=True)


def arm(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Arm a fault here, in forked and in spawned workers."""
    monkeypatch.setenv("SPELUNK_FAULTS", fault)
    monkeypatch.setattr(faults, "ARMED", [faults.Fault(fault)])


def items_of(root: Path) -> list[Item]:
    return [Item(c, None) for c in walk(str(root)).entries]


def batches_of(items: list[Item], files_per_batch: int = 5) -> Batches:
    return Batches(items, files_per_batch, 2)


Answers = dict[str, FilePacket | tuple[str, str]]


def answers(executor: Executor, batches: Batches, suspects: list[Item] | None = None) -> Answers:
    """What is said of each file, by path; a file that is answered twice fails."""
    out: Answers = {}

    def put(path: str, answer: FilePacket | tuple[str, str]) -> None:
        assert path not in out, f"{path} is answered twice"
        out[path] = answer

    for items, packet in executor.run(batches, suspects or []):
        for file in packet.files:
            put(items[file.item].candidate.path, file._replace(item=0))
        for i in packet.same:
            put(items[i].candidate.path, ("same", ""))
        for i, reason, _ in packet.skipped:
            put(items[i].candidate.path, ("skipped", reason))
        for i, stage, error in packet.failed:
            put(items[i].candidate.path, (stage, error))
    return out


def alive(pid: int) -> bool:
    """Whether a child of this process still exists, as a zombie too."""
    return Path(f"/proc/{pid}").exists()


def started(told: list[events.Event]) -> list[int]:
    return [e.pid for e in told if isinstance(e, events.WorkerStarted)]


@pytest.mark.parametrize("make", [*EXECUTORS, memory_source])
def test_every_file_is_answered_exactly_once(
    make: Make, root: Path, running: Callable[[Make], Executor]
) -> None:
    items = items_of(root)

    got = answers(running(make), batches_of(items))

    assert sorted(got) == [i.candidate.path for i in items]
    assert got["empty.py"] == ("skipped", "empty")
    assert sum(isinstance(a, FilePacket) for a in got.values()) == FILES + 2


@pytest.mark.parametrize("make", [*PROCESSES, memory_source])
@pytest.mark.parametrize("files_per_batch", [1, 7, 100])
def test_content_does_not_depend_on_order_or_workers(
    make: Make, files_per_batch: int, root: Path, config: LocalConfig, running: Callable[[Make], Executor]
) -> None:
    items = items_of(root)
    alone = InProcessExecutor(config)
    expected = answers(alone, batches_of(items))
    alone.close()

    assert answers(running(make), batches_of(items[::-1], files_per_batch)) == expected


@pytest.mark.parametrize("make", [*EXECUTORS, memory_source])
def test_a_known_digest_is_answered_as_the_same_file(
    make: Make, root: Path, config: LocalConfig, running: Callable[[Make], Executor]
) -> None:
    items = items_of(root)
    first = InProcessExecutor(config)
    answer = answers(first, batches_of(items))["core.c"]
    first.close()
    assert isinstance(answer, FilePacket)
    known = [i._replace(known_digest=answer.digest) for i in items if i.candidate.path == "core.c"]

    assert answers(running(make), batches_of(known)) == {"core.c": ("same", "")}


@pytest.mark.parametrize("make", [*EXECUTORS, memory_source])
def test_vectors_that_can_be_used_again_are_named_instead_of_made(
    make: Make, root: Path, config: LocalConfig, running: Callable[[Make], Executor]
) -> None:
    items = [i for i in items_of(root) if i.candidate.path == "core.c"]
    first = InProcessExecutor(config)
    answer = answers(first, batches_of(items))["core.c"]
    first.close()
    assert isinstance(answer, FilePacket)
    with_vectors = [i._replace(reusable={answer.cut_digest: (7, 1)}) for i in items]

    for batch, packet in running(make).run(batches_of(with_vectors)):
        assert [f.donor for f in packet.files] == [(7, 1)] and batch == with_vectors
        assert (packet.planes, packet.scales, packet.codes) == (b"", b"", b"")


@pytest.mark.parametrize("make", EXECUTORS)
def test_a_suspect_that_kills_takes_nothing_with_it(
    make: Make,
    root: Path,
    running: Callable[[Make], Executor],
    monkeypatch: pytest.MonkeyPatch,
    told: list[events.Event],
) -> None:
    arm(monkeypatch, "worker.file@mod_3.py=kill")
    items = items_of(root)
    culprit = [i for i in items if i.candidate.path.endswith("/mod_3.py")]
    rest = [i for i in items if i not in culprit]

    got = answers(running(make), batches_of(rest), culprit)

    assert got.pop("pkg0/mod_3.py") == ("worker", "worker killed by SIGKILL")
    assert sorted(got) == [i.candidate.path for i in rest]
    assert [e.kind for e in told if isinstance(e, events.WorkerDied)] == [events.KILLED]


@pytest.mark.parametrize("make", PROCESSES)
def test_a_file_that_kills_its_worker_is_found_and_the_rest_is_done(
    make: Make, root: Path, running: Callable[[Make], Executor], monkeypatch: pytest.MonkeyPatch
) -> None:
    arm(monkeypatch, "worker.file@mod_3.py=kill")
    items = items_of(root)

    got = answers(running(make), batches_of(items, 20))

    assert sorted(got) == [i.candidate.path for i in items]
    failed = {path: a for path, a in got.items() if isinstance(a, tuple) and a[0] == "worker"}
    assert failed == {"pkg0/mod_3.py": ("worker", "worker killed by SIGKILL")}


def test_a_deadly_file_of_the_double_is_answered_as_one_that_killed_its_worker(
    root: Path, running: Callable[[Make], Executor]
) -> None:
    items = items_of(root)
    culprit = [i for i in items if i.candidate.path.endswith("/mod_3.py")]
    rest = [i for i in items if i not in culprit]

    for batches, suspects in ((rest, culprit), (items, [])):
        got = answers(running(memory), batches_of(batches), suspects)
        assert got.pop("pkg0/mod_3.py") == ("worker", "worker killed")
        assert sorted(got) == [i.candidate.path for i in rest]


@pytest.mark.parametrize("make", [*EXECUTORS, memory_source])
def test_close_ends_a_run_and_its_workers(
    make: Make, root: Path, running: Callable[[Make], Executor], told: list[events.Event]
) -> None:
    executor = running(make)
    run = executor.run(batches_of(items_of(root), 2))
    next(run)

    executor.close()
    executor.close()

    assert list(run) == []
    assert not any(map(alive, started(told)))


@pytest.mark.parametrize("make", PROCESSES)
def test_kill_does_not_wait_for_a_piece_in_progress(
    make: Make,
    root: Path,
    running: Callable[[Make], Executor],
    monkeypatch: pytest.MonkeyPatch,
    told: list[events.Event],
) -> None:
    arm(monkeypatch, "worker.file@mod_9.py=hang")
    executor = running(make)
    run = executor.run(batches_of(items_of(root), 1))
    next(run)

    executor.close(kill=True)

    assert list(run) == []
    pids = started(told)
    assert len(pids) == 2 and not any(map(alive, pids))


@pytest.mark.parametrize("make", EXECUTORS)
def test_no_descriptor_is_left_open(make: Make, root: Path, config: LocalConfig) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    executor = make(config._replace(limiter=ReadLimiter.create(1)))
    assert len(answers(executor, batches_of(items_of(root)))) == FILES + 3

    executor.close()

    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_worker_that_dies_while_it_reads_takes_no_read_slot_with_it(
    root: Path, config: LocalConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_bytes = FolderSource.read

    def read(source: FolderSource, candidate: Entry, limit: int) -> bytes | Skipped | Failed:
        if candidate.path.endswith("/mod_3.py"):
            os.kill(os.getpid(), signal.SIGKILL)
        return read_bytes(source, candidate, limit)

    monkeypatch.setattr(
        FolderSource, "read", read
    )  # in the forked workers; the file's own process is spawned
    executor = forked(config._replace(limiter=ReadLimiter.create(1)))
    try:
        got = answers(executor, batches_of(items_of(root), 20))
    finally:
        executor.close(kill=True)

    assert sum(isinstance(a, FilePacket) for a in got.values()) == FILES + 2
    assert "pkg0/mod_3.py" in got


@pytest.mark.parametrize("make", PROCESSES)
def test_a_batch_larger_than_its_pipe_does_not_wait_for_a_worker_that_waits(
    make: Make, tmp_path: Path, running: Callable[[Make], Executor], root: Path
) -> None:
    """The worker's answers fill its pipe while the next batch fills the other one."""
    for n in range(40):
        words = " ".join(f"word{n}x{i}" for i in range(9_000))
        (root / f"large_{n}.txt").write_text("\n".join(words[k : k + 80] for k in range(0, len(words), 80)))
    items = [i for i in items_of(root) if i.candidate.path.startswith("large_")]
    reusable = {n.to_bytes(16, "big"): (n, 0) for n in range(60_000)}

    got = answers(running(make), batches_of([i._replace(reusable=reusable) for i in items], 10))

    assert len(got) == 40 and all(isinstance(a, FilePacket) for a in got.values())


def test_pieces_cover_a_batch_in_order(root: Path) -> None:
    items = items_of(root)

    cuts = list(pieces(items * 3))

    assert [n for cut in cuts for n in cut] == list(range(len(items) * 3))


def test_a_limiter_admits_as_many_as_it_has_slots() -> None:
    limiter = ReadLimiter.create(2)
    ready, ready_write = os.pipe()
    go_read, go = os.pipe()
    pids = []
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            with limiter:
                os.write(ready_write, b"x")
                os.read(go_read, 1)
            os._exit(0)
        pids.append(pid)
    inside = os.read(ready, 1) + os.read(ready, 1)
    os.set_blocking(ready, False)
    with pytest.raises(BlockingIOError):
        os.read(ready, 1)
    os.set_blocking(ready, True)

    os.write(go, b"xxx")

    assert inside + os.read(ready, 1) == b"xxx"
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    limiter.close()
    for fd in (ready, ready_write, go_read, go):
        os.close(fd)


def test_a_killed_process_gives_its_slot_back() -> None:
    limiter = ReadLimiter.create(1)
    pid = os.fork()
    if pid == 0:
        with limiter:
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL

    with limiter:
        pass

    limiter.close()
