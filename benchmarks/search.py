"""Latency of queries inside one process: `python benchmarks/search.py FOLDER INDEX_DIR`.

The index must be there. Twelve questions, three rounds by mode, the first of
which warms the page cache and is not counted; milliseconds.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from spelunk import Index

QUERIES = (
    "where are network packets queued for transmission",
    "allocate page table entries",
    "mutex lock slow path",
    "kmalloc flags",
    "tcp congestion control window",
    "flush dirty pages to disk writeback",
    "schedule next task on runqueue",
    "usb device enumeration",
    "struct sk_buff",
    "handle page fault",
    "interrupt handler registration request_irq",
    "spi_controller",
)


def main() -> None:
    folder, place = sys.argv[1:]
    index = Index.open(folder, index_dir=place, freshness="relaxed")
    for mode in ("hybrid", "lexical", "semantic"):
        times = []
        for turn in range(3):
            for query in QUERIES:
                began = time.perf_counter()
                index.search(query, mode=mode, refresh=False)
                if turn:
                    times.append((time.perf_counter() - began) * 1000)
        p50, worst = statistics.median(times), max(times)
        chunks = index.status(look=False).chunks
        print(
            json.dumps({"mode": mode, "chunks": chunks, "p50_ms": round(p50, 2), "max_ms": round(worst, 2)})
        )


if __name__ == "__main__":
    main()
