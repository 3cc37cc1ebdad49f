"""``spelunk bench memory``: peak memory of an index run over all its processes."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import Any, Final

from spelunk.bench import sample
from spelunk.bench.measure import Chart, Result, Say, command, environment, failure, sandbox
from spelunk.config import MIB
from spelunk.errors import SpelunkError, UsageError

PERIOD_SECONDS: Final = 0.05
MODES: Final = {"sequential": ["--mode", "sequential"], "auto": []}


def measure(
    root: str, files: Sequence[int] = (), limit: str | None = None, rounds: int = 1, say: Say = lambda _: None
) -> Result:
    """Peak memory of ``spelunk index`` from nothing, by number of files and mode.

    The proportional set size counts a page that several processes share once.

    Args:
        root: Where the samples come from.
        files: Sizes of the samples; 100, 1,000, 10,000 as far as there are files.
        limit: A ``--memory-limit`` for the runs.
        rounds: Runs of each; the largest peak counts.
        say: Told what is being measured.

    Raises:
        UsageError: Fewer files than asked for, or no Linux.
        SpelunkError: A run failed.
    """
    if not os.path.exists("/proc/self/smaps_rollup"):
        raise UsageError("bench memory reads /proc/PID/smaps_rollup, which only Linux has")
    candidates = sample.candidates(root)
    sizes = sample.counts(files, len(candidates))
    extra = ["--memory-limit", limit] if limit else []
    rows: list[dict[str, Any]] = []
    for count in sizes:
        with sandbox() as place:
            folder = sample.copy(root, candidates, count, os.path.join(place, "sample"))
            best: dict[str, dict[str, Any]] = {}
            for _ in range(rounds):
                for mode, flags in MODES.items():
                    say(f"{count:,} files, {mode}")
                    row = {"files": count, "variant": mode, **peak(["index", folder, *flags, *extra])}
                    best[mode] = max(best.get(mode, row), row, key=lambda r: int(r["pss_mib"] * 10))
            for row in best.values():
                ratio = row["pss_mib"] / best["sequential"]["pss_mib"]
                rows.append({**row, "to_sequential": round(ratio, 2), "rounds": rounds})
    by = {(r["files"], r["variant"]): r["pss_mib"] for r in rows}
    chart = Chart(
        "Peak memory of an index run, all processes", "MiB", tuple(f"{n:,} files" for n in sizes),
        {mode: [by[n, mode] for n in sizes] for mode in MODES},
    )  # fmt: skip
    return Result("memory", tuple(rows), chart, {"memory_limit": limit, "files_available": len(candidates)})


def peak(words: Sequence[str]) -> dict[str, Any]:
    """Run ``spelunk index ... --json`` and sample its process tree every :data:`PERIOD_SECONDS`."""
    with sandbox() as place, tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command(*words, "--json"), stdout=out, stderr=errors, env=environment(place)
        )
        most = [0, 0, 0]
        try:
            while process.poll() is None:
                now = [sum(column) for column in zip(*map(sizes, tree(process.pid)), strict=True)]
                most = [max(a, b) for a, b in zip(most, now, strict=True)]
                time.sleep(PERIOD_SECONDS)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            raise SpelunkError(failure(errors.read(), process.returncode))
        report = json.loads(out.read())
    return {
        "pss_mib": round(most[0] / MIB, 1),
        "pss_anonymous_mib": round(most[1] / MIB, 1),
        "rss_mib": round(most[2] / MIB, 1),
        "reported_mib": round(report["peak_rss_bytes"] / MIB, 1),
        "workers": report["workers"],
        "chunks": report["chunks"],
        "seconds": round(report["seconds"], 3),
    }


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    out = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                for child in f.read().split():
                    out += tree(int(child))
    except OSError:
        pass  # it ended meanwhile
    return out


def sizes(pid: int) -> tuple[int, int, int]:
    """Proportional, proportional anonymous and resident set size of a process in bytes."""
    by_name: dict[str, int] = {}
    try:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            for line in f:
                key, _, rest = line.partition(":")
                if key in ("Pss", "Pss_Anon", "Rss"):
                    by_name[key] = int(rest.split()[0]) * 1024
    except OSError:
        pass
    return by_name.get("Pss", 0), by_name.get("Pss_Anon", 0), by_name.get("Rss", 0)
