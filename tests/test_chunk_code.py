"""Definitions of every language with a table, against reviewed expectations.

``tests/fixtures/chunk/golden.txt`` holds one line a chunk when every definition
is a chunk of its own: lines, kind, qualified symbol, and what else it defines.
"""

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelunk.chunk import assemble, chunk, code, parse
from spelunk.chunk.grammar import FAMILIES, bad_pattern, grammar_for
from spelunk.chunk.mended import mended
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


def definitions(text: str, language: str) -> list[tuple[str, str, int, int]]:
    """Name, scope, line and last line of every definition."""
    chunks = chunk(parse(document(text, language), OPTIONS))
    return [(d.name, d.scope, d.line, d.end_line) for c in chunks for d in c.definitions]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("python", "class A:\n    def m(self):\n        pass\n\n\nX = 1\n", [("m", "A", 2, 3), ("A", "", 1, 3), ("X", "", 6, 6)]),
        ("python", "@dec\ndef f():\n    return 1\n\n", [("f", "", 2, 3)]),
        ("javascript", "const a = () => {\n  x();\n}, b = 2;\n", [("a", "", 1, 3), ("b", "", 3, 3)]),
        ("typescript", "namespace N {\n  export function f(x: A): A;\n  export function f(x: any) {\n    return x;\n  }\n}\n", [("N", "", 1, 6), ("f", "N", 2, 5)]),
        ("go", "package p\n\nconst (\n\tA = 1\n\tB = 2\n)\n\nfunc (t *T) M() {\n}\n", [("A", "", 4, 4), ("B", "", 5, 5), ("M", "T", 8, 9)]),
        ("rust", "impl A {\n    fn f() {\n    }\n}\n", [("A", "", 1, 4), ("f", "A", 2, 3)]),
        ("csharp", "namespace N;\nclass A {\n  void M() {\n  }\n}\n", [("A", "N", 2, 5), ("M", "N.A", 3, 4)]),
        ("java", "class A {\n  int x,\n    y;\n  void m() {\n  }\n}\n", [("A", "", 1, 6), ("x", "A", 2, 2), ("y", "A", 3, 3), ("m", "A", 4, 5)]),
        ("c", "#define N 1\nstruct s {\n  int a;\n};\nint f(void)\n{\n}\n", [("N", "", 1, 1), ("s", "", 2, 4), ("f", "", 5, 7)]),
        ("cpp", "namespace a::b {\nvoid C::f() {\n}\n}\n", [("a.b", "", 1, 4), ("f", "a.b.C", 2, 3)]),
        ("ruby", "module M\n  def m\n  end\nend\n", [("M", "", 1, 4), ("m", "M", 2, 3)]),
        ("php", "<?php\nnamespace A\\B;\nclass C {\n  const X = 1;\n}\n", [("C", "A.B", 3, 5), ("X", "A.B.C", 4, 4)]),
        ("swift", "struct S {\n  func f() {\n  }\n}\n", [("S", "", 1, 4), ("f", "S", 2, 3)]),
        ("kotlin", "class A {\n  fun f() {\n  }\n}\n", [("A", "", 1, 4), ("f", "A", 2, 3)]),
        ("scala", "object O {\n  def f = {\n    1\n  }\n}\n", [("O", "", 1, 5), ("f", "O", 2, 4)]),
        ("lua", "function M.f()\nend\n", [("f", "M", 1, 2)]),
        ("bash", "f() {\n  x\n}\nA=1\n", [("f", "", 1, 3), ("A", "", 4, 4)]),
        ("r", "f <- function(x) {\n  x\n}\nv <- 1\n", [("f", "", 1, 3), ("v", "", 4, 4)]),
        ("julia", "module M\nfunction f(x)\nend\nstruct S\nend\nend\n", [("M", "", 1, 6), ("f", "M", 2, 3), ("S", "M", 4, 5)]),
        ("haskell", "f :: Int\nf = 1\n\ng x =\n  x\n", [("f", "", 1, 2), ("g", "", 4, 5)]),
        ("ocaml", "let rec f x =\n  x\nand y = 1\nmodule M = struct\n  let z = 1\nend\n", [("f", "", 1, 2), ("y", "", 3, 3), ("M", "", 4, 6), ("z", "M", 5, 5)]),
        ("erlang", "f(1) -> 1;\nf(X) ->\n  X.\n-record(r, {a}).\n", [("f", "", 1, 3), ("r", "", 4, 4)]),
        ("elixir", "defmodule M do\n  @doc \"x\"\n  def f(1), do: 1\n  def f(x) do\n    x\n  end\nend\n", [("M", "", 1, 7), ("f", "M", 3, 6)]),
        ("clojure", "(ns a.b)\n(defn f\n  [x]\n  x)\n(def v 1)\n(defmacro m [] 1)\n", [("a.b", "", 1, 1), ("f", "", 2, 4), ("v", "", 5, 5), ("m", "", 6, 6)]),
        ("commonlisp", "(defun f (x)\n  x)\n(defvar *v* 1)\n", [("f", "", 1, 2), ("*v*", "", 3, 3)]),
        ("elisp", "(defun f (x)\n  x)\n(defvar v 1)\n(defmacro m ())\n", [("f", "", 1, 2), ("v", "", 3, 3), ("m", "", 4, 4)]),
        ("scheme", "(define (f x)\n  x)\n(define v 1)\n", [("f", "", 1, 2), ("v", "", 3, 3)]),
        ("racket", "(define (f x)\n  x)\n(struct s (a))\n", [("f", "", 1, 2)]),
        ("zig", "const S = struct {\n    fn f() void {\n    }\n};\n", [("S", "", 1, 4), ("f", "S", 2, 3)]),
        ("sql", "CREATE TABLE s.t (\n  a int\n);\n", [("t", "s", 1, 3)]),
        ("css", "a {\n  x: y;\n}\n@media print {\n  b {\n  }\n}\n", [("a", "", 1, 3), ("@media print", "", 4, 7), ("b", "@media print", 5, 6)]),
        ("scss", "@mixin m {\n  a: b;\n}\n", [("m", "", 1, 3)]),
        ("html", "<body>\n<h1>Title</h1>\n<div id=a>\n</div>\n</body>\n", [("Title", "", 2, 2), ("a", "", 3, 4)]),
        ("dart", "class A {\n  void m() {\n  }\n}\n", [("A", "", 1, 4), ("m", "A", 2, 3)]),
        ("terraform", 'variable "x" {\n}\nresource "a" "b" {\n  c = 1\n}\n', [("x", "", 1, 2), ("a.b", "", 3, 5)]),
        ("perl", "package A;\nsub f {\n}\n\n# about g\nsub g {\n}\n", [("A", "", 1, 1), ("f", "A", 2, 3), ("g", "A", 6, 7)]),
        ("markdown", "# A\n\ntext\n\n## B\nmore\n\n# C\n", [("A", "", 1, 6), ("B", "A", 5, 6), ("C", "", 8, 8)]),
        ("rst", "A\n===\n\nB\n---\ntext\n", [("A", "", 1, 6), ("B", "A", 4, 6)]),
        ("yaml", "a:\n  b: 1\n\nc: 2\n", [("a", "", 1, 2), ("c", "", 4, 4)]),
    ],
    ids=lambda v: v if isinstance(v, str) and "\n" not in v else "",
)  # fmt: skip
def test_a_definition_has_its_scope_and_its_last_line(
    language: str, text: str, expected: list[tuple[str, str, int, int]]
) -> None:
    assert sorted(definitions(text, language), key=lambda d: d[2]) == sorted(expected, key=lambda d: d[2])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_installed_grammar_knows_every_pattern_of_members(family: str) -> None:
    tables = import_module(f"spelunk.chunk.grammars.{family}")
    queries = [(language, query) for language, (_, query) in getattr(tables, "MEMBERS", {}).items()]
    for language, patterns in [*queries, *getattr(tables, "FUNCTIONS", {}).items()]:
        grammar = grammar_for(language)
        assert grammar is not None and grammar.members is not None
        assert [bad for p in patterns.split("\n\n") if (bad := bad_pattern(grammar.parser.language, p))] == []


MEMBERS = [
    (
        "go",
        "package p\n\ntype E interface {\n\tA() any\n\tB(x int) (\n\t\tint, error)\n\tio.Reader\n}\n\ntype S struct {\n\tI interface{ Z() }\n}\n",
        ["E 3-8", "E.A 4-4", "E.B 5-6", "S 10-12"],
    ),
    (
        "typescript",
        "namespace N {\n  export interface E<T> {\n    a(x: T): T;\n    a(): T;\n    'b'(): T;\n    c: { no(): T };\n  }\n}\ntype F = {\n  m(): void;\n} & G;\nenum H {\n  I,\n  J = 2,\n}\n",
        [
            "N 1-8",
            "N.E 2-7",
            "N.E.a 3-4",
            "N.E.b 5-5",
            "F 9-11",
            "F.m 10-10",
            "H 12-15",
            "H.I 13-13",
            "H.J 14-14",
        ],
    ),
    (
        "c",
        "#ifndef GUARD\n#define GUARD\n#define ONE 1\nint f(void)\n{\n#define INSIDE(x) \\\n\tx\n\treturn INSIDE(1);\n}\ntypedef enum {\n\tA, B\n} t;\n#endif\n",
        ["GUARD 2-2", "ONE 3-3", "f 4-9", "INSIDE 6-7", "A 11-11", "B 11-11", "t 12-12"],
    ),
]


@pytest.mark.parametrize(("language", "text", "expected"), MEMBERS)
def test_members_and_macros_are_definitions(language: str, text: str, expected: list[str]) -> None:
    found = sorted(definitions(text, language), key=lambda d: d[2])
    assert [f"{scope}.{name} {line}-{end}".lstrip(".") for name, scope, line, end in found] == expected


@pytest.mark.parametrize(("language", "text", "expected"), MEMBERS)
def test_members_do_not_cut(
    language: str, text: str, expected: list[str], fine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_members = shapes(text, language)
    monkeypatch.setattr(code, "add_members", lambda parsed, chunks: None)
    assert shapes(text, language) == with_members
    assert len(definitions(text, language)) < len(expected)


def test_a_function_with_a_condition_among_its_parameters_is_a_definition() -> None:
    text = "/*\nint no(int a) {\n*/\nstatic int f(int a,\n#ifdef X\n             int b\n#else\n             int b, int c\n#endif\n)\n{\n  return a;\n}\n\nint g(void)\n{\n  (\n}\n\nint h(int a /* one */)\n{\n  return 1;\n}\n"
    found = [(name, line, end) for name, _, line, end in definitions(text, "c")]
    assert ("f", 4, 13) in found and ("h", 20, 23) in found
    assert "no" not in {name for name, _, _ in found}


def test_a_function_behind_unbalanced_braces_is_a_definition() -> None:
    text = (
        "int f(int x)\n{\n#if A\n  if (x) {\n#else\n  if (!x) {\n#endif\n    x = 2;\n  }\n  return x;\n}\n\n"
        "static int g(int a)\n{\n  FOR_EACH(a) {\n    h(a);\n  }\n  return 1;\n}\n\n"
        "char **k(void)\n{\n  return 0;\n}\n"
    )
    whole = "int top(void)\n{\n  {\n" + text + "\nint last(void)\n{\n  return 3;\n}\n}\n"
    for code_text in (text, whole):
        found = {(name, end - line) for name, _, line, end in definitions(code_text, "c")}
        assert {("g", 6), ("k", 3)} <= found
        assert not {"FOR_EACH", "h", "a"} & {name for name, _ in found}
    assert ("last", 3) in {(name, end - line) for name, _, line, end in definitions(whole, "c")}


@pytest.mark.parametrize(("family", "languages"), FAMILIES.items(), ids=FAMILIES)
def test_a_family_has_a_table_for_each_of_its_languages(family: str, languages: str) -> None:
    module = import_module(f"spelunk.chunk.grammars.{family}")

    assert set(module.TABLES) == set(languages.split())


def test_a_tree_is_made_once_and_may_be_read_again() -> None:
    parsed = parse(document("def f():\n    pass\n", "python"), OPTIONS)

    first, second = chunk(parsed), chunk(parsed)

    assert first == second
    assert parsed.tree.root_node.named_children[0].type == "function_definition"


@pytest.mark.parametrize(
    ("language", "text"), [("text", "a b"), ("json", "{}"), ("perl", "sub f {}"), ("python", " \n")]
)
def test_what_needs_no_tree_has_none(language: str, text: str) -> None:
    assert parse(document(text, language), OPTIONS).tree is None


def test_a_constant_from_a_call_in_parentheses_is_a_constant() -> None:
    """A file with ``X = (a || b).call`` could not be chunked."""
    (only,) = chunk(parse(document("Limit = (a || b).fetch(1)\n", "ruby"), OPTIONS))

    assert (only.kind, only.symbol) == ("constant", "Limit")


def test_rows_that_take_in_a_definition_have_its_kind() -> None:
    """Such chunks had no kind, so no filter found them, and no symbol."""
    text = "class A {\r\ndef f(x):\r\n{\r\n" + "word " * 900

    chunks = chunk(parse(document(text, "java"), OPTIONS))

    assert {(c.kind, c.symbol) for c in chunks} == {("class", "A")}


def test_a_container_without_a_name_gives_its_members() -> None:
    """The names in an anonymous namespace were lost where it was a chunk of its own."""
    text = "namespace {\nint f() {\n  return 1;\n}\n}\n"

    (only,) = chunk(parse(document(text, "cpp"), OPTIONS))

    assert (only.kind, only.symbol, [d.name for d in only.definitions]) == ("function", "f", ["f"])


def test_threads_do_not_share_a_parser() -> None:
    text = "def f():\n    pass\n\n\n" * 500
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda n: chunk(parse(document(text, "python"), OPTIONS)), range(16)))
        parsers = set(pool.map(lambda n: id(parse(document(text, "python"), OPTIONS).grammar), range(16)))

    assert all(result == results[0] for result in results)
    assert id(parse(document(text, "python"), OPTIONS).grammar) not in parsers


SPLIT = """\
static int before(int n) {
  return n;
}

#ifdef _WIN32
int wide(int n) {
  return n; // not a brace: }
}

int narrow(int argc, char **argv) {
#else /*}*/
int main(int argc, char **argv) {
#endif
  if (argc) {
    return before('}');
  }
  return 0;
}

int after(void) {
  return 1;
}
"""
"""A header that an #if splits: its brace is closed once for both."""


@pytest.mark.parametrize("language", ["c", "cpp"])
def test_a_function_whose_header_an_if_splits_takes_no_other_with_it(language):
    found = {
        (d.name, d.line) for c in chunk(parse(document(SPLIT, language), OPTIONS)) for d in c.definitions
    }

    both = {("before", 1), ("wide", 6), ("narrow", 10), ("after", 20)}
    assert found == (both | {("main", 12)} if language == "c" else both)


def test_the_ends_of_a_split_function_are_those_of_its_own_body():
    rows = {
        c.symbol: (c.start_line, c.end_line) for c in chunk(parse(document(SPLIT, "c"), OPTIONS)) if c.symbol
    }

    assert rows["narrow"][1] >= 18 and rows.get("after", (20, 22)) == (20, 22)


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("#if A\nint f() {\n#else\nint g() {\n#endif\n}\n", "     \nint f() {\n     \nint g() ;\n      \n}\n"),
        ("int f() {\n#if A\n}\n#else\nreturn 1; }\n#endif\n", "int f() {\n     \n}\n     \nreturn 1;  \n      \n"),
        ("#if A\nint f() {}\n#else\nint g() {}\n#endif\n", None),
        ("#if A\nif (a) {\n#endif\n#if A\n}\n#endif\n", None),
        ("#if A\n{\n#else\n}\n#endif\n", None),
        ("#if A\n#if B\nint f() {\n#else\nint g() {\n#endif\n#else\nint h() {\n#endif\n}\n",
         "     \n     \nint f() {\n     \nint g() ;\n      \n     \nint h() ;\n      \n}\n"),
        ("#endif\n#else\n}\n", None),
    ],
)  # fmt: skip
def test_directives_that_split_a_brace_are_taken_out(text, changed):
    assert mended(text.encode(), "c").decode() == (text if changed is None else changed)


@given(st.text(st.sampled_from("#if\n#else\n#endif\n{}()\"'/*\\ ab"), max_size=200))
def test_a_mended_text_keeps_its_lines_and_length(text):
    out = mended(text.encode(), "c").decode()

    assert len(out) == len(text) and [n for n, c in enumerate(out) if c == "\n"] == [
        n for n, c in enumerate(text) if c == "\n"
    ]
