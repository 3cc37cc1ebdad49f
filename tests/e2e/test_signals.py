"""Signals and pipes: a run stops at once, quietly, and loses nothing that was published."""

import os
import pty
import signal
import subprocess
import time

import pytest


@pytest.fixture
def large(tree):
    """Enough files to be at it for some seconds."""
    for n in range(300):
        body = "\n\n".join(
            f"def work_{n}_{i}(first, second):\n    '''Step {i}.'''\n    return first + second * {i}"
            for i in range(60)
        )
        (tree / "src" / f"module{n}.py").write_text(body)
    return tree


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_a_signal_ends_an_index_run_in_one_line(cli, large, number, status, mode):
    process = subprocess.Popen(
        [*cli.argv, "index", "--mode", mode, "--workers", "2"], cwd=large,
        env=cli.env | {"SPELUNK_FAULTS": "take.end#9=hang"}, text=True,  # so that it is at work for sure
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while process.poll() is None and not list(cli.home.glob("*/lexical-*")):
        time.sleep(0.01)
    began = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate()
    took = time.monotonic() - began

    assert process.returncode == status, (out, err)
    assert out == ""
    assert len(err.splitlines()) == 1 and "kept" in err
    assert took < 60  # within a second on a quiet machine; the hanging call alone would take for ever
    assert cli.json("index")["files"]["failed"] == 0
    report = cli.json("check")
    assert report["ok"] is True
    assert report["files"] == 303


def test_a_second_writer_is_told_who_is_at_it_or_waits(cli, large):
    first = subprocess.Popen(
        [*cli.argv, "index", "-q"],
        cwd=large,
        env=cli.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while first.poll() is None and not list(cli.home.glob("*/lexical-*")):
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        line = cli.refused("index")
        writer = cli.json("status")["writer"]
    finally:
        os.kill(first.pid, signal.SIGCONT)
    waited = cli.json("index", "--wait")

    assert f"pid {first.pid}" in line and "--wait" in line
    assert writer["pid"] == first.pid
    assert waited["files"]["unchanged"] + waited["files"]["indexed"] == 303
    assert first.wait() == 0


def test_a_closed_pipe_is_no_error(cli, large):
    cli.ok("index")
    process = subprocess.Popen(
        [*cli.argv, "-q", "search", "work step", "-k", "3000", "--full"], cwd=large, env=cli.env,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdout.read(10)
    process.stdout.close()
    err = process.stderr.read()

    assert process.wait() == 0
    assert err == b""
    process.stderr.close()


def test_progress_is_shown_on_a_terminal_only(cli, large):
    assert "index [" not in cli("index", "--rebuild").stderr
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*cli.argv, "index", "--rebuild"], cwd=large, env=cli.env, stdout=subprocess.DEVNULL, stderr=child
    )
    os.close(child)
    seen = b""
    while True:
        try:
            data = os.read(parent, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
    os.close(parent)

    assert process.wait() == 0
    assert b"indexing [" in seen and b"files/s" in seen and b"left" in seen
    assert seen.endswith(b"\r\x1b[K")


def test_clear_asks_on_a_terminal(cli):
    for answer, status in ((b"n\n", 1), (b"y\n", 0)):
        cli.ok("index")
        parent, child = pty.openpty()
        process = subprocess.Popen(
            [*cli.argv, "clear"],
            cwd=cli.cwd,
            env=cli.env,
            stdin=child,
            stderr=child,
            stdout=subprocess.DEVNULL,
        )
        os.close(child)
        while b"[y/N]" not in os.read(parent, 65536):
            pass
        os.write(parent, answer)

        assert process.wait() == status
        os.close(parent)


INTERRUPTED_IMPORT = """
import os, signal, sys, weakref

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["TEST_IMPORT"] and not os.environ.pop("TEST_CALLBACK", ""):
            os.kill(os.getpid(), signal.SIGINT)
        elif name == os.environ["TEST_IMPORT"]:
            short_lived = Finder()
            reference = weakref.ref(short_lived, lambda _: os.kill(os.getpid(), signal.SIGINT))
            del short_lived
            os.kill(os.getpid(), 0)

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("callback", ["", "1"], ids=["import", "callback"])
@pytest.mark.parametrize(
    "name",
    [
        "spelunk.cli",
        "spelunk.cli.commands",
        "spelunk.cli.output",
        "spelunk.cli.parser",
        "argparse",
        "spelunk.index",
        "spelunk.search.many",
        "tantivy.tantivy",
    ],
)
def test_ctrl_c_while_the_command_is_imported_shows_no_traceback(cli, tmp_path, name, callback):
    cli.ok("index")
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "sitecustomize.py").write_text(INTERRUPTED_IMPORT)
    hook = {"PYTHONPATH": str(tmp_path / "hooks"), "TEST_IMPORT": name, "TEST_CALLBACK": callback}

    done = cli("search", "flush", env=hook)

    assert done.returncode == 130
    assert done.stdout == ""
    assert done.stderr.splitlines() in (
        [],
        ["spelunk: interrupted; everything published is kept, and the next run continues from there"],
    )
