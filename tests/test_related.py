"""Callers of hits and the definitions that they use: exact places, bounds, and what is said where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from spelunk import Hit, Index, SearchRequest, search_many
from spelunk.errors import UsageError
from spelunk.graph import neighbours as neighbours_module
from spelunk.graph.neighbours import LineRange, neighbours
from spelunk.graph.resolve import Resolver
from spelunk.graph.view import GraphView
from spelunk.present.related import related_lines, related_object
from spelunk.search.related import FIRST_HITS
from spelunk.types import Neighbour, Neighbours
from tests.graphcases import Repository

FILES = {
    "app/store.py": (
        "from app.codec import encode_rows\n\n\n"
        "class Store:\n"
        "    def flush_batches(self, rows):\n"
        "        return encode_rows(rows)\n"
    ),
    "app/codec.py": 'def encode_rows(rows):\n    """Rows as bytes."""\n    return bytes(rows)\n',
    "app/main.py": (
        "from app.store import Store\n\n\ndef main():\n    Store().flush_batches([1])\n\n\nStore().flush_batches([2])\n"
    ),
    "tests/test_store.py": "from app.store import Store\n\n\ndef test_flush():\n    Store().flush_batches([3])\n",
    "docs/guide.md": "# Guide\n\nThe quagga of the guide.\n",
    "data/rows.toml": 'name = "okapi"\n',
}


def tree(root: Path, files: dict[str, str] = FILES) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index.open(tree(tmp_path / "project"))


def the(hits: tuple[Hit, ...], path: str) -> Neighbours:
    found = next(hit.related for hit in hits if hit.path == path)
    assert found is not None
    return found


def told(found: tuple[Neighbour, ...]) -> list[tuple[str, str]]:
    return [(one.citation, one.symbol) for one in found]


def test_a_hit_carries_its_callers_and_what_it_uses(index: Index, tmp_path: Path) -> None:
    found = the(index.search("flush_batches", related=5).hits, "app/store.py")

    assert told(found.callers) == [
        ("app/main.py:5", "main"),
        ("app/main.py:8", "app/main.py"),
        ("tests/test_store.py:5", "test_flush"),
    ]
    assert told(found.uses) == [("app/codec.py:1", "encode_rows")]
    assert (found.uses[0].kind, found.uses[0].text) == ("function", "def encode_rows(rows)")
    assert found.uses[0].confidence >= 0.9 and found.uses[0].rule == "import"
    assert found.left_out == ()
    for one in found.callers:  # exact in the file
        line = (tmp_path / "project" / one.path).read_text().split("\n")[one.line - 1]
        assert one.text == line.strip() and "flush_batches" in line


def test_no_more_than_were_asked_for_and_the_rest_is_counted(index: Index) -> None:
    found = the(index.search("flush_batches", related=1).hits, "app/store.py")

    assert told(found.callers) == [("app/main.py:5", "main")]
    assert found.left_out == ("2 more callers",)


def test_nothing_is_looked_for_unless_it_is_asked_for(index: Index) -> None:
    assert all(hit.related is None for hit in index.search("flush_batches").hits)


@pytest.mark.parametrize(("word", "language"), [("quagga", "markdown"), ("okapi", "toml")])
def test_what_has_no_relations_says_so(index: Index, word: str, language: str) -> None:
    (hit,) = index.search(word, mode="lexical", related=3).hits

    assert hit.related == Neighbours(left_out=(f"no relations are known of this {language} file",))


def test_only_the_first_hits_carry_them(tmp_path: Path) -> None:
    many = {f"m{n:02}.py": f"def wombat_{n}():\n    return {n}\n" for n in range(FIRST_HITS + 5)}
    hits = Index.open(tree(tmp_path / "many", many)).search("wombat", limit=FIRST_HITS + 5, related=2).hits

    assert [hit.related is not None for hit in hits] == [True] * FIRST_HITS + [False] * 5


def test_what_a_hit_carries_does_not_depend_on_the_hits_before_it(index: Index) -> None:
    alone = the(index.search("flush_batches path:app/store.py", related=5).hits, "app/store.py")
    assert alone == the(index.search("flush_batches", related=5).hits, "app/store.py")


def test_nothing_outside_of_what_is_searched_is_named(index: Index) -> None:
    request = SearchRequest("flush_batches", within=[["app/store.py", "app/main.py"]], related=5)
    found = the(index.search(request).hits, "app/store.py")

    assert {one.path for one in (*found.callers, *found.uses)} == {"app/main.py"}
    assert "2 in files that are not searched" in found.left_out


def test_several_workspaces_put_their_names_before_the_paths(index: Index, tmp_path: Path) -> None:
    other = Index.open(
        tree(tmp_path / "other", {"x.py": "def kiwi():\n    pass\n\n\ndef flush():\n    kiwi()\n"})
    )
    hits = search_many([index, other], "flush_batches kiwi", limit=20, related=3).hits

    assert told(the(hits, "project/app/store.py").callers)[0] == ("project/app/main.py:5", "main")
    assert told(the(hits, "project/app/store.py").callers)[1][1] == "project/app/main.py"


def test_context_changes_no_neighbour(index: Index) -> None:
    plain = the(index.search("flush_batches", related=5).hits, "app/store.py")
    assert plain == the(index.search("flush_batches", related=5, context=3).hits, "app/store.py")


def test_places_in_a_file_that_changed_meanwhile_are_left_out(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.update()
    original = Index.changed_paths

    def changed_meanwhile(self: Index, reader, paths, freshness=None):  # type: ignore[no-untyped-def]
        (tmp_path / "project" / "app" / "main.py").write_text("\n\n\n")
        return original(self, reader, paths, "strict")

    monkeypatch.setattr(Index, "changed_paths", changed_meanwhile)
    answer = index.search("flush_batches", related=5)

    found = the(answer.hits, "app/store.py")
    assert [one.path for one in found.callers] == ["tests/test_store.py"]
    assert "2 in files that have changed since they were indexed" in found.left_out


@pytest.mark.parametrize("related", [-1, 21])
def test_a_number_out_of_range_is_refused(related: int) -> None:
    with pytest.raises(UsageError, match="ask for 0 to 20"):
        SearchRequest("x", related=related)


def test_the_work_for_one_hit_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        f"m{n:03}.py": f"class C{n}:\n    def run(self, x):\n        return x.run(x)\n" for n in range(120)
    }
    repository = Repository(files)
    row = repository.view.row_at("m000.py")
    assert row is not None
    view = GraphView(repository.reader.relations, neighbours_module.MOST_PARSES)

    found = neighbours(Resolver(view), LineRange(row.id, 1, 3, "run"), 3)

    assert view.budget.parsed <= neighbours_module.MOST_PARSES
    assert any("types of receivers were not read in" in line for line in found.left_out)


def test_a_class_is_about_itself_and_a_block_about_what_it_defines() -> None:
    repository = Repository(
        {
            "a.py": "class A:\n    def f(self):\n        self.g()\n\n    def g(self):\n        pass\n",
            "b.py": "from a import A\n\n\ndef make():\n    return A()\n",
        }
    )
    row = repository.view.row_at("a.py")
    assert row is not None

    about_a = neighbours(repository.resolver, LineRange(row.id, 1, 6, "A"), 5)
    outermost = neighbours(repository.resolver, LineRange(row.id, 1, 6), 5)

    assert told(about_a.callers) == told(outermost.callers) == [("b.py:5", "make")]
    assert about_a.uses == ()  # its own members are in the lines


def test_a_weak_neighbour_shows_its_doubt() -> None:
    weak = Neighbour("run", "function", "a.py", 3, "run()", 0.4, "name", 2)
    found = Neighbours(
        (weak,), (weak._replace(confidence=0.9, symbol="b\x1b.py", kind="function"),), ("more",)
    )

    assert related_lines(found) == [
        "called by a.py:3 run [0.40 name, 2 alternatives]",
        "uses a.py:3 b\\x1b.py",
        "left out: more",
    ]
    values = related_object(found)
    assert values["callers"][0]["alternatives"] == 2 and values["left_out"] == ["more"]
