"""What metrics cost: whole runs with and without a metrics file, and the time spent in the observer.

    python benchmarks/metrics.py FOLDER [--rounds 8] [--mode sequential]

Runs alternate, each is a process of its own that indexes from nothing; user
and system time of all its processes is compared, because a shared machine has
no other honest clock. The observer's share is measured inside one more run.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from spelunk import Index
from spelunk.observe import events
from spelunk.observe.metrics import Metrics
from spelunk.observe.prometheus import TextFile


def cpu(folder: str, mode: str, place: Path, *flags: str) -> float:
    """User and system seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    argv = [
        "-m",
        "spelunk",
        "index",
        folder,
        "-q",
        "--rebuild",
        "--mode",
        mode,
        "--index-dir",
        str(place / "ix"),
    ]
    subprocess.run([sys.executable, *argv, *flags], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def watched(folder: str, mode: str, place: Path) -> dict[str, float]:
    """What counting costs inside a run, in milliseconds and as a share of the writing process."""
    metrics, spent, events_seen = Metrics("index"), 0.0, 0

    def observer(event: events.Event) -> None:
        nonlocal spent, events_seen
        began = time.thread_time()
        metrics(event)
        spent += time.thread_time() - began
        events_seen += 1

    index = Index.open(folder, index_dir=str(place / "watched"), observer=observer, mode=mode, workers=2)
    began = time.process_time()
    index.update()
    whole = time.process_time() - began
    began = time.process_time()
    TextFile(str(place / "watched.prom"), metrics, "w").write()
    written = time.process_time() - began
    return {
        "events": events_seen,
        "observer_ms": round(spent * 1000, 1),
        "observer_share": round(spent / whole, 4),
        "import_and_write_ms": round(written * 1000, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--mode", default="sequential")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        os.environ["SPELUNK_HOME"] = str(place / "home")
        on = ("--metrics-file", str(place / "m.prom"))
        cpu(args.folder, args.mode, place)
        pairs = []
        for n in range(args.rounds):
            order = ((), on) if n % 2 else (on, ())
            seconds = {flags: cpu(args.folder, args.mode, place, *flags) for flags in order}
            pairs.append((seconds[()], seconds[on]))
        ratios = [b / a for a, b in pairs]
        print(
            json.dumps(
                {
                    "folder": os.path.basename(args.folder), "mode": args.mode, "rounds": args.rounds,
                    "without_s": round(statistics.median(a for a, _ in pairs), 3),
                    "with_s": round(statistics.median(b for _, b in pairs), 3),
                    "ratio": round(statistics.median(ratios), 3),
                    "min": round(min(ratios), 3), "max": round(max(ratios), 3),
                    **watched(args.folder, args.mode, place),
                }
            )
        )  # fmt: skip


if __name__ == "__main__":
    main()
