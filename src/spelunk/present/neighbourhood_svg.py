"""The neighbourhood of a symbol as an SVG drawing: a column for each layer, callers left, callees right."""

from __future__ import annotations

import unicodedata
from typing import Final
from xml.sax.saxutils import escape

from spelunk.present.neighbourhood import Arrow, Box, Neighbourhood

CHARACTER: Final = 7.2
"""Width in px of a column of text at 12 px in a monospaced font (0.6 em)."""
HEIGHT: Final = 38
GAP: Final = 14
PASSAGE: Final = 90
"""Between two columns, for the arrows."""
MARGIN: Final = 16
PADDING: Final = 20
SWEEPS: Final = 4
"""Times that each column is ordered by its neighbours (Sugiyama, Tagawa and Toda, 1981: the barycentre rule)."""

STYLE: Final = (
    "text{font:12px ui-monospace,monospace;fill:#1f2328}.p{fill:#59636e;font-size:10px}"
    "rect{fill:#f6f8fa;stroke:#8c959f}.m{fill:#ddf4ff;stroke:#0969da;stroke-width:2}"
    ".o{fill:none;stroke-dasharray:4 3}path{fill:none;stroke:#59636e}.d{stroke-dasharray:5 4}"
    ".n{font-size:10px;text-anchor:middle}marker path{fill:#59636e;stroke:none}"
)


class _Drawn:
    """A box with its place on the drawing; ``x`` and ``y`` are those of its corner at the top left."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.width = max(_columns(box.title), _columns(box.place) * 10 / 12) * CHARACTER + PADDING
        self.x = 0.0
        self.y = 0.0


def svg(picture: Neighbourhood) -> str:
    """The drawing, the same for the same picture; no script, no address of another file."""
    drawn = [_Drawn(box) for box in picture.boxes]
    layers = sorted({box.layer for box in picture.boxes})
    order = {layer: [n for n, d in enumerate(drawn) if d.box.layer == layer] for layer in layers}
    _untangle(order, picture.arrows)
    tallest = max(len(column) for column in order.values()) * (HEIGHT + GAP) - GAP
    x = float(MARGIN)
    for layer in layers:
        column = order[layer]
        wide = max(drawn[n].width for n in column)
        y = MARGIN + (tallest - len(column) * (HEIGHT + GAP) + GAP) / 2
        for n in column:
            drawn[n].x, drawn[n].y, drawn[n].width = x, y, wide
            y += HEIGHT + GAP
        x += wide + PASSAGE
    width, height = x - PASSAGE + MARGIN, tallest + 2 * MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
        f"<title>Callers and callees of {_text(picture.boxes[0].title)}</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"'
        ' orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>',
        '<rect width="100%" height="100%" style="fill:#fff;stroke:none"/>',
    ]
    out += [line for arrow in picture.arrows for line in _arrow(arrow, drawn)]
    out += [line for n, one in enumerate(drawn) for line in _box(one, middle=n == 0)]
    return "\n".join([*out, "</svg>", ""])


def _untangle(order: dict[int, list[int]], arrows: list[Arrow]) -> None:
    """Order each column by the mean place of the neighbours in other columns, so that few arrows cross."""
    layer_of = {n: layer for layer, column in order.items() for n in column}
    near: dict[int, list[int]] = {n: [] for n in layer_of}
    for arrow in arrows:
        if layer_of[arrow.source] != layer_of[arrow.target]:
            near[arrow.source].append(arrow.target)
            near[arrow.target].append(arrow.source)
    for _ in range(SWEEPS):
        for layer in sorted(order, key=lambda one: (abs(one), one)):
            place = {n: (i + 0.5) / len(column) for column in order.values() for i, n in enumerate(column)}
            middle = {
                n: sum(place[m] for m in near[n]) / len(near[n]) if near[n] else place[n]
                for n in order[layer]
            }
            order[layer] = [n for _, n in sorted((middle[n], n) for n in order[layer])]


def _box(one: _Drawn, *, middle: bool) -> list[str]:
    kind = ' class="m"' if middle else ' class="o"' if one.box.outside else ""
    left = one.x + PADDING / 2
    out = [
        f'<rect{kind} x="{one.x:.1f}" y="{one.y:.1f}" width="{one.width:.1f}" height="{HEIGHT}" rx="5"/>',
        f'<text x="{left:.1f}" y="{one.y + (16 if one.box.place else 23):.1f}">{_text(one.box.title)}</text>',
    ]
    if one.box.place:
        out.append(f'<text class="p" x="{left:.1f}" y="{one.y + 31:.1f}">{_text(one.box.place)}</text>')
    return out


def _arrow(arrow: Arrow, drawn: list[_Drawn]) -> list[str]:
    source, target = drawn[arrow.source], drawn[arrow.target]
    kind = "" if arrow.sure else ' class="d"'
    x1, y1 = source.x + source.width, source.y + HEIGHT / 2
    x2, y2 = target.x, target.y + HEIGHT / 2
    inward = -1
    if x2 > x1:
        bend = (x2 - x1) / 2
    elif source.x == target.x:  # within a column: out at the right and in at the right
        x2, bend, inward = target.x + target.width, PASSAGE / 2, 1
        if arrow.source == arrow.target:
            y1, y2 = y1 - 8, y2 + 8
    else:  # back to an earlier column
        bend = PASSAGE * 0.8
    path = f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 + inward * bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    out = [f'<path{kind} d="{path}" marker-end="url(#a)"/>']
    if arrow.calls > 1:
        out.append(
            f'<text class="n" x="{(x1 + x2) / 2:.1f}" y="{(y1 + y2) / 2 - 3:.1f}">{arrow.calls}×</text>'
        )
    return out


def _text(text: str) -> str:
    return escape(text, {'"': "&quot;"})


def _columns(text: str) -> int:
    """Columns of a text: wide characters of East Asia take two."""
    return len(text) + sum(unicodedata.east_asian_width(c) in "WF" for c in text)
