"""Whether what is given to a search is a query or text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelunk.errors import QuerySyntaxError, UsageError
from spelunk.search.query import FILTER, WORD, narrow, parse
from spelunk.search.reading import read
from spelunk.search.request import MAX_QUERY, SearchRequest

QUERIES = [
    "lang:python retry",
    '"exact phrase"',
    '"connection refused" retry policy',
    "/foo.*bar/",
    r"/def \w+_batch\(/ lang:py",
    "sym:flush_batches",
    'sym:"operator new"',
    "cache -redis",
    'cache -"read through" -lang:go -path:vendor/',
    "path:src/net retry",
    "kind:class,function queue",
    "status:in-review owner:ann",
    " ".join(f"path:folder{n}/" for n in range(300)),
]
TEXTS = [
    'say "hello',
    'it\'s 5" wide, "quoted',
    r"C:\Users\kim\app.py",
    "error: foo/bar.c:12",
    'Fix "foo" when the path has a space in it',
    "gcc -Wall -O2 main.c",
    "python -m pytest -k name",
    '{"a": 1, "b": [2, 3]}',
    '["a", "b"]',
    "lang:klingon opera",
    "sym:",
    r"x /foo\(",
    "/a(/",
    "moved from /etc to / yesterday",
    "-/regex/",
    "-sym:name",
    "one line\nlang:python another",
    "lang:python " + "word " * 13,
    "src/flask/app.py",
    "KeyError: 'setosa'",
    "\0\x1b[31m\ud800 lang:",
]
PLAIN = [
    "how are batches flushed",
    "std::vector<int>",
    "a && b",
    "foo: bar",
    "-Wall",
    "https://x.org/a?b=c",
    "flush()",
]


@pytest.mark.parametrize("text", QUERIES, ids=lambda t: t[:40])
def test_what_plainly_is_a_query_is_read_as_one(text: str) -> None:
    query = read(text)

    assert query == parse(text)
    assert query.reading == "query" and query.pasted is None


@pytest.mark.parametrize("text", TEXTS, ids=lambda t: ascii(t)[:40])
def test_all_else_is_text_of_plain_words(text: str) -> None:
    query = read(text)

    assert {(t.kind, t.negated) for t in query.terms} == {(WORD, False)}
    assert query.text.split() == text.split()
    assert query.reading.startswith("read as text: ")


@pytest.mark.parametrize("text", PLAIN)
def test_a_short_question_is_the_same_either_way(text: str) -> None:
    query = read(text)

    assert query == parse(text) and query.pasted is None
    assert read(text, reading="text").pasted is None
    assert read(text, reading="text").terms == tuple(parse(text).terms)


@pytest.mark.parametrize("text", [*QUERIES, *TEXTS], ids=lambda t: ascii(t)[:40])
def test_text_can_be_forced(text: str) -> None:
    query = read(text, reading="text")

    assert {(t.kind, t.negated) for t in query.terms} == {(WORD, False)}


def test_a_query_can_be_forced_and_then_has_errors() -> None:
    with pytest.raises(QuerySyntaxError) as error:
        read("lang:klingon opera", reading="query")

    assert error.value.column == 6
    assert read("word " * 20 + "lang:python", reading="query").filters.lang


def test_a_short_text_says_why_it_is_no_query() -> None:
    assert read("lang:pythn x").reading == (
        "read as text: 3 words; as a query, column 6: unknown language 'pythn'; did you mean python?"
    )
    assert "as a query" not in read("lang:pythn x\nand more").reading


@pytest.mark.parametrize("text", ["", "  \n\t "])
@pytest.mark.parametrize("reading", ["auto", "text", "query"])
def test_nothing_is_an_error(text: str, reading: str) -> None:
    with pytest.raises(QuerySyntaxError, match="empty"):
        read(text, reading=reading)  # type: ignore[arg-type]


def test_flags_filter_a_text() -> None:
    query = narrow(read('open "quote'), lang=["py"], path=["src"])

    assert query.filters.lang.include == ("python",)
    assert [t for t in query.terms if t.kind == FILTER] == list(query.terms[2:])


def test_a_regex_is_a_pattern_whatever_it_looks_like() -> None:
    assert read('say "hello', mode="regex").regexes == ('say "hello',)
    with pytest.raises(UsageError, match="regex"):
        SearchRequest("x", mode="regex", reading="text")


def test_words_of_a_text_are_no_required_symbols() -> None:
    assert read("class Queue\nhas no flush", mode="symbol").symbols == ()
    assert read("Queue flush", mode="symbol").symbols == ("Queue", "flush")


def test_a_text_has_a_limit() -> None:
    assert SearchRequest("x" * MAX_QUERY).query
    with pytest.raises(UsageError, match="1,048,577 characters"):
        SearchRequest("x" * (MAX_QUERY + 1))
    with pytest.raises(UsageError, match="reading"):
        SearchRequest("x", reading="guess")  # type: ignore[arg-type]


@given(st.text(min_size=1).filter(lambda t: not t.isspace()))
def test_reading_never_raises(text: str) -> None:
    for mode in ("hybrid", "symbol"):
        query = read(text, mode=mode)
        assert query.terms
        assert query.reading == "query" or query.text.split() == text.split()


@given(
    st.lists(
        st.sampled_from(['"', "/", "-", "lang:", "py", "sym:", " ", "a", "\\", "\n", ",", "(", "x y", ":"])
    )
)
def test_constructs_in_any_order_are_read(pieces: list[str]) -> None:
    text = "".join(pieces)
    if text.strip():
        assert read(text).terms
