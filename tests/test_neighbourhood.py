"""Pictures of the neighbourhood of a symbol: boxes, arrows, and their text in three languages."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelunk import Index
from spelunk.cli import main
from spelunk.graph.answer import Edge, GraphAnswer, Symbol
from spelunk.present.neighbourhood import Neighbourhood, dot, mermaid, neighbourhood
from spelunk.present.neighbourhood_svg import svg
from tests.examples import examples

SVG = "{http://www.w3.org/2000/svg}"
FILES = {
    "app.py": (
        "from store import flush\n\n\ndef main():\n    run()\n    run()\n\n\n"
        "def run():\n    flush()\n\n\ndef other():\n    flush()\n"
    ),
    "store.py": "def flush():\n    write()\n    print(1)\n\n\ndef write():\n    flush()\n    encode()\n\n\ndef encode():\n    pass\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def picture(project: Path, symbol: str, depth: int) -> Neighbourhood:
    with Index.open(project) as index:
        return neighbourhood(index.callers(symbol, depth=depth), index.callees(symbol, depth=depth))


def calls(found: Neighbourhood) -> set[tuple[str, str, int]]:
    return {(found.boxes[a.source].title, found.boxes[a.target].title, a.calls) for a in found.arrows}


def test_callers_are_left_and_callees_right_and_each_symbol_is_there_once(project: Path) -> None:
    found = picture(project, "flush", 2)

    layers = {box.title: box.layer for box in found.boxes}
    assert layers == {"flush": 0, "run": -1, "other": -1, "write": -1, "main": -2, "print": 1, "encode": 2}
    assert calls(found) == {
        ("run", "flush", 1), ("other", "flush", 1), ("write", "flush", 1), ("main", "run", 2),
        ("flush", "write", 1), ("flush", "print", 1), ("write", "encode", 1),
    }  # fmt: skip
    assert [box.title for box in found.boxes if box.outside] == ["print"]
    assert found.boxes[0].place == "store.py:1"


def test_the_drawing_has_every_box_in_the_column_of_its_layer(project: Path) -> None:
    found = picture(project, "flush", 2)
    root = ElementTree.fromstring(svg(found))

    boxes = [r for r in root.iter(f"{SVG}rect") if r.get("rx")]
    assert len(boxes) == len(found.boxes)
    columns: dict[int, set[str]] = {}
    for box, rect in zip(found.boxes, boxes, strict=True):
        columns.setdefault(box.layer, set()).add(str(rect.get("x")))
    assert all(len(places) == 1 for places in columns.values())
    order = [float(min(columns[layer])) for layer in sorted(columns)]
    assert order == sorted(order)
    spots = [(r.get("x"), r.get("y")) for r in boxes]
    assert len(set(spots)) == len(spots)
    width, height = float(str(root.get("width"))), float(str(root.get("height")))
    for rect in boxes:
        x, y, w, h = (float(str(rect.get(name))) for name in ("x", "y", "width", "height"))
        assert x >= 0 and y >= 0 and x + w <= width and y + h <= height
    assert len([p for p in root.iter(f"{SVG}path") if p.get("marker-end")]) == len(found.arrows)


@pytest.mark.parametrize("form", [dot, mermaid, svg])
def test_the_same_answer_gives_the_same_picture(form: object, project: Path) -> None:
    assert callable(form)
    assert form(picture(project, "flush", 3)) == form(picture(project, "flush", 3))


def test_graphviz_reads_the_text(project: Path) -> None:
    if shutil.which("dot") is None:
        pytest.skip("graphviz is not installed")
    subprocess.run(["dot", "-Tsvg"], input=dot(picture(project, "flush", 2)).encode(), check=True)


@examples(200)
@given(st.text(min_size=1), st.text(min_size=1), st.text())
def test_hostile_names_end_no_string_and_make_no_element(name: str, other: str, path: str) -> None:
    target = Symbol(name, "function", "", path, 1, 2)
    far = Symbol(other, "function", "a", path, 9, 9)
    edges = (Edge(other, "call", path, 9, symbol=far), Edge(name, "call", path, 3))
    found = neighbourhood(
        GraphAnswer("callers", name, (target,), edges[:1]), GraphAnswer("callees", name, (target,), edges)
    )

    root = ElementTree.fromstring(svg(found))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        "svg", "title", "style", "defs", "marker", "path", "rect", "text",
    }  # fmt: skip
    for line in dot(found).splitlines()[3:-1]:
        assert re.fullmatch(r"""  n\d+( \[label="([^"\\]|\\.)*"(, \w+=\w+)*\]| -> n\d+( \[.*\])?);""", line)
    for line in mermaid(found).splitlines()[1:]:
        node = re.fullmatch(r'  n\d+\["([^"]*)"\]', line)
        assert node is None or re.fullmatch(r"([\w ./:\-…#;]|<br/>)*", node[1])
        assert node or re.match(r"  (n\d+ -|style n0|classDef outside|class n)", line)


def test_the_command_prints_each_format(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for form, start in (("dot", "digraph"), ("mermaid", "flowchart LR"), ("svg", "<svg ")):
        assert main(["graph", "flush", str(project), "--format", form, "--depth", "2", "-q"]) == 0
        printed = capsys.readouterr()
        assert printed.out.startswith(start) and printed.err == ""


def test_what_cannot_be_drawn_is_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, status, message in (
        (["nothing_like_it"], 1, "nothing has this name"),
        (["store.py:99"], 2, "no such line"),
        (["flush", "--format", "png"], 2, "invalid choice"),
        (["flush", "--depth", "0"], 2, "--depth"),
        ([""], 2, "empty"),
    ):
        assert main(["graph", words[0], str(project), *words[1:]]) == status
        printed = capsys.readouterr()
        assert printed.out == "" and message in printed.err
