"""The command and the API explain a path alike: same verdict, rule and detail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from spelunk import Index
from spelunk.cli import main
from spelunk.present.objects import to_json

VERDICTS = {
    "good.py": "indexed",
    ".": "indexed",
    "sub": "indexed",
    "new.py": "pending",
    "noise.log": "ignored",
    ".hidden.py": "ignored",
    "logo.png": "skipped",
    "bundle.js": "skipped",
    "gone.py": "missing",
    "../elsewhere": "outside",
    "locked.py": "failed",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make(tmp_path / "project")


def make(root: Path) -> Path:
    """A workspace that has a path of every verdict once it is indexed."""
    (root / "sub").mkdir(parents=True)
    (root / "good.py").write_text("def good():\n    return 1\n")
    (root / "sub" / "more.py").write_text("def more():\n    return 2\n")
    (root / "noise.log").write_text("noise\n")
    (root / ".gitignore").write_text("*.log\n")
    (root / ".hidden.py").write_text("x = 1\n")
    (root / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    (root / "bundle.js").write_text("a=b+c;" * 20_000)  # minified, as only the whole file shows
    (root / "locked.py").write_text("x = 1\n")
    return root


class World(NamedTuple):
    root: Path
    home: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The workspace with its index, for tests that leave both as they are; processes die over one of its files."""
    folder = tmp_path_factory.mktemp("explain")
    root, home = make(folder / "project"), folder / "home"
    more = {"SPELUNK_HOME": str(home), "SPELUNK_FAULTS": "worker.file@locked.py=kill"}
    command = [sys.executable, "-m", "spelunk", "index", "-q", "--mode", "parallel", "--workers", "2"]
    subprocess.run(command, cwd=root, env=os.environ | more, check=True)
    (root / "new.py").write_text("def new():\n    return 3\n")
    return World(root, home)


@pytest.mark.parametrize("path", VERDICTS)
def test_the_command_and_the_api_agree(
    path: str, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = world.root
    monkeypatch.setenv("SPELUNK_HOME", str(world.home))
    index = Index.open(root)
    monkeypatch.chdir(root)

    status = main(["why", path, "--json"])
    told = json.loads(capsys.readouterr().out)
    explanation = index.why(path)

    assert told == json.loads(json.dumps(to_json(explanation, root=str(root))))
    assert told["verdict"] == explanation.verdict == VERDICTS[path]
    assert (status == 0) == (explanation.verdict == "indexed")


def test_without_an_index_a_file_is_pending(root: Path) -> None:
    assert Index.open(root).why("good.py").verdict == "pending"
    assert Index.open(root).why("noise.log").verdict == "ignored"


def test_an_indexed_file_says_how_it_is_stored(root: Path) -> None:
    index = Index.open(root)
    index.update()

    stored = index.why("good.py").index

    assert stored is not None
    assert (stored.language, stored.encoding, stored.lines, stored.generation) == ("python", "utf-8", 2, 1)
    assert sum(n for _, n in stored.kinds) == stored.chunks == 1
