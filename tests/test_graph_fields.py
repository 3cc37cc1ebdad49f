"""Fields, attributes and variants: read from the texts when a question needs them."""

from __future__ import annotations

import pytest

from spelunk.chunk.fields import FIELD, VARIANT, fields, literal_around
from spelunk.graph.fields import fields_named
from spelunk.graph.names import find
from spelunk.graph.references import references
from spelunk.graph.sites import uses_of
from spelunk.store.records import FileRow
from tests.graphcases import Repository, places
from tests.test_relations import parsed

FIELDS = {
    "rust": (
        "struct S<T: Sink> { a: Arc<Foo>, b: Vec<Bar>, c: T }\nstruct P(Foo, u8);\nenum E { One, Two(Foo) }\n",
        [
            ("a", FIELD, 1, "Foo"), ("b", FIELD, 1, "Vec"), ("c", FIELD, 1, "Sink"), ("0", FIELD, 2, "Foo"),
            ("1", FIELD, 2, "u8"), ("One", VARIANT, 3, ""), ("Two", VARIANT, 3, ""), ("Two.0", FIELD, 3, "Foo"),
        ],
    ),
    "go": (
        "package p\ntype S struct {\n\ta, b *Foo\n\thttp.Writer\n\tf func(int) bool\n}\n",
        [("a", FIELD, 3, "Foo"), ("b", FIELD, 3, "Foo"), ("Writer", FIELD, 4, "http.Writer"), ("f", FIELD, 5, "func")],
    ),
    "c": (
        "struct s {\n  struct t *next, one;\n  int (*run)(int);\n  int many[4];\n};\ntypedef struct { int x; } p;\n",
        [
            ("next", FIELD, 2, "t"), ("one", FIELD, 2, "t"), ("run", FIELD, 3, "int"), ("many", FIELD, 4, "int"),
            ("x", FIELD, 6, "int"),
        ],
    ),
    "python": (
        "class A:\n    b = 1\n    def f(self, x):\n        self.x = x\n        self.x = 2\n        other.y = 1\n",
        [("b", FIELD, 2, ""), ("x", FIELD, 4, ""), ("x", FIELD, 5, "")],
    ),
    "typescript": (
        "interface I { a: Foo; b?: Bar[] }\nclass C { constructor(private c: Foo, d: Foo) { this.e = d; } }\n",
        [("a", FIELD, 1, "Foo"), ("b", FIELD, 1, "Bar"), ("c", FIELD, 2, "Foo"), ("e", FIELD, 2, "")],
    ),
    "php": (
        "<?php class A { public Foo $a; function __construct(private Bar $b) {} }\n",
        [("a", FIELD, 1, ""), ("b", FIELD, 1, "")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", sorted(FIELDS))
def test_the_fields_of_a_file(language: str) -> None:
    text, expected = FIELDS[language]

    found = fields(parsed(text, language))

    assert sorted((f.name, f.kind, f.line, f.type) for f in found) == sorted(expected)


def test_a_list_tells_the_type_of_its_elements() -> None:
    found = {f.name: f.element for f in fields(parsed("struct S { b: Option<Vec<Bar>>, c: Foo }\n", "rust"))}

    assert found == {"b": "Bar", "c": ""}


@pytest.mark.parametrize(
    ("text", "language", "name", "written"),
    [
        ("fn f() { let a = m::S { x: 1 }; }\n", "rust", "x", "m::S"),
        ("fn f() { let a = S { x: y }; }\n", "rust", "y", None),
        ("package p\nvar a = &S{x: 1}\n", "go", "x", "S"),
        ("package p\nvar a = []S{{x: 1}}\n", "go", "x", "S"),
        ("package p\nvar a = map[string]S{x: {}}\n", "go", "x", ""),
        ("struct s a = { .x = 1 };\n", "c", "x", "s"),
        ("struct s a[] = { { .x = 1 } };\n", "c", "x", "s"),
        ("int f(void) { g((struct s){ .x = 1 }); }\n", "c", "x", "s"),
    ],
)
def test_the_type_of_the_literal_around_a_key(
    text: str, language: str, name: str, written: str | None
) -> None:
    line = text[: text.index(name)].count("\n") + 1

    assert literal_around(parsed(text, language), name, line) == written


RUST = {
    "src/lib.rs": "mod a;\nmod b;\n",
    "src/a.rs": (
        "pub struct Config {\n    pub limit: usize,\n    pub sink: Sink,\n}\n\n"
        "pub struct Other {\n    pub limit: u8,\n}\n\n"
        "pub struct Sink;\n\nimpl Sink {\n    pub fn flush(&self) {}\n}\n\n"
        "pub enum Mode {\n    Fast,\n    Slow(u8),\n}\n"
    ),
    "src/b.rs": (
        "use crate::a::{Config, Mode, Other, Sink};\n\n"
        "fn make(o: Other) -> Config {\n    let m = Mode::Slow(2);\n    let n = o.limit;\n"
        "    Config { limit: 1, sink: Sink }\n}\n\n"
        "fn run(c: &Config) {\n    c.sink.flush();\n    if c.limit > 1 {\n        c.limit = 2;\n    }\n}\n"
    ),
}


@pytest.fixture(scope="module")
def rust() -> Repository:
    return Repository(RUST)


def test_a_field_is_the_definition_at_its_line(rust: Repository) -> None:
    assert [(r.name, r.kind, r.scope) for r in rust.rows("src/a.rs:2")] == [("limit", "field", "Config")]


def test_references_of_a_field(rust: Repository) -> None:
    """Reads, writes and keys of literals, and not those of another type's field."""
    answer = references(rust.resolver, "limit", rust.rows("src/a.rs:2"), 50, finder=rust.finder)

    sure = [edge for edge in answer.edges if edge.confidence >= 0.5]
    assert [edge.citation for edge in sure] == ["src/b.rs:6", "src/b.rs:11", "src/b.rs:12"]


def test_references_of_a_variant(rust: Repository) -> None:
    answer = references(rust.resolver, "Slow", rust.rows("src/a.rs:18"), 50, finder=rust.finder)

    assert places(answer) == ["src/b.rs:4"]


def test_a_field_is_found_by_its_name_and_type(rust: Repository) -> None:
    assert find(rust.view, "limit") == []
    assert [rust.place(r) for r in fields_named(rust.view, "limit", rust.finder)] == [
        "src/a.rs:2",
        "src/a.rs:7",
    ]
    assert [rust.place(r) for r in fields_named(rust.view, "Other.limit", rust.finder)] == ["src/a.rs:7"]


def test_a_member_behind_a_field_of_another_file(rust: Repository) -> None:
    assert rust.meaning("src/b.rs", "flush") == ("src/a.rs:13", "type")


@pytest.mark.parametrize(
    ("place", "meant"),
    [
        ("src/b.rs:5:15", "src/a.rs:7"),  # o.limit
        ("src/b.rs:6:14", "src/a.rs:2"),  # the key of a literal
        ("src/b.rs:4:19", "src/a.rs:18"),  # a variant
        ("src/b.rs:10:12", "src/a.rs:13"),  # a method
        ("src/b.rs:9:12", "src/a.rs:1"),  # a type
        ("src/b.rs:9:4", "src/b.rs:9"),  # the definition itself
        ("src/a.rs:2:9", "src/a.rs:2"),
    ],
)
def test_what_the_name_at_a_column_means(rust: Repository, place: str, meant: str) -> None:
    assert [rust.place(row) for row in rust.rows(place)] == [meant]


def test_an_attribute_belongs_to_its_class_and_the_line_to_the_method() -> None:
    repository = Repository(
        {
            "a.py": "class A:\n    def __init__(self):\n        self.size = 1\n\n    def f(self):\n        return self.size\n"
        }
    )

    assert [r.name for r in repository.rows("a.py:3")] == ["__init__"]
    assert [(r.name, r.scope) for r in repository.rows("a.py:3:14")] == [("size", "A")]
    assert [repository.place(r) for r in repository.rows("a.py:6:21")] == ["a.py:3"]


def test_fields_of_a_struct_with_a_tag_and_another_name() -> None:
    repository = Repository(
        {
            "s.h": "typedef struct tag {\n    int size;\n} name_t;\n\ntypedef struct far far_t;\n",
            "far.c": '#include "s.h"\nstruct far {\n    int deep;\n};\n',
            "u.c": '#include "s.h"\nint f(name_t *n, struct tag *t, far_t *g) {\n    return n->size +\n        t->size +\n        g->deep;\n}\n',
        }
    )

    assert [repository.place(r) for r in repository.rows("u.c:3:15")] == ["s.h:2"]
    assert [repository.place(r) for r in repository.rows("u.c:4:12")] == ["s.h:2"]
    assert [repository.place(r) for r in repository.rows("u.c:5:12")] == ["far.c:3"]


def test_uses_are_looked_for_near_the_definition_first() -> None:
    far = {f"a/far{n}.rs": "fn f() { let limit = 1; g(limit); }\n" for n in range(3)}
    repository = Repository({**RUST, **far})

    answer = references(
        repository.resolver, "limit", repository.rows("src/a.rs:2"), 1, finder=repository.finder
    )
    near = uses_of(repository.resolver, repository.rows("src/a.rs:2"), repository.finder, [], most=2)

    assert answer.total >= 1
    assert {repository.view.row(site.file).path for site in near} == {"src/b.rs"}


def test_the_file_of_the_type_is_read_first(rust: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spelunk.graph.fields.MOST_FILES", 1)

    def last_first(name: str, most: int) -> list[FileRow]:
        return sorted(rust.finder(name, most), key=lambda file: file.path != "src/b.rs")

    assert fields_named(rust.view, "limit", last_first) == []
    assert [rust.place(r) for r in fields_named(rust.view, "Other.limit", last_first)] == ["src/a.rs:7"]
