"""What references and imports cost an index run: their share of its processor time, and runs with them and without.

python -m benchmarks.graph.cost FOLDER... [--rounds N]

One `spelunk index --mode sequential` process for each figure, with the interpreter's start and all stores.

- share: processor time in the extraction, packing, collecting and writing of relations, measured inside one run, by
  that of the rest of the same run. What else runs on the machine slows both alike.
- ratio: whole runs with them and without, in turn. Without them the extraction gives nothing, so that no reference
  segment and no imports are written. On a machine that others use it is noisy.

Definitions are those of the chunks, and are there in both.
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

WITH = """
import sys
from spelunk.chunk import relations
from spelunk.pipeline import worker
from spelunk.cli import main
del sys.argv[1]
sys.exit(main())
"""
WITHOUT = WITH.replace("del ", "worker.relation_columns = lambda parsed: relations.NO_COLUMNS\ndel ")
SHARE = """
import sys, time
from spelunk.pipeline import worker
from spelunk.store import writer
from spelunk.store.relation_pack import Packer
from spelunk.store.reference_writer import ReferenceCollector
spent = 0.0
inside = False
def timed(call):
    def wrapped(*given, **named):
        global spent, inside
        if inside:
            return call(*given, **named)
        inside, began = True, time.process_time()
        try:
            return call(*given, **named)
        finally:
            spent += time.process_time() - began
            inside = False
    return wrapped
worker.relation_columns = timed(worker.relation_columns)
Packer.imports, Packer.columns = timed(Packer.imports), timed(Packer.columns)
ReferenceCollector.add = timed(ReferenceCollector.add)
ReferenceCollector.write = timed(ReferenceCollector.write)
writer.compact_references = timed(writer.compact_references)
from spelunk.cli import main
told = sys.argv.pop(1)
code = main()
with open(told, "w") as out:
    out.write(f"{spent} {time.process_time()}")
sys.exit(code)
"""


def run(folder: str, program: str) -> tuple[float, int, list[float]]:
    """CPU seconds of one run, the bytes of its index, and what the program wrote of itself, in CPU seconds.

    Args:
        folder: To index.
        program: Python source; its first argument is a file for what it has to say, the rest is the command line.
    """
    with tempfile.TemporaryDirectory() as place:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        told = f"{place}/told"
        command = [sys.executable, "-c", program, told, "index", folder, "--index-dir", f"{place}/ix"]
        subprocess.run([*command, "--mode", "sequential", "-q"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        size = sum(
            os.path.getsize(os.path.join(top, name))
            for top, _, names in os.walk(f"{place}/ix")
            for name in names
        )
        numbers: list[float] = []
        if os.path.exists(told):
            with open(told) as file:
                numbers = [float(word) for word in file.read().split()]
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime), size, numbers


def main() -> None:
    """Print one JSON object for each folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", action="store_true", help="only the share")
    asked = parser.parse_args()
    for folder in asked.folders:
        root = os.path.realpath(folder)
        shares = [run(root, SHARE)[2] for _ in range(asked.rounds)]
        row = {
            "folder": os.path.basename(root),
            "relations_s_and_all_s": [[round(n, 2) for n in pair] for pair in shares],
            "share": round(statistics.median(own / (whole - own) for own, whole in shares), 3),
            "load": os.getloadavg(),
        }
        if not asked.share:
            pairs = [(run(root, WITH), run(root, WITHOUT)) for _ in range(asked.rounds)]
            medians = [statistics.median(pair[n][0] for pair in pairs) for n in (0, 1)]
            least = [min(pair[n][0] for pair in pairs) for n in (0, 1)]
            row |= {
                "cpu_s": [[round(one[0], 2) for one in pair] for pair in pairs],
                "cpu_ratio_of_medians": round(medians[0] / medians[1], 3),
                "cpu_ratio_of_least": round(least[0] / least[1], 3),
                "bytes": [pairs[-1][0][1], pairs[-1][1][1]],
                "disk_ratio": round(pairs[-1][0][1] / pairs[-1][1][1], 3),
            }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
