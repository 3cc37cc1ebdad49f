"""What is kept of an open generation: bounded in bytes, shared, gone with it, and without effect on answers."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from spelunk import Index
from spelunk.graph.answer import GraphAnswer
from spelunk.store import kept
from spelunk.store.definition_spans import LINE_BITS, DefinitionSpans
from spelunk.store.kept import Kept, bytes_kept, kept_of

HEADER = "int area(int side);\nstruct box { int side; };\n"
CALLER = (
    '#include "lib.h"\n\nint use{n}(int a)\n{{\n\tint (*f)(int) = area;\n\treturn area(a) + area(f(2));\n}}\n'
)
QUESTIONS = ("references", "callers", "callees")


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Index]:
    (tmp_path / "lib.h").write_text(HEADER)
    (tmp_path / "lib.c").write_text('#include "lib.h"\nint area(int side) { return side * side; }\n')
    for n in range(12):
        (tmp_path / f"use{n}.c").write_text(CALLER.format(n=n) + CALLER.format(n=f"{n}_two"))
    with Index.open(tmp_path) as index:
        index.update()
        yield index


def asked(index: Index) -> list[GraphAnswer]:
    out = [getattr(index, q)("area", limit=limit, refresh=False) for q in QUESTIONS for limit in (50, 3)]
    return [replace(answer, took_ms=0.0) for answer in out]


def test_no_more_bytes_are_kept_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_EVERY", weakref.WeakSet())
    monkeypatch.setattr(kept, "_SIZE", [0])
    monkeypatch.setattr(kept, "MAX_BYTES", 40_000)
    some, more = Kept(), Kept()
    for n in range(500):
        some.put(("a", n), "x", 100)
        more.put_all("b", {n: ("y", 100), -n - 1: ("y", 100)})

        assert bytes_kept() <= kept.MAX_BYTES
    assert some.get(("a", 0)) is None
    assert some.get(("a", 499)) == "x"


def test_what_is_used_stays_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_EVERY", weakref.WeakSet())
    monkeypatch.setattr(kept, "_SIZE", [0])
    monkeypatch.setattr(kept, "MAX_BYTES", 40_000)
    some = Kept()
    some.put("used", 1, 100)
    some.put("unused", 2, 100)
    for n in range(500):
        some.put(n, n, 100)
        assert some.get("used") == 1
    assert some.get("unused") is None
    assert some.get_all("b", [1]) == {}


def test_a_generation_is_shared_until_the_last_reader_lets_it_go(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest"
    manifest.write_text("")
    one, two, later = kept_of(str(manifest), 1), kept_of(str(manifest), 1), kept_of(str(manifest), 2)
    assert one is two
    assert later is not one

    one.put("a", "a", 1)
    is_gone = weakref.ref(one)
    del one, two
    gc.collect()
    assert is_gone() is None
    assert kept_of(str(manifest), 1).get("a") is None


def test_another_index_at_the_same_path_shares_nothing(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest"
    manifest.write_text("")
    before = kept_of(str(manifest), 1)
    (tmp_path / "other").write_text("")
    (tmp_path / "other").replace(manifest)

    assert kept_of(str(manifest), 1) is not before
    manifest.unlink()
    assert kept_of(str(manifest), 1) is not before


def test_it_goes_with_the_generation(tree: Index) -> None:
    before = asked(tree)
    with tree.snapshot() as snapshot:
        old = weakref.ref(snapshot.relations.kept)
        assert snapshot.relations.kept.get_all("inner", [(1, 1)]) == {}
        first = snapshot.relations.kept.get(
            ("lines", snapshot.relations.files_at(["use0.c"])["use0.c"].id, "area")
        )
        assert [*first] == [5, 6, 12, 13]
        del snapshot
    use = Path(tree.root) / "use0.c"
    use.write_text("/* moved */\n" + use.read_text())
    tree.update()
    after = asked(tree)

    gc.collect()
    assert old() is None
    assert [e.line - 1 for e in after[0].edges if e.path == "use0.c"] == [
        e.line for e in before[0].edges if e.path == "use0.c"
    ]
    tree.close()
    assert after == asked(tree)


def test_answers_are_the_same_without_anything_kept(tree: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    first = asked(tree)
    again = asked(tree)
    monkeypatch.setattr(kept, "MAX_BYTES", 0)
    without = asked(tree)

    assert first == again == without
    assert first[2].total == 24
    assert len(first[3].edges) == 3
    assert first[3].total == 24


def test_threads_get_the_same_answers(tree: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = asked(tree)
    monkeypatch.setattr(kept, "MAX_BYTES", 20_000)
    start = threading.Barrier(4)

    def many() -> bool:
        start.wait()
        return all(asked(tree) == expected for _ in range(5))

    with ThreadPoolExecutor(4) as pool:
        assert all(one.result() for one in [pool.submit(many) for _ in range(4)])


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30))), st.booleans())
def test_an_outline_finds_the_last_definition_that_holds_a_line(
    spans: list[tuple[int, int]], ordered: bool
) -> None:
    spans = sorted(spans, key=lambda span: span[0]) if ordered else spans
    outline = DefinitionSpans([first << LINE_BITS | last for first, last in spans])
    for line in range(1, 35):
        holding = [n for n, (first, last) in enumerate(spans) if first <= line <= max(first, last)]

        assert outline.innermost(line) == max(holding, default=-1)
