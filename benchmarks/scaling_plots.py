"""The plots of the scaling model, as SVG."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.scaling_model import rates_of, read_points, simulate

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
