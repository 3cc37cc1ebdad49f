"""``spelunk bench parallel``: an index from nothing, one process against several."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Any, Final

from spelunk.bench import sample
from spelunk.bench.measure import Chart, Result, Say, command, compare, cores, in_turn, sandbox, timed
from spelunk.config import MAX_WORKERS

BASE: Final = "sequential"
LARGE: Final = 5_000
"""Files from which half the rounds will do."""


def measure(
    root: str,
    files: Sequence[int] = (),
    workers: Sequence[int] = (),
    rounds: int = 5,
    say: Say = lambda _: None,
) -> Result:
    """Index samples from nothing, each time in a process of its own: sequential, ``auto``, N workers.

    Args:
        root: Where the samples come from.
        files: Sizes of the samples; 100, 1,000 and 10,000 as far as there are files.
        workers: Numbers of processes; 2, 4, 8 and 16 up to the cores, at least 2.
        rounds: Runs of each; a large sample gets half of them, at least three.
        say: Told what is being measured.

    Raises:
        UsageError: Fewer files than asked for.
        SpelunkError: A run failed.
    """
    candidates = sample.candidates(root)
    numbers = sorted(set(workers)) or usual_workers()
    rows: list[dict[str, Any]] = []
    for count in sample.counts(files, len(candidates)):
        turns = rounds if count < LARGE else min(rounds, max(3, rounds // 2))
        with sandbox() as place:
            folder = sample.copy(root, candidates, count, os.path.join(place, "sample"))
            rows += _sizes(folder, place, count, numbers, turns, say)
    variants = list(dict.fromkeys(r["variant"] for r in rows))
    sizes = list(dict.fromkeys(r["files"] for r in rows))
    by = {(r["files"], r["variant"]): r["speedup"] for r in rows}
    chart = Chart(
        "Indexing from nothing: speed against one process", "times as fast", tuple(f"{n:,} files" for n in sizes),
        {v: [by[n, v] for n in sizes] for v in variants},
    )  # fmt: skip
    return Result("parallel", tuple(rows), chart, {"files_available": len(candidates)})


def usual_workers() -> list[int]:
    """2, 4, 8, 16 and the cores themselves, up to the cores; 2 in any case."""
    most = min(max(2, cores()), MAX_WORKERS)
    return sorted({n for n in (2, 4, 8, 16) if n <= most} | {most})


def _sizes(
    folder: str, place: str, count: int, numbers: Sequence[int], turns: int, say: Say
) -> list[dict[str, Any]]:
    flags = {BASE: ["--mode", "sequential"], "auto": []}
    flags |= {f"workers={n}": ["--mode", "parallel", "--workers", str(n)] for n in numbers}
    used: dict[str, int] = {}

    def run(name: str) -> Callable[[], float]:
        def once() -> float:
            say(f"{count:,} files, {name}")
            with sandbox() as home:
                _, out = timed(command("index", folder, "--json", *flags[name]), home)
            report = json.loads(out)
            used[name] = int(report["workers"])
            return float(report["seconds"])

        return once

    run(BASE)()  # fills the page cache
    timings = compare(in_turn({name: run(name) for name in flags}, turns), BASE)
    return [
        {"files": count, "variant": name, "workers": used[name], **t.as_dict(),
         "efficiency": round(t.ratio / used[name], 3), "rounds": turns}
        for name, t in timings.items()
    ]  # fmt: skip
