"""What holds for the chunks of every text in every language."""

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spelunk.chunk import chunk, parse
from spelunk.chunk.rows import MAX_CHARS
from spelunk.config import Options
from spelunk.files.notebook import unwrap
from spelunk.types import Document
from tests.examples import examples

OPTIONS = Options()
LANGUAGES = [
    "python", "javascript", "typescript", "tsx", "go", "rust", "java", "c", "cpp", "csharp", "ruby", "php", "kotlin",
    "swift", "scala", "lua", "bash", "elixir", "haskell", "zig", "sql", "html", "css", "perl", "dart", "clojure",
    "markdown", "rst", "text", "org", "asciidoc", "latex", "toml", "yaml", "json", "ini", "properties", "notebook",
    "no-such-language",
]  # fmt: skip
SNIPPETS = st.sampled_from([
    "def f(x):", "class A {", "class A:", "  def m(self):", "    return 1", "}", "{", "(", ")", "fn f() {", "func f() {",
    "# Title", "## Part", "Title\n=====", "```", "---", "+++", "key: value", "[table]", 'a = 1', '"a": {', "// note",
    "/* note */", "# note", "@dec", "impl A {", "module M", "end", "namespace N {", "#ifdef X", "#endif", "<div id=a>",
    "f :: Int -> Int", "f 0 = 1", "export const f = () => {", "x" * 700, "word " * 900, "\f", "\u2028", "\r", "\t", "é😀",
    "\x00", "- item", "### 2025-01-01 UTC: [@a] words",
])  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=300),
    st.lists(st.one_of(SNIPPETS, st.just(""), st.text(max_size=30)), max_size=60).map("\n".join),
    st.lists(SNIPPETS, max_size=40).map("\r\n".join),
)


def document(text, language, path="a"):
    return Document(path, text, b"", language)


def check(doc, chunks):
    """Ordered, disjoint, complete, with true lines and definitions inside their chunk."""
    text = doc.text
    position = 0
    last = doc.lines[-1] if doc.lines else text.count("\n") + 1
    for c in chunks:
        assert position <= c.start < c.end <= len(text)
        assert not text[position : c.start].strip()
        assert c.end - c.start <= MAX_CHARS
        assert text[c.start : c.end].strip()
        if doc.lines is None:
            assert c.start_line == text.count("\n", 0, c.start) + 1
            assert c.end_line == text.count("\n", 0, c.end) + 1
            assert c.start == 0 or text[c.start - 1] == "\n" or c.start_line == c.end_line
        assert c.kind
        for definition in c.definitions:
            assert definition.name
            assert c.start_line <= definition.line <= c.end_line
            assert definition.line <= definition.end_line <= last
        position = c.end
    assert not text[position:].strip()


@pytest.mark.parametrize("language", LANGUAGES)
@settings(max_examples=40, deadline=None)
@example(
    text="class A {\r\ndef f(x):\r\n{\r\n" + "word " * 900
)  # java: the class was absorbed by a row without a kind
@example(text="\u2028\n=")  # lua: a name of nothing but a line separator
@example(text="\f\nclass A {\ndef f(x):\n" + "word " * 900)  # yaml: a key below a blank row
@given(text=TEXTS)
def test_chunks_partition_every_text(language, text):
    text = text.encode("utf-8", "replace").decode("utf-8")
    doc = document(text, language)

    chunks = chunk(parse(doc, OPTIONS))

    check(doc, chunks)
    assert chunk(parse(doc, OPTIONS)) == chunks


@examples(60)
@given(
    cells=st.lists(
        st.tuples(st.sampled_from(["code", "markdown", "raw"]), st.lists(TEXTS, max_size=3)), max_size=5
    )
)
def test_chunks_partition_every_notebook(cells):
    import json

    raw = json.dumps({"cells": [{"cell_type": k, "source": s} for k, s in cells]}, indent=1)
    unwrapped = unwrap(raw)
    assert unwrapped is not None
    text, lines = unwrapped
    doc = Document("a.ipynb", text, b"", "notebook", lines=lines)

    check(doc, chunk(parse(doc, OPTIONS)))
    assert len(lines) == text.count("\n") + 1 or not text


def test_a_definition_on_the_line_of_a_blank_row_goes_to_the_chunk_behind_it():
    """A string of a notebook's file may hold several lines of its cell: they have one line number."""
    text = "# %%\nx = 1\n\n" + "word " * 900 + "\ndef f(x):"
    doc = Document("a.ipynb", text, b"", "notebook", lines=(6, 6, 7, 7, 7))

    chunks = chunk(parse(doc, OPTIONS))

    check(doc, chunks)
    assert [d.name for c in chunks for d in c.definitions] == ["f"]


@pytest.mark.parametrize(
    "language", ["python", "javascript", "cpp", "rust", "json", "haskell", "bash", "html"]
)
@pytest.mark.parametrize(
    "source", ["(" * 100_000, "[" * 50_000 + "]" * 50_000, "{\n" * 50_000, "a<b(" * 25_000, "<a>" * 30_000]
)
def test_deep_nesting_neither_crashes_nor_stalls(language, source):
    doc = document(source, language)

    check(doc, chunk(parse(doc, OPTIONS)))


@pytest.mark.parametrize("language", ["javascript", "text", "json", "markdown", "yaml"])
def test_a_file_on_one_enormous_line_is_cut_inside_the_line(language):
    doc = document("word=1;" * 7_500_000, language)

    chunks = chunk(parse(doc, OPTIONS))

    assert all(c.start_line == c.end_line == 1 for c in chunks)
    assert chunks[0].start == 0 and chunks[-1].end == len(doc.text)
    assert all(a.end == b.start for a, b in itertools.pairwise(chunks))


def test_a_file_above_the_parse_limit_is_cut_by_lines():
    source = "def f():\n    return 1\n\n\n" * 200

    chunks = chunk(parse(document(source, "python"), Options(max_parse_size=1000)))

    assert {c.kind for c in chunks} == {"block"}
    check(document(source, "python"), chunks)


def test_a_parse_of_mostly_errors_is_cut_by_lines():
    source = ")) ]] class ( def = = import } \n" * 100

    chunks = chunk(parse(document(source, "python"), OPTIONS))

    check(document(source, "python"), chunks)
    assert {c.symbol for c in chunks} == {""}


@pytest.mark.parametrize("text", ["", "\n\n", " \t\r\n"])
def test_nothing_gives_no_chunks(text):
    assert chunk(parse(document(text, "python"), OPTIONS)) == []


def test_lines_are_counted_at_newlines_only():
    source = "a = 1\f\nb = '\u2028\x85'\rc = 3\r\ndef late():\n    pass\n"

    chunks = chunk(parse(document(source, "python"), OPTIONS))

    late = next(d for c in chunks for d in c.definitions if d.name == "late")
    assert late.line == 3


def test_nested_functions_deeper_than_the_walk_are_still_covered():
    source = "".join("    " * i + f"def f{i}():\n" for i in range(300)) + "    " * 300 + "pass\n"
    doc = document(source, "python")

    check(doc, chunk(parse(doc, OPTIONS)))
