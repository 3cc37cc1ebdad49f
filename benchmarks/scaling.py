"""The scaling model: measured points, a simulation that is held against them, and plots.

    python -m benchmarks.scaling store CORPUS --store local|qdrant://HOST:PORT --chunks 100000 1000000 [--pids PID...] [--grow]
    python -m benchmarks.scaling ray CORPUS --nodes 1 2
    python -m benchmarks.scaling model POINTS.jsonl
    python -m benchmarks.scaling draw POINTS.jsonl FOLDER

``store`` sends synthetic chunks through the real writer and the real reader of a
store: the packets that phase 1 makes of CORPUS, again and again, each time under
other paths, with half of the rare terms renamed (so that the vocabulary grows
as it does with more code) and with noise on the vectors. ``ray`` indexes
CORPUS on a Ray cluster of one-core nodes on this machine. Both print one JSON
object a line. ``model`` prints what the simulation says of the measured points
and of larger ones, as Markdown; ``draw`` writes the plots as SVG.
"""

from __future__ import annotations

import argparse

from benchmarks.scaling_measure import measure_ray, measure_store
from benchmarks.scaling_model import print_model
from benchmarks.scaling_plots import draw


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    store = verbs.add_parser("store")
    store.add_argument("corpus")
    store.add_argument("--store", default="local", help="local, or an address without a collection")
    store.add_argument("--chunks", type=int, nargs="+", default=[100_000])
    store.add_argument(
        "--pids", type=int, nargs="*", default=[], help="the servers, to measure their CPU and memory"
    )
    store.add_argument("--data", nargs="*", default=[], help="their storage folders, to measure the disk")
    store.add_argument("--grow", action="store_true", help="one store that grows from count to count")
    store.add_argument(
        "--patience", type=float, default=900, help="seconds to wait for the servers to rest before a point"
    )
    ray = verbs.add_parser("ray")
    ray.add_argument("corpus")
    ray.add_argument("--nodes", type=int, nargs="+", default=[1, 2])
    ray.add_argument("--processes", type=int, default=2, help="a run of the local executor too; 0: none")
    for name in ("model", "draw"):
        verb = verbs.add_parser(name)
        verb.add_argument("points")
        if name == "draw":
            verb.add_argument("folder")
    args = parser.parse_args()
    if args.verb == "store":
        measure_store(
            args.corpus, args.store.rstrip("/"), args.chunks, args.pids, args.data, args.grow, args.patience
        )
    elif args.verb == "ray":
        measure_ray(args.corpus, args.nodes, args.processes)
    elif args.verb == "model":
        print_model(args.points)
    else:
        draw(args.points, args.folder)


if __name__ == "__main__":
    main()
