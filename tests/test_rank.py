"""The ranking model: what each signal does to the order, and that signals add up."""

import math
import random
from collections import defaultdict

import pytest

from spelunk.search.rank import model, signals
from spelunk.search.rank.signals import ScoredChunk, StemMatches, facts, name_stems, query_stems
from spelunk.store.records import ChunkRecord, FileRow
from spelunk.types import Definition, Flag

RARITY = defaultdict(lambda: 0.5)


def file(path, number=1, *, flags=Flag.NONE, chunks=3, language="python"):
    return FileRow(number, path, 1000, b"", language, flags, number * 100, chunks, 100)


def candidate(f, n=0, *, lexical=1.0, dense=0.0, defines=(), scope="", kind="function"):
    defined = tuple(Definition(name, kind, 1) for name in defines)
    row = ChunkRecord(f.first_chunk + n, f.id, n * 10 + 1, n * 10 + 9, n * 100, n * 100 + 90, kind, "", scope, defined)  # fmt: skip
    return ScoredChunk(row, f, lexical=lexical, dense=dense)


def about(text, kind="prose"):
    return facts(text, kind, dict.fromkeys(query_stems(text), 1.0))


def order(candidates, text, kind="prose", **weights):
    ranked = model.rank(candidates, about(text, kind), RARITY, model.Weights(**weights))
    return [(c.file.path, c.chunk.start_line) for c in ranked]


def paths(candidates, text, kind="prose"):
    return [path for path, _ in order(candidates, text, kind)]


def test_signals_add_up_to_the_score():
    files = [file(f"src/{name}", n, flags=flag) for n, (name, flag) in enumerate([("parser.py", Flag.NONE), ("a/test_parser.py", Flag.TEST), ("b.md", Flag.DOCS)], 1)]  # fmt: skip
    found = [
        candidate(f, n, lexical=3.0 / (n + 1), defines=["parse_line", "Parser"])
        for f in files
        for n in range(4)
    ]

    ranked = model.rank(found, about("how does the Parser parse a line"), RARITY)

    assert len(ranked) == 12
    for c in ranked:
        assert c.score == pytest.approx(sum(c.signals.values()))
    assert {"match", "breadth", "stem", "cover", "definition", "name", "folders", "test", "chunk", "repeat"} <= {s for c in ranked for s in c.signals}  # fmt: skip


def test_the_order_of_candidates_does_not_matter():
    found = [candidate(file(f"pkg/m{n}.py", n), i, lexical=1.0) for n in range(6) for i in range(3)]
    expected = order(found, "anything else")

    for seed in range(5):
        random.Random(seed).shuffle(found)
        assert order(found, "anything else") == expected
    assert [p for p, _ in expected[:6]] == [f"pkg/m{n}.py" for n in range(6)]


def test_other_files_come_before_a_second_chunk_of_one():
    best, other = file("a.py", 1), file("b.py", 2)
    found = [
        candidate(best, 0, lexical=9.0),
        candidate(best, 1, lexical=8.9),
        candidate(other, 0, lexical=5.0),
    ]

    assert order(found, "query words") == [("a.py", 1), ("b.py", 1), ("a.py", 11)]


def test_a_file_alone_shows_all_its_chunks_best_first():
    only = file("a.py")
    found = [candidate(only, n, lexical=score) for n, score in enumerate([1.0, 3.0, 2.0])]

    assert order(found, "query words") == [("a.py", 11), ("a.py", 21), ("a.py", 1)]


def test_the_chunk_that_defines_the_name_is_the_one_shown():
    f = file("client.py")
    found = [candidate(f, 0, lexical=5.0), candidate(f, 1, lexical=4.0, defines=["Session"], kind="class")]

    assert order(found, "Session", "symbol")[0] == ("client.py", 11)


def test_a_definition_beats_mentions():
    found = [candidate(file("users.py", 1), lexical=6.0), candidate(file("home.py", 2), lexical=5.0, defines=["LRUCache"], kind="class")]  # fmt: skip

    assert paths(found, "LRUCache", "symbol") == ["home.py", "users.py"]


def test_the_case_asked_for_beats_the_other():
    found = [candidate(file("a.py", 1), defines=["session"]), candidate(file("b.py", 2), defines=["Session"])]

    assert paths(found, "Session", "symbol") == ["b.py", "a.py"]


@pytest.mark.parametrize("query", ["Reader.close", "Reader::close", "Reader->close", "Reader#close"])
def test_a_qualified_name_is_the_one_in_its_scope(query):
    found = [
        candidate(file("a.py", 1), defines=["close"], scope="Writer"),
        candidate(file("b.py", 2), defines=["close"], scope="Reader"),
    ]

    assert paths(found, query, "symbol") == ["b.py", "a.py"]


@pytest.mark.parametrize(
    "name", ["authentication.py", "auth.py", "authenticator.py", "authenticate/__init__.py"]
)
def test_the_name_of_the_file_may_be_inflected_or_short(name):
    found = [candidate(file("aaa.py", 1)), candidate(file(name, 2))]

    assert paths(found, "how are users authenticated")[0] == name


def test_two_words_may_be_one_in_the_name_of_a_file():
    found = [candidate(file("abc.py", 1)), candidate(file("cookiejar.py", 2))]

    assert paths(found, "where the cookie jar is saved")[0] == "cookiejar.py"


def test_a_name_that_says_only_what_was_asked_beats_a_longer_one():
    found = [candidate(file("request_context_logger.py", 1)), candidate(file("request.py", 2))]

    assert paths(found, "request handling")[0] == "request.py"


@pytest.mark.parametrize(
    "flag", [Flag.TEST, Flag.VENDORED, Flag.GENERATED, Flag.EXAMPLE, Flag.DOCS, Flag.CONFIG]
)
def test_sources_come_before_what_stands_around_them(flag):
    found = [candidate(file("aa.py", 1, flags=flag), lexical=1.1), candidate(file("bb.py", 2))]

    assert paths(found, "flush batches") == ["bb.py", "aa.py"]


def test_a_query_that_asks_for_tests_weighs_them_less():
    tested = candidate(file("a.py", 1, flags=Flag.TEST))

    plain = model.rank([tested], about("flush batches"), RARITY)[0].signals["test"]
    asked = model.rank([tested], about("tests of flushing"), RARITY)[0].signals["test"]

    assert asked == plain * model.ASKED_FOR


def test_all_tests_or_all_documents_keep_their_order():
    for flag in (Flag.TEST, Flag.DOCS):
        found = [candidate(file(f"{n}.x", n, flags=flag), lexical=9.0 - n) for n in range(1, 4)]

        assert paths(found, "query words") == ["1.x", "2.x", "3.x"]


def test_folders_that_all_files_share_say_nothing():
    query = about("parse the header")
    rarity = {"src": 0.0, "main": 0.0, "legaci": 0.9}

    assert signals.folder_rarity(name_stems("src/main"), query, rarity) == 0
    assert signals.folder_rarity(name_stems("src/legacy"), query, rarity) == 0.9
    assert signals.folder_rarity(name_stems("headers"), query, rarity) == 0


def test_the_larger_twin_comes_first():
    found = [
        candidate(file("lib/url.h", 1, chunks=2, language="c")),
        candidate(file("lib/url.c", 2, chunks=40, language="c")),
    ]

    assert paths(found, "url parts") == ["lib/url.c", "lib/url.h"]


def test_a_larger_test_is_no_twin():
    source = candidate(file("lib/url.ts", 1, chunks=2))
    test = candidate(file("lib/url.test.ts", 2, chunks=40, flags=Flag.TEST))

    ranked = model.rank([source, test], about("url parts"), RARITY)

    assert not any("twin" in c.signals for c in ranked)


def test_vectors_alone_rank_where_words_found_nothing():
    found = [candidate(file(f"{n}.py", n), lexical=0.0, dense=n / 10) for n in range(1, 4)]

    assert paths(found, "query words") == ["3.py", "2.py", "1.py"]


def test_meaning_counts_by_its_weight():
    def found():
        return [
            candidate(file("a.py", 1), lexical=1.0, dense=0.1),
            candidate(file("b.py", 2), lexical=0.8, dense=0.9),
        ]

    assert [p for p, _ in order(found(), "query words", meaning=0.0)] == ["a.py", "b.py"]
    assert [p for p, _ in order(found(), "query words", meaning=3.0)] == ["b.py", "a.py"]


def test_a_chunk_without_a_vector_is_as_near_as_the_others_on_average():
    def found(dense):
        return [
            candidate(file("a.py", 1), lexical=1.0, dense=0.2),
            candidate(file("b.py", 2), lexical=1.0, dense=dense),
            candidate(file("c.py", 3), lexical=1.0, dense=0.8),
        ]

    assert paths(found(None), "query words") == ["c.py", "b.py", "a.py"]
    assert paths(found(-0.5), "query words") == ["c.py", "a.py", "b.py"]


def test_nothing_ranks_to_nothing():
    assert model.rank([], about("anything"), RARITY) == []


def test_match_of_a_file_name():
    query = about("parse json header")  # a third each

    def match(name):
        return StemMatches(query).match(name_stems(name))

    assert match("json_parser") == pytest.approx(2 / 3)
    assert match("json_writer") == pytest.approx(1 / 3 / 2)
    assert match("head") == pytest.approx(1 / 3)  # the stem of header
    assert match("par") == pytest.approx(signals.ABBREVIATED**2 / 3)
    assert match("unrelated") == 0
    assert match("") == 0


def test_geometric_sum():
    assert signals.discounted_sum([1.0, 0.5, 0.5]) == 1 + 0.25 + 0.125
    assert signals.discounted_sum([1.0] * 100) < 2
    assert signals.discounted_sum([]) == 0


def test_depth_is_damped_and_relative():
    assert signals.depth_below(4, 4) == 0
    assert signals.depth_below(7, 4) == math.log2(4)


def test_facts_of_a_question():
    found = facts(
        "How does Flask register a url_rule for Blueprint.route?", "mixed", {"flask": 1.0, "register": 3.0}
    )

    assert (
        found.names == {"flask": "Flask", "url_rule": "url_rule", "route": "route"}
        or "url_rule" in found.names
    )
    assert found.scopes == {"blueprint"}
    assert found.weights == {"flask": 0.25, "register": 0.75}
    assert "does" not in found.weights
