"""``Index.update(changed=…)``: with complete hints it gives what a full update gives; it reads nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from spelunk import Index
from spelunk.files import fence
from spelunk.store.manifest import Manifest
from spelunk.testing import logical_content
from tests.corpus import python_file
from tests.examples import examples

FOLDERS = ["", "pkg", "pkg/deep", "pkg/deep/er", "build", "other", "other/ünï"]
FILES = [
    "a.py",
    "b.md",
    "c.txt",
    "é.py",
    "d.bin",
    ".gitignore",
    "CACHEDIR.TAG",
    "pyvenv.cfg",
    ".spelunkignore",
]
PATTERNS = ["*.py", "deep/", "!a.py", "*.md", "", "/build", "er", "!build/a.py"]

places = st.tuples(st.sampled_from(FOLDERS), st.sampled_from(FILES))
edits = st.one_of(
    st.tuples(st.just("write"), places, st.integers(0, 40)),
    st.tuples(st.just("ignore"), st.sampled_from(FOLDERS), st.sampled_from(PATTERNS)),
    st.tuples(st.just("delete"), places, st.none()),
    st.tuples(st.just("remove"), st.sampled_from(FOLDERS[1:]), st.none()),
    st.tuples(st.just("move"), st.sampled_from(FOLDERS[1:]), st.sampled_from(FOLDERS[1:])),
    st.tuples(st.just("git"), st.sampled_from(FOLDERS), st.none()),
    st.tuples(st.just("file-for-folder"), st.sampled_from(FOLDERS[1:]), st.none()),
    st.tuples(st.just("exclude"), st.just(""), st.sampled_from(PATTERNS)),
)


def content(name: str, number: int) -> bytes:
    if name == "d.bin":
        return b"\0\1\2" * number
    if name == "CACHEDIR.TAG":
        return b"Signature: 8a477f597d28d172789f06886806bc55" if number % 2 else b"no signature"
    if name in (".gitignore", ".spelunkignore"):
        return PATTERNS[number % len(PATTERNS)].encode() + b"\n"
    return python_file(number, 2).encode()


def apply(root: Path, step: tuple[str, Any, Any]) -> set[str]:
    """Edit the tree; every path that changed, appeared or vanished."""
    kind, place, value = step
    changed: set[str] = set()

    def folder(path: Path) -> bool:
        for part in [*reversed(path.relative_to(root).parents), path.relative_to(root)]:
            here = root / part
            if here.is_file():
                return False
            if not here.exists():
                here.mkdir()
                changed.add(str(part))
        return True

    if kind == "write" and folder(root / place[0]):
        path = root / place[0] / place[1]
        if not path.is_dir():
            path.write_bytes(content(place[1], value))
            changed.add(str(path.relative_to(root)))
    elif kind == "ignore" and folder(root / place):
        (root / place / ".gitignore").write_text(value + "\n")
        changed.add(os.path.join(place, ".gitignore"))
    elif kind == "delete":
        path = root / place[0] / place[1]
        if path.is_file():
            path.unlink()
            changed.add(os.path.join(*place))
    elif kind == "remove" and (root / place).is_dir():
        shutil.rmtree(root / place)
        changed.add(place)
    elif kind == "move" and (root / place).is_dir() and not (root / value).exists():
        if not Path(value).is_relative_to(place) and folder((root / value).parent):
            (root / place).rename(root / value)
            changed |= {place, value}
    elif kind == "git" and folder(root / place):
        git = root / place / ".git"
        if git.exists():
            shutil.rmtree(git)
        else:
            subprocess.run(["git", "init", "-q", str(root / place)], check=True)
        changed.add(os.path.join(place, ".git"))
    elif kind == "file-for-folder":
        path = root / place
        if path.is_dir():
            shutil.rmtree(path)
            path.write_text("a file now\n")
            changed.add(place)
        elif path.is_file():
            path.unlink()
            changed.add(place)
    elif kind == "exclude" and (root / ".git" / "info").is_dir():
        (root / ".git" / "info" / "exclude").write_text(value + "\n")
    return changed


def left_out(directory: str) -> dict[str, Any]:
    manifest = Manifest(directory)
    try:
        return {path: what for path, (what, _) in manifest.unindexed().items()}
    finally:
        manifest.close()


@examples(60, suppress_health_check=list(HealthCheck))
@given(
    before=st.lists(edits, max_size=8),
    rounds=st.lists(st.lists(edits, min_size=1, max_size=4), min_size=1, max_size=4),
    repository=st.booleans(),
)
def test_complete_hints_give_what_a_fresh_index_has(
    tmp_path_factory: pytest.TempPathFactory, before: list, rounds: list, repository: bool
) -> None:
    root = tmp_path_factory.mktemp("tree")
    (root / "core.py").write_text(python_file(1, 3))
    if repository:
        subprocess.run(["git", "init", "-q", str(root)], check=True)
    for step in before:
        apply(root, step)
    index = Index.open(root, index_dir=str(tmp_path_factory.mktemp("one") / "ix"))
    index.update()

    for steps in rounds:
        changed = set().union(*(apply(root, step) for step in steps))
        report = index.update(changed=sorted(changed))
        f = report.files
        assert f.seen == f.indexed + f.unchanged + f.skipped + f.failed

    fresh = Index.open(root, index_dir=str(tmp_path_factory.mktemp("two") / "ix"))
    fresh.update()
    assert logical_content(index.directory) == logical_content(fresh.directory)
    assert left_out(index.directory) == left_out(fresh.directory)
    assert folders_of(index) == folders_of(fresh)
    again = index.update()
    assert (again.files.indexed, again.files.removed) == (0, 0)
    assert index.check().ok
    index.close()
    fresh.close()


def folders_of(index: Index) -> tuple[set[str], set[str]]:
    manifest = Manifest(index.directory)
    folders, rules = fence.parse(manifest.fence())
    manifest.close()
    return set(folders), set(rules)
