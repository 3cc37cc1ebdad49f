"""The guide: its shell examples run, each page in a project of its own, and it builds without a warning."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forked import forks
from tests.test_docs import DOCS, PROJECT, blocks, text_of

PAGES = [p for p in sorted(DOCS.glob("guide/*.md")) if blocks(text_of(p), "sh")]
COMMIT = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    files = {**PROJECT, "docs/batches.md": "# Batches\n\nWhere batches are written.\n"}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git = {"cwd": root, "check": True}
    subprocess.run(["git", "init", "-q", "-b", "main"], **git)
    subprocess.run(["git", "add", "."], **git)
    subprocess.run([*COMMIT, "first"], **git)
    (root / "tests").mkdir()
    (root / "tests" / "test_writer.py").write_text(
        "from src.writer import Writer\n\n\ndef test_flush():\n    Writer().flush_batches()  # FIXME(release)\n"
    )
    with (root / "src" / "writer.py").open("a") as file:
        file.write("\n    def write(self):\n        pass\n")
    subprocess.run(["git", "add", "."], **git)
    subprocess.run([*COMMIT, "second"], **git)
    return root


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_shell_examples_run(page: Path, project: Path, tmp_path: Path) -> None:
    script = "set -euo pipefail\n" + "\n".join(blocks(text_of(page), "sh"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPELUNK_")}
    environment["SPELUNK_HOME"] = str(tmp_path / "home")
    environment["PATH"] = f"{tmp_path}:{Path(sys.executable).parent}:{environment['PATH']}"
    inherited = forks(environment).command(tmp_path / "spelunk")

    done = subprocess.run(
        ["bash", "-c", script],
        cwd=project,
        env=environment,
        pass_fds=[inherited],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("builder", ["dummy", pytest.param("html", marks=pytest.mark.slow)])
def test_the_guide_builds_without_a_warning(tmp_path: Path, builder: str) -> None:
    """The dummy reads all pages and resolves all links, which is where warnings come from, and writes nothing."""
    pytest.importorskip("furo")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        builder,
        str(DOCS),
        str(tmp_path / "html"),
    ]

    done = subprocess.run([*command, "-d", str(tmp_path / "trees")], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "html" / "guide" / "quick-start.html").exists() == (builder == "html")
