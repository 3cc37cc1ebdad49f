"""`spelunk watch` measured: from a save to a search that finds it, at rest, and a crowd of files made while it is stopped.

python -m benchmarks.watch latency FOLDER [SAVES]   edits files of FOLDER: give it a copy
python -m benchmarks.watch crowd [FILES]            needs watchfiles, for the comparison
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spelunk import Index

PEER = """
import os, sys, watchfiles
seen = set()
print("ready", flush=True)
for changes in watchfiles.watch(sys.argv[1], watch_filter=None, rust_timeout=3000, yield_on_timeout=True):
    seen |= {os.path.basename(path) for _, path in changes if path.endswith(".txt")}
    print(len(seen), flush=True)
"""
SOURCES = (".py", ".c", ".h", ".java", ".js", ".go")


class Watcher:
    """The command in a process of its own."""

    def __init__(self, root: str, out: Path) -> None:
        self.out = out
        with open(out, "w") as stdout:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "spelunk", "watch", root, "--json"],
                stdout=stdout,
                stderr=subprocess.DEVNULL,
            )
        until(lambda: any(event["event"] == "watching" for event in self.events()), 600)

    def events(self) -> list[dict[str, Any]]:
        lines = self.out.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def usage(self) -> dict[str, int]:
        """CPU in ms, calls and bytes written, resident memory in MiB."""
        at = Path(f"/proc/{self.process.pid}")
        fields = (at / "stat").read_text().rpartition(")")[2].split()
        io = dict(line.split(": ") for line in (at / "io").read_text().splitlines())
        status = dict(line.split(":", 1) for line in (at / "status").read_text().splitlines())
        ticks = os.sysconf("SC_CLK_TCK")
        return {
            "cpu_ms": (int(fields[11]) + int(fields[12])) * 1000 // ticks,
            "write_calls": int(io["syscw"]),
            "write_bytes": int(io["write_bytes"]),
            "rss_mib": int(status["VmRSS"].split()[0]) // 1024,
        }


def until(condition: Callable[[], Any], seconds: float, step: float = 0.1) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(step)
    return True


def latency(folder: str, saves: int, out: Path) -> dict[str, Any]:
    watcher = Watcher(folder, out)
    time.sleep(6)
    started = watcher.usage()
    index = Index.open(folder)
    files = sorted(
        p
        for p in Path(folder).rglob("*")
        if p.suffix in SOURCES and not any(part.startswith(".") for part in p.relative_to(folder).parts)
    )
    chance, words = random.Random(3), random.Random()  # the same files in each run, and new words
    took: list[float] = []
    for _ in range(saves):
        file, word = chance.choice(files), "zq" + "".join(words.choices("bcdfghjklmnpqrstvwxz", k=12))
        data = file.read_bytes()
        began = time.perf_counter()
        file.write_bytes(data + f"\n// {word}\n".encode())

        def found(word: str = word) -> bool:
            answer = index.search(word, mode="lexical", refresh=False, limit=20)
            return any(word in hit.content for hit in answer.hits)

        until(found, 20, 0.004)
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(chance.uniform(0.2, 0.5))
    saved = watcher.usage()
    time.sleep(5)
    before = watcher.usage()
    time.sleep(30)
    after = watcher.usage()
    watcher.process.terminate()
    watcher.process.wait()
    took.sort()
    return {
        "saves": saves,
        "found_ms": {str(p): round(took[min(saves - 1, saves * p // 100)]) for p in (0, 50, 90, 99, 100)},
        "cpu_ms_per_save": round((saved["cpu_ms"] - started["cpu_ms"]) / saves, 1),
        "rss_mib": {"before": started["rss_mib"], "after": after["rss_mib"]},
        "idle_30_s": {key: after[key] - before[key] for key in ("cpu_ms", "write_calls", "write_bytes")},
        "load": os.getloadavg(),
    }


def crowd(count: int, base: Path) -> dict[str, Any]:
    root = base / "root"
    for n in range(count // 2000 + 1):
        (root / f"d{n}").mkdir(parents=True)
    watcher = Watcher(str(root), base / "out")
    peer = subprocess.Popen([sys.executable, "-c", PEER, str(root)], stdout=subprocess.PIPE, text=True)
    assert peer.stdout is not None
    peer.stdout.readline()
    time.sleep(5)
    for process in (watcher.process, peer):
        process.send_signal(signal.SIGSTOP)
    for n in range(count):
        (root / f"d{n // 2000}" / f"f{n}.txt").write_text(f"number {n}\n")
    for process in (watcher.process, peer):
        process.send_signal(signal.SIGCONT)
    began = time.monotonic()

    def indexed() -> int:
        return sum(e["files"]["indexed"] for e in watcher.events() if e["event"] == "updated")

    until(lambda: indexed() >= count, 600, 0.5)
    seconds = time.monotonic() - began
    time.sleep(6)
    os.set_blocking(peer.stdout.fileno(), False)
    reported = int((peer.stdout.read() or "0").split()[-1])
    peer.kill()
    watcher.process.terminate()
    peer.wait(), watcher.process.wait()
    told = [e["event"] for e in watcher.events() if e["event"] != "updated"]
    return {
        "files": count,
        "spelunk": indexed(),
        "watchfiles": reported,
        "seconds": round(seconds, 1),
        "told": told,
        "load": os.getloadavg(),
    }


def main(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as base:
        os.environ.setdefault("SPELUNK_HOME", f"{base}/home")
        if words[0] == "latency":
            print(json.dumps(latency(words[1], int((words[2:] or ["100"])[0]), Path(base) / "out")))
        else:
            print(json.dumps(crowd(int((words[1:] or ["20000"])[0]), Path(base))))


if __name__ == "__main__":
    main(sys.argv[1:])
