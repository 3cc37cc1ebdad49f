"""The real command in a temporary folder with a home of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forked import forks

START = [sys.executable, "-m", "spelunk"]


class Cli:
    """Runs ``spelunk`` as a process: a forked one where that makes no difference, else a started one."""

    def __init__(self, home: Path, cwd: Path) -> None:
        self.home = home
        self.cwd = cwd
        drop = ("SPELUNK_", "NO_COLOR", "COLUMNS", "RUST_BACKTRACE", "PYTHONUNBUFFERED")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
        self.env |= {"SPELUNK_HOME": str(home), "PYTHONUTF8": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        self.forks = forks(self.env)
        self.argv = START

    def __call__(self, *args, cwd=None, env=None, stdin=subprocess.DEVNULL):
        words, cwd, env = [*map(str, args)], str(cwd or self.cwd), self.env | (env or {})
        if self.argv is START and self.forks.suits(env):
            stdin = stdin if isinstance(stdin, int) else stdin.fileno()
            return self.forks.run(words, cwd, env, stdin=stdin)
        return subprocess.run(
            [*self.argv, *words],
            cwd=cwd,
            env=env,
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def ok(self, *args, **more):
        """Run; it must end with 0. Its standard output."""
        done = self(*args, **more)
        assert done.returncode == 0, (args, done)
        return done.stdout

    def json(self, *args, **more):
        """Run with ``--json``; the object printed."""
        return json.loads(self.ok(*args, "--json", **more))

    def refused(self, *args, **more):
        """Run; it must end with 2, nothing on standard output and one line. That line."""
        done = self(*args, **more)
        assert (done.returncode, done.stdout) == (2, ""), (args, done)
        lines = done.stderr.splitlines()
        assert len(lines) == 1 and lines[0].startswith("spelunk: "), done.stderr
        assert "this is a bug" not in lines[0]
        return lines[0]


@pytest.fixture
def tree(tmp_path):
    """A small project."""
    root = tmp_path / "project"
    (root / "src" / "net").mkdir(parents=True)
    (root / "docs").mkdir()
    (root / "src" / "queue.py").write_text(
        'class Queue:\n    """Holds batches."""\n\n    def flush(self, batch):\n'
        '        """Write a batch to disk."""\n        self.disk.write(batch)\n'
    )
    (root / "src" / "net" / "dial.go").write_text(
        "package net\n\n// Dial connects to an address.\nfunc Dial(address string) error {\n\treturn connect(address)\n}\n"
    )
    (root / "docs" / "guide.md").write_text("# Guide\n\n## Otters\n\nAn otter swims. It connects nothing.\n")
    (root / "build.log").write_text("noise\n")
    (root / ".gitignore").write_text("# made\n*.log\n")
    (root / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    return root


@pytest.fixture
def cli(tmp_path, tree):
    return Cli(tmp_path / "home", tree)
