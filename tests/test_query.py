"""The query language gives back what was typed, and leaves prose and code alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelunk.errors import QuerySyntaxError, UsageError
from spelunk.search.query import Match, kind_of_text, narrow, parse, phrase_test, with_known_fields
from spelunk.store.path_filter import path_predicate

PIECES = st.sampled_from(
    [
        "lang:", "py", "rust", ",", "path:", "file:", "kind:", "sym:", "status:", "foo", "Bar_baz", '"', "/", "\\",
        "-", "--x", " ", "  ", "\t", "a", ":", "::", "(", "*", "don't", "http://", "É", "=", "}", "[", ".", "?", "language:",
    ]
)  # fmt: skip


@given(
    st.one_of(st.lists(PIECES, max_size=14).map("".join), st.text(max_size=30)),
    st.sampled_from(["hybrid", "symbol", "regex"]),
)
def test_str_gives_back_an_equal_query(text: str, mode: str) -> None:
    try:
        query = parse(text, mode=mode)
    except QuerySyntaxError as error:
        assert 1 <= error.column <= len(text) + 1
        return

    assert parse(str(query)) == query
    assert str(parse(str(query))) == str(query)
    assert query.source == text


@given(st.lists(st.from_regex(r"[A-Za-z][A-Za-z0-9_.,'?!()]*", fullmatch=True), min_size=1, max_size=12))
def test_prose_passes_through_as_words(words: list[str]) -> None:
    query = parse(" ".join(words))

    assert query.words == tuple(words)
    assert query.text == " ".join(words)
    assert not query.filters


@pytest.mark.parametrize(
    "text",
    [
        "How does X work?", "don't stop", "/usr/bin and /etc", "src/net/tcp.c", "a / b / c", "// comment",
        "/* comment */", "std::vector<int> http://x.org/y", r"C:\x\y", "key: value", "x:int", "def f(x:int)->str:",
        "localhost:8080", "foo::bar", 'print("hello world")', '5" disk', "--flag - -1 -> x", "/users/{id}", "file: name",
        "path::Path", "node:fs", "data:text/html,x", "the kind: of", "language: x",
    ],
)  # fmt: skip
def test_prose_and_code_are_plain_words(text: str) -> None:
    assert parse(text).words == tuple(text.split())


def test_every_construct_lands_in_its_place() -> None:
    query = parse(
        r'where "two  words" /a\/b\d/ sym:Foo::bar lang:py,c++ -lang:go path:src/ file:"my dir/x" kind:Method '
        r"repo:core branch:main status:in-review -owner:ann -draft -\"x -\lang:c -"
        + '"no such"'
    )  # fmt: skip

    assert query.words == ("where",)
    assert query.phrases == ("two words",)
    assert query.regexes == (r"a/b\d",)
    assert query.symbols == ("Foo::bar",)
    assert query.text == "where two words Foo::bar"
    assert query.negated_words == ("draft", '"x', "lang:c")
    assert query.negated_phrases == ("no such",)
    filters = query.filters
    assert filters.lang == Match(("python", "cpp"), ("go",))
    assert filters.path == Match(("src/", "my dir/x"))
    assert filters.kind == Match(("method",))
    assert filters.repo == Match(("core",))
    assert filters.branch == Match(("main",))
    assert filters.fields == (("status", Match(("in-review",))), ("owner", Match((), ("ann",))))


def test_an_excluded_value_is_not_accepted() -> None:
    assert Match().accepts("x")
    assert Match(("x",)).accepts("x")
    assert not Match(("x",)).accepts("y")
    assert not Match((), ("x",)).accepts("x")


@pytest.mark.parametrize(
    ("text", "column", "part"),
    [
        ('say "hello', 5, "quote"), ('x path:"my', 8, "quote"), ("x /foo(", 3, "regex"), ("ab /fo(/", 4, "regex"),
        ("x lang:nosuchthing", 8, "unknown language"), ("lang:pythn", 6, "did you mean python"),
        ("x lang:py,pythn", 8, "python"), ("sym:", 1, "sym:"), ("a lang: b", 3, "lang:"), ("", 1, "empty"),
        ("   ", 1, "empty"), ('""', 1, "empty"), ('-"x y"', 1, "only excludes"), ("a -/b/", 3, "regex"),
        ("a -sym:x", 3, "sym:"), ('kind:""', 1, "kind:"),
    ],
)  # fmt: skip
def test_a_fault_is_reported_with_its_column(text: str, column: int, part: str) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse(text)

    assert caught.value.column == column
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.query == text


def test_a_query_of_negated_words_alone_is_taken_literally() -> None:
    assert parse("-Wall").words == ("-Wall",)


def test_filters_alone_are_a_query() -> None:
    assert parse("-lang:go").filters.lang == Match((), ("go",))


def test_is_filters_by_flags_and_is_text_before_any_other_value() -> None:
    query = parse("queue is:test,Docs -is:generated")

    assert query.filters.flags == Match(("test", "docs"), ("generated",))
    assert str(query) == "queue is:test is:docs -is:generated"
    assert parse("what is:this").words == ("what", "is:this")


def test_regex_mode_takes_the_whole_text() -> None:
    assert parse('def "x" lang:py', mode="regex").regexes == ('def "x" lang:py',)
    assert parse("/usr/", mode="regex").regexes == ("/usr/",)
    with pytest.raises(QuerySyntaxError):
        parse("(", mode="regex")


def test_symbol_mode_takes_words_as_names() -> None:
    assert parse("flush_batches lang:c", mode="symbol").symbols == ("flush_batches",)


def test_flags_narrow_a_query() -> None:
    query = narrow(parse("x"), lang=["py"], kind=["Class"], path=["src/"], not_path=["vendor"])

    assert query.filters.lang == Match(("python",))
    assert query.filters.kind == Match(("class",))
    assert query.filters.path == Match(("src/",), ("vendor",))
    with pytest.raises(UsageError):
        narrow(query, lang=["pythn"])


def test_filters_on_unknown_fields_become_words() -> None:
    query = parse('redis:alpine status:done owner:"Ann Lee" lang:c')

    seen = with_known_fields(query, {"status"})

    assert seen.words == ("redis:alpine",)
    assert seen.phrases == ("owner: Ann Lee",)
    assert seen.filters.fields == (("status", Match(("done",))),)
    assert seen.filters.lang == Match(("c",))
    assert parse(str(seen)) == seen


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("flush_batches", "symbol"), ("HttpServer.run", "symbol"), ("std::string_view", "symbol"), ("Server", "symbol"),
        ("__init__", "symbol"), ("main()", "symbol"), ("parseJSON", "symbol"), ("sym:flush", "symbol"),
        ("How does the cache work?", "prose"), ("parse config file", "prose"), ("for example e.g. this", "prose"),
        ("where is flush_batches called", "mixed"), ("HttpServer timeout", "mixed"), ("flush", "mixed"),
        ("/foo/", "mixed"), ("lang:c", "mixed"), ("sym:x how so", "prose"),
    ],
)  # fmt: skip
def test_kind_of_query(text: str, kind: str) -> None:
    assert parse(text).kind_of_query == kind


@given(st.text(max_size=40))
def test_kind_of_text_knows_any_text(text: str) -> None:
    assert kind_of_text(text) in ("symbol", "prose", "mixed")


@pytest.mark.parametrize(
    ("pattern", "path", "passes"),
    [
        ("net/TCP", "src/net/tcp.c", True), ("*.c", "src/net/tcp.c", True), ("*.c", "src/net/tcp.cc", False),
        ("src/*.c", "src/net/tcp.c", False), ("src/**/*.c", "src/net/tcp.c", True), ("src/**/*.c", "src/tcp.c", True),
        ("src/*", "src/net/tcp.c", True), ("net/*.c", "src/net/tcp.c", True), ("/net/*.c", "src/net/tcp.c", False),
        ("/src/**", "src/net/tcp.c", True), ("t?p.c", "src/net/tcp.c", True), ("[st]cp.c", "net/tcp.c", True),
        ("[!t]cp.c", "net/tcp.c", False), ("[", "a[b", True), ("[z-a]", "a", False), ("./src", "src/x", True),
        ("**", "a/b", True), ("*", "a", True),
    ],
)  # fmt: skip
def test_path_predicate(pattern: str, path: str, passes: bool) -> None:
    assert path_predicate(pattern)(path) is passes


@given(
    st.text(alphabet="ab*?[]!^-/\\.\n\udc80é", max_size=10), st.text(alphabet="ab/.\n\udc80é", max_size=10)
)
def test_any_path_pattern_compiles(pattern: str, path: str) -> None:
    assert path_predicate(pattern)(path) in (True, False)


def test_every_example_of_the_documentation_parses() -> None:
    page = Path(__file__).parents[1] / "docs" / "query-language.md"
    blocks = page.read_text(encoding="utf-8").split("```text\n")[1:]
    examples = [line for block in blocks for line in block.split("```")[0].splitlines()]

    for example in examples:
        if not example.startswith("query, column"):
            assert parse(str(parse(example))) == parse(example)
    assert len(examples) > 25
    assert parse("gcc \\-Wall").words == ("gcc", "-Wall")


def test_a_phrase_is_literal_but_for_case_and_white_space() -> None:
    has = phrase_test(parse('"out  of (memory)"').phrases[0])

    assert has("It ran OUT of\n\t(memory).")
    assert not has("out of memory")


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("calls:flush", "calls", "flush"),
        ("called-by:Writer.run", "called-by", "Writer.run"),
        ("uses:net::Dial", "uses", "net::Dial"),
        ("implements:Source", "implements", "Source"),
        ('calls:"operator new"', "calls", "operator new"),
    ],
)
def test_filters_by_relation(text, field, value):
    (term,) = parse(text).terms

    assert (term.kind, term.field, term.value) == ("filter", field, value)
    assert parse(str(parse(text))) == parse(text)
    assert bool(parse(text).filters)


@pytest.mark.parametrize("text", ["uses:actions/checkout@v4", "calls:", "calls:3", "uses:a-b"])
def test_what_is_no_name_is_no_relation(text):
    assert parse(text).terms[0].kind == "word"
