"""What an answer says beside its hits: missing words, confidence, and why nothing was found."""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelunk import Index, search_many
from spelunk.search.answer import MissingWord
from spelunk.search.confidence import MOST_STEMS_BY_WORDS
from spelunk.search.engine import search
from spelunk.search.findings import Findings
from spelunk.search.missing_words import MOST_FAR, MOST_MISSING, MOST_WORDS_SPELLED, distance
from spelunk.search.query import narrow, parse, with_known_fields
from spelunk.search.request import SearchRequest
from spelunk.testing import MemoryReader
from tests.examples import examples
from tests.test_search_engine import targets

SHOP = {
    "src/cart.py": (
        "class MessageReceiver:\n    def receiver_of(self, message):\n"
        "        config = self.queryset\n        return flush_batches(config, message)\n"
    ),
    "src/batches.go": "package batches\n\nfunc FlushBatches(limit int) int {\n\treturn limit\n}\n",
    "docs/guide.md": "---\nstatus: draft\n---\n# Migration guide\n\nHow a migration runs; the receiver waits.\n",
}


def said(
    query: str, *corpora: Mapping[str, str | bytes] | MemoryReader, mode: str = "hybrid", **flags: object
) -> Findings:
    within = flags.pop("within", ())
    where = targets(*(corpora or (SHOP,)), within=within)  # type: ignore[arg-type]
    known: set[str] = set().union(*(target.reader.field_names() for target in where))
    parsed = with_known_fields(narrow(parse(query, mode=mode), **flags), known)  # type: ignore[arg-type]
    return search(where, parsed, SearchRequest(query, mode=mode)).findings


def missing(query: str, *corpora: Mapping[str, str | bytes], mode: str = "hybrid") -> list[tuple[str, str]]:
    return [(m.word, m.nearest) for m in said(query, *corpora, mode=mode).missing]


# Missing words


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("reciever of a message", [("reciever", "receiver")]),
        ("mesage receiver", [("mesage", "message")]),
        ("ocnfig of a message", [("ocnfig", "config")]),
        ("querset", [("querset", "queryset")]),
        ("migratoins", [("migratoins", "migration")]),
        ("FlushBatchs", [("FlushBatchs", "FlushBatches")]),
        ("xzyx receiver", [("xzyx", "")]),
        ("receivers migrating a migration", []),
        ("guide", []),
        ("go receiver 404 x", []),
    ],
)
def test_a_word_that_occurs_nowhere_is_told_with_the_nearest_that_does(
    query: str, found: list[tuple[str, str]]
) -> None:
    assert missing(query) == found


def test_a_name_is_missing_as_a_whole_where_only_its_parts_occur() -> None:
    assert said("message_batches").missing == (MissingWord("message_batches", "", parts=True),)
    assert said("message_xyzzy").missing == (MissingWord("message_xyzzy"),)


def test_the_nearest_word_of_a_symbol_is_a_name_that_is_defined() -> None:
    assert missing("sym:queryset") == []
    assert missing("sym:qeuryset") == [("qeuryset", "")]
    assert missing("sym:FlushBatchse") == [("FlushBatchse", "FlushBatches")]
    assert missing("FlushBatchse", mode="symbol") == [("FlushBatchse", "FlushBatches")]


def test_a_word_of_any_workspace_is_not_missing() -> None:
    other = {"a.md": "# Tulips\n\nPlant tulips in autumn.\n"}

    assert missing("tulips receiver") == [("tulips", "")]
    assert missing("tulips receiver", SHOP, other) == []
    assert missing("tulpis recevier", SHOP, other) == [("tulpis", "tulips"), ("recevier", "receiver")]


def test_nothing_is_missing_where_the_words_cannot_be_looked_up() -> None:
    assert said("tulips", MemoryReader.of_files(SHOP, damage="broken"), mode="lexical").missing == ()
    assert said("recei+vex", mode="regex").missing == ()


def test_the_missing_words_of_a_long_text_are_bounded_and_not_corrected() -> None:
    text = " ".join(f"wrod{chr(97 + n)}{'x' * n}" for n in range(MOST_WORDS_SPELLED + 4)) + " reciever"

    found = said(text).missing

    assert len(found) == MOST_MISSING
    assert all(not m.nearest for m in found)


def test_an_index_on_disk_says_the_same_as_the_double(tmp_path: os.PathLike[str]) -> None:
    for path, text in SHOP.items():
        place = os.path.join(tmp_path, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w", encoding="utf-8") as f:
            f.write(text)
    with Index.open(tmp_path, index_dir=os.path.join(tmp_path, "..", "ix")) as index:
        for query in (
            "reciever querset",
            "message_batches",
            "sym:FlushBatchse",
            "lang:cobol x",
            '"guide migration"',
        ):
            answer = search_many([index], query)
            doubled = said(query)
            assert (answer.missing, answer.notes) == (doubled.missing, doubled.notes)
        assert (answer.files, answer.chunks) == (3, index.status().chunks)


def plain_distance(a: str, b: str) -> int:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a) + 1):
        for j in range(len(b) + 1):
            if not i or not j:
                table[i][j] = i + j
                continue
            table[i][j] = min(
                table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            )
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


small = st.text("abc", max_size=7)


@given(a=small, b=small, most=st.integers(0, 3))
@examples(500)
def test_distance(a: str, b: str, most: int) -> None:
    exact = plain_distance(a, b)

    assert distance(a, b, most) == distance(b, a, most) == (exact if exact <= most else MOST_FAR)


@given(
    word=st.sampled_from(["receiver", "message", "migration", "queryset"]),
    at=st.integers(0, 6),
    edit=st.sampled_from(["swap", "drop", "double", "replace"]),
)
@examples(60)
def test_one_edit_anywhere_is_undone(word: str, at: int, edit: str) -> None:
    at %= len(word) - 1
    a, b, rest = word[at], word[at + 1], word[at + 2 :]
    wrong = word[:at] + {"swap": b + a, "drop": b, "double": a + a + b, "replace": "q" + b}[edit] + rest

    found = missing(wrong)

    assert found in ([(wrong, word)], []) or wrong == word
    assert found or wrong == word or missing(f"{wrong} xyzzyx") == [("xyzzyx", "")]


# Why nothing was found


@pytest.mark.parametrize(
    ("query", "flags", "why"),
    [
        ("kind:zzz receiver", {}, "no chunk passes `kind:zzz`; there are "),
        ("receiver", {"kind": ["zzz"]}, "no chunk passes `kind:zzz`"),
        ("lang:cobol receiver", {}, "no file passes `lang:cobol`; there are go, markdown, python"),
        ("path:nowhere receiver", {}, "no path passes `path:nowhere`"),
        ("status:done receiver", {}, "no document passes `status:done`"),
        ("repo:nothing receiver", {}, "no workspace passes `repo:nothing`"),
        ("lang:go path:docs receiver", {}, "no file passes all filters together: `lang:go` `path:docs`"),
        ("lang:go queryset", {}, "there are hits, but none passes `lang:go`"),
        ("lang:go kind:function queryset", {}, "there are hits, but none passes `lang:go`"),
        ("queryset -queryset", {}, "everything found is excluded by `-queryset`"),
        ('"guide migration"', {}, "the phrase `guide migration` occurs nowhere; its words do"),
        ('"tulip garden"', {}, "the phrase `tulip garden` occurs nowhere"),
        ("sym:queryset", {}, "nothing here defines `queryset`; it is mentioned"),
        ("sym:tulip", {}, "nothing here defines `tulip`"),
        ('"migration guide" sym:FlushBatches', {}, "each is found alone, but no chunk has all of"),
        ("tulip garden", {}, "none of its words occurs here"),
        ("🦄", {}, "the query has no word to look for"),
    ],
)
def test_an_empty_answer_says_why(query: str, flags: dict[str, object], why: str) -> None:
    found = said(query, mode="lexical", **flags)

    assert not found.confident
    assert len(found.notes) == 1 and found.notes[0].startswith(why)


def test_a_pattern_without_a_match_and_a_place_that_was_searched_alone() -> None:
    assert said("xqz+y", mode="regex").notes == (
        "no text matches the pattern; letters match in their own case alone, (?i) ignores it",
    )
    assert (
        said("receiver", mode="lexical", within=("src/batches.go",)).notes[1]
        == "only `src/batches.go` was searched"
    )
    assert said("receiver", within=("src/none",)).notes[0].startswith("no indexed file in `src/none`")
    assert said("receiver", {}).notes == ("nothing is indexed here",)


def test_an_answer_with_hits_gives_no_reasons() -> None:
    assert said("receiver").notes == ()


# Confidence


def test_hits_that_share_little_with_the_query_are_not_confident() -> None:
    assert said("receiver of a message", mode="lexical").confident
    assert not said("tulips orchestra violin receiver sourdough garden", mode="lexical").confident


def test_a_long_query_without_cosines_is_given_the_benefit_of_the_doubt() -> None:
    words = " ".join(f"unknown{chr(97 + n)}" for n in range(MOST_STEMS_BY_WORDS))

    assert said(f"receiver {words}", mode="lexical").confident


def test_a_search_in_regex_mode_is_confident_of_what_it_finds() -> None:
    assert said("receiver", mode="regex").confident


@pytest.mark.parametrize(
    ("query", "confident"),
    [
        ("flush_wombats", False),  # `flush` occurs, the name does not
        ("flushBatches", True),
        ("flush_batches", True),
        ("MessageReceivers", True),  # its parts occur
        ("flush wombats", True),
    ],
)
def test_a_name_alone_that_occurs_in_no_spelling_is_not_found_with_confidence(
    query: str, confident: bool
) -> None:
    assert said(query).confident is confident
