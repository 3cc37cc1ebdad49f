"""Branchwork's place in the program: shared flags, no process-wide effects, imports, and the engine's one hook."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import spelunk
from spelunk.branchwork import Branchwork, settings
from spelunk.errors import ConfigError
from tests.forked import forks
from tests.test_imports import imports

from .conftest import Sandbox

SOURCE = Path(spelunk.__file__).parent


def spelunk_here(box: Sandbox, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **box.env}
    return forks(env).run(words, str(box.root), env)


def test_quiet_before_branchwork_is_honoured(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()

    loud = spelunk_here(box, "branchwork", "log", "one")
    quiet = spelunk_here(box, "-q", "branchwork", "log", "two")
    inside = spelunk_here(box, "bw", "-q", "log", "three")

    assert "added" in loud.stderr
    assert (quiet.stderr, inside.stderr) == ("", "")
    assert quiet.stdout == inside.stdout == ".agents/logs/branchwork/CURRENT-feat-a.md\n"


def test_an_index_directory_before_branchwork_is_used_by_search_and_refused_elsewhere(
    box: Sandbox, tmp_path: Path
) -> None:
    box.branch("feat/a")
    box.work.create()
    box.work.log("Fixed the deadlock", author="ada")
    folder = tmp_path / "documents-index"

    found = spelunk_here(box, "--index-dir", str(folder), "-q", "branchwork", "search", "deadlock", "--json")
    refused = spelunk_here(box, "--index-dir", str(folder), "branchwork", "status")

    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["hits"][0]["path"].endswith("CURRENT-feat-a.md")
    assert (folder / "manifest.sqlite").exists()
    assert not (box.root / ".git/spelunk-branchwork").exists()
    assert refused.returncode == 2
    assert "--index-dir is for `spelunk branchwork search`" in refused.stderr


def test_log_format_verbose_and_color_before_branchwork_are_honoured(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()
    box.work.log("Fixed the deadlock", author="ada")

    lines = spelunk_here(box, "--log-format", "json", "branchwork", "log", "x").stderr.splitlines()
    traced = spelunk_here(box, "-v", "branchwork", "show", "nothing")
    plain = spelunk_here(box, "--color", "never", "branchwork", "search", "deadlock")
    colored = spelunk_here(box, "--color", "always", "branchwork", "search", "deadlock")

    assert [json.loads(line)["message"][:5] for line in lines] == ["added"]
    assert "Traceback" in traced.stderr
    assert "\x1b[" not in plain.stdout
    assert "\x1b[" in colored.stdout


def test_the_index_of_the_documents_is_not_that_of_the_repository(box: Sandbox, tmp_path: Path) -> None:
    box.env["SPELUNK_HOME"] = str(tmp_path / "home")
    box.branch("feat/a")
    box.work.create()
    box.work.log("Fixed the deadlock", author="ada")

    first = spelunk_here(box, "branchwork", "search", "deadlock")
    before = json.loads(spelunk_here(box, "status", "--json").stdout)
    spelunk_here(box, "index")
    own = json.loads(spelunk_here(box, "status", "--json").stdout)
    spelunk_here(box, "branchwork", "search", "deadlock")
    after = json.loads(spelunk_here(box, "status", "--json").stdout)

    assert first.returncode == 0, first.stderr
    assert before["state"] == "missing"
    assert own["state"] == after["state"] == "current"
    assert own["directory"] == after["directory"] and "spelunk-branchwork" not in own["directory"]


def test_no_command_changes_the_environment_or_the_folder_of_the_process(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()
    code = (
        "import os, sys\n"
        "seen = []\n"
        "sys.addaudithook(lambda name, args: seen.append((name, args)) if name in ('os.putenv', 'os.unsetenv', 'os.chdir') else None)\n"
        "from spelunk.cli import main\n"
        "status = [main(['branchwork', '-C', 'repo', *words.split()]) for words in ('log x', 'search deadlock', 'status', 'list')]\n"
        "assert status == [0, 1, 0, 0], status\n"
        "assert [e for e in seen if b'BLAS' not in e[1][0] and b'OMP' not in e[1][0]] == [], seen\n"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=box.root.parent, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_the_documents_folder_may_not_lead_out_of_the_repository(box: Sandbox, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (box.root / "notes").symlink_to(outside)
    (box.root / "inner").symlink_to(".git")
    box.branch("feat/a")

    for name in ("../outside", "notes", "notes/logs", "inner/hooks", ".git/hooks", "a/../../outside", "/tmp"):
        (box.root / "spelunk.toml").write_text(f'[branchwork]\ndir = "{name}"\n')
        with pytest.raises(ConfigError, match="repository"):
            settings.load(str(box.root), {})
        assert box.bw("create").returncode == 2
    assert list(outside.iterdir()) == []


def test_relative_paths_are_taken_from_the_folder_given(box: Sandbox, tmp_path: Path) -> None:
    box.branch("feat/a")
    box.work.create()
    name = os.path.relpath(box.path("feat-a"), tmp_path)

    assert Branchwork.load(str(tmp_path / "repo")).start == str(tmp_path / "repo")
    assert box.bw("check", "-C", "repo", name.removeprefix("repo/"), cwd=tmp_path).returncode == 0


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def test_branchwork_imports_only_what_is_below_it() -> None:
    allowed = {"branchwork", "errors", "io", "text", "settings", "settings_files", "index"}
    own = [p for p in modules(SOURCE / "branchwork") if p.name != "__main__.py"]  # which is a command line

    wrong = {p.name: sorted(names) for p in own if (names := {i.split(".")[0] for i in imports(p)} - allowed)}

    assert wrong == {}


def test_the_engine_knows_the_documents_through_one_module() -> None:
    own = {"text/worklog.py", "cli/commands/branchwork.py", "cli/__init__.py"}
    engine = [p for p in modules(SOURCE) if p.relative_to(SOURCE).parts[0] not in ("branchwork", "cli")]

    named = {
        str(path.relative_to(SOURCE))
        for path in engine
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and node.value in ("branchwork", "branchwork-", ".agents/logs/branchwork")
    }

    assert named <= own, named
