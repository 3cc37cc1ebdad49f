"""The real command, killed for real: what was published stays, and the next run finishes."""

from __future__ import annotations

import ast
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import spelunk
from spelunk import Index
from spelunk.errors import SpelunkError
from spelunk.testing import logical_content
from tests.corpus import write_tree
from tests.faultcases import (
    FILES_PER_BATCH,
    MAX_CHUNKS,
    POINTS,
    Content,
    Situation,
    begun,
    content,
    finish,
    open_index,
    prepare,
    started,
)
from tests.faultcases import spelunk as command
from tests.forked import Forked
from tests.killing import series

IN_WORKERS = {"worker.file", "worker.answer"}
"""Points in a child process: it dies, and the run goes on."""
REACHED = sorted(
    p for p, s in POINTS.items() if p not in IN_WORKERS and s not in ("fill", "seed", "restore", "remote")
)
KILLS = 200
SERIES = 8


@pytest.fixture(scope="module")
def situation(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Situation]:
    """Situations by name, each made once."""
    made: dict[str, Situation] = {}

    def get(name: str) -> Situation:
        if name not in made:
            made[name] = prepare(name, tmp_path_factory.mktemp(name))
        return made[name]

    return get


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 40)
    return root


def expected(root: Path, tmp_path: Path) -> Content:
    fresh = Index.open(root, index_dir=str(tmp_path / "fresh"))
    fresh.update()
    return logical_content(fresh.directory)


def start(root: Path, place: Path, faults: str = "", *flags: str) -> Forked:
    return command("index", root, place, faults, *flags)


def assert_whole(here: Situation, place: Path) -> None:
    """Every file that can be seen is seen whole, as it was before or as it will be; a search shows no other."""
    seen = content(place)
    if here.command == "check" and seen is None:
        return  # as damaged as it was; the repair below mends it
    assert seen is not None
    before = here.before or {}
    waiting = 0
    for path, chunks in seen.items():
        if here.command == "check":  # vectors that were lost are noted as pending, and made afterwards
            waiting += sum(chunk["vector"] is None for chunk in chunks)
            chunks = _with_vectors(chunks, here.after[path])
        assert chunks in (before.get(path), here.after.get(path)), path
    if waiting:
        assert open_index(here.root, place).status().pending_vectors == waiting
    if not seen:
        return
    index = open_index(here.root, place)
    texts = {(path, chunk["text"]) for path, chunks in seen.items() for chunk in chunks}
    try:
        for query in ("flush queue batch", "worker"):
            hits = index.search(query, refresh=False, limit=60).hits
            assert {(h.path, h.content) for h in hits} <= texts
    except SpelunkError:
        assert here.command == "check"  # a store that is still to be repaired
    finally:
        index.close()


def _with_vectors(chunks: list[dict[str, Any]], complete: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The chunks, each without a vector given the one it will have."""
    vectors = {chunk["id"]: chunk["vector"] for chunk in complete}
    return [c if c["vector"] is not None else {**c, "vector": vectors.get(c["id"])} for c in chunks]


def assert_repeats_little(here: Situation, place: Path, first: list[str]) -> None:
    """What was read and not published fits one publish and the batch at hand."""
    now = content(place) or {}
    lost = [p for p in first if p in here.after and now.get(p) != here.after[p]]
    sizes = {path: len(chunks) for path, chunks in here.after.items()}
    batch = sum(sorted(sizes.values())[-FILES_PER_BATCH:])
    assert len(first) == len(set(first))
    assert sum(sizes[p] for p in lost) <= MAX_CHUNKS + batch


def go_on(here: Situation, place: Path) -> Index:
    """The next run after the faulty one, in this process."""
    index = open_index(here.root, place)
    if here.command == "check":
        index.check(repair=True)
    index.update()
    return index


def faulty(here: Situation, place: Path, point: str, action: str) -> tuple[int, str, list[str]]:
    """Run with a fault: (status, standard error, files that it began to read)."""
    note = place.parent / "begun"
    armed = f"worker.file=note:{note};{point}={action}"
    process = command(here.command, here.root, place, armed, *here.flags)
    if action == "hang":
        while process.poll() is None and not asleep(process.pid):
            time.sleep(0.02)
        assert process.poll() is None, finish(process)
        process.kill()
    code, _, err = finish(process)
    return code, err, begun(note)


def asleep(pid: int) -> bool:
    """Does the process sleep where the fault put it? The longest sleep there is."""
    try:
        return "nanosleep" in Path(f"/proc/{pid}/wchan").read_text()
    except OSError:
        return False


def test_the_list_of_points_is_what_the_code_reaches() -> None:
    source = Path(spelunk.__file__).parent
    found = {
        node.args[0].value
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func) in ("faults.reach", "faults.write")
        and isinstance(node.args[0], ast.Constant)
    }

    assert found == set(POINTS)


@pytest.mark.parametrize("point", REACHED)
@pytest.mark.parametrize("action", ["kill"])
def test_a_fault_at_each_point_loses_nothing(
    situation: Callable[[str], Situation], tmp_path: Path, point: str, action: str
) -> None:
    here = situation(POINTS[point])
    place = here.copy(tmp_path / "ix")

    code, err, first = faulty(here, place, point, action)

    assert code == (2 if action.startswith("error") else -signal.SIGKILL), (code, err)
    if action.startswith("error"):
        assert len(err.strip().splitlines()) == 1 and "bug" not in err, err
    assert_whole(here, place)
    assert_repeats_little(here, place, first)
    if "--rebuild" in here.flags:
        assert content(place) == here.after  # there at every moment
    if here.command == "index" and content(place):
        assert open_index(here.root, place).check().ok
    index = go_on(here, place)
    assert logical_content(str(place)) == here.after
    assert index.check().ok


@pytest.mark.slow
@pytest.mark.parametrize("point", REACHED)
@pytest.mark.parametrize("action", ["error:ENOSPC", "error:EIO", "hang"])
def test_an_io_error_or_a_kill_while_it_hangs_loses_nothing(
    situation: Callable[[str], Situation], tmp_path: Path, point: str, action: str
) -> None:
    test_a_fault_at_each_point_loses_nothing(situation, tmp_path, point, action)


@pytest.mark.parametrize("action", ["kill", "error:EIO"])
@pytest.mark.parametrize(
    "point", ["take.rows#7", "take.document#30", "segment.write#13", "publish.manifest.rows#2"]
)
def test_a_store_that_took_only_a_part_shows_none_of_it(
    situation: Callable[[str], Situation], tmp_path: Path, point: str, action: str
) -> None:
    here = situation("index")
    place = here.copy(tmp_path / "ix")

    code, err, first = faulty(here, place, point, action)

    assert code == (-signal.SIGKILL if action == "kill" else 2), (code, err)
    seen = content(place) or {}
    assert len(seen) < len(here.after)
    assert_whole(here, place)
    assert_repeats_little(here, place, first)
    assert not seen or open_index(here.root, place).check().ok
    index = go_on(here, place)
    assert logical_content(str(place)) == here.after
    assert index.check().ok


@pytest.mark.parametrize(
    ("point", "turn"),
    [
        ("claim.write", 1), ("claim.write", 2), ("lock.registry", 1),
        ("segment.write", 1), ("segment.write", 3), ("segment.write", 12),
        ("worker.note", 1), ("worker.note", 2),
    ],
)  # fmt: skip
def test_a_short_write_loses_nothing(
    situation: Callable[[str], Situation], tmp_path: Path, point: str, turn: int
) -> None:
    here = situation("sequential" if point == "worker.note" else "index")
    place = here.copy(tmp_path / "ix")

    code, err, first = faulty(here, place, f"{point}#{turn}", "short")

    assert code == 2 and len(err.strip().splitlines()) == 1, err
    assert_whole(here, place)
    assert_repeats_little(here, place, first)
    index = go_on(here, place)
    assert logical_content(str(place)) == here.after
    assert index.check().ok


@pytest.mark.parametrize("action", ["kill", "short", "error"])
@pytest.mark.parametrize("point", sorted(IN_WORKERS))
def test_a_child_that_dies_while_it_answers_costs_a_retry(
    situation: Callable[[str], Situation], tmp_path: Path, point: str, action: str
) -> None:
    here = situation("parallel")
    place = here.copy(tmp_path / "ix")

    code, err, _ = faulty(here, place, f"{point}#3", action)  # the third time in each child

    assert code == 0, err
    report = open_index(here.root, place)
    assert report.check().ok
    report.update()  # does those alone whose child died
    assert logical_content(str(place)) == here.after


IN_A_REBUILD = [
    "create.manifest.before", "create.manifest.after", "create.full-text.after", "worker.file#9",
    "intent.after", "take.document#30", "segment.write#13", "publish.full-text.after",
    "publish.manifest.before#2", "publish.manifest.after#2", "publish.end#3",
]  # fmt: skip
"""Moments of a rebuild from its first file to its last publish."""


@pytest.mark.parametrize("action", ["kill", "error:ENOSPC"])
@pytest.mark.parametrize("point", IN_A_REBUILD)
def test_a_rebuild_that_fails_leaves_the_old_index(
    situation: Callable[[str], Situation], tmp_path: Path, point: str, action: str
) -> None:
    here = situation("rebuild")
    place = here.copy(tmp_path / "ix")

    code, err, _ = faulty(here, place, point, action)

    assert code == (-signal.SIGKILL if action == "kill" else 2), (code, err)
    assert content(place) == here.before == here.after
    assert open_index(here.root, place).check().ok
    names = {p.name for p in place.iterdir()} | {p.name for p in (place / "vectors").iterdir()}
    go_on(here, place)
    after = {p.name for p in place.iterdir()} | {p.name for p in (place / "vectors").iterdir()}
    assert content(place) == here.after
    assert len([n for n in after if n.startswith(("manifest", "lexical-")) and "-wal" not in n]) <= 3, after
    assert not [n for n in after if n.endswith((".new", ".tmp"))], (names, after)


def test_a_rebuild_without_standard_streams_leaves_an_index(tmp_path: Path, tree: Path) -> None:
    place = tmp_path / "ix"
    assert finish(start(tree, place))[0] == 0
    before = content(place)

    def close() -> None:
        for fd in (0, 1, 2):
            os.close(fd)

    flags = ("--rebuild", "--mode", "parallel")
    code, _, _ = finish(started("index", tree, place, "", *flags, preexec_fn=close))

    assert code == 0
    assert content(place) == before and open_index(tree, place).check().ok
    assert (place / "manifest-2.sqlite").exists()  # it was rebuilt all the same


def test_searches_during_a_rebuild_see_the_old_index(tmp_path: Path, tree: Path) -> None:
    place = tmp_path / "ix"
    assert finish(start(tree, place))[0] == 0
    with open_index(tree, place) as index:
        before = index.search("flush queue", refresh=False).hits
        process = start(tree, place, "publish.manifest.after#3=hang", "--rebuild")
        while not list(place.glob("*.new")) or not asleep(process.pid):
            assert process.poll() is None, finish(process)
            time.sleep(0.01)

        kept = index.search("flush queue", refresh=False)
        with open_index(tree, place) as another:
            opened = another.search("flush queue", refresh=False)
            assert another.status(look=False).generation == index.status(look=False).generation

        assert kept.hits == opened.hits == before and not kept.degraded and not opened.degraded
        process.kill()
        finish(process)
        assert index.check().ok
        (tree / "core.c").unlink()
        assert finish(start(tree, place, "", "--rebuild"))[0] == 0
        assert "core.c" not in {h.path for h in index.search("flush queue", refresh=False, limit=200).hits}


FILE_SIZES = [1, 1_000, 9_000, 33_000, 70_000]
"""Bytes after which a file takes no more: from the first write of each store to the last."""


@pytest.mark.parametrize("limit", FILE_SIZES)
def test_a_file_that_takes_no_more_loses_nothing(
    situation: Callable[[str], Situation], tmp_path: Path, limit: int
) -> None:
    """Real short writes, in every store: the kernel writes up to the limit, and then fails with EFBIG."""
    here = situation("index")
    place = tmp_path / "ix"
    process = started(
        "index",
        here.root,
        place,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )

    code, _, err = finish(process)

    assert code == 2 and len(err.strip().splitlines()) == 1 and "bug" not in err, err
    assert_whole(here, place)
    index = go_on(here, place)
    assert logical_content(str(place)) == here.after
    assert index.check().ok


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A real disk of a size in KiB; called again it is resized."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = False

    def size(kib: int) -> Path:
        nonlocal mounted
        options = f"{'remount,' if mounted else ''}size={kib}k"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], capture_output=True)
        if done.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
        mounted = True
        return place

    yield size
    if mounted:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize("kib", [16, 64, 150, 250])
def test_a_disk_that_runs_full_loses_nothing(
    situation: Callable[[str], Situation], small_disk: Callable[[int], Path], kib: int
) -> None:
    here = situation("index")
    place = small_disk(kib) / "ix"

    code, _, err = finish(command("index", here.root, place))

    assert code == 2 and len(err.strip().splitlines()) == 1 and "bug" not in err, (code, err)
    if kib > 16:  # below, nothing is published, and SQLite finds no room even to look
        assert_whole(here, place)
    small_disk(100_000)
    assert_whole(here, place)
    index = go_on(here, place)
    assert logical_content(str(place)) == here.after
    assert index.check().ok


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SERIES))
def test_kills_at_random_moments(tmp_path: Path, seed: int) -> None:
    kills = series(tmp_path, seed, KILLS // SERIES)

    assert len(kills) == KILLS // SERIES
    for kill in kills:
        assert kill.repeated_chunks <= kill.window


def test_a_file_that_kills_its_worker_fails_alone(tree: Path, tmp_path: Path) -> None:
    place = tmp_path / "ix"

    code, _, err = finish(
        start(tree, place, "worker.file@mod_17.py=kill", "--mode", "parallel", "--workers", "2")
    )

    assert code == 0, err
    status = open_index(tree, place).status()
    assert [(f.path, f.stage) for f in status.failures] == [("pkg1/mod_17.py", "worker")]
    assert "SIGKILL" in status.failures[0].error
    assert status.files == 41


def test_a_file_that_kills_the_only_process_fails_alone_in_the_next_run(tree: Path, tmp_path: Path) -> None:
    place = tmp_path / "ix"
    fault = "worker.file@mod_17.py=kill"
    assert finish(start(tree, place, fault, "--mode", "sequential"))[0] == -signal.SIGKILL

    code, _, err = finish(start(tree, place, fault, "--mode", "sequential"))

    assert code == 0, err
    status = open_index(tree, place).status()
    assert [(f.path, f.stage) for f in status.failures] == [("pkg1/mod_17.py", "worker")]
    assert status.files == 41


def test_a_killed_worker_costs_nothing_but_a_retry(tree: Path, tmp_path: Path) -> None:
    write_tree(tree, 300, functions=5)
    place = tmp_path / "ix"
    process = start(tree, place, "", "--mode", "parallel", "--workers", "3")
    while not (workers := children(process.pid)):
        assert process.poll() is None, finish(process)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)

    code, _, err = finish(process)

    assert code == 0, err
    assert logical_content(str(place)) == expected(tree, tmp_path)


def children(pid: int) -> list[int]:
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_resumes(tmp_path: Path, number: signal.Signals) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 60, functions=20)  # for three times the nine publishes
    place = tmp_path / "ix"
    process = start(root, place, "publish.begin#9=hang")  # so that it is at work for sure
    while open_index(root, place).status(look=False).generation == 0:
        assert process.poll() is None, finish(process)
        time.sleep(0.01)

    process.send_signal(number)
    code, _, _ = finish(process)

    assert code in (130, 143)
    before = open_index(root, place).status(look=False)
    assert before.generation >= 1
    report = open_index(root, place).update()
    assert report.files.unchanged >= before.files * 0.9
    assert logical_content(str(place)) == expected(root, tmp_path)


def test_the_lock_of_a_killed_writer_is_free_at_once(tree: Path, tmp_path: Path) -> None:
    place = tmp_path / "ix"
    process = start(tree, place, "publish.vectors.after=hang")
    while not (place / "vectors").exists() or not any((place / "vectors").iterdir()):
        assert process.poll() is None, finish(process)
        time.sleep(0.01)
    code, _, err = finish(start(tree, place))
    assert code == 2
    assert str(process.pid) in err and "index" in err and "--wait" in err
    assert len(err.strip().splitlines()) == 1

    process.kill()
    finish(process)

    assert finish(start(tree, place))[0] == 0


def test_wait_waits_for_the_writer_and_then_indexes(tree: Path, tmp_path: Path) -> None:
    place = tmp_path / "ix"
    first = start(tree, place, "publish.vectors.after=hang")
    while not (place / "vectors").exists() or not any((place / "vectors").iterdir()):
        assert first.poll() is None, finish(first)
        time.sleep(0.01)
    second = start(tree, place, "", "--wait")
    while not holds_open(second.pid, place / "writer.lock"):
        assert second.poll() is None, finish(second)
        time.sleep(0.01)
    third = start(tree, place)  # ends with 2, so the lock is held all the time until here
    assert finish(third)[0] == 2
    assert second.poll() is None, finish(second)

    first.kill()
    finish(first)

    code, _, err = finish(second)
    assert code == 0, err
    assert open_index(tree, place).check().ok
    assert logical_content(str(place)) == expected(tree, tmp_path)


def holds_open(pid: int, path: Path) -> bool:
    """Whether a process has a file open."""
    try:
        return any(os.path.realpath(fd) == str(path) for fd in Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return False
