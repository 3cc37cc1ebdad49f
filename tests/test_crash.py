"""The real command, killed for real: what was published stays, and the next run finishes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from spelunk import Index
from spelunk.store.segments import MAX_SEGMENTS
from spelunk.testing import logical_content
from tests.corpus import python_file, write_tree

POINTS = [
    "intent",
    "publish.begin",
    "publish.vectors",
    "publish.full-text",
    "publish.end",
    "purge.begin",
    "purge.full-text",
    "merge.vectors",
    "merge.end",
]


def start(root: Path, place: Path, faults: str = "", *flags: str) -> subprocess.Popen[str]:
    env = {**os.environ, "SPELUNK_FAULTS": faults, "SPELUNK_MAX_CHUNKS_IN_MEMORY": "40"}
    command = [sys.executable, "-m", "spelunk", "index", str(root), "--index-dir", str(place), *flags]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate()
    return process.returncode, out, err


def open_index(root: Path, place: Path) -> Index:
    return Index.open(root, index_dir=str(place), max_chunks_in_memory=40)


def assert_published_only(root: Path, place: Path, earlier: Sequence[str] = ()) -> None:
    """Whatever a search returns now stands in a file, or stood there in an earlier version."""
    if not (place / "manifest.sqlite").exists():
        return
    index = open_index(root, place)
    try:
        if index.status(look=False).generation == 0:
            return
        for hit in index.search("flush queue batch", refresh=False, limit=30).hits:
            assert any(hit.content in text for text in ((root / hit.path).read_text(), *earlier))
    finally:
        index.close()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 40)
    return root


def expected(root: Path, tmp_path: Path) -> dict:
    fresh = Index.open(root, index_dir=str(tmp_path / "fresh"))
    fresh.update()
    return logical_content(fresh.directory)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("action", ["kill", "error"])
def test_a_fault_at_each_point_loses_nothing(tree: Path, tmp_path: Path, point: str, action: str) -> None:
    place = tmp_path / "ix"
    if point.startswith(("purge", "merge")):  # these steps need replaced documents and many segments
        open_index(tree, place).update()
        for n in range(MAX_SEGMENTS):
            (tree / f"pkg{n // 10}" / f"mod_{n}.py").write_text(python_file(900 + n))
            if len(list((place / "vectors").iterdir())) == MAX_SEGMENTS:
                break  # the run below makes one more, and merges
            open_index(tree, place).update()

    code, _, err = finish(start(tree, place, f"{point}={action}"))

    assert code == (-signal.SIGKILL if action == "kill" else 2), err
    if action == "error":
        assert len(err.strip().splitlines()) == 1 and "space" in err
    assert_published_only(tree, place)
    assert finish(start(tree, place))[0] == 0
    assert logical_content(str(place)) == expected(tree, tmp_path)
    assert open_index(tree, place).check().ok


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_kills_at_random_moments(tree: Path, tmp_path: Path, seed: int) -> None:
    place = tmp_path / "ix"
    r = random.Random(seed)
    kills = 0
    earlier: list[str] = []
    for turn in range(25):
        process = start(tree, place, "", "--mode", "parallel", "--workers", "2")
        time.sleep(r.uniform(0.05, 0.8))
        process.send_signal(r.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        kills += finish(process)[0] != 0
        assert_published_only(tree, place, earlier)
        path = tree / f"pkg{r.randrange(4)}" / f"mod_{turn}.py"
        earlier += [path.read_text()] if path.exists() else []
        path.write_text(python_file(1000 * seed + turn))

    assert kills
    assert finish(start(tree, place))[0] == 0
    assert logical_content(str(place)) == expected(tree, tmp_path)
    assert open_index(tree, place).check().ok


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
    write_tree(tree, 300, functions=12)
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
    write_tree(root, 400, functions=20)
    place = tmp_path / "ix"
    process = start(root, place)
    while open_index(root, place).status(look=False).generation == 0:
        assert process.poll() is None, finish(process)
        time.sleep(0.01)

    process.send_signal(number)
    sent = time.monotonic()
    code, _, _ = finish(process)

    assert time.monotonic() - sent < 10
    assert code in (130, 143)
    before = open_index(root, place).status(look=False)
    assert before.generation >= 1
    report = open_index(root, place).update()
    assert report.files.unchanged >= before.files * 0.9
    assert logical_content(str(place)) == expected(root, tmp_path)


def test_the_lock_of_a_killed_writer_is_free_at_once(tree: Path, tmp_path: Path) -> None:
    place = tmp_path / "ix"
    process = start(tree, place, "publish.vectors=hang")
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


def test_wait_joins_a_running_update(tree: Path, tmp_path: Path) -> None:
    place = tmp_path / "ix"
    first = start(tree, place)
    second = start(tree, place, "", "--wait")

    codes = {finish(first)[0], finish(second)[0]}

    assert codes == {0} or codes == {0, 2}  # the one without --wait may have come second
    assert open_index(tree, place).check().ok
