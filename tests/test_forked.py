"""Forked processes are like started ones: status, output, errors, what they leave, and their environment."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forked import Forks, forks

COMMANDS = [
    ["--version"], ["index"], ["search", "where is it written"], ["search", "flush", "--json"], ["callers", "flush"],
    ["search", "--query", '"open'], ["read", "a.py:2"], ["status"], ["nope"], ["index", "nowhere"], ["doctor"],
    ["index", "--rebuild", "--mode", "parallel", "--workers", "2"], ["branchwork", "list"], ["clear", "--yes"],
]  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a.py").write_text("def flush(n):\n    return write(n)\n\n\ndef run():\n    return flush(1)\n")
    return root


def changing(text: str, home: str) -> str:
    """The text without times, memory and the place of the index."""
    return re.sub(
        r"\d+(\.\d+)? m?s\b|[\d.]+ [KMGT]iB|_ms\":[\d.]+|\d\d:\d\d\S*", "#", text.replace(home, "HOME")
    )


def test_a_forked_command_does_what_a_started_one_does(tree: Path, tmp_path: Path) -> None:
    for words in COMMANDS:
        numpy = "index" in words
        found = []
        for name in ("forked", "started"):
            env = os.environ | {"SPELUNK_HOME": str(tmp_path / name)}
            if name == "forked":
                done = forks(env, numpy=numpy).run(words, str(tree), env)
            else:
                done = subprocess.run(
                    [sys.executable, "-m", "spelunk", *words], cwd=tree, env=env, stdin=subprocess.DEVNULL,
                    capture_output=True, text=True,
                )  # fmt: skip
            found.append(
                (done.returncode, *(changing(t, env["SPELUNK_HOME"]) for t in (done.stdout, done.stderr)))
            )
        assert found[0] == found[1], words


def test_standard_input_and_faults_reach_it(tree: Path, tmp_path: Path) -> None:
    env = dict(os.environ)
    forks(env).run(["index"], str(tree), env)
    (tmp_path / "trace").write_text('  File "a.py", line 2, in flush\nOSError: full\n')
    with (tmp_path / "trace").open() as file:
        done = forks(env).run(["-l"], str(tree), env, stdin=file.fileno())
    assert done.stdout.splitlines()[0] == "a.py"

    (tree / "a.py").write_text("def other():\n    pass\n")
    killed = forks(env).run(["index"], str(tree), env | {"SPELUNK_FAULTS": "publish.begin=kill"})
    assert killed.returncode == -signal.SIGKILL
    assert forks(env).run(["index"], str(tree), env).returncode == 0  # the next is unharmed


def test_it_can_be_watched_and_signalled(tree: Path) -> None:
    env = os.environ | {"SPELUNK_FAULTS": "publish.begin=hang"}
    process = forks(env).start(["index"], str(tree), env)
    while "nanosleep" not in Path(f"/proc/{process.pid}/wchan").read_text():
        assert process.poll() is None

    process.send_signal(signal.SIGINT)

    assert "interrupted" in process.communicate()[1]
    assert process.returncode == process.poll() == 130


def test_a_script_runs_it_as_a_command(tree: Path, tmp_path: Path) -> None:
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    inherited = forks(env).command(tmp_path / "spelunk")
    script = "spelunk index -q && spelunk -l flush | cat; cd /; spelunk read; echo $?; spelunk search -q zebra $OLDPWD || echo none"

    done = subprocess.run(
        ["bash", "-c", script], cwd=tree, env=env, pass_fds=[inherited], capture_output=True, text=True
    )

    assert done.stdout.split() == ["a.py", "2", "none"], done


def test_an_environment_that_is_read_at_the_start_does_not_suit() -> None:
    env = dict(os.environ)
    assert forks(env).suits(env | {"SPELUNK_HOME": "/x", "HOME": "/y"})
    assert not forks(env).suits(env | {"PYTHONUTF8": "0"}) and not forks(env).suits(env | {"LC_ALL": "C"})
    assert forks(env | {"LC_ALL": "C"}) is not forks(env) is forks(env | {"HOME": "/y"})


def test_the_process_that_forks_ends() -> None:
    made = Forks(os.environ)
    made.close()

    assert made._process.returncode == 0
