"""Questions about symbols: what they answer, in what order, and what they say they left out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelunk.chunk.relation import Role
from spelunk.errors import UsageError
from spelunk.graph import impact as impact_module
from spelunk.graph.callees import callees
from spelunk.graph.callers import callers
from spelunk.graph.definition import definition
from spelunk.graph.impact import Changed, impact
from spelunk.graph.implementations import implementations
from spelunk.graph.nearest import nearest_names
from spelunk.graph.overview import repository_map
from spelunk.graph.references import references
from spelunk.graph.route import route
from tests.examples import examples
from tests.graphcases import Repository, places, symbols

APP = {
    "app/store.py": (
        "from app.types import Sink\n\n\n"
        "class Store(Sink):\n"
        "    def flush(self):\n        self.write()\n\n"
        "    def write(self):\n        encode()\n\n\n"
        "def encode():\n    pass\n"
    ),
    "app/types.py": "class Sink:\n    def flush(self):\n        return None\n",
    "app/memory.py": "from app.store import Store\n\n\nclass MemoryStore(Store):\n    def write(self):\n        pass\n",
    "app/main.py": (
        "from app.store import Store, encode\n\nHANDLERS = {'encode': encode}\n\n\n"
        "def main():\n    store = Store()\n    run(store)\n    encode()\n\n\n"
        "def run(store):\n    store.flush()\n    main()\n"
    ),
    "tests/test_store.py": "from app.store import Store, encode\n\n\ndef test_flush():\n    Store().flush()\n\n\ndef test_encode():\n    encode()\n",
    "tests/test_main.py": "from app.main import main\n\n\ndef test_main():\n    main()\n",
    "tests/test_memory.py": "def test_nothing():\n    pass\n",
}


@pytest.fixture
def app() -> Repository:
    return Repository(APP)


def ask(repository: Repository, question: Any, asked: str, limit: int = 50, **more: Any) -> Any:
    return question(repository.resolver, asked, repository.rows(asked), limit, **more)


def finder(repository: Repository) -> Any:
    """Every file: a repository in memory is small."""
    rows = repository.view.reader.files_at(repository.view.reader.all_paths())
    return lambda name, limit: list(rows.values())[:limit]


def test_the_definition_of_the_name_at_a_column_has_the_rule_of_its_reference(app: Repository) -> None:
    (edge,) = ask(app, definition, "app/store.py:9:10").edges
    assert (edge.citation, edge.rule, edge.confidence) == ("app/store.py:12", "same-file", 0.95)

    (own,) = ask(app, definition, "app/store.py:8:9").edges
    assert (own.citation, own.rule, own.confidence) == ("app/store.py:8", "here", 1.0)


def test_callers_of_the_name_at_a_column(app: Repository) -> None:
    assert places(ask(app, callers, "app/main.py:9:5")) == places(ask(app, callers, "encode"))


@pytest.mark.parametrize("asked", ["app/store.py:9:1", "app/store.py:9:80", "app/store.py:99:1"])
def test_a_column_without_a_name(app: Repository, asked: str) -> None:
    with pytest.raises(UsageError, match=r"no name there|no such line"):
        app.rows(asked)


def test_a_definition_has_its_head_and_is_exact(app: Repository) -> None:
    (edge,) = ask(app, definition, "Store").edges

    assert (edge.symbol.citation, edge.symbol.signature) == ("app/store.py:4-9", "class Store(Sink)")
    assert (edge.citation, edge.confidence, edge.alternatives) == ("app/store.py:4", 1.0, 0)


def test_definitions_of_one_name_share_the_confidence(app: Repository) -> None:
    found = ask(app, definition, "flush", limit=1)

    assert found.total == 2 and len(found.edges) == 1
    assert (found.edges[0].confidence, found.edges[0].alternatives) == (0.5, 1)
    assert found.left_out == ("1 more definitions beyond the limit",)


def test_references_have_their_roles_and_symbols(app: Repository) -> None:
    found = ask(app, references, "encode", finder=finder(app))

    told = {(e.citation, e.role, e.symbol.qualified if e.symbol.kind != "file" else "") for e in found.edges}
    assert told == {
        ("app/store.py:9", "call", "Store.write"),
        ("app/main.py:1", "import", ""),
        ("app/main.py:3", "use", "HANDLERS"),
        ("app/main.py:9", "call", "main"),
        ("tests/test_store.py:1", "import", ""),
        ("tests/test_store.py:9", "call", "test_encode"),
    }


def test_references_of_one_role_and_in_one_folder(app: Repository) -> None:
    found = ask(app, references, "encode", roles=[Role.CALL], inside=lambda path: path.startswith("tests/"))

    assert places(found) == ["tests/test_store.py:9"]


def test_references_to_a_name_that_nothing_defines() -> None:
    files = {
        "a.py": "def f():\n    vanish()\n",
        "b.py": "from gone import vanish\n\n\ndef g():\n    vanish()\n",
    }
    found = ask(Repository(files), references, "vanish")

    assert found.targets == ()
    assert [(e.citation, e.rule) for e in found.edges] == [
        ("a.py:2", "undefined"), ("b.py:1", "undefined"), ("b.py:5", "undefined"),
    ]  # fmt: skip
    assert ask(Repository(files), references, "missing").edges == ()


def test_callers_as_a_tree(app: Repository) -> None:
    found = ask(app, callers, "encode", depth=3)

    top = {edge.symbol.qualified: edge for edge in found.edges}
    assert set(top) == {"Store.write", "main", "test_encode"}
    assert [e.symbol.qualified for e in top["Store.write"].edges] == ["Store.flush"]
    assert {e.symbol.qualified for e in top["main"].edges} == {"run", "test_main"}


def test_a_circle_of_calls_is_shown_once(app: Repository) -> None:
    found = ask(app, callers, "run", depth=10)

    (main,) = found.edges
    assert main.symbol.qualified == "main"
    run = next(edge for edge in main.edges if edge.symbol.qualified == "run")
    assert run.repeated and not run.edges


def test_a_constructor_is_called_by_the_name_of_its_type() -> None:
    repository = Repository(
        {"a.py": "class A:\n    def __init__(self):\n        pass\n\n\ndef f():\n    return A()\n"}
    )

    assert symbols(ask(repository, callers, "A.__init__")) == ["f"]


def test_a_name_given_by_an_import_is_a_reference() -> None:
    repository = Repository(
        {
            "a.py": "def real():\n    pass\n",
            "b.py": "from a import real as other\n\n\ndef f():\n    other()\n",
        }
    )

    assert symbols(ask(repository, callers, "real")) == ["f"]


def test_callees_are_in_the_index_and_out_of_it(app: Repository) -> None:
    found = ask(app, callees, "main")

    assert symbols(found) == ["Store", "run", "encode"]
    assert [edge.line for edge in found.edges] == [7, 8, 9]


def test_calls_out_of_the_index_are_named() -> None:
    repository = Repository(
        {"a.py": "import json\n\n\ndef f(x):\n    json.dumps(x)\n    len(x)\n    json.dumps(1)\n"}
    )

    found = ask(repository, callees, "f")

    assert [(e.name, e.rule, e.symbol, e.lines) for e in found.edges] == [
        ("json.dumps", "outside", None, (7,)),
        ("len", "unknown", None, ()),
    ]


def test_types_below_and_members_that_override(app: Repository) -> None:
    below = ask(app, implementations, "Sink")
    overriding = ask(app, implementations, "Sink.flush")

    assert [(e.symbol.qualified, e.depth) for e in below.edges] == [("Store", 1), ("MemoryStore", 2)]
    assert [(e.symbol.qualified, e.rule) for e in overriding.edges] == [("Store.flush", "override")]


def test_go_types_with_the_methods_of_an_interface() -> None:
    repository = Repository(
        {
            "a.go": "package a\n\ntype Sink interface {\n\t// Flush flushes.\n\tFlush() error\n\tClose()\n}\n",
            "b.go": "package a\n\ntype File struct{}\n\nfunc (f *File) Flush() error { return nil }\n\nfunc (f *File) Close() {}\n",
            "c.go": "package a\n\ntype Half struct{}\n\nfunc (h Half) Close() {}\n",
        }
    )

    found = ask(repository, implementations, "Sink")

    assert [(e.symbol.qualified, e.rule) for e in found.edges] == [("File", "method-set")]


def test_impact_names_the_tests_to_run_first(app: Repository) -> None:
    found = impact(app.resolver, "encode", Changed(app.rows("encode")), 20)

    assert [edge.path for edge in found.tests] == ["tests/test_store.py", "tests/test_main.py"]
    assert [e.symbol.qualified for e in found.edges if e.depth == 1] == ["main", "Store.write"]
    assert {e.depth for e in found.edges} == {1, 2}


def test_impact_of_a_file_reaches_its_importers_and_the_test_called_after_it(app: Repository) -> None:
    file = app.view.row_at("app/memory.py")
    assert file is not None

    found = impact(app.resolver, file.path, Changed(app.view.definitions(file.id), [file.id]), 20)

    assert ("tests/test_memory.py", "called-after") in [(e.path, e.rule) for e in found.tests]


def test_impact_of_an_overriding_member_reaches_the_callers_of_the_base(app: Repository) -> None:
    found = impact(app.resolver, "MemoryStore.write", Changed(app.rows("MemoryStore.write")), 20)

    assert "Store.flush" in [e.symbol.qualified for e in found.edges]


def test_impact_stops_at_its_bound(app: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(impact_module, "MOST_REACHED", 2)

    found = impact(app.resolver, "encode", Changed(app.rows("encode")), 20)

    assert "followed up to 2 places" in found.left_out


def test_a_route_is_the_shortest_chain(app: Repository) -> None:
    found = route(app.resolver, "test_main encode", app.rows("test_main"), app.rows("encode"))

    assert [s.qualified for s in found.targets] == ["test_main", "main", "encode"]
    assert places(found) == ["tests/test_main.py:5", "app/main.py:9"]


def test_there_may_be_no_route(app: Repository) -> None:
    found = route(app.resolver, "encode main", app.rows("encode"), app.rows("test_main"))

    assert (found.edges, found.total) == ((), 0)


def test_the_map_has_packages_their_symbols_and_who_uses_whom() -> None:
    files = {f"core/part{n}.py": f"def part{n}():\n    pass\n" for n in range(3)}
    files["core/engine.py"] = "class Engine:\n    def start(self): ...\n"
    for n in range(4):
        files[f"ui/page{n}.py"] = f"from core.engine import Engine\n\n\ndef page{n}():\n    Engine()\n"
    repository = Repository(files)

    found = repository_map(repository.view, 10)

    assert [package.path for package in found.packages] == ["core", "ui"]
    core, ui = found.packages
    assert found.symbols[0].qualified == core.symbols[0].qualified == "Engine"
    assert [path for path, _ in ui.uses] == ["core"]
    assert [path for path, _ in core.used_by] == ["ui"]


def test_the_map_of_nothing() -> None:
    assert repository_map(Repository({"README.md": "# Title\n"}).view, 10).packages == ()


def test_the_same_name_many_times_is_bounded_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from spelunk.graph import classes, names

    monkeypatch.setattr(names, "MOST_NAMED", 30)
    monkeypatch.setattr(classes, "MOST_DEFINITIONS", 30)
    files = {f"m{n:03}.py": f"class C{n}:\n    def init(self):\n        self.init()\n" for n in range(60)}
    repository = Repository(files)

    found = ask(repository, callers, "init", limit=5)

    assert len(found.edges) == 5
    assert any("more" in line and "`init`" in line for line in found.left_out)


def test_names_near_to_one_that_nothing_has(app: Repository) -> None:
    assert nearest_names(app.reader, "encod")[:1] == ("encode",)
    assert nearest_names(app.reader, "MemoryStor")[:1] == ("MemoryStore",)
    assert nearest_names(app.reader, "STORE")[:1] == ("Store",)
    assert nearest_names(app.reader, "zzzzzz") == ()


@pytest.mark.parametrize("asked", ["", "  ", "no/such/file.py:3", "app/store.py:999", "::"])
def test_a_question_that_means_nothing_is_refused(app: Repository, asked: str) -> None:
    with pytest.raises(UsageError):
        app.rows(asked)


def test_broken_code_has_answers() -> None:
    repository = Repository(
        {
            "a.py": "class A(\n    def f(self:\n        g(\n\ndef h():\n    A()\n",
            "b.ts": "class {{ function ((\n",
        }
    )

    for asked in ("A", "h", "f"):
        for question in (definition, references, callers, callees, implementations):
            ask(repository, question, asked)


NAMES = ["f", "g", "h", "K"]


@examples(60)
@given(
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(["a", "b", "c"])),
        min_size=1,
        max_size=14,
    )
)
def test_no_circle_hangs_and_every_place_is_exact(calls: list[tuple[str, str, str]]) -> None:
    """Functions and classes that call, import and inherit one another at random."""
    files: dict[str, str] = dict.fromkeys(("a.py", "b.py", "c.py"), "")
    for n, (name, other, module) in enumerate(calls):
        target = f"{'abc'[n % 3]}.py"
        files[target] += (
            f"from {module} import {other}\n\nclass {name}({other}):\n    def {other}(self):\n        self.{name}()\n        {other}()\n\ndef {name}():\n    {other}()\n"
        )
    repository = Repository(files)
    texts = {path: text.split("\n") for path, text in files.items()}

    for name in NAMES:
        rows = repository.rows(name)
        for answer in (
            ask(repository, references, name, finder=finder(repository)),
            ask(repository, callers, name, depth=10),
            ask(repository, callees, name, depth=10),
            ask(repository, implementations, name),
            impact(repository.resolver, name, Changed(rows), 50, steps=8),
            route(repository.resolver, name, rows, repository.rows("K")),
        ):
            edges = [*answer.edges, *answer.tests]
            while edges:
                edge = edges.pop()
                edges += edge.edges
                assert texts[edge.path][edge.line - 1].strip() == edge.text or edge.role == "test"
                assert 0 < edge.confidence <= 1
