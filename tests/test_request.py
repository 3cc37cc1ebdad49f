"""A search as data: requests, what a query was matched by, and how snippets use it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from spelunk import Index, SearchRequest, search_many
from spelunk.errors import UsageError
from spelunk.present.snippet import finder
from spelunk.search.query import parse
from spelunk.search.request import SearchOverrides
from spelunk.search.terms import matched_by
from spelunk.store.snapshot import Snapshot
from tests.corpus import write_tree


@pytest.fixture
def index(tmp_path: Path) -> Index:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 12)
    made = Index.open(root)
    made.update()
    return made


def test_a_request_and_its_keywords_give_the_same_answer(index: Index) -> None:
    keywords: SearchOverrides = {
        "mode": "lexical",
        "limit": 3,
        "languages": ["python"],
        "include": ["pkg0"],
        "exclude": ["mod_1"],
        "kinds": ["function"],
        "context": 1,
        "explain": True,
    }
    request = SearchRequest("flush queue", **keywords)

    hits = index.search("flush queue", **keywords).hits

    assert hits and hits == index.search(request).hits == search_many([index], request).hits
    assert all(h.path.startswith("pkg0/") and "mod_1" not in h.path for h in hits)


def test_keywords_override_a_request(index: Index) -> None:
    request = SearchRequest("flush queue", limit=3)

    assert len(index.search(request, limit=5).hits) == 5
    assert request.limit == 3


def test_a_request_is_frozen_hashable_and_checked() -> None:
    request = SearchRequest("x", languages=["python"], within=[["a"], []])

    assert request.languages == ("python",) and request.within == (("a",), ())
    assert hash(request) == hash(replace(request))
    with pytest.raises(AttributeError):
        request.limit = 2  # type: ignore[misc]
    for wrong in (
        {"mode": "fuzzy"},
        {"limit": 0},
        {"limit": 10_001},
        {"context": -1},
        {"languages": "python"},
    ):
        with pytest.raises(UsageError):
            SearchRequest("x", **wrong)  # type: ignore[arg-type]


def test_within_narrows_each_index_by_its_own(index: Index, tmp_path: Path) -> None:
    other_root = tmp_path / "other"
    other_root.mkdir()
    write_tree(other_root, 12, seed=5)
    other = Index.open(other_root)

    hits = search_many([index, other], "flush queue", within=[["pkg0"], ["pkg1/mod_10.py"]], limit=100).hits

    folders = {"/".join(h.path.split("/")[:2]) for h in hits}
    assert folders == {"tree/pkg0", "other/pkg1"}


def marked(query: str, line: str, mode: str = "hybrid") -> list[str]:
    spans = finder(matched_by(parse(query, mode=mode), mode)).spans(line)
    return [line[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("query", "line", "expected"),
    [
        ("parsing", "class HttpParser: parsed = 1", ["Parser", "parsed"]),
        ("where is the parser", "where the parsers are", ["parsers"]),
        ("flush_batches", "def flushBatches(): flush_batches()", ["flush", "Batches", "flush_batches"]),
        ('"batch is full"', "the Batch  is full, batch", ["Batch  is full"]),
        ("sym:Outer.run", "run outer.run()", ["run", "outer.run"]),
        ("lang:python path:src total", "python src total", ["total"]),
        ("total -alpha", "alpha total", ["total"]),
        (r"/to\w+/", "total", ["total"]),
        ("größe", "Größe = 1", ["Größe"]),
    ],
)
def test_a_snippet_marks_what_the_search_matches_by(query: str, line: str, expected: list[str]) -> None:
    assert marked(query, line) == expected


def test_words_that_were_read_as_text_are_marked(index: Index) -> None:
    (Path(index.root) / "compose.yml").write_text("image: redis:alpine\n")

    answer = index.search("redis:alpine")

    assert answer.hits[0].path == "compose.yml"
    line = "image: redis:alpine"
    assert [line[a:b] for a, b in finder(answer.matched).spans(line)] == ["redis:alpine"]


def test_the_query_is_parsed_once(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    from spelunk.present.render import render
    from spelunk.search import reading

    parsed: list[str] = []
    original = reading.parse

    def counted(text: str, *, mode: str = "hybrid") -> object:
        parsed.append(text)
        return original(text, mode=mode)

    monkeypatch.setattr(reading, "parse", counted)
    render(index.search("flush queue"), "text")

    assert parsed == ["flush queue"]


def test_a_regex_reads_only_the_files_that_hold_its_words(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    (Path(index.root) / "needle.py").write_text(
        "def unusual_needle():\n    return 1\n\n\ndef other():\n    pass\n"
    )
    index.update()
    read: list[int] = []
    text = Snapshot.text
    monkeypatch.setattr(Snapshot, "text", lambda self, file: (read.append(file), text(self, file))[1])

    hits = index.search(r"unusual_\w+\(", mode="regex").hits

    assert [h.path for h in hits] == ["needle.py"]
    assert len(set(read)) == 1


def test_negated_words_hold_for_each_chunk_of_a_regex_search(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    filler = "".join(f"    value_{n} = compute_{n}(value_{n})\n" for n in range(60))
    text = f"def one():\n{filler}    return total\n\n\ndef two():\n{filler}    return total + beta\n"
    (root / "a.py").write_text(text)
    index = Index.open(root)

    both, one = index.search("/total/").hits, index.search("/total/ -beta").hits
    assert len(both) == 2 and list(one) == [both[0]]
