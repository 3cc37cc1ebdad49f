"""``spelunk bench incremental``: updates of little against a full build."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from typing import Any, Final

from spelunk.bench import sample
from spelunk.bench.measure import Chart, Result, Say, command, compare, sandbox, timed

FULL: Final = "full build"
USUAL: Final = (1, 50)
FILES: Final = 1_000


def measure(
    root: str,
    files: Sequence[int] = (),
    changed: Sequence[int] = (),
    rounds: int = 3,
    say: Say = lambda _: None,
) -> Result:
    """Build an index of a sample, then update it with nothing, one and many files changed.

    All are runs of ``spelunk index``, timed as whole processes. A changed file
    has a line added.

    Args:
        root: Where the sample comes from.
        files: Sizes of the samples; up to 1,000 by default.
        changed: How many files change; 1 and 50 as far as there are files.
        rounds: How often all of it is done, each time on a new copy.
        say: Told what is being measured.

    Raises:
        UsageError: Fewer files than asked for.
        SpelunkError: A run failed.
    """
    candidates = sample.candidates(root)
    sizes = sample.counts(files, len(candidates)) if files else [min(FILES, len(candidates))]
    rows: list[dict[str, Any]] = []
    for count in sizes:
        rows += _size(root, candidates, count, changed, rounds, say)
    labels = list(dict.fromkeys(r["update"] for r in rows))
    by = {(r["update"], r["files"]): r["seconds"] for r in rows}
    chart = Chart(
        "Bringing an index up to date", "seconds, whole process", tuple(labels),
        {f"{n:,} files": [by.get((label, n)) for label in labels] for n in sizes},
    )  # fmt: skip
    return Result("incremental", tuple(rows), chart, {"rounds": rounds, "files_available": len(candidates)})


def _size(
    root: str, candidates: Sequence[Any], count: int, changed: Sequence[int], rounds: int, say: Say
) -> list[dict[str, Any]]:
    numbers = sorted({min(n, count) for n in changed or USUAL})
    times: dict[str, list[float]] = {}
    indexed: dict[str, list[int]] = {}
    for turn in range(rounds):
        with sandbox() as place:
            folder = sample.copy(root, candidates, count, os.path.join(place, "sample"))
            for name, files in (FULL, 0), ("nothing changed", 0), *((_label(n), n) for n in numbers):
                say(f"{count:,} files, {name}, round {turn + 1} of {rounds}")
                touch(folder, files, turn)
                seconds, out = timed(command("index", folder, "--json"), place)
                times.setdefault(name, []).append(seconds)
                indexed.setdefault(name, []).append(int(json.loads(out)["files"]["indexed"]))
    timings = compare(times, FULL)
    return [
        {"files": count, "update": name, "indexed": max(indexed[name]), **timings[name].as_dict(),
         "rounds": rounds}
        for name in times
    ]  # fmt: skip


def _label(n: int) -> str:
    return f"{n} file{'' if n == 1 else 's'} changed"


def touch(folder: str, files: int, turn: int) -> None:
    """Add a line to some of the files; always the same ones for the same arguments."""
    paths = sorted(os.path.join(d, name) for d, _, names in os.walk(folder) for name in names)
    for path in random.Random(files).sample(paths, files):
        with open(path, "ab") as f:
            f.write(f"\nchanged {files} {turn}\n".encode())
