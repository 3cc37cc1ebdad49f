"""Bar chart of a result as SVG, with the values written on the bars."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from spelunk.bench.measure import Chart

WIDTH: Final = 860
HEIGHT: Final = 420
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 76, 56
COLOURS: Final = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#777777")
"""Distinguishable without full colour vision (Tol, 2021, "bright")."""
GRID: Final = 5


def draw(chart: Chart, caption: str = "") -> str:
    """Draw the chart as one SVG document.

    Args:
        chart: What to show.
        caption: A line below it: the machine.
    """
    values = [v for series in chart.series.values() for v in series if v is not None]
    top = _ceiling(max(values, default=0))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
            f' font-size="12" role="img" aria-label="{escape(chart.title)}">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            f'<text x="{LEFT}" y="24" font-size="16">{escape(chart.title)}</text>',
            *_grid(chart.unit, top),
            *_bars(chart, top),
            *_legend(chart),
            f'<text x="{LEFT}" y="{HEIGHT - 10}" fill="#555">{escape(caption)}</text>',
            "</svg>\n",
        ]
    )


def _ceiling(value: float) -> float:
    """The next 1, 2, 2.5 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    step = 1.0
    while step < value:
        step *= 10
    while step / 10 >= value:
        step /= 10
    return next(step * f for f in (0.1, 0.2, 0.25, 0.5, 1.0) if step * f >= value)


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)


def _grid(unit: str, top: float) -> Iterator[str]:
    yield f'<text x="{LEFT}" y="{TOP - 8}" fill="#555">{escape(unit)}</text>'
    for n in range(GRID + 1):
        value = top * n / GRID
        y = _y(value, top)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{value:g}</text>'


def _bars(chart: Chart, top: float) -> Iterator[str]:
    room = (WIDTH - LEFT - RIGHT) / max(1, len(chart.groups))
    width = min(64.0, room * 0.8 / max(1, len(chart.series)))
    for g, group in enumerate(chart.groups):
        middle = LEFT + room * (g + 0.5)
        yield f'<text x="{middle:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{escape(group)}</text>'
        for n, (name, values) in enumerate(chart.series.items()):
            value = values[g]
            if value is None:
                continue
            x, y = middle + (n - len(chart.series) / 2) * width, _y(value, top)
            yield (
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width * 0.92:.1f}" height="{HEIGHT - BOTTOM - y:.1f}"'
                f' fill="{COLOURS[n % len(COLOURS)]}"><title>{escape(f"{group} {name}".strip())}: {value:g}</title></rect>'
            )
            yield f'<text x="{x + width * 0.46:.1f}" y="{y - 4:.1f}" text-anchor="middle" font-size="10">{value:g}</text>'


def _legend(chart: Chart) -> Iterator[str]:
    x = float(LEFT)
    for n, name in enumerate(chart.series):
        if name:
            yield f'<rect x="{x:.1f}" y="36" width="12" height="12" fill="{COLOURS[n % len(COLOURS)]}"/>'
            yield f'<text x="{x + 18:.1f}" y="46">{escape(name)}</text>'
            x += 34 + 7 * len(name)
