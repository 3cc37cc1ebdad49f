"""Definitions of every language with a table, against reviewed expectations.

``tests/fixtures/chunk/golden.txt`` holds one line a chunk when every definition
is a chunk of its own: lines, kind, qualified symbol, and what else it defines.
"""

from pathlib import Path

import pytest

from spelunk.chunk import assemble, chunk, code, parse
from spelunk.config import Options
from spelunk.files.languages import language_of
from spelunk.types import Document

FIXTURES = Path(__file__).parent / "fixtures" / "chunk"
OPTIONS = Options()


def sources():
    return sorted(p for p in FIXTURES.iterdir() if p.suffix != ".txt" and p.is_file())


def document(text, language):
    return Document("a", text, b"", language)


def render(text, language):
    rows = []
    for c in chunk(parse(document(text, language), OPTIONS)):
        name = f"{c.scope}.{c.symbol}" if c.scope else c.symbol
        others = " ".join(f"{d.name}:{d.kind}:{d.line}" for d in c.definitions)
        rows.append(f"{c.start_line}-{c.end_line} {c.kind} {name} | {others}".rstrip())
    return rows


def golden():
    sections, current = {}, []
    for line in (FIXTURES / "golden.txt").read_text().split("\n"):
        if line.startswith("== "):
            current = sections[line[3:]] = []
        elif line:
            current.append(line)
    return sections


@pytest.fixture
def fine(monkeypatch):
    """Join nothing: each definition becomes visible as a chunk."""
    for module, name, value in (
        (code, "TARGET_CHARS", 1),
        (assemble, "TARGET_CHARS", 1),
        (assemble, "SMALL_CHARS", 0),
        (assemble, "TINY_CHARS", 0),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.mark.parametrize("path", sources(), ids=lambda p: p.stem)
def test_definitions_match_the_golden_file(path, fine):
    assert render(path.read_text(), language_of(path.name)) == golden()[path.name]


def test_the_golden_file_has_no_section_without_a_source():
    assert set(golden()) == {p.name for p in sources()}


def shapes(text, language):
    return [
        (c.start_line, c.end_line, c.kind, c.scope, c.symbol)
        for c in chunk(parse(document(text, language), OPTIONS))
    ]


def body(lines, indent="    "):
    return "".join(f"{indent}value_{i} = compute({i}, 'some argument')\n" for i in range(lines))


def test_small_neighbours_are_one_chunk_with_every_name():
    text = "import os\n\n\ndef a():\n    pass\n\n\ndef b():\n    pass\n"

    (only,) = chunk(parse(document(text, "python"), OPTIONS))

    assert [d.name for d in only.definitions] == ["a", "b"]


def test_a_substantial_function_is_a_chunk_of_its_own():
    text = f"def a():\n{body(20)}\n\ndef b():\n{body(20)}"

    assert shapes(text, "python") == [(1, 21, "function", "", "a"), (24, 44, "function", "", "b")]


def test_pieces_of_a_large_function_keep_its_name():
    text = f"class A:\n    def big(self):\n{body(150, ' ' * 8)}"

    result = shapes(text, "python")

    assert len(result) > 3
    assert {(kind, scope, symbol) for _, _, kind, scope, symbol in result[1:]} == {("method", "A", "big")}


def test_functions_inside_a_large_function_are_found():
    text = f"def outer():\n{body(60)}\n    def inner():\n{body(20, ' ' * 8)}\n{body(30)}"

    assert ("function", "outer", "inner") in {s[2:] for s in shapes(text, "python")}


def test_a_large_class_gives_its_methods_and_its_head():
    text = f'class A:\n    """Doc."""\n\n    def first(self):\n{body(25, " " * 8)}\n    def second(self):\n{body(25, " " * 8)}'

    result = chunk(parse(document(text, "python"), OPTIONS))

    assert [(c.scope, c.symbol) for c in result] == [("A", "first"), ("A", "second")]
    assert [(d.name, d.kind) for d in result[0].definitions] == [("first", "method"), ("A", "class")]


def test_constants_of_a_large_group_are_defined_where_they_stand():
    rows = "".join(f"\tName{i} = {i} // some words about this constant\n" for i in range(200))

    result = chunk(parse(document(f"package p\n\nconst (\n{rows})\n", "go"), OPTIONS))

    assert len(result) > 3
    assert sorted(d.name for c in result for d in c.definitions) == sorted(f"Name{i}" for i in range(200))


def test_names_that_are_not_ascii_are_whole():
    text = "größe() {\n  echo '🎉'\n}\n"

    (only,) = chunk(parse(document(text, "bash"), OPTIONS))

    assert only.symbol == "größe"


@pytest.mark.parametrize(
    ("language", "text", "names"),
    [
        ("perl", "package My::A;\n\n# doc\nsub run {\n}\n", ["run", "My::A"]),
        ("clojure", "(ns a.b)\n(defn f [x] x)\n", ["a.b", "f"]),
        ("r", "f <- function(x) {\n  x\n}\n", ["f"]),
        ("dart", "class A {\n  void m() {}\n}\n", ["A", "m"]),
        ("terraform", 'resource "a" "b" {\n}\n', ["a.b"]),
        ("proto", "message Foo {\n  string a = 1;\n}\n", ["Foo"]),
        ("ocaml", "let f x = x\n", ["f"]),
        ("awk", "function add(a) {\n}\n", ["add"]),
        ("make", "all: x\n\techo\n", ["all"]),
    ],
)
def test_languages_without_a_reviewed_table_have_definitions_too(language, text, names):
    assert [d.name for c in chunk(parse(document(text, language), OPTIONS)) for d in c.definitions] == names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("TEXT runtime·rt0_go(SB),NOSPLIT,$0\n\tRET\n", "rt0_go"),
        ("SYM_FUNC_START(copy_page)\n\tret\n", "copy_page"),
        ("main:\n\tret\n", "main"),
    ],
)
def test_labels_of_assembly_are_functions(text, name):
    (only,) = chunk(parse(document(text, "asm"), OPTIONS))

    assert (only.kind, only.symbol) == ("function", name)


@pytest.mark.parametrize("language", ["typescript", "tsx"])
def test_a_text_on_which_a_grammar_never_ends_is_cut_without_it(language: str) -> None:
    text = "const first = 1;\n(a''<{[)[}x (<)]\n"

    found = chunk(parse(Document("a.ts", text, b"", language), Options()))

    assert "".join(text[c.start : c.end] for c in found).split() == text.split()
    after = chunk(parse(Document("b.ts", "export class Later {}\n", b"", language), Options()))
    assert [d.name for c in after for d in c.definitions] == ["Later"]


def test_a_text_with_brackets_in_strings_and_crossed_ones_keeps_its_definitions() -> None:
    text = "const a = '(';  // [\nconst r = /[(]/;\nexport function found() { return `{`; }\n"

    names = {
        d.name
        for c in chunk(parse(Document("a.ts", text, b"", "typescript"), Options()))
        for d in c.definitions
    }

    assert "found" in names
