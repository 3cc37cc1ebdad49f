"""The neighbourhood of a symbol as a picture: callers, the symbol, callees; as DOT and Mermaid text."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from msgspec import Struct, field

from spelunk.graph.answer import Edge, GraphAnswer, Symbol
from spelunk.io.printable import printable
from spelunk.present.graph import SURE

MOST_LABEL: Final = 60
"""Characters of a name or place in a picture; a longer one is cut in its middle."""


class Box(Struct):
    """A symbol in the picture.

    Attributes:
        title: Its name with its scope.
        place: ``path:line``; "" of one that is not in the index.
        layer: Steps from the middle: callers below 0, callees above.
        outside: Whether it is not in the index, or its name means nothing there.
    """

    title: str
    place: str
    layer: int
    outside: bool = False


class Arrow(NamedTuple):
    """A call between two boxes.

    Attributes:
        source: Number of the box that calls.
        target: Number of the box that is called.
        calls: Lines with such a call.
        sure: Whether the confidence is at least :data:`SURE`.
    """

    source: int
    target: int
    calls: int
    sure: bool


class Neighbourhood(Struct):
    """The boxes, the first of which is the symbol itself, and the arrows, each pair once."""

    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)


def neighbourhood(callers: GraphAnswer, callees: GraphAnswer) -> Neighbourhood:
    """The picture of two answers about one symbol.

    Each symbol has one box, in the layer where it is met first; several definitions of
    the name asked for share the box in the middle.
    """
    made = Neighbourhood()
    numbers: dict[object, int] = {}
    arrows: dict[tuple[int, int], Arrow] = {}
    targets = callers.targets or callees.targets
    title = printable(targets[0].qualified if targets else callers.asked)
    place = _place(targets[0]) if targets else ""
    if len(targets) > 1:
        place = f"{len(targets)} definitions"
    made.boxes.append(Box(_cut(title), place, 0, not targets))
    numbers.update((_key(symbol), 0) for symbol in targets)

    def box(edge: Edge, layer: int) -> int:
        symbol = edge.symbol
        key = edge.name if symbol is None else _key(symbol)
        if key not in numbers:
            numbers[key] = len(made.boxes)
            if symbol is None:
                made.boxes.append(Box(_cut(printable(edge.name)), "", layer, outside=True))
            else:
                name = symbol.name.rpartition("/")[2] if symbol.kind == "file" else symbol.qualified
                made.boxes.append(Box(_cut(printable(name)), _place(symbol), layer))
        return numbers[key]

    # Layer by layer, so that a symbol stands where its shortest way leads.
    for answer, step in ((callers, -1), (callees, 1)):
        level = [(0, edge) for edge in answer.edges]
        layer = step
        while level:
            below = []
            for near, edge in level:
                far = box(edge, layer)
                ends = (far, near) if step < 0 else (near, far)
                if ends not in arrows:
                    sure = edge.confidence >= SURE or edge.symbol is None
                    arrows[ends] = Arrow(*ends, 1 + len(edge.lines), sure)
                below += [(far, inner) for inner in edge.edges]
            level, layer = below, layer + step
    made.arrows = list(arrows.values())
    return made


def dot(picture: Neighbourhood) -> str:
    """The picture in the language of Graphviz, from left to right."""
    out = [
        "digraph neighbourhood {",
        "  rankdir=LR;",
        '  node [shape=box, fontname="sans-serif", fontsize=11];',
    ]
    for n, box in enumerate(picture.boxes):
        label = _dot_text(box.title) + (f"\\n{_dot_text(box.place)}" if box.place else "")
        style = ", style=dashed" if box.outside else ", penwidth=2" if n == 0 else ""
        out.append(f'  n{n} [label="{label}"{style}];')
    for arrow in picture.arrows:
        marks = [f'label="{arrow.calls}"'] if arrow.calls > 1 else []
        marks += [] if arrow.sure else ["style=dashed"]
        listed = f" [{', '.join(marks)}]" if marks else ""
        out.append(f"  n{arrow.source} -> n{arrow.target}{listed};")
    return "\n".join([*out, "}", ""])


def mermaid(picture: Neighbourhood) -> str:
    """The picture in the language of Mermaid, from left to right."""
    out = ["flowchart LR"]
    for n, box in enumerate(picture.boxes):
        label = _mermaid_text(box.title) + (f"<br/>{_mermaid_text(box.place)}" if box.place else "")
        out.append(f'  n{n}["{label}"]')
    for arrow in picture.arrows:
        line = "-->" if arrow.sure else "-.->"
        count = f"|{arrow.calls}|" if arrow.calls > 1 else ""
        out.append(f"  n{arrow.source} {line}{count} n{arrow.target}")
    out.append("  style n0 stroke-width:3px")
    outside = [f"n{n}" for n, box in enumerate(picture.boxes) if box.outside]
    if outside:
        out.append("  classDef outside stroke-dasharray:4 3")
        out.append(f"  class {','.join(outside)} outside")
    return "\n".join([*out, ""])


def _key(symbol: Symbol) -> tuple[str, int, str]:
    return symbol.path, symbol.line, symbol.name


def _place(symbol: Symbol) -> str:
    place = symbol.path if symbol.kind == "file" else f"{symbol.path}:{symbol.line}"
    return _cut(printable(place))


def _cut(text: str) -> str:
    text = _NO_XML.sub("\ufffd", text.replace("\t", " "))
    if len(text) <= MOST_LABEL:
        return text
    half = MOST_LABEL // 2
    return f"{text[: half - 1]}…{text[-half:]}"


def _dot_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


_NO_XML: Final = re.compile("[\ud800-\udfff\ufffe\uffff]")
_NOT_PLAIN: Final = re.compile(r"[^\w ./:\-…]")


def _mermaid_text(text: str) -> str:
    """A text without signs of Mermaid, Markdown or HTML: such are written as their numbers."""
    return _NOT_PLAIN.sub(lambda found: f"#{ord(found[0])};", text)
