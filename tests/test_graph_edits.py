"""After each of a series of edits the graph of a kept index is that of an index made anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from spelunk import Index

FILES = {
    "lib.h": "int area(int side);\n",
    "lib.c": '#include "lib.h"\n\nint area(int side) { return side * side; }\n',
    "use.c": '#include "lib.h"\n\nint floor_of(int n)\n{\n\treturn area(n); // area\n}\n',
    "shop/prices.py": "def price_of(item):\n    return item.price\n",
    "shop/cart.py": "from shop.prices import price_of\n\n\ndef total(items):\n    return sum(map(price_of, items))\n",
    "shop/late.py": "from shop.prices import price_of as cost\n\n\ndef one(item):\n    return cost(item)\n",
    "web/a.ts": "export function paint(x: number) { return x; }\n",
    "web/b.ts": 'import { paint } from "./a";\n\nexport function both() { return paint(1) + paint(2); }\n',
}
NAMES = ["area", "price_of", "paint", "total", "cost_of", "roof"]


def replaced(path: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new))

    return edit


def written(path: str, text: str) -> Callable[[Path], None]:
    return lambda root: [None, (root / path).write_text(text)][0]


EDITS: dict[str, Callable[[Path], None]] = {
    "a caller is added": written(
        "more.c",
        '#include "lib.h"\nint roof(void)\n{\n\tint (*f)(int) = area;\n\treturn area(2) + f(1);\n}\n',
    ),
    "a comment becomes code": replaced("use.c", "return area(n); // area", "return area(n) + area(1);"),
    "code becomes a comment": replaced("use.c", "area(n) + area(1)", "n /* area(n) */"),
    "lines are inserted above": replaced(
        "more.c", "int roof", "int walls(void) { return area(4); }\n\nint roof"
    ),
    "an include is removed": replaced("more.c", '#include "lib.h"\n', ""),
    "a nearer definition is added": written("shop/more.py", "def price_of(item):\n    return 1\n"),
    "an import is turned to it": replaced("shop/cart.py", "shop.prices", "shop.more"),
    "a function gets another name": replaced("shop/prices.py", "def price_of", "def cost_of"),
    "a caller is in a file that moves": lambda root: [
        None,
        shutil.move(root / "web/b.ts", root / "web/c.ts"),
    ][0],
    "its import no longer leads anywhere": replaced("web/c.ts", "./a", "./gone"),
    "a file is removed": lambda root: (root / "more.c").unlink(),
    "a file is broken": replaced("web/a.ts", "{ return x; }", "{ return x;"),
}


def graph(index: Index) -> dict[str, Any]:
    """Every answer about the names, as values."""
    out = {}
    for name in NAMES:
        for what in ("definition", "references", "callers", "callees"):
            answer = msgspec.to_builtins(getattr(index, what)(name))
            assert not answer.pop("stale")
            out[f"{what} {name}"] = {k: v for k, v in answer.items() if k not in ("took_ms", "generation")}
    return out


def test_each_edit_is_in_the_next_answer(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    for path, text in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    before: dict[str, Any] = {}
    with Index.open(root, index_dir=str(tmp_path / "kept"), embedder="hashed", mode="sequential") as kept:
        for number, (what, edit) in enumerate({"nothing": lambda root: None, **EDITS}.items()):
            edit(root)

            found = graph(kept)

            fresh = tmp_path / f"fresh{number}"
            with Index.open(root, index_dir=str(fresh), embedder="hashed", mode="sequential") as index:
                assert found == graph(index), what
            assert found != before, f"{what}: the answers do not tell it"
            before = found


def test_the_first_edits_say_who_calls(tmp_path: Path) -> None:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    with Index.open(tmp_path, index_dir=str(tmp_path / ".ix"), embedder="hashed", mode="sequential") as index:
        assert [e.symbol.name for e in index.callers("area").edges if e.symbol] == ["floor_of"]

        EDITS["a caller is added"](tmp_path)

        assert [e.symbol.name for e in index.callers("area").edges if e.symbol] == ["roof", "floor_of"]
        assert [(e.path, e.line) for e in index.references("area").edges if e.role == "use"] == [
            ("more.c", 4)
        ]


@pytest.mark.parametrize(
    ("text", "is_code"),
    [
        ("x = area;", True),
        ("// area", False),
        ("/* one\n area */ y", False),
        ("/* one */ area", True),
        ('"area"', False),
        ('"\\" area"', False),
        ("'\"' + area + '\"'", True),
        ("#error don't\narea(1)", True),
        ("#include <a/*b.h>\narea */", True),
        ('R"(")" area', True),
        ("a / area", True),
        ("/* area", False),
    ],
)
def test_what_is_code_in_c(text: str, is_code: bool) -> None:
    from spelunk.graph.mentions import in_code_of_c, mentions

    places = [at for _, at in mentions(text, "area")]

    assert places and in_code_of_c(text, places) is is_code


def test_lines_that_mention_a_name() -> None:
    from spelunk.graph.mentions import mentions

    text = "area\nareas my_area areä area9\n\n(area) area\n"

    assert [line for line, _ in mentions(text, "area")] == [1, 4, 4]
