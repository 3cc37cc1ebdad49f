"""Measures discovery on a folder: the walk, its entries as objects, and the no-change check.

    python benchmarks/discovery.py FOLDER [--runs N]

Prints one JSON object; times are seconds, wall clock and processor time of
this process, each with its minimum and median over the runs. A first, unmeasured run warms the
page cache. Where the folder is a git repository, ``git ls-files`` over the
same files is timed beside it, and the two lists are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from typing import Any

from spelunk.config import Options
from spelunk.files.folder import FolderSource
from spelunk.files.walk import walk


def measure(runs: int, action: Callable[[], object]) -> dict[str, float]:
    walls: list[float] = []
    cpus: list[float] = []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        action()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {
        "wall_min": round(min(walls), 5),
        "wall_median": round(statistics.median(walls), 5),
        "cpu_min": round(min(cpus), 5),
        "cpu_median": round(statistics.median(cpus), 5),
    }


def beside_git(folder: str, runs: int) -> dict[str, Any] | None:
    if not os.path.exists(os.path.join(folder, ".git")):
        return None
    command = ["git", "ls-files", "-z", "-co", "--exclude-standard"]

    def ask() -> list[str]:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
        return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]

    found = walk(folder, Options(hidden=True))
    ours = {row[0] for row in found.rows} | {skipped.path for skipped in found.skipped}
    theirs = set(ask())
    return {
        "files": len(theirs),
        "only_git": len(theirs - ours),
        "only_here": len(ours - theirs),
        **measure(runs, ask),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure discovery on a folder.")
    parser.add_argument("folder")
    parser.add_argument("--runs", type=int, default=7)
    given = parser.parse_args()
    source = FolderSource(given.folder)
    found = walk(given.folder)
    result = {
        "folder": os.path.basename(os.path.abspath(given.folder)),
        "python": platform.python_version(),
        "files": len(found.rows),
        "skipped": len(found.skipped),
        "failed": len(found.failed),
        "fence_bytes": len(found.fence),
        "walk": measure(given.runs, lambda: walk(given.folder)),
        "entries": measure(given.runs, lambda: found.entries),
        "unchanged": measure(given.runs, lambda: source.unchanged(found.fence)),
        "unchanged_answer": source.unchanged(found.fence),
        "git_ls_files": beside_git(given.folder, given.runs),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
