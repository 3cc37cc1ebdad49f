"""Any sequence of edits followed by an update gives what a fresh index holds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from spelunk import Index
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.repair import rebuild_full_text
from spelunk.testing import logical_content
from tests.corpus import python_file, write_tree
from tests.examples import examples

NAMES = ["a.py", "b.py", "pkg/c.py", "pkg/d.md", "pkg/deep/e.c", "f.txt", "g.bin", "pkg2/h.py"]
QUERIES = ["flush the queue", "batch worker", "alpha_beta", "merge token", "sym:flush_queue"]

content = st.one_of(
    st.integers(0, 50).map(lambda n: python_file(n, 3)),
    st.sampled_from(
        ["", "\n\n", "# Title\n\ntext about batches\n", "int f(void)\n{\n return 1;\n}\n", "a\0b"]
    ),
    st.text(max_size=200),
)
edit = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(NAMES), content),
    st.tuples(st.just("delete"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("rename"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
    st.tuples(st.just("touch"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("copy"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
    st.tuples(st.just("ignore"), st.sampled_from(["*.py", "pkg/", "!a.py", "*.md", ""]), st.none()),
)


def apply(root: Path, step: tuple[str, str, str | None]) -> None:
    kind, name, value = step
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "write":
        path.write_bytes((value or "").encode("utf-8", "surrogatepass"))
    elif kind == "delete":
        path.unlink(missing_ok=True)
    elif kind == "touch":
        if path.exists():
            path.touch()
    elif kind in ("rename", "copy"):
        target = root / (value or name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path != target:
            path.rename(target) if kind == "rename" else shutil.copyfile(path, target)
    elif kind == "ignore":
        (root / ".gitignore").write_text(name + "\n")


def order(index: Index) -> list[list[tuple[str, int, float]]]:
    return [
        [(h.path, h.start_line, round(h.score, 4)) for h in index.search(q, refresh=False, limit=50).hits]
        for q in QUERIES
    ]


def merge_away_deleted(index: Index) -> None:
    """Deleted documents count in BM25 until merged away; a rebuild from stored texts merges them."""
    manifest = ManifestWriter(index.directory)
    rebuild_full_text(index.directory, manifest)
    manifest.close()


@examples(60, suppress_health_check=list(HealthCheck))
@given(rounds=st.lists(st.lists(edit, min_size=1, max_size=5), min_size=1, max_size=4))
def test_edits_then_update_equal_a_fresh_index(
    tmp_path_factory: pytest.TempPathFactory, rounds: list
) -> None:
    root = tmp_path_factory.mktemp("tree")
    (root / "core.c").write_text("int flush_queue(int n)\n{\n\treturn n;\n}\n")
    index = Index.open(root, index_dir=str(tmp_path_factory.mktemp("one") / "ix"))
    index.update()

    for steps in rounds:
        for step in steps:
            apply(root, step)
        report = index.update()
        f = report.files
        assert f.seen == f.indexed + f.unchanged + f.skipped + f.failed

    fresh = Index.open(root, index_dir=str(tmp_path_factory.mktemp("two") / "ix"))
    fresh.update()
    assert logical_content(index.directory) == logical_content(fresh.directory)
    assert index.check().ok
    merge_away_deleted(index)
    assert order(index) == order(fresh)
    index.close()
    fresh.close()


def test_one_worker_and_many_give_the_same_content(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 120)
    contents = []
    for n, settings_ in enumerate(
        [
            {"mode": "sequential"},
            {"mode": "parallel", "workers": 2},
            {"mode": "parallel", "workers": 4, "files_per_batch": 7},
        ]
    ):
        index = Index.open(root, index_dir=str(tmp_path / f"ix{n}"), **settings_)
        report = index.update()
        assert report.mode == settings_["mode"]
        contents.append(logical_content(index.directory))

    assert contents[0] == contents[1] == contents[2]


class Opened:
    """Names of the files that this process opens while it is watched, by the interpreter's audit hook."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._watching = False
        sys.addaudithook(self._heard)  # a hook cannot be removed again: it is switched off

    def __enter__(self) -> list[str]:
        self._watching, self.names = True, []
        return self.names

    def __exit__(self, *_: object) -> None:
        self._watching = False

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._watching and event == "open" and isinstance(arguments[0], (str, bytes)):
            self.names.append(os.path.basename(os.fsdecode(arguments[0])))


OPENED = Opened()


def test_unchanged_files_are_not_read_again(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 30)
    wait_until_trusted(root)
    index = Index.open(root, mode="sequential")
    sources = {p.name for p in root.rglob("*.py")}
    with OPENED as opened:
        index.update()
    assert sources <= set(opened), "the hook does not see a file that is read"

    with OPENED as opened:
        report = index.update()

    assert report.files.unchanged == report.files.seen and report.bytes == 0
    assert sources & set(opened) == set()


def wait_until_trusted(root: Path) -> None:
    """Wait until the change times of all files are old enough to be trusted (``files/stamp.py``)."""
    newest = max(path.lstat().st_ctime_ns for path in root.rglob("*"))
    while time.time_ns() - newest < 2_100_000_000:
        time.sleep(0.05)


def test_a_touched_file_is_not_chunked_again(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 10)
    index = Index.open(root)
    index.update()
    generation_of = rows(index)

    (root / "pkg0" / "mod_3.py").touch()
    report = index.update()

    assert report.files.indexed == 0 and report.files.unchanged == report.files.seen
    assert rows(index) == generation_of


def rows(index: Index) -> list[tuple[str, int]]:
    with index.snapshot() as snapshot:
        return [(f.path, f.id) for f in snapshot.all_files()]


@pytest.mark.parametrize("where", ["same", "other"])
def test_identical_content_is_not_embedded_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    from spelunk.embed.static import StaticEmbedder

    embedded: list[int] = []
    real = StaticEmbedder.embed

    def counting(self: StaticEmbedder, texts: list, words: list) -> object:
        embedded.append(len(words))
        return real(self, texts, words)

    monkeypatch.setattr(StaticEmbedder, "embed", counting)
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 5)
    first = Index.open(root, mode="sequential")
    first.update()
    before = sum(embedded)
    target = root / "copy" if where == "same" else tmp_path / "elsewhere"
    shutil.copytree(root / "pkg0", target)

    index = first if where == "same" else Index.open(target, mode="sequential")
    report = index.update()

    assert report.chunks > 0 and report.files.indexed == 5
    assert sum(embedded) == before
    assert index.check().ok


def test_a_branch_switch_is_followed(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    write_tree(root, 12)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    index = Index.open(root)
    index.update()
    on_main = logical_content(index.directory)
    subprocess.run([*git, "checkout", "-qb", "other"], check=True)
    (root / "pkg0" / "mod_1.py").write_text("def only_on_other():\n    pass\n")
    (root / "pkg1" / "mod_10.py").unlink()
    subprocess.run([*git, "commit", "-qam", "two"], check=True)
    index.update()
    assert index.search("sym:only_on_other").hits

    subprocess.run([*git, "checkout", "-q", "main"], check=True)

    assert not index.search("sym:only_on_other").hits
    assert logical_content(index.directory) == on_main


def test_changed_options_redo_every_file(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 12)
    place = str(tmp_path / "ix")
    Index.open(root, index_dir=place).update()
    changed = Index.open(root, index_dir=place, max_parse_size=200)
    assert changed.status().state == "options-changed"

    report = changed.update()

    assert report.files.indexed == 14 and report.files.unchanged == 0
    fresh = Index.open(root, index_dir=str(tmp_path / "fresh"), max_parse_size=200)
    fresh.update()
    assert logical_content(place) == logical_content(fresh.directory)
    assert changed.status().state in ("current", "behind")


def test_a_vanished_file_never_appears(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 10)
    index = Index.open(root)
    assert index.search("sym:flush_queue").hits

    (root / "core.c").unlink()

    assert not index.search("sym:flush_queue").hits


def test_an_index_of_an_older_format_is_made_anew(tmp_path: Path) -> None:
    import sqlite3

    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.py").write_text("def flush_queue():\n    return 1\n")
    with Index.open(tmp_path / "tree", index_dir=str(tmp_path / "ix")) as index:
        index.update()
    with closing(sqlite3.connect(tmp_path / "ix" / "manifest.sqlite")) as db, db:
        db.execute("UPDATE meta SET value = 1 WHERE key = 'format'")

    with Index.open(tmp_path / "tree", index_dir=str(tmp_path / "ix")) as index:
        assert index.status().state == "missing"
        assert [h.path for h in index.search("flush queue").hits] == ["a.py"]
        assert index.status().state in ("current", "behind") and index.check().ok
