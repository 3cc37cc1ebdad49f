"""A query of any size is handled in work that grows no faster than its size. Work is counted, not timed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from spelunk import Answer, Index
from spelunk.errors import UsageError
from spelunk.present.render import render
from spelunk.search.query import MAX_CONDITIONS, parse, phrase_test
from spelunk.search.rank.signals import facts
from spelunk.search.terms import MAX_TERMS, term_weights
from spelunk.store.full_text import LexicalReader
from spelunk.store.path_filter import path_predicate
from spelunk.text import regex
from spelunk.text.tokens import LONG_WORD, MAX_WORD


@pytest.fixture
def index(tmp_path: Path) -> Index:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a.py").write_text("def foo():\n    return foo_bar(1)\n" * 20)
    (root / "b.py").write_text("def data():\n    return '" + "x" * 400 + "'\n")
    made = Index.open(root)
    made.update()
    return made


def calls(work: Callable[[], Any]) -> int:
    """Function calls, into C too, that a piece of work makes."""
    count = 0

    def profile(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


LONG = [
    ("x", 1_000_000, "hybrid"),
    ("x", 1_000_000, "symbol"),
    ("ab_", 1_000_000, "hybrid"),
    ("ab.", 1_000_000, "hybrid"),
    ('"\\', 1_000_000, "hybrid"),
    ("(", 1_000_000, "regex"),
    ("[", 1_000_000, "regex"),
    ("path:[", 1_000_000, "hybrid"),
    ("word ", 300_000, "hybrid"),
    ("-word ", 300_000, "hybrid"),
]


@pytest.mark.parametrize(("piece", "size", "mode"), LONG)
def test_a_query_of_any_size_is_answered_or_refused(index: Index, piece: str, size: int, mode: str) -> None:
    try:
        render(index.search("foo " + piece * (size // len(piece)), mode=mode, refresh=False), "text")
    except UsageError as error:
        assert len(str(error)) < 1_000 and "\n" not in str(error)


@pytest.mark.parametrize("piece", ["w{} ", "ab{}_", "ab{}."])
def test_the_work_of_a_search_does_not_grow_with_a_long_query(index: Index, piece: str) -> None:
    def search(pieces: int) -> Callable[[], Answer]:
        query = "".join(piece.format(n) for n in range(pieces))
        return lambda: index.search(query, refresh=False)

    search(10)()  # loads what the first search loads

    few, many = calls(search(4_000)), calls(search(8_000))

    assert many < 2.5 * few


def test_a_long_word_is_looked_up_by_the_term_under_which_it_is_indexed(index: Index) -> None:
    weights = term_weights("x" * 16_000, "hybrid")

    assert list(weights) == ["x" * MAX_WORD] and LONG_WORD not in weights
    assert [h.path for h in index.search("x" * 400, mode="lexical", refresh=False).hits] == ["b.py"]
    assert [h.path for h in index.search('"' + "x" * 400 + '"', refresh=False).hits] == ["b.py"]
    assert index.search('"' + "x" * 401 + '"', refresh=False).hits == ()
    assert [h.path for h in index.search("x" * 400, mode="regex", refresh=False).hits] == ["b.py"]
    assert index.search("x" * 401, mode="regex", refresh=False).hits == ()


def test_the_terms_looked_up_are_bounded(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    top = LexicalReader.top

    def counted(self: LexicalReader, terms: dict[str, float], *args: Any, **more: Any) -> Any:
        seen.append(len(terms))
        return top(self, terms, *args, **more)

    monkeypatch.setattr(LexicalReader, "top", counted)
    index.search("foo " + " ".join(f"w{n}" for n in range(5_000)), refresh=False)

    assert seen and max(seen) <= MAX_TERMS


def test_a_name_is_read_once_from_each_word() -> None:
    """The expression for qualified names starts at a word and gives nothing back."""
    assert facts("a" * 50_000 + " Outer::inner x.y", "mixed", {}).scopes == {"outer", "x"}


def test_a_quotation_of_backslashes_is_read_in_one_way() -> None:
    with pytest.raises(UsageError, match="quote without an end"):
        parse('"' + "\\" * 100_000)
    assert parse('"a\\" b').phrases == ("a\\",)


def test_a_pattern_of_many_groups_captures_none() -> None:
    pattern = regex.compile("(" * 900 + "foo" + ")" * 900)

    match = next(iter(pattern._finditer(b"a foo")))
    assert match.groups() == () and list(pattern.spans("a foo")) == [(2, 5)]


def test_a_glob_of_open_brackets_is_literal() -> None:
    assert path_predicate("[" * 200_000)("a") is False


def test_a_long_phrase_is_found_as_a_short_one_is() -> None:
    words = " ".join(f"Word{n}" for n in range(1_000))

    assert phrase_test(words)("before " + words.lower().replace(" ", "\n\t") + " after")
    assert not phrase_test(words)(words[:-1])


def test_too_many_conditions_are_refused_with_their_number(index: Index) -> None:
    query = " ".join(f'"phrase {n}"' for n in range(MAX_CONDITIONS + 1))

    with pytest.raises(UsageError, match="at most 1,000"):
        index.search(query, reading="query", refresh=False)
