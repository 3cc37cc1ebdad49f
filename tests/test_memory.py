"""The memory cap holds over the whole tree, and is refused before work starts where it cannot."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path

import pytest

from spelunk import Index
from spelunk.bench.memory import sizes
from spelunk.bench.memory import tree as processes
from spelunk.config import parse_size
from tests import cgroup
from tests.corpus import write_tree
from tests.faultcases import finish
from tests.faultcases import started as spelunk

MIB = 2**20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    made.mkdir()
    return made


def test_a_cap_below_the_named_minimum_is_refused_before_anything_is_written(
    root: Path, tmp_path: Path
) -> None:
    write_tree(root, 5)
    place = tmp_path / "ix"
    code, out, err = finish(spelunk("index", root, place, "", "--memory-limit", "100MiB"))
    assert code == 2 and not out and len(err.splitlines()) == 1
    named = re.search(r"at least (\S+ \S+) is needed", err)
    assert named is not None
    least = parse_size(named.group(1).replace(" ", ""))

    code, _, err = finish(spelunk("index", root, place, "", "--memory-limit", str(least - MIB)))

    assert code == 2 and named.group(0) in err
    assert not place.exists()


def test_a_run_at_the_named_minimum_ends_and_stays_below_it(root: Path, tmp_path: Path) -> None:
    write_tree(root, 60, functions=8)
    place = tmp_path / "ix"
    _, _, err = finish(spelunk("index", root, place, "", "--memory-limit", "100MiB"))
    named = re.search(r"at least (\S+ \S+) is needed", err)
    assert named is not None
    least = parse_size(named.group(1).replace(" ", ""))

    code, out, err = finish(spelunk("index", root, place, "", "--memory-limit", str(least), "--json"))

    assert code == 0, err
    report = json.loads(out)
    assert report["files"]["failed"] == 0 and report["files"]["indexed"] == report["files"]["seen"]
    assert report["peak_rss_bytes"] <= least


@pytest.mark.parametrize("cap", ["256MiB", "448MiB"])
def test_the_kernel_agrees_that_the_cap_holds(root: Path, tmp_path: Path, cap: str) -> None:
    above = cgroup.parent()
    if above is None:
        pytest.skip("no memory cgroup can be made here")
    write_tree(root, 300, functions=12)
    argv = [sys.executable, "-m", "spelunk", "index", str(root), "--index-dir", str(tmp_path / "ix")]

    done = cgroup.run(above, [*argv, "--memory-limit", cap, "--json"], parse_size(cap), dict(os.environ))

    assert done.code == 0, done.stderr
    assert done.oom_kills == 0
    assert json.loads(done.stdout)["files"]["indexed"] == 302
    assert done.peak_anonymous < parse_size(cap)


def test_a_cgroup_that_is_too_small_does_kill(root: Path, tmp_path: Path) -> None:
    """The test above could not pass in a cgroup that caps nothing."""
    above = cgroup.parent()
    if above is None:
        pytest.skip("no memory cgroup can be made here")

    done = cgroup.run(above, [sys.executable, "-c", "x = b'x' * 200_000_000"], 64 * MIB)

    assert done.code != 0 and done.oom_kills == 1


def peak(root: Path, place: Path, *flags: str) -> tuple[int, dict]:
    """Peak PSS over the process tree (each shared page counted once), and the report."""
    process = spelunk("index", root, place, "", "--json", *flags)
    most = 0
    while process.poll() is None:
        most = max(most, sum(sizes(pid)[0] for pid in processes(process.pid)))
        time.sleep(0.01)
    code, out, err = finish(process)
    assert code == 0, err
    return most, json.loads(out)


@pytest.mark.slow
def test_two_workers_take_less_than_twice_the_memory_of_one(root: Path, tmp_path: Path) -> None:
    write_tree(root, 800, functions=14)

    one, _ = peak(root, tmp_path / "one", "--mode", "sequential")
    two, report = peak(root, tmp_path / "two", "--mode", "parallel", "--workers", "2")

    print(f"PSS: sequential {one / MIB:.0f} MiB, two workers {two / MIB:.0f} MiB")
    assert report["workers"] == 2
    assert two < 2 * one


@pytest.mark.slow
def test_a_document_of_two_gigabytes_is_left_out_without_being_read(root: Path, tmp_path: Path) -> None:
    write_tree(root, 5)
    with open(root / "huge.py", "wb") as f:
        f.write(b"def huge():\n    return 1\n")
        f.truncate(2 * 2**30)  # sparse: it takes no room on the disk

    most, report = peak(root, tmp_path / "ix", "--memory-limit", "256MiB")

    assert [(s["path"], s["reason"]) for s in report["skipped"]] == [("huge.py", "too-large")]
    assert report["files"]["indexed"] == 7
    assert most < 256 * MIB


@pytest.mark.slow
def test_a_document_of_two_gigabytes_that_is_asked_for_costs_its_file_alone(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(root, 5)
    with open(root / "huge.py", "wb") as f:
        f.write(b"def huge():\n    return 1\n" * 1000)
        f.truncate(2 * 2**30)
    monkeypatch.setenv("SPELUNK_MAX_FILE_SIZE", "4GiB")

    _, report = peak(
        root, tmp_path / "ix", "--memory-limit", "512MiB", "--mode", "parallel", "--workers", "2"
    )

    failed = [f["path"] for f in report["failures"]] + [s["path"] for s in report["skipped"]]
    assert failed == ["huge.py"]
    assert report["files"]["indexed"] == 7


@pytest.mark.slow
def test_a_hundred_thousand_tiny_files_fit_the_cap(root: Path, tmp_path: Path) -> None:
    for n in range(1_000):
        folder = root / f"d{n:03d}"
        folder.mkdir()
        for m in range(100):
            (folder / f"f{m}.txt").write_bytes(b"note %d about %d\n" % (n, m))

    most, report = peak(root, tmp_path / "ix", "--memory-limit", "640MiB")

    print(
        f"PSS {most / MIB:.0f} MiB, reported {report['peak_rss_bytes'] / MIB:.0f} MiB, {report['seconds']:.0f} s"
    )
    assert report["files"]["indexed"] == 100_000
    assert report["peak_rss_bytes"] < 640 * MIB
    assert Index.open(root, index_dir=str(tmp_path / "ix")).search("note 7", refresh=False).hits
