"""The scaling model: measured points, a simulation that is held against them, and plots.

    python benchmarks/scaling.py store CORPUS --store local|qdrant://HOST:PORT --chunks 100000 1000000 [--pids PID...]
    python benchmarks/scaling.py ray CORPUS --nodes 1 2
    python benchmarks/scaling.py model POINTS.jsonl
    python benchmarks/scaling.py draw POINTS.jsonl FOLDER

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
import heapq
import json
import math
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

RARE = 6
"""Terms with so many characters and more may be renamed; shorter ones are mostly words of the language."""
NOISE = 12
"""Largest change of a vector's codes, of 127: neighbours stay neighbours, and no two vectors are equal."""
QUERIES = (
    "parse the response headers",
    "open file descriptor",
    "lock timeout",
    "encode string",
    "sort by key",
)
ROUNDS = 5


# --- the stores -----------------------------------------------------------------------------------


def packets(corpus: str) -> list[tuple[list[Any], Any]]:
    """The items and packets of phase 1 over a corpus."""
    from spelunk.config import Options
    from spelunk.files.folder import FolderSource
    from spelunk.pipeline.executor import pieces
    from spelunk.pipeline.worker import WorkerConfig, make_worker
    from spelunk.store.packet import Item

    options = Options()
    source = FolderSource(corpus)
    items = [Item(entry, None) for entry in source.walk(options).entries]
    worker = make_worker(WorkerConfig(source, options))
    return [(items[p.start : p.stop], worker.process(items[p.start : p.stop])) for p in pieces(items)]


def renamed(text: str, copy: int) -> str:
    """Encoded terms, half of the long ones with another name in each copy."""
    out = []
    for form in text.split(" "):  # the last character is the level (spelunk.store.impact)
        term, level = form[:-1], form[-1:]
        out.append(f"{term}{copy}{level}" if _renames(term) else form)
    return " ".join(out)


def _renames(term: str) -> bool:
    return len(term) >= RARE and sum(term.encode("utf-8", "surrogatepass")) % 2 == 0


def copies(made: Sequence[tuple[list[Any], Any]], chunks: int) -> Iterator[tuple[list[Any], Any]]:
    """Packets with so many chunks in all, at least."""
    import numpy as np
    import xxhash

    from spelunk.store.segment import Rows, quantise

    chance, total, copy = np.random.default_rng(1), 0, 0
    while True:
        for items, packet in made:
            files = [
                f._replace(
                    digest=xxhash.xxh3_128_digest(f.digest + b"%d" % copy),
                    cut_digest=xxhash.xxh3_128_digest(f.cut_digest + b"%d" % copy),
                    bodies=[renamed(b, copy) for b in f.bodies] if copy else f.bodies,
                    names=[renamed(b, copy) for b in f.names] if copy else f.names,
                )
                for f in packet.files
            ]
            rows = Rows.of_bytes(packet.planes, packet.scales, packet.codes)
            if rows is not None and copy:
                codes = rows.codes.astype(np.float32) + chance.integers(-NOISE, NOISE, rows.codes.shape)
                rows = quantise(codes * rows.scales[:, None])
            moved = [i._replace(candidate=_moved(i.candidate, copy)) for i in items]
            made_again = packet._replace(files=files)
            if rows is not None:
                made_again = made_again._replace(
                    planes=rows.planes.tobytes(), scales=rows.scales.tobytes(), codes=rows.codes.tobytes()
                )
            yield moved, made_again
            total += packet.chunks
            if total >= chunks:
                return
        copy += 1


def _moved(entry: Any, copy: int) -> Any:
    from dataclasses import replace

    return replace(entry, path=f"copy{copy}/{entry.path}")


def cpu_of(pids: Sequence[int]) -> float:
    """User and system seconds that processes have used."""
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def memory_of(pids: Sequence[int]) -> int:
    """Resident bytes of processes that no file backs, and those that one does."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                total += int(line.split()[1]) * 1024
    return total


def bytes_below(folder: str) -> int:
    return sum(f.stat().st_blocks * 512 for f in Path(folder).rglob("*") if f.is_file())


def measure_store(
    corpus: str, store: str, counts: Sequence[int], pids: Sequence[int], data: Sequence[str]
) -> None:
    from spelunk import Index, embed
    from spelunk.config import resolve
    from spelunk.observe import null_observer
    from spelunk.pipeline.memory import MAX_LEXICAL
    from spelunk.store.manifest_writer import ManifestWriter
    from spelunk.store.opening import open_writer
    from spelunk.workspace import locate
    from spelunk.workspace.state import fingerprint, walk_fingerprint

    made = packets(corpus)
    for count in counts:
        with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as place:
            address = store if store == "local" else f"{store}/scaling-{count}-{os.getpid()}"
            options = resolve(root, {"store": address, "store_shards": 3 if store != "local" else 0})
            directory = os.path.join(place, "index")
            locate.claim(directory, root)
            data_before = sum(map(bytes_below, data))
            began, cpu, server = time.monotonic(), time.process_time(), cpu_of(pids)
            with closing(ManifestWriter(directory)) as manifest:
                writer = open_writer(directory, manifest, options, null_observer, heap=MAX_LEXICAL, threads=1)
                meta = {
                    "fingerprint": fingerprint(options), "embedder": embed.identify(options), "complete": 1,
                    "walk": walk_fingerprint(options), "planned": 0,
                }  # fmt: skip
                prepared = 0.0
                source = copies(made, count)
                while True:
                    at = time.process_time()
                    piece = next(source, None)
                    prepared += time.process_time() - at
                    if piece is None:
                        break
                    writer.apply(*piece)
                    if writer.is_full(options.max_chunks_in_memory):
                        writer.publish(**meta)
                writer.publish(**meta)
                writer.compact()
                writer.close()
                chunks = manifest.counts()[1]
            wall = time.monotonic() - began
            used, server_used = time.process_time() - cpu - prepared, cpu_of(pids) - server
            waited = settle(pids)
            point: dict[str, Any] = {
                "what": "store", "store": "qdrant" if store != "local" else "local", "chunks": chunks,
                "wall_s": round(wall, 2), "client_cpu_s": round(used, 2), "server_cpu_s": round(server_used, 2),
                "server_cpu_after_s": round(waited, 2), "prepare_cpu_s": round(prepared, 2),
                "server_memory": memory_of(pids), "server_disk": sum(map(bytes_below, data)) - data_before,
                "disk": {
                    name: bytes_below(os.path.join(directory, name)) if os.path.isdir(os.path.join(directory, name))
                    else os.stat(os.path.join(directory, name)).st_blocks * 512
                    for name in os.listdir(directory)
                },
            }  # fmt: skip
            with Index.open(root, index_dir=directory, store=address) as index:
                for mode in ("lexical", "semantic", "hybrid"):
                    point[f"search_{mode}_ms"], point[f"search_{mode}_cpu_ms"] = search_ms(index, mode)
                point["client_memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
                print(json.dumps(point), flush=True)
                if store != "local":
                    index.clear()


def settle(pids: Sequence[int]) -> float:
    """Wait until the servers rest (their optimisers build indexes); the CPU that this took."""
    first = last = cpu_of(pids)
    calm, deadline = 0, time.monotonic() + 900
    while pids and calm < 5 and time.monotonic() < deadline:
        time.sleep(1)
        now = cpu_of(pids)
        calm = calm + 1 if now - last < 0.2 else 0
        last = now
    return last - first


def search_ms(index: Any, mode: str) -> tuple[float, float]:
    """The median time of a search, and the mean of the CPU that this process uses for it, in milliseconds.

    The first round is not counted.
    """
    took: list[float] = []
    cpu = 0.0
    for n in range(ROUNDS + 1):
        if n == 1:
            cpu = time.process_time()
        for query in QUERIES:
            began = time.perf_counter()
            index.search(query, mode=mode, refresh=False)
            if n:
                took.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(took), 2), round(1000 * (time.process_time() - cpu) / len(took), 2)


# --- a Ray cluster --------------------------------------------------------------------------------


def measure_ray(corpus: str, nodes: Sequence[int], processes: int) -> None:
    """Whole updates on clusters of one-core nodes, and by the local executor in one process."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    import xxhash
    from tests.ray_cluster import RayCluster

    from spelunk import Index
    from spelunk.observe.events import PieceTaken
    from spelunk.testing import logical_content

    def run(what: str, count: int, **settings: Any) -> None:
        seconds: list[float] = []

        def observer(event: Any) -> None:
            if isinstance(event, PieceTaken):
                seconds.append(sum(event.seconds))

        with tempfile.TemporaryDirectory() as place:
            began, cpu = time.monotonic(), time.process_time()
            with Index.open(corpus, index_dir=place + "/index", observer=observer, **settings) as index:
                report = index.update()
            wall, used = time.monotonic() - began, time.process_time() - cpu
            content = xxhash.xxh3_64_hexdigest(
                repr(sorted(logical_content(place + "/index").items())).encode("utf-8", "surrogatepass")
            )
            print(
                json.dumps(
                    {
                        "what": "run", "name": os.path.basename(corpus.rstrip("/")), "executor": what, "workers": count,
                        "cores": min(count, os.cpu_count() or 1), "wall_s": round(wall, 2),
                        "writer_cpu_s": round(used, 2), "worker_s": round(sum(seconds), 2),
                        "chunks": report.chunks, "bytes": report.bytes, "files": report.files.indexed, "content": content,
                    }
                ),
                flush=True,
            )  # fmt: skip

    run("sequential", 1, mode="sequential")
    if processes:
        run("processes", processes, mode="parallel", workers=processes)
    for count in nodes:
        with RayCluster(count) as cluster:
            run("ray", count, mode="parallel", executor="ray", ray_address=cluster.address)


# --- the model ------------------------------------------------------------------------------------


class Rates(NamedTuple):
    """What the model is made of, each a measured figure.

    Attributes:
        bytes_per_core: Source bytes that a core reads, cuts, tokenises and embeds in a second.
        bytes_per_chunk: Source bytes of a chunk.
        writer: Seconds of the writing process for a chunk.
        server: Seconds of all servers together for a chunk; 0 for the embedded stores.
        start: Seconds before the first task is done.
    """

    bytes_per_core: float
    bytes_per_chunk: float
    writer: float
    server: float = 0.0
    start: float = 4.0


class Run(NamedTuple):
    """The result of a simulation."""

    hours: float
    busy_workers: float
    busy_writer: float


def simulate(chunks: float, cores: int, rates: Rates, server_cores: int = 0, task_bytes: float = 2 * 2**20,
             most_tasks: int = 200_000) -> Run:  # fmt: skip
    """A run, task by task: two tasks a core under way, one writer that takes their results one by one.

    Above ``most_tasks`` each simulated task stands for several.
    """
    total = chunks * rates.bytes_per_chunk
    tasks = max(1, math.ceil(total / task_bytes))
    factor = max(1.0, tasks / most_tasks)
    tasks = math.ceil(tasks / factor)
    of_task = total / tasks
    service = of_task / rates.bytes_per_core / factor  # a core does its part of the stand-in
    per_chunk = max(rates.writer, rates.server / server_cores if server_cores else 0.0)
    write = of_task / rates.bytes_per_chunk * per_chunk / factor
    free = [rates.start] * cores
    heapq.heapify(free)
    done: list[float] = []  # when each result was written, for the bound on what is under way
    writer = rates.start
    busy = 0.0
    for n in range(tasks):
        at = heapq.heappop(free)
        if n >= 2 * cores:
            at = max(at, done[n - 2 * cores])
        ready = at + service
        heapq.heappush(free, ready)
        writer = max(writer, ready) + write
        done.append(writer)
        busy += service
    seconds = rates.start + (writer - rates.start) * factor
    span = writer - rates.start
    return Run(seconds / 3600, busy / (cores * span), tasks * write / span)


def read_points(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines() if line.startswith("{")]


def rates_of(points: Sequence[dict[str, Any]], store: str) -> Rates:
    """The model's rates: those that a point names for all runs (``rates``), and of a store its largest point.

    All are CPU seconds, so that other work on the machine does not count as waiting.
    """
    named = next(p for p in points if p["what"] == "rates")
    if store == "local":
        writer, server = named["writer_us"] / 1e6, 0.0
    else:
        of_store = [p for p in points if p["what"] == "store" and p["store"] == store]
        largest = max(of_store, key=lambda p: p["chunks"])
        writer = largest["client_cpu_s"] / largest["chunks"]
        server = (largest["server_cpu_s"] + largest["server_cpu_after_s"]) / largest["chunks"]
    return Rates(1e9 / named["ms_per_mb"], named["bytes_per_chunk"], writer, server)


def print_model(path: str) -> None:
    points = read_points(path)
    stores = [s for s in ("local", "qdrant") if any(p.get("store") == s for p in points)]
    print(
        "| Store | MB source/s and core | Bytes a chunk | Writer, us a chunk | Servers, us a chunk |\n|-|-|-|-|-|"
    )
    for store in stores:
        r = rates_of(points, store)
        print(
            f"| {store} | {r.bytes_per_core / 1e6:.2f} | {r.bytes_per_chunk:.0f} | {1e6 * r.writer:.0f} "
            f"| {1e6 * r.server:.0f} |"
        )
    print("\n| Run | Workers | MB | Measured, s | Simulated, s | Ratio |\n|-|-|-|-|-|-|")
    for p in points:
        if p["what"] != "run":
            continue
        r = rates_of(points, "local")._replace(start=4.0 if p["executor"] == "ray" else 0.5)
        chunks = p["bytes"] / r.bytes_per_chunk
        cores = p["cores"]
        shared = r.start + (p["bytes"] / r.bytes_per_core + chunks * r.writer) / cores
        said = shared if p["workers"] == 1 else max(shared, 3600 * simulate(chunks, p["workers"], r).hours)
        print(
            f"| {p['name']}, {p['executor']} | {p['workers']} | {p['bytes'] / 1e6:.0f} | {p['wall_s']:.1f} "
            f"| {said:.1f} | {said / p['wall_s']:.2f} |"
        )
    for store in stores:
        r = rates_of(points, store)
        print(f"\n{store}: hours for a first run\n")
        sizes = (1e6, 1e7, 1e8)
        print(
            "| Cores for phase 1 | "
            + " | ".join(f"{s:,.0f} chunks" for s in sizes)
            + " | writer busy at the last |"
        )
        print("|-|" + "-|" * (len(sizes) + 1))
        for cores in (1, 4, 8, 16, 64):
            runs = [simulate(s, cores, r, server_cores=24) for s in sizes]
            print(
                f"| {cores} | "
                + " | ".join(f"{run.hours:.2f}" for run in runs)
                + f" | {runs[-1].busy_writer:.0%} |"
            )


# --- plots ----------------------------------------------------------------------------------------

COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#8250df", "#9a6700", "#57606a")


def plot(
    title: str, across: str, up: str, series: dict[str, list[tuple[float, float]]], dashed: Sequence[str] = ()
) -> str:
    """Lines on two logarithmic axes, as SVG."""
    width, height, left, bottom, top, right = 640, 380, 70, 50, 40, 20
    xs = [x for line in series.values() for x, _ in line]
    ys = [y for line in series.values() for _, y in line]
    low_x, high_x = math.floor(math.log10(min(xs))), math.ceil(math.log10(max(xs)))
    low_y, high_y = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))
    high_x, high_y = max(high_x, low_x + 1), max(high_y, low_y + 1)

    def px(x: float) -> float:
        return left + (math.log10(x) - low_x) / (high_x - low_x) * (width - left - right)

    def py(y: float) -> float:
        return height - bottom - (math.log10(y) - low_y) / (high_y - low_y) * (height - bottom - top)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{left}" y="22" font-size="14">{title}</text>',
    ]
    for e in range(low_x, high_x + 1):
        x = px(10.0**e)
        out.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{height - bottom}" stroke="#d0d7de"/>')
        out.append(f'<text x="{x:.1f}" y="{height - bottom + 16}" text-anchor="middle">{_tick(e)}</text>')
    for e in range(low_y, high_y + 1):
        y = py(10.0**e)
        out.append(f'<line x1="{left}" y1="{y:.1f}" x2="{width - right}" y2="{y:.1f}" stroke="#d0d7de"/>')
        out.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{_tick(e)}</text>')
    out.append(f'<text x="{width - right}" y="{height - 12}" text-anchor="end">{across}</text>')
    out.append(
        f'<text x="14" y="{top + 4}" transform="rotate(-90 14 {top + 4})" text-anchor="end">{up}</text>'
    )
    for n, (name, line) in enumerate(series.items()):
        colour = COLOURS[n % len(COLOURS)]
        points = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in sorted(line))
        dash = ' stroke-dasharray="6 4"' if name in dashed else ""
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        if name not in dashed:
            out += [f'<circle cx="{px(x):.1f}" cy="{py(y):.1f}" r="3.5" fill="{colour}"/>' for x, y in line]
        out.append(f'<text x="{left + 10}" y="{top + 16 + 16 * n}" fill="{colour}">{name}</text>')
    return "\n".join([*out, "</svg>", ""])


def _tick(exponent: int) -> str:
    names = {0: "1", 1: "10", 2: "100", 3: "1 k", 4: "10 k", 5: "100 k", 6: "1 M", 7: "10 M", 8: "100 M"}
    return names.get(exponent, f"{10.0**exponent:g}")


def draw(path: str, folder: str) -> None:
    points = read_points(path)
    stores: dict[str, list[dict[str, Any]]] = {}
    for p in points:
        if p["what"] == "store":
            stores.setdefault(p["store"], []).append(p)
    os.makedirs(folder, exist_ok=True)

    def write(name: str, text: str) -> None:
        Path(folder, name).write_text(text)

    write(
        "scaling-write.svg",
        plot(
            "CPU for writing synthetic chunks into a store", "chunks", "CPU seconds",
            {f"{s}, writer": [(p["chunks"], p["client_cpu_s"]) for p in ps] for s, ps in stores.items()}
            | {
                f"{s}, servers": [(p["chunks"], p["server_cpu_s"] + p["server_cpu_after_s"]) for p in ps]
                for s, ps in stores.items() if s != "local"
            },
        ),
    )  # fmt: skip
    write(
        "scaling-search.svg",
        plot(
            "CPU of a search in Spelunk's process, warm", "chunks", "milliseconds",
            {
                f"{s}, {mode}": [(p["chunks"], p[f"search_{mode}_cpu_ms"]) for p in ps]
                for s, ps in stores.items() for mode in ("lexical", "semantic", "hybrid")
            },
        ),
    )  # fmt: skip
    lines: dict[str, list[tuple[float, float]]] = {}
    cores = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    for store in stores:
        r = rates_of(points, store)
        lines[f"{store}, 100 M chunks (simulated)"] = [
            (c, simulate(1e8, c, r, server_cores=24, most_tasks=20_000).hours) for c in cores
        ]
    write(
        "scaling-hours.svg", plot("Hours for a first run", "cores for phase 1", "hours", lines, tuple(lines))
    )


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
        measure_store(args.corpus, args.store.rstrip("/"), args.chunks, args.pids, args.data)
    elif args.verb == "ray":
        measure_ray(args.corpus, args.nodes, args.processes)
    elif args.verb == "model":
        print_model(args.points)
    else:
        draw(args.points, args.folder)


if __name__ == "__main__":
    main()
