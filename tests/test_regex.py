"""Regexes match as documented, and a planner's requirement never loses a match."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelunk.errors import UsageError
from spelunk.text import regex
from spelunk.text.regex import Run
from spelunk.text.required import MAX_CLAUSES
from tests.examples import examples
from tests.requirements import satisfied

TEXTS = st.text(alphabet="abkKsSxY01_ \n\r.(-éſ\u212a\U0001f600", max_size=30)

ATOMS = st.sampled_from(
    ["a", "b", "k", "s", "K", "S", "x", "Y", "_", "0", "é", "ab", "s_k", ".", r"\(", "-", " ", r"\n", r"\w", r"\d", r"\b", "^", "$",
     "[ab]", "[sk]", "[a-d]", "[^a]", "[x_-]", r"[\w]", r"\s", r"\W", r"[^\w]", r"\s*", r"\W+", "( )?", r"\B", "[K\u212a]", "[Kk]", "[é]", r"\.", r"\x61", "[a-z]", "[]a]", "{,2}", "]", "\U0001f600"]
)  # fmt: skip


def _wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    group = st.one_of(
        inner.map("({})".format),
        inner.map("(?:{})".format),
        inner.map("(?i:{})".format),
        inner.map("(?P<n>{})".format),
    )
    return st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: "(?:" + "|".join(parts) + ")"),
        st.tuples(group, st.sampled_from(["?", "*", "+", "{2}", "{1,3}", "{0,2}", "+?", "??"])).map("".join),
        st.tuples(ATOMS, st.sampled_from(["?", "*", "+", "{2}", "{3}"])).map("".join),
        st.lists(inner, min_size=2, max_size=3).map("|".join),
        group,
    )


PATTERNS = st.tuples(
    st.sampled_from(["", "", "(?i)", "(?s)"]), st.recursive(ATOMS, _wider, max_leaves=8)
).map("".join)


@examples(1500)
@given(PATTERNS, st.booleans(), st.lists(TEXTS, min_size=1, max_size=6))
def test_every_text_that_matches_has_the_required_runs(
    pattern: str, ignore_case: bool, texts: list[str]
) -> None:
    try:
        compiled = regex.compile(pattern, ignore_case=ignore_case)
    except UsageError:
        return
    runs = regex.required(pattern, ignore_case=ignore_case)

    for text in texts:
        if compiled.search(text):
            assert satisfied(runs, text)


@examples(600)
@given(
    st.from_regex(r"[ab_k0-2\[\]()|?+*.\\^$:{},=<>!wdsbQEpPi-]{1,12}", fullmatch=True),
    st.lists(TEXTS, min_size=1, max_size=4),
)
def test_any_accepted_pattern_is_planned_soundly(pattern: str, texts: list[str]) -> None:
    try:
        compiled = regex.compile(pattern)
    except UsageError as error:
        assert "\n" not in str(error)
        return
    runs = regex.required(pattern)

    for text in texts:
        if compiled.search(text):
            assert satisfied(runs, text)


@pytest.mark.parametrize(
    ("pattern", "runs"),
    [
        (r"foo_ba[rz]\(x", [{"foo_bar", "foo_baz"}, {"x"}]),
        (r"def\s+flush_batches\(", [{"flush_batches"}, {"def"}]),
        (r"https?_get", [{"http_get", "https_get"}]),
        (r"foo|bar.baz", [{"foo", "bar"}]),
        (r"foo|b*", None),
        (r"(TODO|FIXME)\(\w+\)", [{"todo", "fixme"}]),
        (r"Class(Name)?", [{"class"}]),
        (r"(?:ab){2}c", [{"ababc"}]),
        (r"fooa+bar", [{"fooa"}, {"abar"}]),
        (r"\bfoo\b", [{"foo"}]),
        (r"(?i)Flush_Run", [{"flu"}, {"h_run"}]),
        ("cafébar", [{"caf"}, {"bar"}]),
        (r"[a-z]+", None), (r".*", None), (r"[[:alpha:]_foo]", None), (r"\pLfoo", None),
    ],
)  # fmt: skip
def test_runs_of_patterns_people_type(pattern: str, runs: list[set[str]] | None) -> None:
    clauses = regex.required(pattern)
    texts = None if clauses is None else sorted(sorted({run.text for run in one_of}) for one_of in clauses)

    assert texts == (runs and sorted(map(sorted, runs)))


@pytest.mark.parametrize(
    ("pattern", "runs"),
    [
        (r"def\s+flush_\w+\(", {Run("def", ends=True), Run("flush_", starts=True)}),
        (r"\bfoo\b", {Run("foo", starts=True, ends=True)}),
        (r"^import os$", {Run("import", starts=True, ends=True), Run("os", starts=True, ends=True)}),
        (r"kmalloc\s*\(", {Run("kmalloc", ends=True)}),
        (r"\(\s*foo", {Run("foo", starts=True)}),
        (r"foo\s*bar", {Run("foo"), Run("bar")}),
        (r"x\.foo = \w+bar", {Run("x", ends=True), Run("foo", starts=True, ends=True), Run("bar")}),
        (r"foo[^)]bar", {Run("foo"), Run("bar")}),
        (r"(?i)\bfoo\W", {Run("foo", starts=True, ends=True)}),
    ],
)  # fmt: skip
def test_where_in_a_token_a_run_stands(pattern: str, runs: set[Run]) -> None:
    found = regex.required(pattern)

    assert found is not None
    assert {run for one_of in found for run in one_of} == runs
    assert all(len(one_of) == 1 for one_of in found)


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        ("(?<=a)b", "look-around"), ("a(?!b)", "look-around"), (r"(a)\1", "back-references"), ("(?P<n>a)(?P=n)", "back-references"),
        ("[", "missing ]"), ("foo(", "missing )"), ("*a", "escape it"), ("a{2000}", "repetition"), ("\ud800", "surrogate"),
        ("(?>a)", "atomic"), (r"a\Z", r"\z"),
    ],
)  # fmt: skip
def test_what_cannot_be_compiled_is_explained_in_one_line(pattern: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        regex.compile(pattern)

    assert part in str(caught.value)
    assert "(?m)" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^b.r$", "foo\nbär\nbar", [(2, "bär"), (3, "bar")]),
        (r"foo", "é🎉foo\nxfoo", [(1, "foo"), (2, "foo")]),
        (r"foo$", "é foo\r\nfoo\r\n", [(1, "foo"), (2, "foo")]),
        (r"b$", "ab\r\nab\r\n", [(1, "b"), (2, "b")]),
        (r"\r$", "a\r\nb", [(1, "\r")]),
        (r"a.b", "a\nb", []),
        (r"a\sb", "x\na\nb", [(2, "a\nb")]),
        (r"a\sb", "x\na\r\nb", [(2, "a\r\nb")]),
        (r"x", "\ud800x", [(1, "x")]),
        (r"^$", "a\n\nb", [(2, "")]), (r"x*", "éx", [(1, ""), (1, "x"), (1, "")]),
    ],
)  # fmt: skip
def test_matches_are_located_in_characters(pattern: str, text: str, found: list[tuple[int, str]]) -> None:
    spans = regex.compile(pattern).spans(text)

    assert [(text.count("\n", 0, start) + 1, text[start:end]) for start, end in spans] == found


@given(TEXTS)
def test_spans_agree_with_the_standard_library(text: str) -> None:
    expected = [m.span() for m in re.finditer("[abkx_é]+", text)]

    assert list(regex.compile("[abkx_é]+").spans(text)) == expected


def test_ignoring_case() -> None:
    assert regex.compile("foo", ignore_case=True).search("xFOO")
    assert not regex.compile("foo").search("xFOO")


def test_time_is_linear_where_a_backtracker_would_hang() -> None:
    started = time.process_time()

    assert not regex.compile("(a*)*(b*)*c$").search("ab" * 20_000)
    assert time.process_time() - started < 60  # a backtracking engine takes longer than the universe has


def test_many_matches_outside_ascii_are_not_quadratic() -> None:
    text = "é foo\n" * 50_000

    assert sum(1 for _ in regex.compile("foo").spans(text)) == 50_000


def test_a_pattern_of_thousands_of_words_has_a_bounded_plan() -> None:
    """All pairs of requirements are compared: 4,000 words took 12 s."""
    names = [f"word{n * 7919 % 10_007}" for n in range(4_000)]

    needed = regex.required(r"\s".join(names))

    assert needed is not None
    assert len(needed) == MAX_CLAUSES
    assert satisfied(needed, " ".join(names))


@pytest.mark.parametrize(
    ("left", "right"), [("(", ")"), ("(?:", ")"), ("[", "]"), ("(a|b", ")"), ("(x?", ")*")]
)
def test_deep_nesting_is_compiled_or_refused(left: str, right: str) -> None:
    pattern = left * 20_000 + "needle" + right * 20_000

    regex.required(pattern)
    try:
        regex.compile(pattern)
    except UsageError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("pattern", "text"), [("((?P<n>(?:a|[Kk])))", "\u212a"), ("x(?:a|[sS])", "x\u017f"), ("[Kk]", "K")]
)
def test_a_class_of_both_cases_may_match_beyond_ascii(pattern: str, text: str) -> None:
    """RE2 folds such a class; the plan required an ASCII letter and lost the match."""
    if regex.compile(pattern).search(text):
        assert satisfied(regex.required(pattern), text)
