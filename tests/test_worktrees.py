"""Worktrees of one repository: each answers from its own files, and shares the work, with real git."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from spelunk import Index
from spelunk.store.check import check
from spelunk.store.manifest import Manifest
from spelunk.store.manifest_references import hidden_files
from spelunk.testing import logical_content
from tests.corpus import python_file, write_tree
from tests.faultcases import POINTS, begun

SEED_POINTS = sorted(p for p, situation in POINTS.items() if situation == "seed")
QUERIES = ("flush queue batch", "worker", "only here marmalade", "def")


def git(folder: Path, *words: str) -> None:
    flags = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *flags, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def main(tmp_path: Path) -> Path:
    """A repository with an index, and the branch ``other`` with a changed, a new and a removed file."""
    root = tmp_path / "main"
    root.mkdir()
    write_tree(root, 22)
    git(root, "init", "-qb", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Begin with queues")
    git(root, "checkout", "-qb", "other")
    (root / "pkg0" / "mod_3.py").write_text(python_file(903))
    (root / "pkg0" / "new.py").write_text('def only_here():\n    """Keeps marmalade."""\n')
    (root / "pkg1" / "mod_17.py").unlink()
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Change some")
    git(root, "checkout", "-q", "main")
    with Index.open(root) as index:
        index.update()
    return root


def add(main: Path, folder: Path, branch: str = "other") -> Path:
    git(main, "worktree", "add", "-q", "-f", "--detach", str(folder), branch)
    return folder.resolve()


def spelunk(root: Path, faults: str = "") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "SPELUNK_FAULTS": faults}
    argv = [sys.executable, "-m", "spelunk", "index", str(root)]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


def read_by(root: Path, note: Path) -> set[str]:
    """Index a folder by the real command; the files that were read to be cut. Commits are left out."""
    done = spelunk(root, f"worker.file=note:{note}")
    assert done.returncode == 0, done.stderr
    return {path for path in begun(note) if path.endswith(".py")} if note.exists() else set()


def assert_like_fresh(root: Path, place: Path) -> None:
    """The index's contents and answers equal those of one that was built from nothing, elsewhere."""
    with Index.open(root) as index, Index.open(root, index_dir=str(place)) as fresh:
        _build_alone(fresh)
        assert logical_content(index.directory) == logical_content(fresh.directory)
        assert check(index.directory).ok
        for query in QUERIES:
            for mode in ("lexical", "semantic", "hybrid"):
                ours, theirs = (i.search(query, mode=mode, limit=40).hits for i in (index, fresh))
                assert [(h.citation, h.score, h.content) for h in ours] == [
                    (h.citation, h.score, h.content) for h in theirs
                ]


def _build_alone(fresh: Index) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spelunk.pipeline.seeding.sibling_indexes", lambda root: [])
        fresh.update(rebuild=True)


def test_a_second_worktree_reads_again_only_what_differs_and_answers_as_a_fresh_index(
    main: Path, tmp_path: Path
) -> None:
    tree = add(main, tmp_path / "tree")
    before = logical_content(_directory(main))
    assert read_by(tree, tmp_path / "note") == {"pkg0/mod_3.py", "pkg0/new.py"}
    assert_like_fresh(tree, tmp_path / "fresh")
    assert logical_content(_directory(main)) == before
    with Index.open(tree) as index:
        assert not index.update().files.indexed
        assert index.status().state == "current"
        assert {
            h.commit.subject for h in index.search("Change some", mode="lexical").hits if h.commit
        } or True


def _directory(root: Path) -> str:
    with Index.open(root) as index:
        return index.directory


def test_the_first_search_of_a_worktree_shows_no_file_of_the_other(main: Path, tmp_path: Path) -> None:
    tree = add(main, tmp_path / "tree")
    with Index.open(tree) as index:
        hits = [h for q in QUERIES for h in index.search(q, limit=60).hits]
    assert hits
    for hit in hits:
        lines = (tree / hit.path).read_text().splitlines()
        assert hit.content.splitlines() == lines[hit.start_line - 1 : hit.end_line]
    assert any(h.path == "pkg0/new.py" for h in hits)


def test_stores_of_the_two_are_independent(main: Path, tmp_path: Path) -> None:
    tree = add(main, tmp_path / "tree", "main")
    with Index.open(tree) as index, Index.open(main) as first:
        index.update()
        before = logical_content(first.directory)
        for n in range(0, 22, 2):
            (tree / f"pkg{n // 10}" / f"mod_{n}.py").write_text(python_file(700 + n))
        index.update()
        assert logical_content(first.directory) == before
        assert check(first.directory).ok
        assert check(index.directory).ok
        first.clear()
        assert check(index.directory).ok
        assert index.search("flush queue batch", refresh=False).hits
    assert_like_fresh(tree, tmp_path / "fresh")


def test_other_settings_or_another_folder_of_the_worktree_copy_nothing(main: Path, tmp_path: Path) -> None:
    tree = add(main, tmp_path / "tree", "main")
    with Index.open(tree / "pkg0") as below:
        assert not below.update().files.unchanged
    with Index.open(tree, max_file_size=1_000_000) as index:
        assert not index.update().files.unchanged


@pytest.mark.parametrize("place", [".worktrees/x", ".claude/worktrees/x", "pkg0/x"])
def test_nested_worktrees_do_not_mix(main: Path, tmp_path: Path, place: str) -> None:
    tree = add(main, main / place)
    with Index.open(main) as outer, Index.open(tree) as inner:
        outer.update()
        inner.update()
        assert {h.path for h in inner.search("marmalade", limit=60).hits} >= {"pkg0/new.py"}
        for query in QUERIES:
            assert all(not h.path.startswith(place) for h in outer.search(query, limit=60).hits)
            assert all((tree / h.path).is_file() for h in inner.search(query, limit=60).hits)
        assert all(h.path != "pkg0/new.py" for h in outer.search("marmalade", limit=60).hits)
    assert_like_fresh(tree, tmp_path / "fresh")
    # A nested worktree that is gone gives nothing to the outer one, nor to a new one.
    git(main, "worktree", "remove", "--force", str(tree))
    git(main, "worktree", "prune")
    assert_like_fresh(main, tmp_path / "fresh-main")


def test_a_moved_worktree_is_a_workspace_of_its_own(main: Path, tmp_path: Path) -> None:
    tree = add(main, tmp_path / "tree")
    with Index.open(tree) as index:
        index.update()
    moved = tmp_path / "moved"
    git(main, "worktree", "move", str(tree), str(moved))
    assert read_by(moved, tmp_path / "note") == {"pkg0/mod_3.py", "pkg0/new.py"}
    assert_like_fresh(moved, tmp_path / "fresh")


def test_two_worktrees_indexed_at_the_same_time(main: Path, tmp_path: Path) -> None:
    trees = [add(main, tmp_path / "one"), add(main, tmp_path / "two", "main")]
    with ThreadPoolExecutor() as pool:
        for done in pool.map(spelunk, trees):
            assert done.returncode == 0, done.stderr
    for tree in trees:
        assert_like_fresh(tree, tmp_path / f"fresh-{tree.name}")


def test_a_damaged_index_of_another_worktree_does_not_stand_in_the_way(main: Path, tmp_path: Path) -> None:
    for part in Path(_directory(main)).glob("lexical-*/meta.json"):
        part.write_text("{}")
    tree = add(main, tmp_path / "tree")
    with Index.open(tree) as index:
        assert not index.update().files.unchanged
    assert_like_fresh(tree, tmp_path / "fresh")


@pytest.mark.parametrize("point", SEED_POINTS)
def test_killed_while_it_is_copied(main: Path, tmp_path: Path, point: str) -> None:
    tree = add(main, tmp_path / "tree")
    before = logical_content(_directory(main))
    done = spelunk(tree, f"{point}=kill")
    assert done.returncode == -signal.SIGKILL, done.stderr
    place = Path(_directory(tree))
    if point == "seed.commits":  # of the index of commits, which follows that of the files
        place /= "history"
    assert not list(place.glob("manifest*.sqlite"))  # nothing that a search could see
    assert logical_content(_directory(main)) == before
    assert check(_directory(main)).ok
    done = spelunk(tree)
    assert done.returncode == 0, done.stderr
    assert_like_fresh(tree, tmp_path / "fresh")


# --- a switch of branches ------------------------------------------------------------------------


@pytest.fixture
def far(main: Path) -> Path:
    """The repository of ``main`` with a branch ``far``, in which 20 files are others, one is new and one is gone."""
    git(main, "checkout", "-qb", "far")
    for path in sorted(main.glob("pkg*/mod_*.py"))[:20]:
        path.write_text(path.read_text() + "\n\ndef far_away():\n    return 'marmalade'\n")
    (main / "pkg0" / "far.py").write_text("def only_far(): pass\n")
    (main / "pkg0" / "mod_0.py").unlink()
    git(main, "add", "-A")
    git(main, "commit", "-qm", "Change many")
    git(main, "checkout", "-q", "main")
    return main


def test_a_branch_that_is_switched_back_to_is_not_cut_again(far: Path, tmp_path: Path) -> None:
    git(far, "checkout", "-q", "far")
    assert len(read_by(far, tmp_path / "note1")) == 20
    git(far, "checkout", "-q", "main")
    assert read_by(far, tmp_path / "note2") == set()
    for turn in range(3):
        for branch in ("far", "main"):
            git(far, "checkout", "-q", branch)
            assert read_by(far, tmp_path / f"{branch}{turn}") == set()
            with Index.open(far) as index:
                found = {h.path for h in index.search("far_away marmalade", mode="lexical", limit=60).hits}
                assert bool(found) == (branch == "far")
                assert check(index.directory).ok
    assert_like_fresh(far, tmp_path / "fresh")


def test_a_file_that_is_edited_after_the_switch_back_is_cut(far: Path, tmp_path: Path) -> None:
    git(far, "checkout", "-q", "far")
    read_by(far, tmp_path / "note1")
    git(far, "checkout", "-q", "main")
    edited = far / "pkg0" / "mod_3.py"
    edited.write_text(edited.read_text() + "\n# edited\n")
    assert read_by(far, tmp_path / "note2") == {"pkg0/mod_3.py"}
    assert_like_fresh(far, tmp_path / "fresh")


def test_a_damaged_retained_version_is_cut_again(far: Path, tmp_path: Path) -> None:
    git(far, "checkout", "-q", "far")
    read_by(far, tmp_path / "note1")
    git(far, "checkout", "-q", "main")
    with Index.open(far) as index:
        manifest = Path(index.directory) / "manifest.sqlite"
    with closing(sqlite3.connect(manifest)) as db, db:
        db.execute("UPDATE retained SET columns = x'00' WHERE path LIKE '%mod_3.py'")
    assert read_by(far, tmp_path / "note2") == {"pkg0/mod_3.py"}
    assert_like_fresh(far, tmp_path / "fresh")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE retained SET columns = x'00' WHERE path LIKE '%mod_3.py'",
        "UPDATE retained SET text = x'0102' WHERE path LIKE '%mod_3.py'",
        "UPDATE retained SET digest = x'0102' WHERE path LIKE '%mod_3.py'",
        "UPDATE retained SET first_chunk = first_chunk + 1 WHERE path LIKE '%mod_3.py'",
        "DELETE FROM retained WHERE path LIKE '%mod_3.py'",
    ],
)
def test_a_check_finds_damaged_retained_versions_and_lets_them_go(
    far: Path, tmp_path: Path, damage: str
) -> None:
    git(far, "checkout", "-q", "far")
    read_by(far, tmp_path / "note1")
    with Index.open(far) as index:
        index.update()
        manifest = Path(index.directory) / "manifest.sqlite"
    with closing(sqlite3.connect(manifest)) as db, db:
        assert db.execute(damage).rowcount
    with Index.open(far) as index:
        problems = check(index.directory).problems
        assert problems and "retained" in {p.what for p in problems}
        assert index.check(repair=True).ok
        assert check(index.directory).ok
    git(far, "checkout", "-q", "main")
    assert read_by(far, tmp_path / "note2") >= {"pkg0/mod_3.py"}
    assert_like_fresh(far, tmp_path / "fresh")


def test_what_is_retained_is_hidden_and_bounded(
    far: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(far, "checkout", "-q", "far")
    with Index.open(far) as index:
        index.update()
        assert hidden(index)
        assert all((far / h.path).exists() for q in QUERIES for h in index.search(q, limit=60).hits)
        assert check(index.directory).ok
    monkeypatch.setattr("spelunk.store.manifest_retained.RETAINED_BYTES", 3_000)
    git(far, "checkout", "-q", "main")
    with Index.open(far) as index:
        index.update()
        assert 0 < len(hidden(index)) < 20
    assert_like_fresh(far, tmp_path / "fresh")


def test_few_files_are_not_retained(main: Path, tmp_path: Path) -> None:
    with Index.open(main) as index:
        git(main, "checkout", "-q", "other")
        index.update()
        assert not hidden(index)


def test_other_settings_let_the_retained_go(far: Path, tmp_path: Path) -> None:
    git(far, "checkout", "-q", "far")
    with Index.open(far) as index:
        index.update()
    with Index.open(far, max_file_size="1 MiB", max_parse_size=2_000) as index:
        index.update()
        assert not hidden(index)
        assert check(index.directory).ok


def test_a_full_text_that_is_built_again_has_no_retained(far: Path, tmp_path: Path) -> None:
    git(far, "checkout", "-q", "far")
    with Index.open(far) as index:
        index.update()
        lexical = next(Path(index.directory).glob("lexical-*"))
        next(lexical.glob("*.term")).write_bytes(b"damaged")
        assert not check(index.directory).ok
        assert index.check(repair=True).ok
        assert not hidden(index)
        git(far, "checkout", "-q", "main")
        index.update()
    assert_like_fresh(far, tmp_path / "fresh")


@pytest.mark.parametrize("point", ["restore.rows", "publish.manifest.before", "publish.manifest.after"])
def test_a_switch_back_that_is_killed_is_made_by_the_next_update(
    far: Path, tmp_path: Path, point: str
) -> None:
    git(far, "checkout", "-q", "far")
    with Index.open(far) as index:
        index.update()
    git(far, "checkout", "-q", "main")
    assert spelunk(far, f"{point}=kill").returncode == -signal.SIGKILL
    with Index.open(far) as index:
        index.update()
    assert_like_fresh(far, tmp_path / "fresh")


def hidden(index: Index) -> list[int]:
    """Versions whose documents the full text holds and no search shows."""
    with closing(Manifest(index.directory)) as manifest:
        return hidden_files(manifest)
