"""The scaling model: rates from measured points, a simulated run, and both as Markdown."""

from __future__ import annotations

import heapq
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple


class Rates(NamedTuple):
    """What the model is made of, each a measured figure.

    Attributes:
        bytes_per_core: Source bytes that a core reads, cuts, tokenises and embeds in a second.
        bytes_per_chunk: Source bytes of a chunk.
        writer: Seconds of the writing process for a chunk.
        server: Seconds of all servers together for a chunk; 0 for the embedded stores.
        start: CPU seconds before the first task begins, with Ray: 1.7 of the process that connects, and
            0.9 of a worker (0.7 to start Ray's, 0.2 for Spelunk's modules), measured on 2026-11-28.
    """

    bytes_per_core: float
    bytes_per_chunk: float
    writer: float
    server: float = 0.0
    start: float = 2.6


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


class Line(NamedTuple):
    """A quantity as a line over the number of chunks.

    Attributes:
        fixed: What there is of it without any chunk; below 0 where it begins to grow later.
        each: For a chunk more.
    """

    fixed: float
    each: float

    def at(self, chunks: float) -> float:
        """What the line says."""
        return self.fixed + self.each * chunks


def line_of(measured: Sequence[tuple[float, float]]) -> Line:
    """The line through points ``(chunks, quantity)`` with the least squares of errors a chunk; of one, through zero.

    Errors a chunk and not errors as such, so that a small point counts as much as a large one.
    """
    if len(measured) == 1:
        return Line(0.0, measured[0][1] / measured[0][0])
    weights = [x**-2 for x, _ in measured]
    total = sum(weights)
    mean_x = sum(w * x for w, (x, _) in zip(weights, measured, strict=True)) / total
    mean_y = sum(w * y for w, (_, y) in zip(weights, measured, strict=True)) / total
    spread = sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, measured, strict=True))
    common = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, measured, strict=True))
    return Line(mean_y - common / spread * mean_x, common / spread)


QUANTITIES: Final = {
    "writer, CPU": (lambda p: p["client_cpu_s"], 1e-6, "us"),
    "servers, CPU": (lambda p: p["server_cpu_s"] + p["server_cpu_after_s"], 1e-6, "us"),
    "servers, memory": (lambda p: p["server_memory"], 1.0, "bytes"),
    "servers, disk": (lambda p: p["server_disk"], 1.0, "bytes"),
    "index directory": (lambda p: sum(p["disk"].values()), 1.0, "bytes"),
}
"""Of a point: how it is taken, the unit of its figures for a chunk, and that unit's name."""


def points_of(points: Sequence[dict[str, Any]], store: str) -> list[dict[str, Any]]:
    """The points of a store that count for the model, by chunks."""
    return sorted(
        (p for p in points if p["what"] == "store" and p["store"] == store), key=lambda p: p["chunks"]
    )


def rates_of(points: Sequence[dict[str, Any]], store: str) -> Rates:
    """The model's rates: those that a point names for all runs (``rates``), and of a store the lines of its points.

    All are CPU seconds, so that other work on the machine does not count as waiting.
    """
    named = next(p for p in points if p["what"] == "rates")
    if store == "local":
        writer, server = named["writer_us"] / 1e6, 0.0
    else:
        of_store = points_of(points, store)
        writer, server = (
            line_of([(p["chunks"], QUANTITIES[name][0](p)) for p in of_store]).each
            for name in ("writer, CPU", "servers, CPU")
        )
    return Rates(1e9 / named["ms_per_mb"], named["bytes_per_chunk"], writer, server)


def print_lines(points: Sequence[dict[str, Any]], store: str) -> None:
    """The lines through a store's points, and what they say of each point."""
    of_store = points_of(points, store)
    print(
        f"\n{store}: lines through the measured points; behind each point what the line is off there\n\n| | Without a chunk | For a chunk more | "
        + " | ".join(f"{p['chunks']:,}" for p in of_store)
        + " |\n|-|-|-|"
        + "-|" * len(of_store)
    )
    for name, (take, unit, shown) in QUANTITIES.items():
        measured = [(p["chunks"], take(p)) for p in of_store]
        if not any(y for _, y in measured):
            continue
        line = line_of(measured)
        fixed = f"{line.fixed:,.0f} s" if shown == "us" else f"{line.fixed / 1e6:,.0f} MB"
        print(
            f"| {name} | {fixed} | {line.each / unit:,.0f} {shown} | "
            + " | ".join(f"{line.at(x) / y - 1:+.0%}" for x, y in measured)
            + " |"
        )


def said_of(run: dict[str, Any], points: Sequence[dict[str, Any]]) -> float:
    """The seconds that the simulation says of a measured run."""
    r = rates_of(points, "local")
    if run["executor"] != "ray":
        r = r._replace(start=0.5)
    chunks = run["bytes"] / r.bytes_per_chunk
    shared = r.start + (run["bytes"] / r.bytes_per_core + chunks * r.writer) / run.get(
        "cores", run["workers"]
    )
    if run["workers"] == 1:
        return shared
    return max(shared, 3600 * simulate(chunks, run["workers"], r).hours)


def print_busy_runs(points: Sequence[dict[str, Any]]) -> None:
    """Runs on a busy machine against the simulation, stretched as the sequential run of the same minutes was."""
    runs = [p for p in points if p["what"] == "busy-run"]
    stretch = {
        p["name"]: p["wall_s"] / said_of(p, points) for p in runs if p["executor"] == "sequential"
    }  # fmt: skip
    print(
        "\n| Busy run | Workers | Measured, s | Simulated, s | Stretched by | Simulated and stretched, s | Ratio |\n|-|-|-|-|-|-|-|"
    )
    for p in runs:
        if p["name"] in stretch:
            said, by = said_of(p, points), stretch[p["name"]]
            print(
                f"| {p['name']}, {p['executor']} | {p['workers']} | {p['wall_s']:.1f} | {said:.1f} | {by:.1f} "
                f"| {said * by:.1f} | {said * by / p['wall_s']:.2f} |"
            )


def print_model(path: str) -> None:
    points = read_points(path)
    stores = [s for s in ("local", "qdrant") if any(p["what"] == "store" and p["store"] == s for p in points)]
    print(
        "| Store | MB source/s and core | Bytes a chunk | Writer, us a chunk | Servers, us a chunk |\n|-|-|-|-|-|"
    )
    for store in stores:
        r = rates_of(points, store)
        print(
            f"| {store} | {r.bytes_per_core / 1e6:.2f} | {r.bytes_per_chunk:.0f} | {1e6 * r.writer:.0f} "
            f"| {1e6 * r.server:.0f} |"
        )
    for store in stores:
        print_lines(points, store)
    print("\n| Run | Workers | MB | Measured, s | Simulated, s | Ratio |\n|-|-|-|-|-|-|")
    for p in points:
        if p["what"] == "run":
            said = said_of(p, points)
            print(
                f"| {p['name']}, {p['executor']} | {p['workers']} | {p['bytes'] / 1e6:.0f} | {p['wall_s']:.1f} "
                f"| {said:.1f} | {said / p['wall_s']:.2f} |"
            )
    print_busy_runs(points)
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
