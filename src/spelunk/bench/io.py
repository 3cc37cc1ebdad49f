"""``spelunk bench io``: reading files with a cold and a warm page cache, and an index from nothing with both."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, Final

from spelunk.bench import sample
from spelunk.bench.measure import Chart, Result, Say, command, in_turn, sandbox, timed
from spelunk.errors import UsageError

READERS: Final = (1, 2, 4, 8)
"""Files read at a time."""
USUAL: Final = 1_000
"""Files of the sample: enough to see a disk's rate, few enough for a slow one."""
COLD, WARM = "cold", "warm"


def measure(root: str, files: Sequence[int] = (), rounds: int = 5, say: Say = lambda _: None) -> Result:
    """Read a sample, some files at a time, and index it; before the cold runs its pages leave the cache.

    Which share of the bytes came from the disk is measured too: a file system may keep pages of its own,
    and then a cold run is none.

    Args:
        root: Where the sample comes from.
        files: Its size, one number; 1,000 as far as there are files.
        rounds: Runs of each.
        say: Called with the name of what is being measured.

    Raises:
        UsageError: More files than there are, or several sizes, or a system without ``posix_fadvise``.
        SpelunkError: An index run failed.
    """
    if not hasattr(os, "posix_fadvise"):
        raise UsageError(
            "bench io takes files out of the page cache with posix_fadvise, which this system lacks"
        )
    if len(files) > 1:
        raise UsageError("bench io measures one sample: give --files one number")
    candidates = sample.candidates(root)
    (count,) = sample.counts(files or [min(USUAL, len(candidates))], len(candidates))
    with sandbox() as place:
        folder = sample.copy(root, candidates, count, os.path.join(place, "sample"))
        paths = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]
        total = sum(map(os.path.getsize, paths))
        os.sync()  # a page that is not written yet stays in the cache
        rows = _reading(paths, total, rounds, say) + _indexing(folder, paths, total, rounds, say)
    reads = [row for row in rows if row["what"] == "read"]
    chart = Chart(
        "Reading files: MiB a second", "MiB/s", tuple(f"{n} at a time" for n in READERS),
        {cache: [row["mib_per_second"] for row in reads if row["cache"] == cache] for cache in (COLD, WARM)},
    )  # fmt: skip
    return Result("io", tuple(rows), chart, {"files": count, "bytes": total, "rounds": rounds})


def _reading(paths: Sequence[str], total: int, rounds: int, say: Say) -> list[dict[str, Any]]:
    from_disk: dict[str, list[float]] = {}

    def run(name: str, cache: str, readers: int) -> Callable[[], float]:
        def once() -> float:
            say(f"read {cache}, {readers} at a time")
            _prepare(paths, cache)
            before, began = _read_from_disk(), perf_counter()
            with ThreadPoolExecutor(readers) as pool:
                for _ in pool.map(_read, paths, chunksize=16):
                    pass
            took = perf_counter() - began
            from_disk.setdefault(name, []).append((_read_from_disk() - before) / max(1, total))
            return took

        return once

    kinds = {f"{cache} {n}": (cache, n) for cache in (COLD, WARM) for n in READERS}
    times = in_turn({name: run(name, *kind) for name, kind in kinds.items()}, rounds)
    rows = []
    for name, (cache, readers) in kinds.items():
        seconds = statistics.median(times[name])
        rows.append(
            {"what": "read", "cache": cache, "at_a_time": readers, "seconds": round(seconds, 4),
             "mib_per_second": round(total / 2**20 / seconds, 1), "files_per_second": round(len(paths) / seconds),
             "from_disk": round(statistics.median(from_disk[name]), 2)}
        )  # fmt: skip
    return rows


def _indexing(folder: str, paths: Sequence[str], total: int, rounds: int, say: Say) -> list[dict[str, Any]]:
    def run(cache: str) -> Callable[[], float]:
        def once() -> float:
            say(f"index {cache}")
            with sandbox() as home:
                _prepare(paths, cache)
                _, out = timed(command("index", folder, "--json"), home)
            return float(json.loads(out)["seconds"])

        return once

    times = in_turn({cache: run(cache) for cache in (COLD, WARM)}, rounds)
    return [
        {"what": "index", "cache": cache, "seconds": round(seconds, 4),
         "mib_per_second": round(total / 2**20 / seconds, 1), "files_per_second": round(len(paths) / seconds)}
        for cache in (COLD, WARM) for seconds in [statistics.median(times[cache])]
    ]  # fmt: skip


def _prepare(paths: Sequence[str], cache: str) -> None:
    """Take the files out of the page cache, or read them into it."""
    for path in paths:
        if cache == WARM:
            _read(path)
            continue
        fd = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def _read(path: str) -> int:
    with open(path, "rb", buffering=0) as file:
        return len(file.readall())


def _read_from_disk() -> int:
    """Bytes that this process had fetched from storage; 0 where the system does not count them."""
    try:
        with open("/proc/self/io", encoding="ascii") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("read_bytes")), 0)
    except OSError:
        return 0
