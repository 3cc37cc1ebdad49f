"""Words, parts, stems and terms."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelunk.text.tokens import LEXICON, LONG_WORD, MAX_WORD, parts, path_terms, singular, stem, terms, words


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("HTTPServer", ["http", "server"]),
        ("flush_batches", ["flush", "batches"]),
        ("parseURL2", ["parse", "url", "2"]),
        ("__init__", ["init"]),
        ("MAX_VALUE", ["max", "value"]),
        ("simple", ["simple"]),
        ("0x1f", ["0x1f"]),
        ("größteZahl", ["gr", "öß", "te", "zahl"]),
    ],
)
def test_parts(word, expected):
    assert parts(word) == expected


@pytest.mark.parametrize(
    "family",
    [
        "parse parses parsed parsing parser parsers",
        "validate validates validated validating validation validator validators",
        "initialize initializes initialized initializing initialization initialise initialised initialisation",
        "route routes routed routing router",
        "serialize serializer serialization serialized",
        "query queries",
        "stop stopped stopping stops",
        "connect connected connection connections connector",
        "batch batches batched batching",
    ],
)
def test_a_family_of_words_has_one_stem(family):
    assert len({stem(w) for w in family.split()}) == 1


@pytest.mark.parametrize(
    "group", ["string strict", "thing the", "station state", "process product", "status stats", "class clause", "document docker"]
)  # fmt: skip
def test_unrelated_words_keep_apart(group):
    assert len({stem(w) for w in group.split()}) == len(group.split())


@pytest.mark.parametrize("word", ["url", "ing", "bus", "is", "größte", "данные", "数据", "http", "io"])
def test_short_and_foreign_words_stay(word):
    assert stem(word) == word


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=20))
def test_a_stem_begins_like_its_word(word):
    found = stem(word)

    assert found
    assert len(found) <= len(word)
    assert found[:-1] == word[: len(found) - 1]


@pytest.mark.parametrize(
    ("plural", "expected"),
    [("classes", "class"), ("boxes", "box"), ("entries", "entry"), ("bytes", "byte"), ("status", "status"), ("bus", "bus")],
)  # fmt: skip
def test_singular(plural, expected):
    assert singular(plural) == expected


def test_terms_are_the_whole_and_the_stems_of_the_parts():
    assert terms("flush_batches") == ["flush_batches", "flush", "batch"]
    assert terms("parser") == ["parser", "pars"]
    assert terms("url") == ["url"]


def test_an_inflected_question_meets_an_inflected_name():
    asked = {t for w in words("tokenizing strings") for t in terms(w)}
    named = {t for w in words("StringTokenizer") for t in terms(w)}

    assert {"token", "string"} <= asked & named


def test_words_of_ascii_are_those_of_the_pattern():
    text = "a_b.c-D(1)\t\x00x\n\x7f'é"

    assert words(text) == re.findall(r"\w+", text)
    assert words(text[:-1]) == re.findall(r"\w+", text[:-1])


@given(st.text(max_size=200))
def test_every_ascii_run_is_a_term(text):
    """The regex planner stands on it."""
    found = {term for w in words(text) for term in LEXICON[w]}

    for word in words(text):
        if len(word) > MAX_WORD:
            assert LONG_WORD in found
        else:
            assert {run.lower() for run in re.findall("[A-Za-z0-9_]+", word)} <= found


def test_a_path_is_indexed_by_its_words():
    assert path_terms("src/http/RequestParser.py") == "src http requestparser request pars py"
