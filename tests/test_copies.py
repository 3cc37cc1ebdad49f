"""Near-copies become one hit; what only looks alike stays apart."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelunk.search.copies import MOST_READ, canonical_order, collapse
from spelunk.search.corpus import SearchTarget
from spelunk.search.engine import search
from spelunk.search.query import parse
from spelunk.search.rank.signals import ScoredChunk
from spelunk.search.request import SearchRequest
from spelunk.store.records import ChunkRecord, FileRow
from spelunk.testing import MemoryEmbedder, MemoryReader
from spelunk.types import Copy, Flag, Hit
from tests.examples import examples

PAGE = "# Routers\n\n" + " ".join(f"A router merges the procedures of number {n}." for n in range(12)) + "\n"
FUNCTION = (
    "def merge_routers(first, second):\n"
    + "".join(f"    first.add_{n}(second.take_{n}(), limit={n})\n" for n in range(12))
    + "    return first\n"
)


def ask(files: Mapping[str, str], query: str = "routers", **more: object) -> tuple[Hit, ...]:
    embedder = MemoryEmbedder()
    target = SearchTarget(MemoryReader.of_files(dict(files), embedder=embedder), lambda: embedder)
    return search([target], parse(query), SearchRequest(query, **more)).hits  # type: ignore[arg-type]


def shown(hits: tuple[Hit, ...]) -> list[tuple[str, list[str]]]:
    return [(hit.path, [copy.path for copy in hit.copies]) for hit in hits]


def chunk(
    path: str, text: str, n: int, *, flags: Flag = Flag.NONE, symbol: str = "f", **more: object
) -> ScoredChunk:
    values: dict[str, object] = {"kind": "function", "scope": "", **more}
    record = ChunkRecord(n, n, 1, 2, 0, len(text), symbol=symbol, **values)  # type: ignore[arg-type]
    file = FileRow(n, path, len(text), text.encode()[:16] + bytes([n % 256]), "python", flags, n, 1, 2)
    return ScoredChunk(record, file, 0, path, score=100.0 - n)


def grouped(*chunks: tuple[ScoredChunk, str], limit: int = 10) -> list[list[str]]:
    texts = {id(c): text for c, text in chunks}
    groups = collapse([c for c, _ in chunks], limit, lambda c: texts[id(c)])
    return [[group.shown.place, *(c.place for c in group.copies)] for group in groups]


def test_versions_of_a_page_are_one_hit_and_the_newest_is_shown() -> None:
    older = PAGE.replace("number 3", "count 3")
    hits = ask(
        {
            "docs/routers.md": PAGE,
            "versioned_docs/version-10.x/routers.md": older,
            "versioned_docs/version-9.x/api/routers.md": older.replace("number 7", "count 7"),
            "src/other.md": "# Other\n\nrouters elsewhere\n",
        }
    )

    assert sorted(shown(hits)) == [
        (
            "docs/routers.md",
            ["versioned_docs/version-10.x/routers.md", "versioned_docs/version-9.x/api/routers.md"],
        ),
        ("src/other.md", []),
    ]
    assert next(hit for hit in hits if hit.copies).copies[0] == Copy(
        "versioned_docs/version-10.x/routers.md", 1, 3
    )


def test_every_copy_is_a_hit_on_request() -> None:
    files = {"docs/routers.md": PAGE, "docs/v1/routers.md": PAGE}

    assert [len(ask(files, copies=each)) for each in (False, True)] == [1, 2]
    assert all(not hit.copies for hit in ask(files, copies=True))


def test_the_places_that_copies_leave_go_to_the_next_results() -> None:
    files = {f"docs/v{n}/routers.md": PAGE for n in range(1, 6)}
    files |= {f"other{n}.md": f"# Routers {n}\n\nAll about {n} and routers.\n" for n in range(4)}

    hits = ask(files, limit=5)

    assert len(hits) == 5
    assert [len(hit.copies) for hit in hits if hit.copies] == [4]
    assert next(hit for hit in hits if hit.copies).path == "docs/v5/routers.md"


def test_a_vendored_twin_comes_after_the_original_and_scores_add_up() -> None:
    near = FUNCTION.replace("limit=3", "limit=33")
    hits = ask(
        {"third_party/lib/router.py": near, "a/b/c/lib/router.py": FUNCTION}, "merge_routers", explain=True
    )

    assert shown(hits) == [("a/b/c/lib/router.py", ["third_party/lib/router.py"])]
    assert sum(hits[0].signals.values()) == pytest.approx(hits[0].score)


def test_the_hit_of_copies_has_the_place_and_the_score_of_the_best() -> None:
    best, canonical, other = (chunk(p, PAGE, n) for n, p in enumerate(("v1/x.py", "x.py", "y.py")))
    texts = {id(best): PAGE, id(canonical): PAGE, id(other): "def y(): pass"}

    first, second = collapse([best, other, canonical], 2, lambda c: texts[id(c)])

    assert (first.shown.place, first.shown.score) == ("x.py", best.score)
    assert first.shown.signals["copies"] == best.score - canonical.score
    assert second.shown is other


def test_two_implementations_of_one_interface_stay_apart() -> None:
    files = {
        "backends/mysql/client.py": FUNCTION.replace("take_3", "take_mysql"),
        "backends/postgresql/client.py": FUNCTION.replace("take_3", "take_psql"),
    }

    assert [hit.copies for hit in ask(files, "merge_routers")] == [(), ()]


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ({"path": "a/x.py"}, {"path": "b/y.py"}, True),
        ({"path": "a/x.py", "scope": "A"}, {"path": "b/x.py", "scope": "B"}, False),
        ({"path": "a/x.py", "symbol": "f"}, {"path": "b/x.py", "symbol": "g"}, False),
        ({"path": "a/x.py", "kind": "class"}, {"path": "b/x.py", "kind": "function"}, False),
    ],
)
def test_equal_texts_are_copies_where_kind_name_and_scope_agree(
    a: dict[str, str], b: dict[str, str], same: bool
) -> None:
    chunks = [chunk(text=FUNCTION, n=n, **given) for n, given in enumerate((a, b))]  # type: ignore[arg-type]

    assert len(grouped(*((c, FUNCTION) for c in chunks))) == (1 if same else 2)


def test_short_texts_stay_apart_but_in_equal_files_or_versions_of_one_name() -> None:
    short = "def f(): return 1"

    assert len(grouped((chunk("a/x.py", short, 1), short), (chunk("b/x.py", short, 2), short))) == 2
    assert len(grouped((chunk("a/x.py", short, 1), short), (chunk("v2/x.py", short, 2), short))) == 1
    assert len(grouped((chunk("a/x.py", short, 1), short), (chunk("v2/y.py", short, 2), short))) == 2
    assert [len(h.copies) for h in ask({"a/x.py": short, "b/x.py": short, "c/y.py": short}, "f")] == [1, 0]


def test_a_package_called_next_is_no_version() -> None:
    near = FUNCTION.replace("take_3", "take_other")

    pairs = [
        (chunk("packages/next/x.py", near, 1), near),
        (chunk("packages/react/x.py", FUNCTION, 2), FUNCTION),
    ]
    assert len(grouped(*pairs)) == 2
    pairs = [(chunk("docs/next/x.py", near, 1), near), (chunk("docs/v3/x.py", FUNCTION, 2), FUNCTION)]
    assert grouped(*pairs) == [["docs/v3/x.py", "docs/next/x.py"]]


def test_two_places_of_one_file_stay_apart() -> None:
    one = chunk("a/x.py", FUNCTION, 1)
    two = ScoredChunk(one.chunk._replace(id=2, start=500, end=500 + len(FUNCTION)), one.file, 0, one.place)

    assert len(grouped((one, FUNCTION), (two, FUNCTION))) == 2


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("docs/a.md", "docs/v9/a.md"),
        ("docs/v10/a.md", "docs/v9/a.md"),
        ("docs/10.x/a.md", "docs/9.x/a.md"),
        ("docs/version-1.10/a.md", "docs/version-1.9/a.md"),
        ("docs/v2/a.md", "docs/v2-beta1/a.md"),
        ("docs/v2-beta1/a.md", "docs/v1/a.md"),
        ("docs/v1/a.md", "docs/next/a.md"),
        ("docs/latest/a.md", "docs/v3/a.md"),
        ("a/b/c/d.py", "legacy/d.py"),
        ("a/b/d.py", "a/b/c/d.py"),
        ("a/b.py", "a/c.py"),
        ("releases/2.2.3.txt", "releases/2.1.10.txt"),
        ("step-1/app.js", "step-2/app.js"),
    ],
)
def test_the_canonical_copy(better: str, worse: str) -> None:
    assert canonical_order(chunk(better, "", 1)) < canonical_order(chunk(worse, "", 2))


@pytest.mark.parametrize("flag", [Flag.VENDORED, Flag.GENERATED, Flag.TEST, Flag.EXAMPLE])
def test_a_flagged_copy_is_not_the_canonical_one(flag: Flag) -> None:
    assert canonical_order(chunk("z/y/x.py", "", 1)) < canonical_order(chunk("a.py", "", 2, flags=flag))


def test_reading_is_bounded() -> None:
    texts = [FUNCTION.replace("take_", f"take_{n}_{n}_") for n in range(3 * MOST_READ)]
    chunks = [chunk(f"v{n}/x.py", text, n) for n, text in enumerate(texts)]
    read: set[int] = set()

    def text_of(c: ScoredChunk) -> str:
        read.add(c.chunk.id)
        return texts[c.chunk.id]

    groups = collapse(chunks, len(chunks), text_of)

    assert len(read) <= MOST_READ
    assert sorted(c.chunk.id for g in groups for c in (g.shown, *g.copies)) == list(range(len(chunks)))


paths = st.lists(
    st.tuples(
        st.sampled_from(["", "v1/", "v2/", "docs/9.x/", "vendor/", "legacy/", "next/"]),
        st.sampled_from(["x.py", "y.py"]),
        st.sampled_from([FUNCTION, FUNCTION.replace("take_3", "get_3"), FUNCTION[::-1], "def f(): pass"]),
        st.sampled_from(["f", "g"]),
    ),
    max_size=12,
    unique_by=lambda given: given[:2],
)


@given(given=paths, limit=st.integers(1, 12))
@examples(150)
def test_collapsing_keeps_the_order_and_loses_nothing_above_the_limit(
    given: list[tuple[str, str, str, str]], limit: int
) -> None:
    chunks = [
        chunk(folder + name, text, n, symbol=symbol) for n, (folder, name, text, symbol) in enumerate(given)
    ]
    texts = {c.chunk.id: g[2] for c, g in zip(chunks, given, strict=True)}

    groups = collapse(chunks, limit, lambda c: texts[c.chunk.id])

    members = [[g.shown.chunk.id, *(c.chunk.id for c in g.copies)] for g in groups]
    firsts = [min(ids) for ids in members]
    assert firsts == sorted(firsts)
    assert len(groups) <= limit
    everything = collapse(chunks, len(chunks) or 1, lambda c: texts[c.chunk.id])
    assert [g.shown.chunk.id for g in groups] == [g.shown.chunk.id for g in everything][:limit]
    assert len({i for ids in members for i in ids}) == sum(map(len, members))
    for g in groups:
        assert all(canonical_order(g.shown) < canonical_order(c) for c in g.copies)
        assert len({c.chunk.symbol for c in (g.shown, *g.copies)}) == 1
    scores = [g.shown.score for g in groups]
    assert all(a >= b for a, b in itertools.pairwise(scores))
