"""One worker against several, in one run: `python benchmarks/parallel.py CORPUS... --into DIR`.

Takes N files spread over the corpora, copies them to DIR, and indexes them from
nothing with each number of workers in turn, several times. Prints the median of
the wall times and of the ratios to the sequential run of the same round.
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

from spelunk.config import Options
from spelunk.discover import walk


def sample(corpora: list[str], count: int, into: str) -> str:
    """A folder of ``count`` files spread evenly over the corpora."""
    target = os.path.join(into, f"sample-{count}")
    if os.path.isdir(target):
        return target
    offered = [(c, row[0]) for c in corpora for row in walk(os.path.realpath(c), Options()).rows]
    if len(offered) < count:
        raise SystemExit(f"only {len(offered)} files in the corpora")
    for n in range(count):
        corpus, path = offered[n * len(offered) // count]
        copy = os.path.join(target, os.path.basename(corpus), path)
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copyfile(os.path.join(corpus, path), copy)
    return target


def run(root: str, *flags: str) -> dict[str, object]:
    """One index from nothing in a process of its own; its report."""
    with tempfile.TemporaryDirectory() as place:
        command = [
            sys.executable,
            "-m",
            "spelunk",
            "index",
            root,
            "--index-dir",
            place + "/ix",
            "--json",
            *flags,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("--into", required=True, help="where samples are kept")
    parser.add_argument("--files", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[2])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    for count in args.files:
        root = sample(args.corpora, count, args.into)
        variants = {"sequential": ["--mode", "sequential"], "auto": []}
        variants |= {f"workers={w}": ["--mode", "parallel", "--workers", str(w)] for w in args.workers}
        seconds: dict[str, list[float]] = {name: [] for name in variants}
        rounds = args.rounds if count < 5000 else max(3, args.rounds // 2)
        run(root)  # fills the page cache
        for _ in range(rounds):
            for name, flags in variants.items():
                seconds[name].append(float(str(run(root, *flags)["seconds"])))
        base = seconds["sequential"]
        for name, times in seconds.items():
            speedups = [b / t for b, t in zip(base, times, strict=True)]
            print(
                json.dumps(
                    {
                        "files": count,
                        "variant": name,
                        "seconds": round(statistics.median(times), 3),
                        "speedup": round(statistics.median(speedups), 3),
                        "min": round(min(speedups), 3),
                        "max": round(max(speedups), 3),
                        "rounds": rounds,
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
