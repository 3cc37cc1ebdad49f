"""Trees made to be difficult: the work stays in proportion, and the answer says what it left out."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from spelunk.graph import impact as impact_module
from spelunk.graph import pools as pools_module
from spelunk.graph import resolve as resolve_module
from spelunk.graph import sites as sites_module
from spelunk.graph import value_uses as value_uses_module
from spelunk.graph import view as view_module
from spelunk.graph.callees import callees
from spelunk.graph.callers import callers
from spelunk.graph.definition import definition
from spelunk.graph.impact import Changed, impact
from spelunk.graph.imports import Imports
from spelunk.graph.references import references
from spelunk.graph.spans import Spans
from spelunk.store.relation_reader import DefinitionRow
from tests.examples import examples
from tests.graphcases import Repository, places, symbols

ROWS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 40)), max_size=40)


@examples(300)
@given(ROWS, st.integers(0, 110), st.integers(0, 110))
def test_spans_find_what_a_look_at_every_definition_finds(
    pairs: list[tuple[int, int]], line: int, other: int
) -> None:
    rows = [
        DefinitionRow(1, f"d{n}", "function", "", first, first + more if more else 0)
        for n, (first, more) in enumerate(sorted(pairs))
    ]
    spans = Spans(rows)

    assert spans.holding(line) == [r for r in rows if r.line <= line <= max(r.line, r.end_line)]
    assert list(spans.starting(line, other)) == [r for r in rows if line <= r.line <= other]


def test_a_line_is_looked_up_without_a_look_at_every_definition() -> None:
    def looks(count: int) -> int:
        rows = [DefinitionRow(1, "C", "class", "", 1, 3 * count)]
        rows += [DefinitionRow(1, f"m{n}", "method", "C", 3 * n + 2, 3 * n + 3) for n in range(count)]
        spans = Spans(rows)
        seen = 0

        class Greatest(list[int]):
            def __getitem__(self, n):  # type: ignore[no-untyped-def]
                nonlocal seen
                seen += 1
                return super().__getitem__(n)

        spans._greatest = Greatest(spans._greatest)
        assert [r.name for r in spans.holding(3 * (count // 2) + 2)] == ["C", f"m{count // 2}"]
        return seen

    assert looks(64_000) <= 2 * looks(1_000)


def test_a_generated_file_of_many_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 3_000
    text = "".join(f"def f{n}():\n    return f0()\n\n\n" for n in range(count))
    repository = Repository({"big.py": text, "use.py": "from big import f7\n\n\ndef use():\n    f7()\n"})

    found = callers(repository.resolver, "f0", repository.rows("f0"), 5)

    assert found.total == count and found.left_out == (f"{count - 5:,} more callers beyond the limit",)
    assert symbols(callers(repository.resolver, "f7", repository.rows("f7"), 5)) == ["use"]
    monkeypatch.setattr(impact_module, "MOST_CHANGED", 100)
    (row,) = [repository.view.row_at("big.py")]
    assert row is not None
    reached = impact(repository.resolver, "big.py", Changed(repository.view.definitions(row.id), [row.id]), 5)
    assert f"of {count:,} definitions the first 100 were followed" in reached.left_out


def test_a_file_that_was_parsed_when_it_was_indexed_is_parsed_for_a_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repository = Repository({"a.py": "def f():\n    g()\n\n\ndef g():\n    pass\n"})
    monkeypatch.setattr(view_module, "DEFAULTS", replace(view_module.DEFAULTS, max_parse_size=10))

    assert symbols(callees(repository.resolver, "f", repository.rows("f"), 5)) == ["g"]


def crowd(count: int) -> Repository:
    files = {
        f"p{n % 3}/m{n}.py": f"def init():\n    pass\n\n\ndef start{n}():\n    init()\n" for n in range(count)
    }
    files["p0/user.py"] = "from p1.m1 import init\n\n\ndef user():\n    init()\n"
    files["lost.py"] = "def lost(x):\n    x.init()\n"
    return Repository(files)


def test_a_name_that_very_many_files_define(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools_module, "CROWDED", 20)
    monkeypatch.setattr(sites_module, "CROWDED", 20)
    repository = crowd(60)
    told = "`init` has more than 20 definitions"

    one = repository.rows("p1/m1.init")[:1]
    found = callers(repository.resolver, "p1/m1.py:1", one, 10)
    assert symbols(found) == ["user", "start1"]
    assert any(line.startswith(told) for line in found.left_out)

    every = definition(repository.resolver, "init", repository.rows("init"), 5)
    assert every.total == 60 and "55 more definitions beyond the limit" in every.left_out

    monkeypatch.setattr(sites_module, "CROWDED_SITES", 10)
    some = references(repository.resolver, "init", one, 10)
    assert any("references of the name were not looked at" in line for line in some.left_out)


def test_a_crowded_name_is_held_against_few_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools_module, "CROWDED", 20)
    monkeypatch.setattr(sites_module, "CROWDED", 20)
    sizes: list[int] = []
    original = pools_module.Pools._named

    def counted(self, file, name, family):  # type: ignore[no-untyped-def]
        found = original(self, file, name, family)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(pools_module.Pools, "_named", counted)
    repository = crowd(90)
    callers(repository.resolver, "init", repository.rows("init"), 10)

    assert sizes and max(sizes) <= 40


def test_layers_that_export_each_other_are_visited_once(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        f"app/l{layer}m{n}.py": "".join(f"from app.l{(layer + 1) % 6}m{m} import *\n" for m in range(8))
        for layer in range(6)
        for n in range(8)
    }
    files["app/__init__.py"] = ""
    files["main.py"] = "from app.l0m0 import nowhere\n\n\ndef main():\n    nowhere()\n"
    visits: list[tuple[int, str]] = []
    original = Imports._offered

    def counted(self, file, name):  # type: ignore[no-untyped-def]
        visits.append((file, name))
        return original(self, file, name)

    monkeypatch.setattr(Imports, "_offered", counted)
    repository = Repository(files)

    assert repository.meaning("main.py", "nowhere", line=5) == ("", "")
    assert len(visits) == len(set(visits)) <= len(files)


def test_a_name_is_found_behind_two_kinds_of_re_export() -> None:
    repository = Repository(
        {
            "lib/__init__.py": "from lib.inner import *\n",
            "lib/inner.py": "from lib.deep import real as other\nfrom lib.inner import *\n",
            "lib/deep.py": "def real():\n    pass\n",
            "main.py": "from lib import other\n\n\ndef main():\n    other()\n",
        }
    )

    assert repository.meaning("main.py", "other", line=5) == ("lib/deep.py:1", "import")


def test_circles_of_bases_and_imports_end() -> None:
    repository = Repository(
        {
            "a.py": "from b import B\n\n\nclass A(B):\n    def run(self):\n        self.missing()\n        self.run()\n",
            "b.py": "from a import A\n\n\nclass B(A):\n    def go(self):\n        self.run()\n",
        }
    )

    assert symbols(callers(repository.resolver, "A.run", repository.rows("A.run"), 10, depth=10)) == [
        "A.run",
        "B.go",
    ]
    assert repository.resolve("a.py", "missing").candidates == []


def test_the_references_of_one_question_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve_module, "MOST_RESOLVED", 5)
    repository = Repository(
        {f"m{n}.py": f"def run{n}():\n    go()\n" for n in range(20)} | {"go.py": "def go():\n    pass\n"}
    )

    found = callers(repository.resolver, "go", repository.rows("go"), 50)

    assert "5 references were resolved, and no more" in found.left_out


def test_broken_code_is_answered_from_what_is_whole() -> None:
    good = "def helper():\n    pass\n\n\ndef user():\n    helper()\n"
    rng = random.Random(3)
    files = {"good.py": good}
    for n in range(40):
        text = good * 3
        for _ in range(rng.randint(1, 12)):
            at = rng.randrange(1, len(text))
            text = text[:at] + rng.choice(["(", "]", "'", "\n", "\0", ""]) + text[at + rng.randint(0, 4) :]
        files[f"bad{n}.py"] = text
    repository = Repository(files)

    found = callers(repository.resolver, "good.py:1", repository.rows("good.py:1"), 500)

    assert ("good.py:6", "user") in list(zip(places(found), symbols(found), strict=True))


def test_languages_that_share_a_name_are_kept_apart() -> None:
    texts = {
        "a.py": "def flush():\n    flush()\n",
        "a.js": "export function flush() { flush() }\n",
        "a.go": "package a\n\nfunc flush() { flush() }\n",
        "a.rs": "fn flush() { flush() }\n",
        "a.rb": "def flush\n  flush()\nend\n",
        "a.c": "void flush(void) { flush(); }\n",
    }
    repository = Repository(texts)

    for path in texts:
        row = repository.view.row_at(path)
        assert row is not None
        own = [d for d in repository.rows("flush") if d.file == row.id]
        found = callers(repository.resolver, path, own, 10)
        assert {edge.path for edge in found.edges} == {path}, path


def kernel(callers_each: int = 1, files: int = 40) -> Repository:
    """Many files of C that include one header and call what it declares."""
    call = "".join(f"void use{{n}}_{k}(void)\n{{{{\n\tshared();\n}}}}\n" for k in range(callers_each))
    texts = {f"drv/d{n}.c": '#include "api.h"\n' + call.format(n=n) for n in range(files)}
    texts["drv/ops.c"] = (
        '#include "api.h"\nstruct ops { void (*shared)(void); list_head list_head; };\n'
        "void other(struct ops *o)\n{\n\to->shared();\n\to->shared = shared;\n}\n"
    )
    texts["drv/api.h"] = "void shared(void);\nstruct list_head { int x; };\n"
    texts["core/api.c"] = '#include "../drv/api.h"\nvoid shared(void)\n{\n}\n'
    return Repository(texts)


def test_similar_files_of_c_share_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved: list[int] = []
    original = sites_module.located_at

    def counted(resolver, file, reference, wanted):  # type: ignore[no-untyped-def]
        resolved.append(file)
        return original(resolver, file, reference, wanted)

    monkeypatch.setattr(sites_module, "located_at", counted)
    repository = kernel(callers_each=3)

    answer = callers(repository.resolver, "shared", repository.rows("shared"), 10)

    assert answer.total == 120 and len(answer.edges) == 10 and resolved == []
    assert "110 more callers beyond the limit" in answer.left_out


def test_callers_beyond_the_page_are_counted_as_if_all_were_shown() -> None:
    repository = kernel(callers_each=2)
    rows = repository.rows("shared")

    whole = callers(repository.resolver, "shared", rows, 1000)
    page = callers(repository.resolver, "shared", rows, 7)

    assert whole.total == page.total == len(whole.edges) == 80
    assert [e.citation for e in page.edges] == [e.citation for e in whole.edges[:7]]


def test_a_call_through_a_pointer_means_no_function_of_c(monkeypatch: pytest.MonkeyPatch) -> None:
    repository = kernel()
    parsed: list[int] = []
    monkeypatch.setattr(type(repository.view), "parsed", lambda self, file: parsed.append(file))

    answer = callers(repository.resolver, "shared", repository.rows("shared"), 100)

    assert not any(edge.path == "drv/ops.c" for edge in answer.edges)
    assert "1 reference of the name means something else, or cannot be told apart" in answer.left_out
    assert parsed == []


def test_a_type_of_c_means_no_field(monkeypatch: pytest.MonkeyPatch) -> None:
    repository = kernel(files=2)

    found = references(repository.resolver, "list_head", repository.rows("list_head"), 10)

    assert [edge.citation for edge in found.edges] == ["drv/ops.c:2"]


def test_uses_of_c_are_looked_for_in_the_pieces_that_have_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"static int f{n}(int x)\n{{\n\treturn x;\n}}\n" for n in range(200))
    table = "struct t table = {\n\t.run = shared,\n};\n"
    repository = Repository({"a.c": "void shared(void)\n{\n}\n", "b.c": text + table + text})
    sizes: list[int] = []
    original = value_uses_module._in_piece

    def counted(row, name, piece):  # type: ignore[no-untyped-def]
        sizes.append(len(piece.split()))
        return original(row, name, piece)

    monkeypatch.setattr(value_uses_module, "_in_piece", counted)

    found = references(repository.resolver, "shared", repository.rows("shared"), 10, finder=repository.finder)

    assert [edge.citation for edge in found.edges] == ["b.c:802"]
    assert sizes and max(sizes) < 20
