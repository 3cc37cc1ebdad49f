"""The full text: encoded impacts, ties, filters, and equality of a repaired index with a fresh one."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest
import tantivy
from hypothesis import given
from hypothesis import strategies as st

from spelunk import Index
from spelunk.store import full_text
from spelunk.store.document import ChunkTerms, document_of
from spelunk.store.full_text import LexicalReader, LexicalWriter
from spelunk.store.impact import IMPACTS, K1, LEVELS, REFERENCE_LENGTH, B, decode, encode, forms
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.protocols import FieldFilter, Filter, Requirement
from spelunk.store.repair import rebuild_full_text
from spelunk.store.snapshot import Snapshot
from spelunk.text.required import Run
from spelunk.text.tokens import LONG_WORD, terms, words
from tests.corpus import write_tree

NOWHERE = Filter()


@given(st.lists(st.sampled_from(["a", "b", "c", "dd", "eee", "f_f"]), max_size=60))
def test_each_distinct_term_is_encoded_once_at_the_level_of_its_impact(found: list[str]) -> None:
    decoded = dict(decode(encode(Counter(found), "body")))

    assert decoded.keys() == set(found)
    for term, count in Counter(found).items():
        impact = count / (count + K1 * (1 - B + B * len(found) / REFERENCE_LENGTH["body"]))
        nearest = min(range(len(LEVELS)), key=lambda n: abs(IMPACTS[n] - impact))
        assert abs(decoded[term] - nearest) <= 1


def test_levels_are_ascending_and_no_word_has_them() -> None:
    assert list(IMPACTS) == sorted(IMPACTS) and IMPACTS[0] > 0 and IMPACTS[-1] < 1
    assert words(LEVELS) == [] and not any(c.isspace() for c in LEVELS)
    assert len({form for t in ("a", "ab") for form in forms(t)}) == 2 * len(LEVELS)


def test_a_document_has_the_terms_of_its_words_and_says_where_it_cuts_a_line() -> None:
    text = "def parseLine(x):\n    return x\nrest of"

    whole = document_of(text, 0, 31, ["parseLine"])
    cut = document_of(text, 0, 35, [])

    end_left_out = document_of(text, 0, 30, [])
    assert {t for t, _ in decode(whole.body)} == {t for w in words(text[:31]) for t in terms(w)}
    assert {t for t, _ in decode(whole.names)} == set(terms("parseLine"))
    assert LONG_WORD not in dict(decode(whole.body)) and LONG_WORD not in dict(decode(end_left_out.body))
    assert LONG_WORD in dict(decode(cut.body))


def dictionary(place: str) -> dict[tuple[str, str], list[int]]:
    """Every term of every field with the ids of the chunks that have it, as Tantivy has them."""
    index = tantivy.Index.open(place)
    index.register_tokenizer(
        full_text.ANALYSER, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
    )
    index.reload()
    searcher = index.searcher()
    out = {}
    for field in ("body", "name", "path", "language", "kind"):
        for term, _ in searcher.terms_with_prefix(field, ""):
            query = tantivy.Query.term_query(full_text.SCHEMA, field, term, "basic")
            hits = searcher.search(query, 10**6, count=False).hits
            out[field, term] = sorted(searcher.fast_field_values("cid", [address for _, address in hits]))
    return out


def test_a_repaired_full_text_equals_a_fresh_one(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 12)
    (root / "long.py").write_text("x = '" + "data " * 40_000 + "'\n")  # cut inside a line
    (root / "ключ.md").write_text("# Überschrift café\n\nstatus: " + "x" * 300 + "\n")
    index = Index.open(root, index_dir=str(tmp_path / "ix"))
    index.update()
    index.close()
    place = index.directory
    old = next(p for p in os.listdir(place) if p.startswith("lexical-"))
    before = dictionary(os.path.join(place, old))

    manifest = ManifestWriter(place)
    rebuild_full_text(place, manifest)
    manifest.close()

    new = next(p for p in os.listdir(place) if p.startswith("lexical-"))
    assert new != old
    assert before == dictionary(os.path.join(place, new))
    assert any(term.startswith(LONG_WORD) for _, term in before)


def written(place: Path, documents: list[tuple[str, str]], *, seed: int) -> LexicalReader:
    """A full text of these bodies and names in some order, over several commits and a deletion."""
    r = random.Random(seed)
    order = list(enumerate(documents))
    r.shuffle(order)
    writer = LexicalWriter(str(place), heap=1 << 24)
    for n, (number, (body, name)) in enumerate(order):
        words, names = encode(Counter(body.split()), "body"), encode(Counter(name.split()), "name")
        writer.add(ChunkTerms(number, number, words, names, "", "python", "function"))
        if r.random() < 0.01:
            writer.add(ChunkTerms(10_000 + n, 10_000 + n, words, "", "", "python", "function"))
            writer.commit()
    writer.delete_from(10_000)
    writer.commit()
    writer.close()
    return LexicalReader(str(place))


@pytest.mark.parametrize("limit", [3, 30, 400])
def test_which_of_many_equal_documents_are_taken_does_not_depend_on_their_order(
    tmp_path: Path, limit: int
) -> None:
    documents = [("common", f"n{n}") for n in range(700)] + [("common rare", f"m{n}") for n in range(7)]
    readers = [written(tmp_path / str(seed), documents, seed=seed) for seed in range(3)]

    answers = [r.top({"common": 1.0, "rare": 5.0}, limit, fields={"body": 1.0}) for r in readers]

    assert answers[0] == answers[1] == answers[2]
    assert len(answers[0]) == limit
    assert {s.id for s in answers[0][:7]} <= set(range(700, 707))


def test_copies_at_the_edge_are_all_returned(tmp_path: Path) -> None:
    reader = written(tmp_path / "ix", [("common", "same")] * 50, seed=1)

    assert len(reader.top({"common": 1.0}, 10, fields={"body": 1.0})) == 50


def test_frequencies_count_the_documents_that_are_alive(tmp_path: Path) -> None:
    documents = [("common", "") for _ in range(300)] + [("common rare", "")]

    reader = written(tmp_path / "ix", documents, seed=3)

    assert reader.frequencies(["common", "rare", "never"]) == {"common": 301, "rare": 1}
    reader.hide(300, [1, 2])
    assert reader.frequencies(["common", "rare", "never"]) == {"common": 298}


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    root = tmp_path / "tree"
    (root / "dir").mkdir(parents=True)
    write_tree(root, 8)
    (root / "dir" / "a.py").write_text("class Alpha:\n    def run(self):\n        return beta\n")
    (root / "dirt.py").write_text("def gamma():\n    return alpha\n")
    (root / "dir" / os.fsdecode(b"caf\xe9.py")).write_text("def latin():\n    return 1\n")
    (root / "doc.md").write_text("---\nstatus: Draft\n---\n\n# Doc\n\nalpha\n")
    index = Index.open(root, index_dir=str(tmp_path / "ix"))
    index.update()
    index.close()
    return Snapshot(index.directory)


FILTERS = [
    Filter(),
    Filter(languages=("python",)),
    Filter(not_languages=("python", "c")),
    Filter(kinds=("class", "section")),
    Filter(not_kinds=("function",)),
    Filter(paths=("dir",)),
    Filter(paths=("dir/*",), not_paths=("a.py",)),
    Filter(paths=("top/dir/",), prefix="top/"),
    Filter(within=("dir",)),
    Filter(within=("dirt.py", "pkg0")),
    Filter(fields=(FieldFilter("STATUS", ("draft", "x")),)),
    Filter(fields=(FieldFilter("status", (), ("draft",)),), languages=("markdown", "python")),
    Filter(not_terms=("alpha",)),
    Filter(not_terms=("alpha", "beta"), within=("pkg0",), not_kinds=("class",)),
    Filter(languages=("no such language",)),
]


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_a_filter_means_the_same_in_every_method(snapshot: Snapshot, wanted: Filter) -> None:
    from spelunk.search.terms import has_term
    from spelunk.store.path_filter import path_predicate

    expected = []
    for file in snapshot.all_files():
        shown = wanted.prefix + file.path
        passes = (
            (not wanted.languages or file.language in wanted.languages)
            and file.language not in wanted.not_languages
            and (not wanted.paths or any(path_predicate(p)(shown) for p in wanted.paths))
            and not any(path_predicate(p)(shown) for p in wanted.not_paths)
            and (
                not wanted.within
                or any(file.path == w or file.path.startswith(w + "/") for w in wanted.within)
            )
            and all(file.path == "doc.md" for f in wanted.fields if f.include)
            and all(file.path != "doc.md" for f in wanted.fields if f.exclude)
        )
        expected += [
            chunk.id
            for chunk in snapshot.chunks_of(file)
            if passes
            and wanted.allows_kind(chunk.kind)
            and not any(has_term(snapshot.text(file.id).of(chunk), t) for t in wanted.not_terms)
        ]
    files = {snapshot.chunks([i])[i].file for i in expected}

    assert snapshot.listed(wanted, 10**6) == expected
    assert {f.id for f in snapshot.files_with(wanted, [])} == files
    ranked = snapshot.lexical({"alpha": 1.0, "return": 1.0}, {"body": 1.0}, wanted, 10**6)
    having = {s.id for s in snapshot.lexical({"alpha": 1.0, "return": 1.0}, {"body": 1.0}, NOWHERE, 10**6)}
    assert {s.id for s in ranked} == having.intersection(expected)
    vector = snapshot.vector(expected[0]) if expected else [1.0] * snapshot.dimensions
    assert vector is not None
    if not wanted.not_terms:  # the vectors know nothing of terms
        near = {s.id for s in snapshot.nearest(vector, NOWHERE, 10**6)}
        assert {s.id for s in snapshot.nearest(vector, wanted, 10**6)} == near.intersection(expected)


def fits(run: Run, term: str) -> bool:
    if run.starts and run.ends:
        return term == run.text
    if run.starts:
        return term.startswith(run.text)
    return term.endswith(run.text) if run.ends else run.text in term


def test_a_requirement_holds_for_whole_terms_starts_ends_and_parts(snapshot: Snapshot) -> None:
    def having(run: Run) -> set[int]:
        return set(snapshot.listed(NOWHERE, 10**6, [Requirement(frozenset((run,)))]))

    texts = {
        i: snapshot.text(c.file).of(c) for i, c in snapshot.chunks(snapshot.listed(NOWHERE, 10**6)).items()
    }
    for run in (Run("alpha", True, True), Run("flus", starts=True), Run("ueue", ends=True), Run("eta")):
        expected = {i for i, t in texts.items() if any(fits(run, x) for w in words(t) for x in terms(w))}
        assert having(run) == expected
    assert having(Run("x" * 10_000, True, True)) == set()
