"""`spelunk watch` as a process: events, searches beside it, signals, and nothing done while nothing changes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.corpus import write_tree

LIMIT_SECONDS = 120


def until(condition, what):
    end = time.monotonic() + LIMIT_SECONDS
    while not (value := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.02)
    return value


class Watch:
    """A running watcher."""

    def __init__(self, cli, out, *args):
        self.out = out
        with open(out, "wb") as stdout:
            self.process = subprocess.Popen(
                [*cli.argv, "watch", *map(str, args)], cwd=cli.cwd, env=cli.env, text=True,
                stdout=stdout, stderr=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip

    def events(self):
        lines = self.out.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def kinds(self):
        return [event["event"] for event in self.events()]

    def wait(self, kind, times=1):
        until(lambda: self.kinds().count(kind) >= times or self.process.poll() is not None, kind)
        assert self.process.poll() is None, self.process.stderr.read()
        return [event for event in self.events() if event["event"] == kind][-1]

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=LIMIT_SECONDS)
        return self.process.returncode, err


@pytest.fixture
def watch(cli, tmp_path):
    made = []

    def start(*args):
        made.append(Watch(cli, tmp_path / f"out{len(made)}", *args))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


def found(cli, word):
    answer = json.loads(cli("search", word, "-m", "lexical", "--no-refresh", "--json").stdout or "{}")
    return any(word in hit["content"] for hit in answer.get("hits", []))


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_saved_file_is_found_and_a_signal_ends_it(cli, watch, number, status):
    one = watch("--json")
    one.wait("watching")
    (cli.cwd / "src" / "new.py").write_text("def kittiwake(): pass\n")
    until(lambda: found(cli, "kittiwake"), "the new file")
    event = one.wait("updated", 2)
    code, err = one.end(number)

    assert code == status
    assert "Traceback" not in err
    assert event["files"]["indexed"] == 1 and event["root"] == str(cli.cwd) and event["schema_version"] == 1
    assert cli.json("status")["state"] == "current"
    assert cli.json("check")["ok"]


def test_several_workspaces_and_text(cli, watch, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.md").write_text("# Heading\n\nText.\n")
    one = watch(cli.cwd, other)
    until(lambda: one.out.read_text().count("indexed") >= 2, "two first updates")
    (other / "b.md").write_text("# Shearwater\n\nFlies.\n")
    until(lambda: one.out.read_text().count(f"{other}: 1 indexed") == 2, "an update of the second")

    assert one.end(signal.SIGINT)[0] == 130


def test_callers_are_right_as_soon_as_a_search_is(cli, watch):
    source = cli.cwd / "src"
    (source / "auk.py").write_text("def auk():\n    return 1\n")
    one = watch("--json")
    one.wait("watching")
    for n in range(4):
        before = "from src.auk import auk\n" + "\n" * n
        (source / "shore.py").write_text(f"{before}\n\ndef razorbill{n}():\n    return auk()\n")
        until(lambda n=n: found(cli, f"razorbill{n}"), "the edit")
        answer = cli.json("callers", "auk", "--no-refresh")  # asked once: the same generation has both
        assert [(e["symbol"]["name"], e["line"]) for e in answer["edges"]] == [(f"razorbill{n}", n + 5)]
    (source / "shore.py").unlink()
    until(lambda: not found(cli, "razorbill3"), "the deletion")
    assert cli("callers", "auk", "--no-refresh").returncode == 1
    assert one.end()[0] == 143


def test_bad_arguments_are_refused(cli, tmp_path):
    assert "no such" in cli.refused("watch", "nowhere")
    assert "less than 1" in cli.refused("watch", "--poll", "0")


def usage(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(fields[11]) + int(fields[12]), int(io["syscw"]), int(io["write_bytes"])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_nothing_is_done_while_nothing_changes(cli, watch, tree):
    one = watch("--json")
    one.wait("watching")
    index = next(cli.home.glob("project-*"))

    def state():
        return usage(one.process.pid), {p: p.stat().st_mtime_ns for p in index.rglob("*")}

    def is_still():
        before = state()
        time.sleep(1)
        return state() == before

    until(is_still, "the end of what the start has to do")
    (ticks, *written), stamps = state()
    time.sleep(6)  # more than one look at the root
    (ticks_after, *written_after), stamps_after = state()

    assert written_after == written and stamps_after == stamps
    assert ticks_after - ticks <= 1  # of 10 ms


def test_a_crowd_of_files_made_while_it_is_stopped_is_indexed(cli, watch, tree):
    limit = Path("/proc/sys/fs/inotify/max_queued_events")
    if not limit.exists() or int(limit.read_text()) > 20_000:
        pytest.skip("no small queue of events here")
    one = watch("--json")
    one.wait("watching")
    os.kill(one.process.pid, signal.SIGSTOP)
    here, there = str(tree / "src" / "queue.py"), str(tree / "src" / "queue2.py")
    for _ in range(int(limit.read_text()) // 2 + 10):  # the queue is full before the files are made
        os.rename(here, there)
        here, there = there, here
    for name in ("a", "b"):
        (tree / "src" / f"hidden_{name}.py").write_text(f"def phalarope{name}(): pass\n")
    os.kill(one.process.pid, signal.SIGCONT)
    one.wait("overflow")

    until(lambda: found(cli, "phalaropea") and found(cli, "phalaropeb"), "files behind the overflow")


@pytest.mark.slow
def test_twenty_thousand_files_and_a_switch_of_five_thousand(cli, watch, tree):
    one = watch("--json")
    one.wait("watching")
    os.kill(one.process.pid, signal.SIGSTOP)
    for n in range(20_000):
        folder = tree / "made" / str(n // 200)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{n}.txt").write_text(f"number {n}\n")
    os.kill(one.process.pid, signal.SIGCONT)
    until(lambda: cli.json("status")["files"] == 20_003, "every file")

    git = ["git", "-C", str(tree), "-c", "user.email=a@b", "-c", "user.name=a"]
    subprocess.run(["git", "init", "-q", "-b", "main", str(tree)], check=True)
    for words in (["add", "-A"], ["commit", "-qm", "one"], ["checkout", "-qb", "other"]):
        subprocess.run([*git, *words], check=True)
    write_tree(tree, 40)
    for n in range(5_000):
        (tree / "made" / str(n // 200) / f"f{n}.txt").write_text(f"changed {n}\n")
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "two"], check=True)
    until(lambda: cli.json("status")["state"] == "current", "the edits")
    subprocess.run([*git, "checkout", "-q", "main"], check=True)
    until(lambda: cli.json("status")["state"] == "current", "the switch")
    assert cli.json("index", "--wait")["files"]["indexed"] == 0
    assert cli.json("check")["ok"]
