"""Compare two revisions of Spelunk over some corpora: `python benchmarks/compare.py A B CORPUS...`.

A and B are whatever git names a revision by; `.` is the working tree. Each corpus
is indexed from nothing by both, in turn, each time by a process of its own, and
every other round in reverse order. Measured over the whole process tree: CPU
(user and system, from wait4), wall-clock time, peak memory (the run's own
report), bytes of the index on disk, and instructions in user mode where `perf
stat` counts them. Ratios are B to A within a round; their median decides.

The exit status is 1 if B loses more than the limit (5 %) in CPU, instructions,
memory or bytes on disk. Wall-clock time is shown and decides with --wall only,
because other work on the machine moves it.

Both revisions run in this interpreter and with its packages: a revision that
needs other packages cannot be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

LIMIT = 1.05
METRICS = ("cpu_s", "instructions", "memory_mib", "disk_mib", "wall_s")


class Run(NamedTuple):
    """What one run used; instructions are None where they cannot be counted."""

    cpu_s: float
    instructions: int | None
    memory_mib: float
    disk_mib: float
    wall_s: float
    chunks: int


@contextmanager
def revision(name: str, place: str) -> Iterator[str]:
    """The source folder of a revision: a git worktree of its own, or this one for ``.``."""
    top = subprocess.run(
        ["git", "rev-parse", "--show-toplevel"],
        cwd=os.path.dirname(os.path.abspath(__file__)), capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    if name == ".":
        yield os.path.join(top, "src")
        return
    tree = os.path.join(place, "tree")
    subprocess.run(["git", "worktree", "add", "-q", "--detach", tree, name], cwd=top, check=True)
    try:
        yield os.path.join(tree, "src")
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=top, check=True)


def can_count() -> bool:
    """Whether ``perf stat`` counts instructions on this machine."""
    if shutil.which("perf") is None:
        return False
    probe = ["perf", "stat", "-x,", "-e", "instructions:u", "true"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stderr.split(",")[0].isdigit()


def run(source: str, corpus: str, flags: Sequence[str], counting: bool) -> Run:
    """Index a corpus from nothing."""
    import time

    with tempfile.TemporaryDirectory(prefix="spelunk-compare-") as place:
        index = os.path.join(place, "ix")
        command = [sys.executable, "-m", "spelunk", "index", corpus, "--index-dir", index, "--json", *flags]
        counts = os.path.join(place, "counts")
        if counting:
            command = ["perf", "stat", "-x,", "-o", counts, "-e", "instructions:u", *command]
        environment = os.environ | {
            "PYTHONPATH": source, "SPELUNK_HOME": os.path.join(place, "home"), "PYTHONHASHSEED": "0",
        }  # fmt: skip
        out = os.path.join(place, "out")
        began = time.perf_counter()
        with open(out, "wb") as f:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=f, env=environment)
            _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{source}: spelunk index {corpus} ended with status {process.returncode}")
        with open(out, encoding="utf-8") as f:
            report = json.load(f)
        instructions = None
        if counting:
            with open(counts, encoding="utf-8") as f:
                first = next((line for line in f if "instructions" in line), "").split(",")[0]
            instructions = int(first) if first.isdigit() else None
        size = sum(
            os.path.getsize(os.path.join(folder, name))
            for folder, _, names in os.walk(index)
            for name in names
        )
    return Run(
        usage.ru_utime + usage.ru_stime, instructions, report["peak_rss_bytes"] / 2**20, size / 2**20, wall,
        report["chunks"],
    )  # fmt: skip


def judge(a: Sequence[Run], b: Sequence[Run], limit: float, gates: Sequence[str]) -> dict[str, object]:
    """Medians of both, and the median ratio of each metric; ``loss`` lists those beyond the limit."""
    row: dict[str, object] = {"chunks": [a[-1].chunks, b[-1].chunks]}
    loss: list[str] = []
    for metric in METRICS:
        own, other = [getattr(x, metric) for x in a], [getattr(x, metric) for x in b]
        if None in own or None in other:
            continue
        ratio = statistics.median(y / x for x, y in zip(own, other, strict=True))
        digits = 0 if metric == "instructions" else 3
        row[metric] = [
            round(statistics.median(own), digits),
            round(statistics.median(other), digits),
            round(ratio, 3),
        ]
        if metric in gates and ratio > limit:
            loss.append(metric)
    row["loss"] = loss
    return row


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B")
    parser.add_argument("corpora", metavar="CORPUS", nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=LIMIT, help="the ratio from which it is a loss")
    parser.add_argument("--wall", action="store_true", help="wall-clock time decides as well")
    parser.add_argument(
        "--flags", default="--mode sequential", help="further flags of `spelunk index`, in one argument"
    )
    args = parser.parse_args()
    counting = can_count()
    gates = METRICS if args.wall else METRICS[:-1]
    lost = False
    with tempfile.TemporaryDirectory(prefix="spelunk-revisions-") as place:
        places = [os.path.join(place, side) for side in ("a", "b")]
        with revision(args.a, places[0]) as a, revision(args.b, places[1]) as b:
            for corpus in map(os.path.realpath, args.corpora):
                flags = args.flags.split()
                sides = (a, b)
                for source in sides:
                    run(source, corpus, flags, False)  # page cache and bytecode
                runs: tuple[list[Run], list[Run]] = ([], [])
                for n in range(args.rounds):
                    for side in (0, 1) if n % 2 == 0 else (1, 0):
                        runs[side].append(run(sides[side], corpus, flags, counting))
                row = judge(*runs, args.limit, gates)
                lost = lost or bool(row["loss"])
                print(json.dumps({"corpus": os.path.basename(corpus), **row}), flush=True)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
