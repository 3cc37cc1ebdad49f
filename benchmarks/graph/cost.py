"""What references and imports cost an index run: processor time and disk with them and without, in turn.

python -m benchmarks.graph.cost FOLDER... [--rounds N]

One `spelunk index --mode sequential` process for each figure, with the interpreter's start and all stores. Without
them the extraction gives nothing, so that no reference segment and no imports are written; definitions are those of
the chunks, and are there in both. On a machine that others use the least of several rounds is the better figure.
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

WITHOUT = """
import sys
from spelunk.chunk import relations
relations.relation_columns = lambda parsed: relations.NO_COLUMNS
from spelunk.pipeline import worker
worker.relation_columns = relations.relation_columns
from spelunk.cli import main
sys.exit(main())
"""
WITH = """
import sys
from spelunk.chunk import relations
from spelunk.pipeline import worker
from spelunk.cli import main
sys.exit(main())
"""


def run(folder: str, *, relations: bool) -> tuple[float, int]:
    """CPU seconds of one run, and the bytes of its index."""
    with tempfile.TemporaryDirectory() as place:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-c", WITH if relations else WITHOUT, "index", folder]
        subprocess.run([*command, "--index-dir", f"{place}/ix", "--mode", "sequential", "-q"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        size = sum(
            os.path.getsize(os.path.join(top, name)) for top, _, names in os.walk(place) for name in names
        )
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime), size


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    for folder in asked.folders:
        root = os.path.realpath(folder)
        run(root, relations=True)  # the page cache, and compiled modules
        pairs = [(run(root, relations=True), run(root, relations=False)) for _ in range(asked.rounds)]
        medians = [statistics.median(pair[n][0] for pair in pairs) for n in (0, 1)]
        least = [min(pair[n][0] for pair in pairs) for n in (0, 1)]
        row = {
            "folder": os.path.basename(root),
            "cpu_s": [[round(one[0], 2) for one in pair] for pair in pairs],
            "cpu_ratio_of_medians": round(medians[0] / medians[1], 3),
            "cpu_ratio_of_least": round(least[0] / least[1], 3),
            "bytes": [pairs[-1][0][1], pairs[-1][1][1]],
            "disk_ratio": round(pairs[-1][0][1] / pairs[-1][1][1], 3),
            "load": os.getloadavg(),
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
