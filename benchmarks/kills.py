"""What a kill costs: `python -m benchmarks.kills [--kills 200] [--seed 0]`.

Sends SIGKILL (three in five), SIGTERM or SIGINT at random moments to the real
`spelunk index` while it works, and counts the files and chunks that the next run
reads again. After each signal the stores must agree and show only whole files;
after each series the index must hold what a fresh one holds. One JSON object a
kill goes to standard error with `--raw`, the distribution to standard output.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.killing import Kill, series

SERIES = 25
"""Signals to one index."""


def spread(values: Sequence[float]) -> dict[str, float]:
    """Minimum, quartiles, 90th and 99th percentile and maximum."""
    ordered = sorted(values)
    at = {"min": 0.0, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[round(q * (len(ordered) - 1))], 3) for name, q in at.items()}


def summary(kills: Sequence[Kill]) -> dict[str, object]:
    """The distribution of the work that was repeated."""
    return {
        "kills": len(kills),
        "signals": dict(Counter(k.signal for k in kills)),
        "files_to_do": spread([k.todo for k in kills]),
        "files_begun": spread([k.begun for k in kills]),
        "files_repeated": spread([k.repeated_files for k in kills]),
        "chunks_repeated": spread([k.repeated_chunks for k in kills]),
        "share_of_the_allowed_window": spread([k.repeated_chunks / k.window for k in kills]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--raw", action="store_true")
    args = parser.parse_args()
    began = time.monotonic()
    kills: list[Kill] = []
    while len(kills) < args.kills:
        with tempfile.TemporaryDirectory() as folder:
            wanted = min(SERIES, args.kills - len(kills))
            found = series(Path(folder), args.seed + len(kills) // SERIES, wanted)
        kills += found
        if args.raw:
            for kill in found:
                print(json.dumps(asdict(kill)), file=sys.stderr)
    for mode in ("sequential", "parallel"):
        print(json.dumps({"mode": mode, **summary([k for k in kills if k.mode == mode])}))
    print(json.dumps({"mode": "both", **summary(kills), "seconds": round(time.monotonic() - began)}))


if __name__ == "__main__":
    main()
