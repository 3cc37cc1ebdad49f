"""Real repositories to work in, the real Graphite client, and a stand-in for gh."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from select import PIPE_BUF
from typing import Any

import pytest

from spelunk.branchwork import Branchwork
from spelunk.branchwork.document import template
from spelunk.branchwork.settings import load
from tests.forked import forks

DATA = Path(__file__).parent / "data"
TEMPLATE = template.load().text
NOON = 1_756_468_800.0  # 2025-08-29 12:00 UTC


@pytest.fixture(autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting, name or credential of the person who runs the tests."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("GIT_", "SPELUNK_", "GITHUB_", "GH_")):
            monkeypatch.delenv(name)
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@dataclass
class Sandbox:
    """A repository under ``root`` and short words for what happens in it."""

    root: Path
    now: float = NOON
    commits: int = 0
    env: dict[str, str] = field(default_factory=dict)

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd or self.root,
            capture_output=True,
            text=True,
            env={**os.environ, **self.env},
        )
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout

    def commit(self, name: str = "", text: str = "", *, cwd: Path | None = None) -> str:
        self.commits += 1
        folder = cwd or self.root
        path = folder / (name or f"file{self.commits}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or f"{self.commits}\n")
        self.git("add", "-A", cwd=folder)
        self.git("commit", "-q", "-m", f"commit {self.commits}", cwd=folder)
        return self.git("rev-parse", "HEAD", cwd=folder).strip()

    def branch(self, name: str, start: str = "HEAD", *, commit: bool = True) -> None:
        self.git("checkout", "-q", "-b", name, start)
        if commit:
            self.commit()

    def stack(self, *names: str) -> None:
        for name in names:
            self.branch(name)

    @property
    def work(self) -> Branchwork:
        """The API here, as a new process would load it, at the sandbox's time."""
        return Branchwork.load(str(self.root), clock=lambda: self.now)

    def offline(self) -> Branchwork:
        settings = load(str(self.root), {"SPELUNK_BRANCHWORK_SOURCES": ""})
        return Branchwork.load(str(self.root), settings=settings, clock=lambda: self.now)

    def path(self, branch_slug: str) -> Path:
        return self.root / ".agents/logs/branchwork" / f"CURRENT-{branch_slug}.md"

    def put(self, branch_slug: str, text: str) -> Path:
        path = self.path(branch_slug)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    def bw(
        self, *arguments: str, stdin: str | bytes = "", cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        raw = stdin if isinstance(stdin, bytes) else stdin.encode()
        env = {**os.environ, **self.env}
        if len(raw) <= PIPE_BUF:  # so that it can be written before it is read
            read, write = os.pipe()
            os.write(write, raw)
            os.close(write)
            forked = forks(env).run(
                arguments, str(cwd or self.root), env, stdin=read, module="spelunk.branchwork"
            )
            os.close(read)
            return forked
        done = subprocess.run(
            [sys.executable, "-m", "spelunk.branchwork", *arguments],
            cwd=cwd or self.root, input=raw, capture_output=True, env=env,
        )  # fmt: skip
        out, err = (
            done.stdout.decode("utf-8", "surrogateescape"),
            done.stderr.decode("utf-8", "surrogateescape"),
        )
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def json(self, *arguments: str, stdin: str = "") -> dict[str, Any]:
        done = self.bw(*arguments, "--json", stdin=stdin)
        assert done.returncode in (0, 1), done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture
def box(tmp_path: Path, clean_environment: None) -> Sandbox:
    """A repository with one commit on main."""
    root = tmp_path / "repo"
    root.mkdir()
    sandbox = Sandbox(root)
    sandbox.git("init", "-q")
    sandbox.commit("start.py")
    return sandbox


@pytest.fixture(scope="session")
def example() -> str:
    """The filled example that users know."""
    return (DATA / "parallel-indexing.md").read_text(encoding="utf-8")


GRAPHITE = Path(sys.prefix) / "graphite"
"""Where scripts/graphite puts the client; `make test` runs it before the tests."""


@pytest.fixture(scope="session")
def gt_home() -> Path:
    """The folder with the real ``gt``; nothing is downloaded here."""
    folder = GRAPHITE / "node_modules/.bin"
    if not (folder / "gt").exists():
        skipped = GRAPHITE / "skipped"
        reason = (
            skipped.read_text().strip() if skipped.exists() else "`make test` installs the Graphite client"
        )
        print(f"skipped: {reason}")
        pytest.skip(reason)
    return folder


@pytest.fixture
def gt(box: Sandbox, gt_home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run ``gt`` in the sandbox; it is also on the PATH."""
    monkeypatch.setenv("PATH", f"{gt_home}{os.pathsep}{os.environ['PATH']}")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            ["gt", *arguments, "--no-interactive"], cwd=box.root, capture_output=True, text=True
        )
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    return run


@dataclass
class StandIn:
    """An executable of some name that prints what it is told to, and keeps count."""

    folder: Path
    name: str

    def says(self, text: str, *, code: int = 0, error: str = "") -> None:
        (self.folder / f"{self.name}.out").write_text(text, encoding="utf-8")
        (self.folder / f"{self.name}.err").write_text(error, encoding="utf-8")
        (self.folder / f"{self.name}.code").write_text(str(code))

    def calls(self) -> list[str]:
        log = self.folder / f"{self.name}.log"
        return log.read_text().splitlines() if log.exists() else []

    def forget(self) -> None:
        (self.folder / f"{self.name}.log").unlink(missing_ok=True)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], StandIn]]:
    """Makes an executable that replays recorded output, first on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def make(name: str) -> StandIn:
        script = folder / name
        script.write_text(
            "#!/bin/sh\n"
            f'd="{folder}/{name}"\n'
            'echo "$@" >> "$d.log"\n'
            'cat "$d.err" >&2\ncat "$d.out"\nexit "$(cat "$d.code")"\n'
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        made = StandIn(folder, name)
        made.says("")
        return made

    yield make


def pull(**changes: Any) -> str:
    """What ``gh pr view --json`` prints for an open, reviewed pull request with checks, as recorded."""
    facts: dict[str, Any] = {
        "baseRefName": "main",
        "isDraft": False,
        "latestReviews": [
            {"id": "PRR_1", "author": {"login": "galligan"}, "authorAssociation": "MEMBER", "body": "LGTM",
             "submittedAt": "2025-08-30T09:00:00Z", "includesCreatedEdit": False, "reactionGroups": [],
             "state": "COMMENTED", "commit": {"oid": "abc"}},
            {"id": "PRR_2", "author": {"login": "coderabbitai"}, "authorAssociation": "NONE", "body": "",
             "submittedAt": "2025-08-29T21:15:00Z", "includesCreatedEdit": False, "reactionGroups": [],
             "state": "CHANGES_REQUESTED", "commit": {"oid": "abc"}},
        ],
        "number": 47,
        "reviewDecision": "CHANGES_REQUESTED",
        "state": "OPEN",
        "statusCheckRollup": [
            {"__typename": "CheckRun", "completedAt": "2025-08-29T18:59:00Z", "conclusion": "SUCCESS",
             "detailsUrl": "https://github.com/o/r/actions/runs/1/job/1", "name": "build",
             "startedAt": "2025-08-29T18:55:00Z", "status": "COMPLETED", "workflowName": "CI"},
            {"__typename": "CheckRun", "completedAt": "0001-01-01T00:00:00Z", "conclusion": "",
             "detailsUrl": "https://github.com/o/r/actions/runs/1/job/2", "name": "bench",
             "startedAt": "2025-08-29T18:55:00Z", "status": "IN_PROGRESS", "workflowName": "CI"},
            {"__typename": "StatusContext", "context": "coverage/total", "state": "FAILURE",
             "targetUrl": "https://example.org/1", "startedAt": "2025-08-29T18:55:00Z"},
        ],
        "title": "Add Parallel Indexing",
        "url": "https://github.com/o/r/pull/47",
    }  # fmt: skip
    return json.dumps({**facts, **changes})
