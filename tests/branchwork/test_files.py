"""The disk: two writers, a writer in an editor, hooks, the workflow, settings, and the manual."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from spelunk.branchwork import store
from spelunk.branchwork.actions import hook, workflow
from spelunk.branchwork.document.document import Worklog
from spelunk.branchwork.settings import SCHEMA, Settings, load
from spelunk.cli.commands.branchwork import configure
from spelunk.cli.parser import Parser
from spelunk.errors import ConfigError

from .conftest import Sandbox

DOCS = Path(__file__).parents[2] / "docs"
WORKFLOW = workflow.text()


def test_processes_that_log_at_once_lose_nothing(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()
    code = (
        "import sys; from spelunk.branchwork import Branchwork\n"
        "work = Branchwork.load('.')\n"
        "for n in range(15): work.log(f'{sys.argv[1]}-{n}', author='p'); work.update('Notes', items=(f'{sys.argv[1]}-{n}',))\n"
    )

    running = [subprocess.Popen([sys.executable, "-c", code, str(p)], cwd=box.root) for p in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]

    shown = box.work.show()
    expected = {f"{p}-{n}" for p in range(3) for n in range(15)}
    assert {u["summary"] for u in shown["updates"]} == expected
    assert {n["text"] for n in shown["notes"]} == expected
    assert len(shown["updates"]) == len(shown["notes"]) == 45


def test_what_an_editor_saves_meanwhile_is_kept(box: Sandbox) -> None:
    box.branch("feat/a")
    work = box.work
    path = work.create().path
    saved: list[bool] = []

    def change(doc: Worklog) -> Worklog:
        if not saved:  # somebody saves in an editor while the first attempt is under way
            saved.append(True)
            file = box.root / path
            file.write_text(file.read_text() + "\nfrom the editor\n")
        return Worklog([*doc.lines, "from the tool\n"])

    work.store.edit(path, change)

    text = (box.root / path).read_text()
    assert "from the editor\n" in text
    assert text.endswith("from the tool\n")


def test_a_crash_while_writing_leaves_the_old_document(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    box.branch("feat/a")
    box.work.create()
    before = box.path("feat-a").read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        box.work.log("x")
    monkeypatch.undo()

    assert box.path("feat-a").read_bytes() == before
    assert [p.name for p in box.path("feat-a").parent.iterdir()] == ["CURRENT-feat-a.md"]


def test_a_write_keeps_mode_and_symlinks(tmp_path: Path) -> None:
    real = tmp_path / "real.md"
    real.write_text("a\n")
    real.chmod(0o640)
    (tmp_path / "link.md").symlink_to("real.md")

    assert store.replace(str(tmp_path / "link.md"), "b\r\n", expected="a\n")

    assert (tmp_path / "link.md").is_symlink()
    assert real.read_bytes() == b"b\r\n"
    assert real.stat().st_mode & 0o777 == 0o640
    assert not store.replace(str(real), "c\n", expected="other\n")


def test_a_checkout_moves_the_link_through_the_hook(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()
    box.commit()
    box.branch("feat/b")
    box.work.create()
    box.commit()
    link = box.root / ".agents/logs/CURRENT.md"
    box.bw("install-hook")

    seen = []
    for name in ("feat/a", "main", "feat/b"):
        done = subprocess.run(["git", "checkout", "-q", name], cwd=box.root, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        seen.append(link.readlink().name if link.is_symlink() else None)

    assert seen == ["CURRENT-feat-a.md", None, "CURRENT-feat-b.md"]


TRAPS = ("__future__", "typing", "json", "re", "subprocess", "pathlib", "dataclasses", "argparse", "spelunk")


def test_a_checkout_runs_no_code_of_the_repository(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()
    for name in TRAPS:
        (box.root / f"{name}.py").write_text(f"open('sprung', 'a').write('{name} ')\n")
    box.git("add", "-f", *(f"{name}.py" for name in TRAPS))
    box.commit()
    hook.install(box.work.repo)
    box.git("checkout", "-q", "main")

    box.git("checkout", "-q", "feat/a")

    assert (box.root / ".agents/logs/CURRENT.md").readlink().name == "CURRENT-feat-a.md"
    (box.root / "spelunk.py").unlink()  # the interpreter itself finds a package of that name there
    assert box.bw("list").returncode == 0
    assert not (box.root / "sprung").exists()


def test_a_rebase_leaves_the_link_where_it_was(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()
    box.commit()
    box.bw("install-hook")
    box.git("checkout", "-q", "main")
    box.commit()
    box.git("checkout", "-q", "feat/a")

    box.git("rebase", "-q", "main")

    assert (box.root / ".agents/logs/CURRENT.md").readlink().name == "CURRENT-feat-a.md"


@pytest.mark.parametrize(
    "existing",
    [
        b"#!/bin/sh\necho hooked >> hooked\n",
        b"#!/usr/bin/env bash\necho hooked >> hooked\nexit 0\n",
        b"echo hooked >> hooked",
        b"#!/usr/bin/env python3\nopen('hooked', 'a').write('hooked\\n')\n",
    ],
)
def test_an_existing_hook_still_runs_and_comes_back_exactly(box: Sandbox, existing: bytes) -> None:
    box.branch("feat/a")
    box.work.create()
    box.commit()
    path = box.root / ".git/hooks/post-checkout"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(existing)
    path.chmod(0o755)
    box.git("checkout", "-q", "main")
    (box.root / "hooked").unlink(missing_ok=True)

    box.bw("install-hook")
    again = box.bw("install-hook")
    box.git("checkout", "-q", "feat/a")

    assert again.stderr.strip() == "spelunk: unchanged"
    assert (box.root / "hooked").read_text() == "hooked\n"
    assert (box.root / ".agents/logs/CURRENT.md").is_symlink()
    box.bw("install-hook", "--remove")
    assert path.read_bytes() == existing
    assert path.stat().st_mode & 0o777 == 0o755
    assert [p.name for p in path.parent.iterdir() if p.name.startswith("post-checkout")] == ["post-checkout"]


def test_a_hook_of_our_own_goes_without_a_trace(box: Sandbox) -> None:
    box.git("config", "core.hooksPath", "my hooks")

    installed = box.json("install-hook")
    path = box.root / "my hooks/post-checkout"
    there = path.exists()
    removed = box.json("install-hook", "--remove")

    assert (installed["path"], installed["action"], there) == (str(path), "created", True)
    assert (removed["action"], path.exists()) == ("removed", False)
    assert box.json("install-hook", "--remove")["action"] == "absent"


def test_a_broken_installation_never_fails_a_checkout(box: Sandbox) -> None:
    path, _, raw = hook.install(box.work.repo)
    Path(path).write_bytes(raw.replace(os.fsencode(sys.executable), b"/nonexistent/python"))
    box.git("branch", "feat/a")

    done = subprocess.run(
        ["git", "checkout", "-q", "feat/a"], cwd=box.root, capture_output=True, text=True,
        env={**os.environ, "PATH": "/usr/bin:/bin"},
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_hook_that_git_skips_is_not_woken(box: Sandbox) -> None:
    path = box.root / ".git/hooks/post-checkout"
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\nexit 1\n")

    done = box.bw("install-hook")

    assert done.returncode == 2
    assert "not executable" in done.stderr
    assert path.read_text() == "#!/bin/sh\nexit 1\n"


def test_the_workflow_is_written_once_and_never_over_another(box: Sandbox) -> None:
    first = box.bw("install-workflow")
    second = box.json("install-workflow")
    path = box.root / ".github/workflows/archive-branchwork.yml"
    path.write_text("mine\n")
    third = box.bw("install-workflow")

    assert (first.returncode, second["changed"], third.returncode) == (0, False, 2)
    assert path.read_text() == "mine\n"


def test_the_workflow_never_puts_a_contributors_name_into_a_script() -> None:
    assert (DOCS / "workflows/archive-branchwork.yml").read_text() == WORKFLOW
    scripts = re.findall(r"run: (?:\|\n((?: {10}.*\n|\n)+)|(.*)\n)", WORKFLOW)
    assert scripts
    for block, line in scripts:
        assert "${{" not in block + line
    assert "HEAD_REF: ${{ github.event.pull_request.head.ref }}" in WORKFLOW


def test_the_workflows_script_archives_and_pushes(box: Sandbox, tmp_path: Path) -> None:
    """Its shell, run for real against a real remote, with a head name that a shell would love."""
    origin = tmp_path / "origin.git"
    box.git("clone", "-q", "--bare", str(box.root), str(origin), cwd=tmp_path)
    box.git("remote", "add", "origin", str(origin))
    head = "feat/$(touch${IFS}pwned);x"
    box.branch(head)
    box.work.create()
    box.commit()
    box.git("checkout", "-q", "main")
    box.git("merge", "-q", "--no-ff", head, "-m", "merge")
    box.git("push", "-q", "origin", "main")
    found = re.search(r"- name: Archive and push\n +run: \|\n((?: {10}.*\n)+)", WORKFLOW)
    assert found
    script = re.sub(r"^ {10}", "", found.group(1), flags=re.M)
    script = script.replace("spelunk branchwork", f'"{sys.executable}" -m spelunk.branchwork')

    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=box.root, capture_output=True, text=True,
        env={**os.environ, "HEAD_REF": head, "BASE_REF": "main", "PR_NUMBER": "47"},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert not list(box.root.glob("**/pwned"))
    names = box.git("ls-tree", "-r", "--name-only", "main", cwd=origin).split()
    assert any(
        re.fullmatch(r"\.agents/logs/branchwork/\d{12}-feat-touch-ifs-pwned-x\.md", name) for name in names
    )
    assert not any("CURRENT-" in name for name in names)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('[branchwork]\nordr = "newest"\n', "did you mean order?"),
        ('[branchwork]\norder = "up"\n', "must be one of newest, oldest, keep"),
        ('[branchwork]\ndir = "../out"\n', "inside the repository"),
        ('[branchwork]\ndir = "/tmp"\n', "inside the repository"),
        ("[branchwork]\ntimeout = 0\n", "seconds"),
        ('[branchwork]\nsources = ["svn"]\n', "may name graphite"),
        ("[branchwork\n", "not valid TOML"),
        ("branchwork = 3\n", "must be a table"),
    ],
)
def test_a_bad_setting_names_its_file_and_what_to_do(box: Sandbox, toml: str, said: str) -> None:
    (box.root / "spelunk.toml").write_text(toml)

    done = box.bw("status")

    assert done.returncode == 2
    assert "spelunk.toml" in done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_settings_come_from_files_and_then_the_environment(tmp_path: Path) -> None:
    (tmp_path / "spelunk.toml").write_text('[branchwork]\norder = "keep"\n')
    (tmp_path / "pyproject.toml").write_text(
        '[tool.spelunk.branchwork]\norder = "oldest"\ntrunk = "dev"\ntracked = false\n'
    )

    found = load(str(tmp_path), {"SPELUNK_BRANCHWORK_TRACKED": "yes", "SPELUNK_BRANCHWORK_SOURCES": ""})

    assert (found.order, found.trunk, found.tracked, found.sources) == ("keep", "dev", True, ())
    assert load(str(tmp_path / "none"), {}) == Settings()
    with pytest.raises(ConfigError, match="SPELUNK_BRANCHWORK_ORDER"):
        load(str(tmp_path), {"SPELUNK_BRANCHWORK_ORDER": "x"})


def test_every_command_flag_and_setting_is_in_the_manual() -> None:
    manual = (DOCS / "branchwork.md").read_text(encoding="utf-8")
    parser = Parser(prog="x")
    configure(parser)
    commands = next(a for a in parser._actions if a.choices).choices
    assert isinstance(commands, dict)

    for name, sub in commands.items():
        assert f"`{name}" in manual, name
        for action in sub._actions:
            for flag in set(action.option_strings) - {"-h"}:
                assert re.search(rf"{flag}[ `\]]", manual), (name, flag)
    for name in SCHEMA.names:
        assert f"| `{name}` |" in manual, name
    assert WORKFLOW in manual
