"""The contract of a reader, held by the real snapshot and by the double: equal answers, scores included.

The real index has a history: files were edited, deleted and added, and a file
was indexed under another name before. The double is made of the files alone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spelunk import Index
from spelunk.embed.hashed import HashedEmbedder
from spelunk.errors import IndexCorruptError, SpelunkError
from spelunk.search.corpus import SearchTarget
from spelunk.search.engine import search
from spelunk.search.query import narrow, with_known_fields
from spelunk.search.reading import read
from spelunk.search.request import MODES, SearchRequest
from spelunk.store.paths import names_of
from spelunk.store.protocols import FieldFilter, Filter, Reader, Requirement, Scored, TextField
from spelunk.store.snapshot import Snapshot
from spelunk.testing import MemoryReader
from spelunk.text.required import Run
from spelunk.text.tokens import words
from spelunk.types import Flag
from tests.corpus import python_file
from tests.examples import examples

LONG = "x" * 200
"""Longer than any word that is indexed whole."""

FILES: dict[str, str | bytes] = {
    **{f"pkg{n % 3}/mod_{n}.py": python_file(n, 3) for n in range(8)},
    "pkg1/copy_of_3.py": python_file(3, 3),
    "core.c": '#include "x.h"\n\nint flush_queue(int n)\n{\n\treturn n + 1;\n}\n',
    "core.h": "int flush_queue(int n);\n",
    "tests/test_queue.py": "def test_flush_queue():\n    assert flush_queue(1) == 2\n",
    "docs/flush.md": (
        "---\nstatus: Draft\nowner: Über\ntags: [queue, Flush]\n---\n# Flushing\n\nHow queues are flushed.\n\n"
        "## Batches\n\nA batch of batches; the worker merges it.\n"
    ),
    "docs/index.md": "---\nstatus: done\nowner: ann\n---\n# Index\n\nWhere the index of a chunk lies: μέρος, naïve.\n",
    "docs/ÄÖ.md": "# Umlaute\n\nEine Schlange ist eine queue.\n",
    "notes.txt": "flush flush flush\n\nqueue: the worker's\n",
    "long.txt": f"flush {LONG}_queue_{LONG}\n",
    "wide.txt": "batch " * 3_000 + "\n",
    "data.json": '{"queue": {"flush": 1, "batch": [1, 2, 3]}}\n',
    "odd\udcff.py": "def odd_queue():\n    return 'flush'\n",
    "app/[slug].ts": "export function slugQueue(): number { return 1 }\n",
}

WORDS = [
    "flush", "queue", "batch", "batches", "flush_queue", "worker", "total", "alpha", "alpha_beta", "index",
    "return", "def", "schlange", "μέρος", "naïve", "absent_anywhere", "about", "mod", "x", LONG,
]  # fmt: skip


class Pair(NamedTuple):
    """A real reader and the double of the same files."""

    real: Reader
    double: Reader


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    root = tmp_path_factory.mktemp("tree")
    with Index.open(
        root, index_dir=str(tmp_path_factory.mktemp("parent") / "index"), embedder="hashed", mode="sequential"
    ) as index:
        write(root, {"gone/a.py": python_file(90), "gone/b.md": "# Flush queue\n\nflush\n", **FILES})
        (root / "core.h").write_text("int flush_queue(int n);\nint flush_all(void);\n" * 3)
        write(root, {"docs/flush.md": "# Older\n\nqueue queue queue\n", "old/mod_3.py": python_file(3, 3)})
        index.update()
        shutil.rmtree(root / "gone")
        shutil.rmtree(root / "old")
        index.update()
        write(root, FILES)
        index.update()
        index.update()
        with Snapshot(index.directory) as snapshot:
            yield Pair(snapshot, MemoryReader.of_files(FILES, embedder=HashedEmbedder(), first_id=500))


def write(root: Path, files: Mapping[str, str | bytes]) -> None:
    for path, content in files.items():
        raw = content.encode() if isinstance(content, str) else content
        place = os.path.join(os.fsencode(root), os.fsencode(path))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as f:
            f.write(raw)


Place = tuple[str, int]


def place(reader: Reader, chunk: int) -> Place:
    """A name of a chunk that does not depend on its id: path and offset."""
    record = reader.chunks([chunk])[chunk]
    return reader.files([record.file])[record.file].path, record.start


def places(reader: Reader, ids: list[int]) -> list[Place]:
    return [place(reader, i) for i in ids]


def ranking(reader: Reader, scored: list[Scored]) -> list[tuple[float, int, Place]]:
    """Scores, ties and places; chunks that equal each other in both, in order of place."""
    assert [(-s.score, s.tie) for s in scored] == sorted((-s.score, s.tie) for s in scored)
    return sorted((-s.score, s.tie, place(reader, s.id)) for s in scored)


def every_id(reader: Reader) -> list[int]:
    return reader.listed(Filter(), 100_000)


some_words = st.lists(st.sampled_from(WORDS), max_size=2, unique=True).map(tuple)
runs = st.builds(
    Run,
    st.sampled_from(["flush", "queue", "lush_qu", "ba", "batch", "mod_", "test", LONG[:130]]),
    st.booleans(),
    st.booleans(),
)
requirements = st.lists(
    st.builds(
        Requirement,
        st.frozensets(runs, min_size=1, max_size=3),
        st.sampled_from(["body", "name"]),
    ),
    max_size=2,
)


def choice(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    """Mostly no condition, now and then one or two values."""
    return st.one_of(
        st.just(()), st.just(()), st.lists(st.sampled_from(values), min_size=1, max_size=2).map(tuple)
    )


flags = st.sampled_from([Flag.NONE, Flag.NONE, Flag.DOCS, Flag.TEST | Flag.DOCS])
filters = st.builds(
    Filter,
    languages=choice("python", "c", "markdown", "text"),
    not_languages=choice("python", "c", "cobol"),
    kinds=choice("function", "section", "block", "no-such-kind"),
    not_kinds=choice("function", "section"),
    flags=flags,
    not_flags=flags,
    paths=choice("pkg", "docs/", "**/*.py", "MOD_", "app/[slug].ts", "ÄÖ", "äö", "nowhere"),
    not_paths=choice("pkg1", "*.md", "tests"),
    fields=st.lists(
        st.builds(
            FieldFilter,
            st.sampled_from(["status", "STATUS", "owner", "tags", "unknown"]),
            choice("draft", "DONE", "über", "ANN", "flush"),
            choice("done", "ÜBER"),
        ),
        max_size=1,
    ).map(tuple),
    within=choice("docs", "pkg1", "core.c", "pkg", "docs/flush.md"),
    not_terms=some_words,
    prefix=st.sampled_from(["", "", "repo/"]),
)
terms = st.dictionaries(st.sampled_from(WORDS), st.floats(0.1, 20), max_size=4)
fields: st.SearchStrategy[dict[TextField, float]] = st.sampled_from(
    [{"body": 1.0, "name": 0.5, "path": 2.0}, {"name": 1.0}, {"body": 1.0}]
)
limits = st.sampled_from([1, 2, 3, 5, 10, 10_000])
queries = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)

many = examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def test_the_corpus_is_the_same(pair: Pair) -> None:
    ids = [every_id(reader) for reader in pair[:2]]

    assert pair.real.documents == pair.double.documents == len(ids[0])
    assert places(pair.real, ids[0]) == places(pair.double, ids[1])
    assert {path for path, _ in places(pair.real, ids[0])} == set(FILES)


@pytest.mark.parametrize("which", ["real", "double"])
def test_listed_is_by_path_and_place_with_paths_that_are_not_utf8_last(pair: Pair, which: str) -> None:
    reader: Reader = getattr(pair, which)
    order = places(reader, every_id(reader))

    named = [p for p in order if "\udcff" not in p[0]]
    assert named == sorted(named)
    assert order[len(named) :] == [("odd\udcff.py", 0)]


@many
@given(where=filters, limit=limits, requires=requirements)
def test_listed(pair: Pair, where: Filter, limit: int, requires: list[Requirement]) -> None:
    real, double = (places(r, r.listed(where, limit, requires)) for r in pair[:2])

    assert real == double
    assert len(real) <= limit


@many
@given(terms=terms, fields=fields, where=filters, limit=limits, requires=requirements)
def test_lexical(
    pair: Pair,
    terms: dict[str, float],
    fields: dict[TextField, float],
    where: Filter,
    limit: int,
    requires: list[Requirement],
) -> None:
    scored = [r.lexical(terms, fields, where, limit, requires) for r in pair[:2]]

    real, double = (ranking(r, s) for r, s in zip(pair[:2], scored, strict=True))
    assert real == double
    assert len(real) <= limit or len({key[:2] for key in real[limit - 1 :]}) == 1


@many
@given(terms=terms, fields=fields, where=filters, limit=limits)
def test_a_limit_takes_the_first_of_all(
    pair: Pair, terms: dict[str, float], fields: dict[TextField, float], where: Filter, limit: int
) -> None:
    for reader in pair[:2]:
        everything = ranking(reader, reader.lexical(terms, fields, where, 10_000))

        some = ranking(reader, reader.lexical(terms, fields, where, limit))

        assert some == everything[: len(some)]
        assert len(some) >= min(limit, len(everything))


@many
@given(where=filters, groups=st.lists(requirements, max_size=2))
def test_files_with(pair: Pair, where: Filter, groups: list[list[Requirement]]) -> None:
    real, double = ([f.path for f in r.files_with(where, groups)] for r in pair[:2])

    for limit in (0, 1, 3):
        assert [f.path for f in pair.real.files_with(where, groups, limit)] == real[:limit]

    assert real == double


@many
@given(text=queries, where=filters, limit=limits)
def test_nearest_and_cosines(pair: Pair, text: str, where: Filter, limit: int) -> None:
    vector = [float(x) for x in HashedEmbedder().query(text)]

    near = [r.nearest(vector, where, limit) for r in pair[:2]]

    real, double = (ranking(r, s) for r, s in zip(pair[:2], near, strict=True))
    assert real == double
    assert all(score < 0 for score, _, _ in real)
    for reader, scored in zip(pair[:2], near, strict=True):
        cosines = reader.cosines(vector, every_id(reader))
        assert [cosines[s.id] for s in scored] == [s.score for s in scored]
        passing = set(reader.listed(where, 10_000))
        positive = sorted((-c for i, c in cosines.items() if i in passing and c > 0))
        assert sorted(-s.score for s in scored)[:limit] == positive[:limit]


@given(vector=st.lists(st.floats(-1, 1, allow_nan=False), min_size=256, max_size=256))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_chunk_has_one_cosine_however_it_is_looked_up(pair: Pair, vector: list[float]) -> None:
    for reader in pair[:2]:
        near = {s.id: s.score for s in reader.nearest(vector, Filter(), 10_000)}

        assert near == {i: c for i, c in reader.cosines(vector, every_id(reader)).items() if c > 0}


@pytest.mark.parametrize("which", ["real", "double"])
def test_terms_left_out_hold_for_the_nearest(pair: Pair, which: str) -> None:
    reader: Reader = getattr(pair, which)
    vector = [float(x) for x in HashedEmbedder().query("flush queue")]

    near = [s.id for s in reader.nearest(vector, Filter(not_terms=("queue",)), 10_000)]

    bodies = [reader.text(c.file).of(c) for c in reader.chunks(near).values()]
    assert near and not any("queue" in words(body) for body in bodies)


@pytest.mark.parametrize("which", ["real", "double"])
def test_numbers_beyond_float32_give_the_nearest_the_cosines_of_a_look_up(pair: Pair, which: str) -> None:
    reader: Reader = getattr(pair, which)
    vector = [1 / (3 + n) for n in range(256)]

    near = {s.id: s.score for s in reader.nearest(vector, Filter(), 10_000)}

    assert near and near == {i: c for i, c in reader.cosines(vector, every_id(reader)).items() if c > 0}


@pytest.mark.parametrize("field", ["body", "name", "path"])
def test_frequencies_count_live_chunks_alone(pair: Pair, field: TextField) -> None:
    real, double = (r.frequencies(WORDS, field) for r in pair[:2])

    assert real == double
    assert "absent_anywhere" not in real
    assert field == "path" or real["flush_queue"] >= 2


@given(
    prefix=st.one_of(
        st.sampled_from(WORDS).flatmap(lambda w: st.integers(0, 4).map(lambda n: w[:n])), st.text()
    ),
    field=st.sampled_from(["body", "name", "path"]),
)
@many
def test_vocabulary_has_the_terms_of_live_chunks_alone(pair: Pair, prefix: str, field: TextField) -> None:
    real, double = (r.vocabulary(prefix, field) for r in pair[:2])

    assert real == double
    assert all(term.startswith(prefix) for term in real)
    assert real == pair.real.frequencies(real, field)


def test_languages_and_kinds_are_counted_over_live_files(pair: Pair) -> None:
    assert pair.real.languages() == pair.double.languages()
    assert pair.real.languages()["c"] == 2
    assert pair.real.kinds() == pair.double.kinds()
    assert sum(pair.real.kinds().values()) == pair.real.documents


def test_rows_of_files_and_chunks_are_the_same(pair: Pair) -> None:
    for path in FILES:
        files = [r.file(path) for r in pair[:2]]
        assert files[0] is not None and files[1] is not None
        real, double = (
            (f.path, f.size, f.digest, f.language, f.flags, f.chunks, f.lines, f.encoding) for f in files if f
        )
        assert real == double
        for reader, file in zip(pair[:2], files, strict=True):
            assert file is not None and reader.files([file.id]) == {file.id: file}
        rows = [
            [c._replace(id=0, file=0) for c in r.chunks_of(f)]
            for r, f in zip(pair[:2], files, strict=True)
            if f
        ]
        texts = [r.text(f.id) for r, f in zip(pair[:2], files, strict=True) if f]
        assert rows[0] == rows[1]
        assert texts[0] == texts[1]


@many
@given(
    names=st.sets(
        st.sampled_from(
            ["flush", "flush.md", "mod_3", "mod_3.py", "docs", "pkg1", "core", "äö", "[slug]", "nowhere"]
        )
    )
)
def test_files_named(pair: Pair, names: set[str]) -> None:
    real, double = ([f.path for f in r.files_named(names)] for r in pair[:2])

    assert real == double
    assert set(real) == {path for path in FILES if names_of(path) & names}


def test_vectors_are_the_same(pair: Pair) -> None:
    real, double = ([r.vector(i) for i in every_id(r)] for r in pair[:2])

    assert real == double
    assert pair.real.embedder == pair.double.embedder == HashedEmbedder.id
    assert pair.real.dimensions == pair.double.dimensions == 256


@pytest.mark.parametrize("which", ["real", "double"])
def test_what_is_not_there_is_left_out(pair: Pair, which: str) -> None:
    reader: Reader = getattr(pair, which)
    known = every_id(reader)[0]
    file = reader.chunks([known])[known].file

    assert set(reader.chunks([known, 10**9, 0])) == {known}
    assert set(reader.files([file, 10**9, 0])) == {file}
    assert set(reader.cosines([1.0] + [0.0] * 255, [known, 10**9])) == {known}
    assert reader.vector(10**9) is None
    assert reader.file("nowhere.py") is None
    assert reader.file("gone/a.py") is None
    with pytest.raises(IndexCorruptError):
        reader.text(10**9)


@pytest.mark.parametrize("which", ["real", "double"])
def test_a_text_that_was_forgotten_is_read_again(pair: Pair, which: str) -> None:
    reader: Reader = getattr(pair, which)
    file = reader.file("core.c")
    assert file is not None
    before = reader.text(file.id)

    reader.forget(file.id)

    assert reader.text(file.id) == before


@pytest.mark.parametrize("which", ["real", "double"])
def test_a_query_without_a_direction_is_near_to_nothing(pair: Pair, which: str) -> None:
    reader: Reader = getattr(pair, which)
    zero = [0.0] * 256

    assert reader.nearest(zero, Filter(), 5) == []
    assert set(reader.cosines(zero, every_id(reader)).values()) == {0.0}
    assert reader.lexical({}, {"body": 1.0}, Filter(), 5) == []
    assert reader.lexical({"flush": 1.0}, {}, Filter(), 5) == []


def test_the_state_is_the_same(pair: Pair) -> None:
    real, double = pair[:2]

    assert real.damage is None and double.damage is None
    assert real.field_names() == double.field_names() == {"status", "owner", "tags"}
    assert real.coverage() == double.coverage() == (len(FILES), len(FILES))
    assert real.missing_vectors() == double.missing_vectors() == (0, "")
    assert real.generation >= 1 and double.generation >= 1


# Damage


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Readers whose full text and whose vectors cannot be read."""
    root = tmp_path_factory.mktemp("tree")
    write(root, FILES)
    with Index.open(
        root, index_dir=str(tmp_path_factory.mktemp("parent") / "index"), embedder="hashed", mode="sequential"
    ) as index:
        index.update()
        for segment in (Path(index.directory) / "vectors").iterdir():
            segment.write_bytes(b"no segment")
        shutil.rmtree(next(Path(index.directory).glob("lexical-*")))
        with Snapshot(index.directory) as snapshot:
            double = MemoryReader.of_files(
                FILES, embedder=HashedEmbedder(), damage="full text damaged", vector_damage="vectors damaged"
            )
            yield Pair(snapshot, double)


@many
@given(where=filters, requires=requirements)
def test_a_damaged_full_text_leaves_the_filters_that_need_none(
    damaged: Pair, where: Filter, requires: list[Requirement]
) -> None:
    real, double = (places(r, r.listed(where, 10_000, requires)) for r in damaged[:2])
    files = [[f.path for f in r.files_with(where, [requires])] for r in damaged[:2]]

    assert real == double
    assert files[0] == files[1] == list(dict.fromkeys(path for path, _ in real))


@pytest.mark.parametrize("which", ["real", "double"])
def test_kinds_hold_without_the_full_text(damaged: Pair, which: str) -> None:
    reader: Reader = getattr(damaged, which)

    files = reader.files_with(Filter(kinds=("section",)), [])

    assert {f.language for f in files} == {"markdown"}


@pytest.mark.parametrize("which", ["real", "double"])
def test_a_damaged_reader_says_so(damaged: Pair, which: str) -> None:
    reader: Reader = getattr(damaged, which)
    ids = every_id(reader)

    assert reader.damage
    assert reader.frequencies(["flush"], "body") == {}
    assert reader.lexical({"flush": 1.0}, {"body": 1.0}, Filter(), 5) == []
    for look in (
        lambda: reader.dimensions,
        lambda: reader.nearest([1.0] * 256, Filter(), 5),
        lambda: reader.cosines([1.0] * 256, ids),
        lambda: reader.vector(ids[0]),
    ):
        with pytest.raises(IndexCorruptError):
            look()


# Whole answers


def target(reader: Reader, prefix: str = "") -> SearchTarget:
    return SearchTarget(reader, HashedEmbedder, prefix, ("tree",), "main", f"/{prefix}")


QUERIES = st.one_of(
    st.sampled_from(
        [
            '"flush queue"', '"int flush_queue"', "sym:flush_queue", "/flush_\\w+/", "/return \\w+ \\+ 1/ lang:c",
            "flush -queue", 'flush -"flush_queue"', "queue path:docs", "queue -path:pkg -lang:c", "status:DRAFT",
            "owner:über queue", "kind:section flush", "lang:python", "repo:tree flush", "branch:other flush",
            "flush -lang:python -kind:section", "how are queues flushed", "/batch/ -flush", "tags:flush -batch",
            "Queues are not flushed\n\n  File \"pkg1/mod_4.py\", line 3, in flush\nValueError: batch of batches",
            "the worker\nhttps://example.org/docs/flush.md pkg1.mod_1.total `flush_queue` test_flush_queue",
            "odd_queue", "schlange", "😀", "-queue flush worker", "path:pkg1/ -total",
        ]
    ),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join),
)  # fmt: skip


def answer(readers: list[Reader], text: str, mode: str, limit: int, within: tuple[str, ...]) -> object:
    """Hits with scores and signals, and what is missing; or the error's message."""
    try:
        query = with_known_fields(read(text, mode=mode), set().union(*(r.field_names() for r in readers)))
        request = SearchRequest(text, mode=mode, limit=limit, explain=True, context=1)
        prefixes = [""] if len(readers) == 1 else [f"t{n}/" for n in range(len(readers))]
        targets = [target(r, p) for r, p in zip(readers, prefixes, strict=True)]
        if within:
            targets = [
                SearchTarget(t.reader, t.embedder, t.prefix, t.names, t.branch, t.root, within)
                for t in targets
            ]
        return search(targets, narrow(query), request)
    except SpelunkError as error:
        return str(error)


@many
@given(
    text=QUERIES,
    mode=st.sampled_from(MODES),
    limit=st.sampled_from([1, 3, 10, 100]),
    within=st.sampled_from([(), (), ("docs",), ("pkg1", "core.c")]),
)
def test_whole_answers_are_the_same(
    pair: Pair, text: str, mode: str, limit: int, within: tuple[str, ...]
) -> None:
    real, double = (answer([r], text, mode, limit, within) for r in pair[:2])

    assert real == double


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=QUERIES, mode=st.sampled_from(MODES))
def test_answers_over_real_indexes_and_doubles_mixed_are_the_same(pair: Pair, text: str, mode: str) -> None:
    real, double = pair[:2]

    answers = [answer(list(r), text, mode, 20, ()) for r in ((real, real), (real, double), (double, real))]

    assert answers[0] == answers[1] == answers[2]


def test_the_order_of_indexing_does_not_matter() -> None:
    backwards = dict(reversed(FILES.items()))
    readers = [MemoryReader.of_files(f, embedder=HashedEmbedder()) for f in (FILES, backwards)]

    for text in ("flush queue", "total batch -index", "sym:flush_queue"):
        one, two = (answer([r], text, "hybrid", 50, ()) for r in readers)
        assert one == two
