"""The engine's answers held against plain scans of the files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from spelunk import Index
from tests.corpus import write_tree

PATTERNS = [
    r"flush_queue",
    r"lush_qu",
    r"def \w+_queue_\d+",
    r"total = (alpha|beta) \* \d+",
    r"^import os$",
    r"return total\n\n\ndef batch",
    r"[xyz]+_1",
    r"(?i)ABOUT Batches",
    r"\bq\w*e\b",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_regex_finds_what_a_scan_of_every_file_finds(tmp_path: Path, pattern: str) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 30)
    index = Index.open(root)
    expected: dict[str, set[int]] = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        text = path.read_text()
        lines = {text.count("\n", 0, m.start()) + 1 for m in re.finditer(pattern, text, re.MULTILINE)}
        if lines:
            expected[str(path.relative_to(root))] = lines

    hits = index.search(pattern, mode="regex", limit=10_000).hits

    assert {h.path for h in hits} == set(expected)
    for path, lines in expected.items():
        spans = [range(h.start_line, h.end_line + 1) for h in hits if h.path == path]
        assert all(any(line in span for span in spans) for line in lines)
        assert all(lines.intersection(span) for span in spans)


def test_a_filter_is_applied_before_the_best_are_chosen(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 60)
    index = Index.open(root)

    hits = index.search("flush queue lang:c", limit=3).hits

    assert [h.path for h in hits] == ["core.c"]
    assert {h.path for h in index.search("total path:mod_59", limit=3).hits} == {"pkg5/mod_59.py"}


FLUSHES = {
    "a.md": "# Flush\n\nflush the queue now\n",
    "b.md": "# Flush\n\nflush the basin\n",
    "c.md": "---\nowner: Über\n---\n# Flush\n\nflush it\n",
}


@pytest.fixture
def flushes(tmp_path: Path) -> Index:
    root = tmp_path / "tree"
    root.mkdir()
    for path, text in FLUSHES.items():
        (root / path).write_text(text)
    index = Index.open(root)
    index.update()
    return index


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "semantic"])
def test_a_negated_word_is_in_no_hit_whatever_side_found_it(flushes: Index, mode: str) -> None:
    assert {h.path for h in flushes.search("flush -queue", mode=mode).hits} == {"b.md", "c.md"}


@pytest.mark.parametrize("text", ["flush -queue", "lang:markdown -queue", "flush kind:section -queue"])
def test_a_negated_word_is_in_no_hit_of_a_damaged_full_text(flushes: Index, text: str) -> None:
    shutil.rmtree(next(Path(flushes.directory).glob("lexical-*")))

    answer = flushes.search(text, refresh=False)

    assert answer.degraded is not None and "full text" in answer.degraded
    assert {h.path for h in answer.hits} == {"b.md", "c.md"}


@pytest.mark.parametrize("value", ["Über", "über", "ÜBER"])
def test_a_field_is_compared_in_any_case_beyond_ascii(flushes: Index, value: str) -> None:
    assert [h.path for h in flushes.search(f"flush owner:{value}").hits] == ["c.md"]
    assert {h.path for h in flushes.search(f"flush -owner:{value}").hits} == {"a.md", "b.md"}


@pytest.mark.parametrize("name", ["zq5cd0663add710bfe", "req_7f_2b_11_c0_9a", "x86d081884c7d65"])
def test_a_rare_name_is_found_where_it_stands_and_not_where_its_parts_are(tmp_path: Path, name: str) -> None:
    root = tmp_path / "tree"
    (root / "tests").mkdir(parents=True)
    write_tree(root, 30)
    parts = re.sub(r"([0-9]+|[a-z]+)", r"\1 ", name)
    for n in range(5):
        (root / f"near_{n}.py").write_text(f"def near_{n}():\n    return '{parts} {parts}'\n")
    (root / "tests" / "test_far.py").write_text(f"def test_far():\n    assert seen('{name}')\n")

    with Index.open(root) as index:
        best = index.search(name, limit=3, explain=True).hits[0]

    assert best.path == "tests/test_far.py" and name in best.content
    assert best.signals["whole"] > 0
