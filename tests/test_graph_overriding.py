"""Calls through an interface: they count for the members that implement it, with less trust."""

from __future__ import annotations

import pytest

from spelunk.graph.callers import callers
from spelunk.graph.references import references
from tests.graphcases import Repository, places

TREES = {
    "typescript": {
        "a.ts": "export interface Router { add(x: string): void }\n"
        "export class Line implements Router { add(x: string) {} }\n"
        "export class Tree implements Router { add(x: string) {} }\n",
        "b.ts": "import { Line, Router } from './a'\nfunction f(r: Router) { r.add('') }\nfunction g(r: Line) { r.add('') }\n",
    },
    "java": {
        "p/Router.java": "package p;\ninterface Router { void add(String x); }\n",
        "p/Line.java": "package p;\nclass Line implements Router { public void add(String x) {} }\n",
        "p/Tree.java": "package p;\nclass Tree implements Router { public void add(String x) {} }\n",
        "p/Use.java": "package p;\nclass Use {\n void f(Router r) { r.add(\"\"); }\n void g(Line r) { r.add(\"\"); }\n}\n",
    },
    "go": {
        "a.go": "package p\n\ntype Router interface {\n\tAdd(x string)\n}\n\ntype Line struct{}\n\n"
        "func (l *Line) Add(x string) {}\n\ntype Tree struct{}\n\nfunc (t *Tree) Add(x string) {}\n",
        "b.go": "package p\n\nfunc f(r Router) { r.Add(\"\") }\n\nfunc g(r *Line) { r.Add(\"\") }\n",
    },
}  # fmt: skip
ASKED = {"typescript": "Line.add", "java": "Line.add", "go": "Line.Add"}
PLACES = {
    "typescript": {"b.ts:2": "override", "b.ts:3": "type"},
    "java": {"p/Use.java:3": "override", "p/Use.java:4": "type"},
    "go": {"b.go:3": "override", "b.go:5": "type"},
}


@pytest.mark.parametrize("language", sorted(TREES))
def test_a_call_through_an_interface_counts_for_what_implements_it(language: str) -> None:
    repository = Repository(TREES[language])

    answer = callers(repository.resolver, ASKED[language], repository.rows(ASKED[language]), 50)

    assert {edge.citation: edge.rule for edge in answer.edges} == PLACES[language]
    trust = {edge.rule: edge.confidence for edge in answer.edges}
    assert 0.5 <= trust["override"] < trust["type"]


@pytest.mark.parametrize("language", sorted(TREES))
def test_references_have_it_too(language: str) -> None:
    repository = Repository(TREES[language])

    answer = references(
        repository.resolver, ASKED[language], repository.rows(ASKED[language]), 50, finder=repository.finder
    )

    assert {edge.citation: edge.rule for edge in answer.edges}.items() >= PLACES[language].items()


@pytest.mark.parametrize("language", sorted(TREES))
def test_a_call_of_a_class_does_not_count_for_its_siblings_or_its_interface(language: str) -> None:
    repository = Repository(TREES[language])
    direct = next(place for place, rule in PLACES[language].items() if rule == "type")

    for other in ("Tree", "Router"):
        asked = ASKED[language].replace("Line", other)
        answer = callers(repository.resolver, asked, repository.rows(asked), 50)
        assert direct not in places(answer)
        assert len(answer.edges) == 1


def test_a_type_without_all_methods_of_an_interface_of_go_does_not_implement_it() -> None:
    files = dict(TREES["go"])
    files["a.go"] = files["a.go"].replace("\tAdd(x string)\n", "\tAdd(x string)\n\tClose()\n")
    repository = Repository(files)

    answer = callers(repository.resolver, "Line.Add", repository.rows("Line.Add"), 50)

    assert places(answer) == ["b.go:5"]


def test_what_constructs_a_base_does_not_construct_its_subclass() -> None:
    files = {
        "a.py": "class A:\n    def __init__(self): pass\n\nclass B(A):\n    def __init__(self): pass\n\nA()\n"
    }
    repository = Repository(files)

    assert places(callers(repository.resolver, "B.__init__", repository.rows("B.__init__"), 50)) == []
