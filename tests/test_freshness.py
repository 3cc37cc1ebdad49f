"""What strict, bounded and relaxed promise, in quiet and under a storm of edits."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from spelunk import Index
from spelunk.errors import ConfigError
from spelunk.store.manifest import Manifest
from spelunk.workspace.freshness import Age, seconds_allowed, stale_paths

ROUNDS = 25

STORM = """\
import os, random, sys
root, r = sys.argv[1], random.Random(1)
n = 0
while True:
    n += 1
    name = os.path.join(root, f"f{r.randrange(8)}.py")
    what = r.randrange(4)
    if what == 0 and os.path.exists(name):
        os.unlink(name)
    elif what == 1:
        with open(name + ".new", "w") as f:
            f.write(f"def stormy():\\n    return {n}\\n")
        os.replace(name + ".new", name)
    else:
        with open(name, "w") as f:
            f.write(f"def stormy():\\n    return {n}\\n")
    print(n, flush=True)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a.py").write_text("def first():\n    return 1\n")
    return root


@pytest.fixture
def storm(root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes, replaces and deletes files without a pause."""
    child = subprocess.Popen([sys.executable, "-c", STORM, str(root)], stdout=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def settle(root: Path) -> None:
    """Wait until every change time below a root is old enough for a stamp."""
    newest = max(
        os.lstat(os.path.join(d, n)).st_ctime_ns for d, ds, fs in os.walk(root) for n in (*ds, *fs, ".")
    )
    while (
        time.time_ns() - newest < 2_100_000_000
        if newest % 10**9 == 0
        else time.time_ns() - newest < 50_000_000
    ):
        time.sleep(0.01)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def found(index: Index, query: str) -> list[str]:
    return [hit.path for hit in index.search(query, mode="lexical").hits]


# The storm


def test_strict_returns_no_hit_whose_content_was_never_on_disk_after_the_search_began(
    root: Path, storm: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the moment a hit was let through, its file had exactly the content that the hit shows."""
    from spelunk import index_refresh as index_module

    real, kept = stale_paths, []

    def frozen(manifest, source, paths, limit):  # type: ignore[no-untyped-def]
        os.kill(storm.pid, 19)  # SIGSTOP: what is checked and what is compared is one state
        stale = real(manifest, source, paths, limit)
        for path in set(paths) - stale:
            stored = manifest.stamp_and_digest(path)[1]
            import xxhash

            kept.append((path, xxhash.xxh3_128_digest((root / path).read_bytes()) == stored))
        os.kill(storm.pid, 18)  # SIGCONT
        return stale

    monkeypatch.setattr(index_module, "stale_paths", frozen)
    with Index.open(root, mode="sequential") as index:
        for _ in range(ROUNDS):
            index.search("stormy", mode="lexical")
            assert found(index, "first") in (["a.py"], [])

    assert storm.poll() is None
    assert [path for path, same in kept if not same] == []
    assert kept


def test_after_the_storm_the_answer_is_right(root: Path, storm: subprocess.Popen[bytes]) -> None:
    with Index.open(root, mode="sequential") as index:
        for _ in range(5):
            index.search("stormy", mode="lexical")
        storm.kill()
        storm.wait()

        hits = index.search("stormy", mode="lexical", limit=50)

    assert not hits.stale
    assert sorted(h.path for h in hits.hits) == sorted(
        p.name for p in root.glob("f*.py") if "stormy" in p.read_text()
    )
    assert all(h.content.strip() == (root / h.path).read_text().strip() for h in hits.hits)


# strict


def test_strict_sees_a_file_that_is_added_although_the_folders_time_is_put_back(root: Path) -> None:
    index = Index.open(root)
    settle(root)
    index.update()
    before = os.stat(root)

    (root / "b.py").write_text("def second():\n    pass\n")
    os.utime(root, ns=(before.st_atime_ns, before.st_mtime_ns))

    answer = index.search("second", mode="lexical")
    assert [h.path for h in answer.hits] == ["b.py"] and not answer.stale


def test_strict_sees_an_edit_of_the_same_size_although_the_files_time_is_put_back(root: Path) -> None:
    index = Index.open(root)
    settle(root)
    index.update()
    before = os.stat(root / "a.py")

    (root / "a.py").write_text("def other():\n    return 1\n")
    os.utime(root / "a.py", ns=(before.st_atime_ns, before.st_mtime_ns))

    assert found(index, "first") == [] and found(index, "other") == ["a.py"]


def test_strict_sees_an_ignore_file_whose_time_is_put_back(root: Path) -> None:
    (root / ".gitignore").write_text("#.py\n")
    index = Index.open(root)
    settle(root)
    index.update()
    before = os.stat(root / ".gitignore")

    (root / ".gitignore").write_text("*.py\n")
    os.utime(root / ".gitignore", ns=(before.st_atime_ns, before.st_mtime_ns))

    assert found(index, "first") == []


def test_a_file_that_changes_between_the_look_and_the_answer_is_left_out(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "b.py").write_text("def first():\n    return 2\n")
    index = Index.open(root)
    index.update()
    monkeypatch.setattr(Index, "refresh", lambda self, **_: True)

    (root / "a.py").write_text("def first():\n    return 3\n")
    answer = index.search("first", mode="lexical")

    assert [h.path for h in answer.hits] == ["b.py"]
    assert answer.stale


def test_stale_paths_are_those_whose_content_differs(root: Path) -> None:
    for name in ("touched.py", "edited.py", "gone.py", "linked.py"):
        (root / name).write_text("def x():\n    return 1\n")
    index = Index.open(root)
    index.update()
    os.utime(root / "touched.py", ns=(1, 1))
    (root / "edited.py").write_text("def x():\n    return 2\n")
    (root / "gone.py").unlink()
    (root / "linked.py").unlink()
    (root / "linked.py").symlink_to(root / "touched.py")
    manifest = Manifest(index.directory)

    stale = stale_paths(
        manifest,
        index.source,
        ["a.py", "touched.py", "edited.py", "gone.py", "linked.py", "never.py"],
        1 << 20,
    )
    small = stale_paths(manifest, index.source, ["touched.py"], 1)

    manifest.close()
    assert stale == {"edited.py", "gone.py", "linked.py", "never.py"}
    assert small == {"touched.py"}


# bounded and relaxed


def test_bounded_looks_again_after_its_seconds(root: Path) -> None:
    clock = Clock()
    index = Index.open(root, freshness="bounded:10")
    index.age = Age(10.0, clock)
    index.update()
    (root / "a.py").write_text("def second():\n    pass\n")

    clock.time += 9.9
    assert found(index, "first") == ["a.py"]
    clock.time += 0.2
    assert found(index, "second") == ["a.py"]


def test_relaxed_looks_once_and_never_again(root: Path) -> None:
    clock = Clock()
    Index.open(root).update()
    (root / "a.py").write_text("def second():\n    pass\n")
    index = Index.open(root, freshness="relaxed")
    index.age = Age(seconds_allowed("relaxed"), clock)
    assert found(index, "second") == ["a.py"]

    (root / "a.py").write_text("def third():\n    pass\n")
    clock.time += 10**9

    assert found(index, "third") == [] and found(index, "second") == ["a.py"]


def test_an_age_counts_from_the_beginning_of_the_look(root: Path) -> None:
    clock = Clock()
    age = Age(10.0, clock)
    assert not age.is_allowed()

    began = age.now()
    clock.time += 8  # a long look
    age.reset(began)

    assert age.is_allowed()
    clock.time += 2
    assert not age.is_allowed()


def test_a_dry_run_is_no_look(root: Path) -> None:
    index = Index.open(root, freshness="relaxed")
    index.update()
    again = Index.open(root, freshness="relaxed")
    (root / "a.py").write_text("def second():\n    pass\n")
    again.update(dry_run=True)

    assert found(again, "second") == ["a.py"]


@pytest.mark.parametrize("setting", ["often", "bounded", "bounded:", "bounded:-1", "bounded:nan", "strict:1"])
def test_other_values_are_refused(root: Path, setting: str) -> None:
    with pytest.raises(ConfigError, match="use strict, bounded:SECONDS or relaxed"):
        Index.open(root, freshness=setting)


def test_another_exclude_that_leaves_nothing_out_is_recorded(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a.py").write_text("def walrus():\n    return 1\n")
    place = str(tmp_path / "ix")
    Index.open(root, index_dir=place).update()
    index = Index.open(root, index_dir=place, exclude=["*.nothing"])
    assert index.status().state == "behind"

    index.update()

    assert index.status().state == "current"
