"""The engine as a library: event loops, threads, several processes, the memory cap."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from spelunk import Index, SpelunkError
from spelunk.errors import IndexBusyError, MemoryLimitError
from spelunk.observe.events import BackfillProgress
from spelunk.testing import logical_content
from tests.corpus import python_file, write_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 60)
    return root


@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_an_update_runs_inside_a_running_event_loop(tree: Path, mode: str) -> None:
    index = Index.open(tree, mode=mode, workers=2)

    async def main() -> int:
        return index.update().files.indexed

    assert asyncio.run(main()) == 62


def test_workers_are_started_afresh_beside_other_threads(tree: Path) -> None:
    index = Index.open(tree, mode="parallel", workers=2)
    stop = threading.Event()
    other = threading.Thread(target=stop.wait)
    other.start()
    try:
        report = index.update()
    finally:
        stop.set()
        other.join()

    assert report.mode == "parallel" and report.files.indexed == 62
    fresh = Index.open(tree, mode="sequential", index_dir=str(tree.parent / "other"))
    fresh.update()
    assert logical_content(index.directory) == logical_content(fresh.directory)


HOST = """
import gc, os, sys, threading
from spelunk import Index

def state():
    with open("/proc/self/status") as status:
        umask = next(line.split()[1] for line in status if line.startswith("Umask"))
    return gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), umask, os.getcwd(), dict(os.environ)

before, seen, stop = state(), [], threading.Event()

def watch():
    while not stop.is_set():
        seen.append(state())

thread = threading.Thread(target=watch)
if sys.argv[4] == "threads":
    thread.start()
index = Index.open(sys.argv[1], index_dir=sys.argv[2], mode=sys.argv[3], workers=2)
index.observer = lambda event: seen.append(state())
try:
    index.update()
    index.search("flush the queue")
finally:
    stop.set()
assert len(seen) > 20, len(seen)
assert all(s == before for s in [*seen, state()]), [s[:4] for s in seen if s != before][:3]
"""


@pytest.mark.parametrize("mode", ["sequential", "parallel"])
@pytest.mark.parametrize("host", ["threads", "alone"])
def test_a_host_program_keeps_its_collector_mask_and_environment(
    tree: Path, tmp_path: Path, mode: str, host: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOST, str(tree), str(tmp_path / "ix"), mode, host],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr


def test_progress_reaches_all_files_and_bytes(tree: Path) -> None:
    calls: list[tuple[int, int, int, int]] = []

    report = Index.open(tree).update(progress=lambda *call: calls.append(call))

    assert calls == sorted(calls)
    assert calls[-1] == (report.files.indexed, report.files.indexed, report.bytes, report.bytes)


def test_a_backfill_tells_its_progress(tree: Path) -> None:
    index = Index.open(tree, embedder="hashed")
    index.update()
    told: list[BackfillProgress] = []
    index = Index.open(tree, observer=lambda e: told.append(e) if isinstance(e, BackfillProgress) else None)

    index.update()  # the usual embedder makes the vectors anew

    assert told and told == sorted(told)
    assert told[-1].done == told[-1].total == index.status().chunks


@pytest.mark.parametrize("threads", [0, 1], ids=["forked", "spawned"])
def test_a_rebuild_with_the_standard_streams_closed_leaves_an_index(
    tree: Path, tmp_path: Path, threads: int
) -> None:
    """Pipes must not take the numbers of closed standard streams, nor the output of a worker a pipe's."""
    place = str(tmp_path / "ix")
    Index.open(tree, index_dir=place).update()
    code = (
        "import os, sys, threading\n"
        "for fd in (0, 1, 2): os.close(fd)\n"
        "sys.stdin = sys.stdout = sys.stderr = None\n"
        f"stop = threading.Event(); [threading.Thread(target=stop.wait).start() for _ in range({threads})]\n"
        "from spelunk import Index\n"
        f"index = Index.open({str(tree)!r}, index_dir={place!r}, mode='parallel', workers=2)\n"
        "try: report = index.update(rebuild=True)\n"
        "finally: stop.set()\n"
        "os._exit(0 if (report.mode, report.files.indexed, report.files.failed) == ('parallel', 62, 0) else 3)\n"
    )

    assert subprocess.run([sys.executable, "-c", code], close_fds=True).returncode == 0
    assert Index.open(tree, index_dir=place).check().ok


@pytest.mark.parametrize("command", [["-m", "host"], ["host.py"]])
def test_spawned_workers_import_nothing_from_the_current_folder(
    tree: Path, tmp_path: Path, command: list[str]
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for name in ("pickle", "struct", "signal", "xxhash", "re2", "zstandard", "decimal"):
        (here / f"{name}.py").write_text(f"raise SystemExit('{name} of the current folder was imported')\n")
    (here / "host.py").write_text(
        "import os, sys\n"
        "here = sys.path.pop(0)\n"  # the host imports its own modules first, and not the traps
        "import threading; from spelunk import Index\n"
        "import spelunk.pipeline.update\n"
        "sys.path.insert(0, here)\n"
        "stop = threading.Event(); threading.Thread(target=stop.wait).start()\n"
        f"index = Index.open({str(tree)!r}, index_dir={str(tmp_path / 'ix')!r}, mode='parallel', workers=2)\n"
        "try: print(index.update().mode)\n"
        "finally: stop.set()\n"
    )
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONSAFEPATH": ""}

    done = subprocess.run([sys.executable, *command], cwd=here, env=env, capture_output=True, text=True)

    assert (done.stdout.strip(), done.stderr) == ("parallel", "")


def test_searches_from_several_threads_while_another_updates(tree: Path) -> None:
    index = Index.open(tree)
    index.update()
    errors: list[BaseException] = []
    done = threading.Event()

    def search() -> None:
        try:
            while not done.is_set():
                assert index.search("flush the queue", refresh=False).hits
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(6):
        (tree / "pkg0" / f"mod_{n}.py").write_text(python_file(5000 + n))
        index.update()
    done.set()
    for thread in threads:
        thread.join()

    assert not errors
    index.close()


def test_a_snapshot_is_not_disturbed_by_an_update(tree: Path) -> None:
    index = Index.open(tree)
    index.update()
    with index.snapshot() as snapshot:
        before = {f.path: f.digest for f in snapshot.all_files()}
        (tree / "core.c").write_text("int other(void)\n{\n\treturn 2;\n}\n")
        index.update()

        assert {f.path: f.digest for f in snapshot.all_files()} == before
        assert snapshot.frequencies(["return"], "body")["return"] == len(
            [
                c
                for f in snapshot.all_files()
                for c in snapshot.chunks_of(f)
                if "return" in snapshot.text(f.id).of(c)
            ]
        )


def test_a_cap_that_is_too_small_is_refused_before_work_starts(tree: Path) -> None:
    index = Index.open(tree, memory_limit="20MiB")

    with pytest.raises(MemoryLimitError, match=r"at least \d+\.\d MiB is needed"):
        index.update()

    assert index.status().state == "missing"


def test_a_cap_lets_go_of_workers(tree: Path) -> None:
    # In a process of its own: the cap counts what the tests before this one left in memory.
    flags = ["--memory-limit", "320MiB", "--workers", "8", "--mode", "parallel", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "spelunk", "index", str(tree), *flags], capture_output=True, check=True
    )
    report = json.loads(done.stdout)

    assert report["workers"] < 8 and report["files"]["indexed"] == 62
    assert report["peak_rss_bytes"] < 320 * 2**20


PROCESS = """
import random, sys, time
from spelunk import Index, SpelunkError
from spelunk.errors import IndexBusyError
root, place, role, seconds = sys.argv[1:5]
index = Index.open(root, index_dir=place)
end = time.monotonic() + float(seconds)
count = 0
while time.monotonic() < end:
    try:
        if role == "index":
            index.update(wait=True)
        elif role == "try":
            index.update()
        elif role == "check":
            report = index.check()
            assert report.ok, report
        else:
            assert index.search("flush the queue", refresh=role == "fresh").hits
        count += 1
    except IndexBusyError as error:
        assert "pid" in str(error) or "another process" in str(error)
        time.sleep(0.02)
print(count)
"""


def run_together(tree: Path, place: Path, roles: list[str], seconds: float) -> list[tuple[str, int, str]]:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tree), str(place), role, str(seconds)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for role in roles
    ]  # fmt: skip
    end = time.monotonic() + seconds
    n = 0
    while time.monotonic() < end:
        n += 1
        (tree / "pkg1" / f"mod_{10 + n % 10}.py").write_text(python_file(7000 + n))
        time.sleep(0.1)
    out = []
    for role, process in zip(roles, processes, strict=True):
        stdout, stderr = process.communicate()
        out.append((role, process.returncode, stdout + stderr))
    return out


@pytest.mark.parametrize("seconds", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_one_writer_and_many_readers(tree: Path, tmp_path: Path, seconds: float) -> None:
    place = tmp_path / "ix"
    Index.open(tree, index_dir=str(place)).update()
    roles = ["index", "try", "search", "search", "fresh", "check"]
    if seconds > 10:
        roles = ["index"] * 3 + ["try"] * 3 + ["search"] * 5 + ["fresh"] * 3 + ["check"] * 2

    for role, code, output in run_together(tree, place, roles, seconds):
        assert code == 0, f"{role}: {output}"
        assert int(output) > 0 or role == "try", role

    index = Index.open(tree, index_dir=str(place))
    index.update()
    fresh = Index.open(tree, index_dir=str(tmp_path / "fresh"))
    fresh.update()
    assert logical_content(index.directory) == logical_content(fresh.directory)
    assert index.check().ok


def test_a_worker_ends_with_its_parent(tree: Path, tmp_path: Path) -> None:
    write_tree(tree, 300, functions=20)
    command = [sys.executable, "-m", "spelunk", "index", str(tree), "--index-dir", str(tmp_path / "ix")]
    process = subprocess.Popen([*command, "--mode", "parallel", "--workers", "3"], stderr=subprocess.DEVNULL)
    children: list[int] = []
    while not children and process.poll() is None:
        children = [
            int(p) for p in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        ]

    process.kill()
    process.wait()

    end = time.monotonic() + 120
    while any(Path(f"/proc/{pid}").exists() for pid in children):
        assert time.monotonic() < end, "a worker outlived its parent"
        time.sleep(0.05)


def test_errors_share_one_root() -> None:
    assert issubclass(IndexBusyError, SpelunkError) and issubclass(MemoryLimitError, SpelunkError)
    assert os.environ["SPELUNK_HOME"]
