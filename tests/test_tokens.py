"""Words, parts, stems and terms."""

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spelunk.text.tokens import (
    LEXICON,
    LONG_WORD,
    MAX_WORD,
    Recent,
    parts,
    path_terms,
    singular,
    stem,
    terms,
    words,
)


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


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet="aBcXyZ_019sgeind", min_size=1, max_size=14))
def test_terms_are_cut_as_parts_are(word):
    expected = [word.lower()] if word[0] in "019" else [word.lower(), *map(stem, parts(word))]

    assert terms(word) == list(dict.fromkeys(expected))


def test_a_path_is_indexed_by_its_words():
    assert path_terms("src/http/RequestParser.py") == "src http requestparser request pars py"


LONG_WORDS = ["a", "A", "aB", "a1", "ab_", "_", "1", "é", "éa", "Aé9_"]


@pytest.mark.parametrize("unit", LONG_WORDS)
def test_one_endless_word_is_cut_before_it_is_split(unit: str) -> None:
    word = (unit * 1_000_000)[:1_000_000]

    assert words(word) == [word]
    assert terms(word) == [word[:MAX_WORD].lower(), LONG_WORD]
    assert path_terms(f"src/{word}.py").split() == ["src", *terms(word), "py"]


def seconds(call: Callable[[], object]) -> float:
    """CPU time of a call, the best of five."""
    best = float("inf")
    for _ in range(5):
        started = time.process_time()
        call()
        best = min(best, time.process_time() - started)
    return best


@pytest.mark.parametrize("unit", LONG_WORDS)
@pytest.mark.parametrize("function", [words, parts, stem, singular, terms], ids=lambda f: f.__name__)
def test_the_time_for_a_word_grows_with_its_length(function: Callable[[str], object], unit: str) -> None:
    short, long = ((unit * n)[:n] for n in (25_000, 400_000))

    # sixteen times the text: a function of quadratic time takes 256 times as long
    assert seconds(lambda: function(long)) < 80 * max(seconds(lambda: function(short)), 1e-4)


def test_a_cache_of_words_is_bounded_in_entries_and_in_bytes() -> None:
    made: list[str] = []
    cache = Recent(lambda key: made.append(key) or key.upper(), 100)

    for n in range(1000):
        assert cache[f"w{n}"] == f"W{n}"
        assert cache["often"] == "OFTEN"
    long = "x" * (MAX_WORD + 1)
    assert cache[long] == cache[long] == long.upper()

    assert len(cache) <= 50 and len(cache._old) <= 50
    assert made.count("often") == 1
    assert made.count(long) == 2  # not kept
