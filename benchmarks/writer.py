"""The writer's own rate, and what it means for 1 to 16 workers: `python benchmarks/writer.py FOLDER...`.

The packets of a folder are made first, as a worker makes and encodes them, and
kept in memory. Then this process decodes and writes them, in the order and with
the publishes of a first run, and does nothing else: its rate is the most that any
number of workers can feed it. Times are seconds of wall clock and of CPU, the
threads of the full text included.

The model: a run with W workers on enough cores takes

    fixed + max(phase 1 / W, writer)

where `fixed` is what neither part can share (start, walk, plan, the end of the
run), and `writer` is the CPU of the writing thread, or the share of one of the
full text's threads if that is more. All are CPU, so that other work on the machine
moves them little. The model leaves out that cores share caches and memory and that
disks take time, so it is an upper bound.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import tempfile
import time
from contextlib import closing

from spelunk.config import DEFAULTS
from spelunk.files.folder import FolderSource
from spelunk.files.walk import walk
from spelunk.observe import null_observer
from spelunk.pipeline.executor import pieces
from spelunk.pipeline.memory import Budget
from spelunk.pipeline.worker import WorkerConfig, make_worker
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.opening import open_writer
from spelunk.store.packet import Item, dump, load

WORKERS = (1, 2, 4, 8, 16)
THREADS = 4
"""Threads of the full text that a run with 16 workers has."""
FIXED_S = 0.35
"""Start of the command, walk and end of a run over some thousand files (`spelunk index --profile`)."""


def measure(root: str) -> dict[str, object]:
    """Make the packets of a folder, then write them."""
    entries = walk(root, DEFAULTS).entries
    items = [Item(entry, None) for entry in entries]
    worker = make_worker(WorkerConfig(FolderSource(root), DEFAULTS))
    began = time.process_time()
    packets = [(cut, dump(worker.process(items[cut.start : cut.stop], cut.start))) for cut in pieces(items)]
    phase1 = time.process_time() - began
    with tempfile.TemporaryDirectory(prefix="spelunk-writer-") as place:
        with closing(ManifestWriter(place)) as manifest:
            budget = Budget(None, 16)
            writer = open_writer(
                place, manifest, DEFAULTS, null_observer, heap=budget.lexical, threads=THREADS
            )
            wall, cpu, thread = time.perf_counter(), time.process_time(), time.thread_time()
            chunks = 0
            for _, data in packets:
                packet = load(data)
                writer.apply(items, packet)
                chunks += packet.chunks
                if writer.is_full(DEFAULTS.max_chunks_in_memory):
                    writer.publish()
            writer.publish()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            thread = time.thread_time() - thread
            writer.close()
        size = sum(os.path.getsize(os.path.join(d, n)) for d, _, names in os.walk(place) for n in names)
    writing = max(thread, (cpu - thread) / THREADS)
    alone = FIXED_S + phase1 + thread
    return {
        "folder": os.path.basename(root), "files": len(items), "chunks": chunks,
        "packet_mib": round(sum(len(d) for _, d in packets) / 2**20, 1), "disk_mib": round(size / 2**20, 1),
        "phase1_cpu_s": round(phase1, 3), "phase1_chunks_per_s": round(chunks / phase1),
        "writer_wall_s": round(wall, 3), "writer_cpu_s": round(cpu, 3), "writer_thread_cpu_s": round(thread, 3),
        "writer_chunks_per_s": round(chunks / writing), "workers_it_keeps_up_with": round(phase1 / writing, 1),
        "predicted_speedup": {
            str(w): round(alone / (FIXED_S + max(phase1 / w, writing)), 2) for w in WORKERS
        },
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    gc.disable()
    for folder in args.folders:
        for _ in range(args.rounds):
            print(json.dumps(measure(os.path.realpath(folder))), flush=True)


if __name__ == "__main__":
    main()
