"""Answers are a function of the files alone: not of the order of edits, nor of how files are split into indexes."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from spelunk import Answer, Index, search_many
from tests.corpus import WORDS, python_file, write_tree

ROUNDS = 50
EVERY = 10
"""Rounds between comparisons with a fresh index; a round is an update of its own."""

QUERIES = [
    ("flush the queue", "hybrid"),
    ("which worker merges a batch of tokens", "hybrid"),
    ("total", "lexical"),  # in every function: more chunks tie than are ranked
    ("alpha_beta gamma parse", "lexical"),
    ("vector search index", "semantic"),
    ("alpha_beta_3_1", "symbol"),
    (r"def \w+_queue_\d+", "regex"),
    ("parse -merge path:pkg1", "hybrid"),
    ('"return total" lang:python', "hybrid"),
]


def told(answer: Answer) -> list[tuple[Any, ...]]:
    """An answer as far as it is printed: places, scores and signals."""
    return [
        (h.path, h.start_line, h.end_line, h.symbol, f"{h.score:.4f}", *_rounded(h.signals))
        for h in answer.hits
    ]


def _rounded(signals: dict[str, float]) -> list[tuple[str, str]]:
    return [(name, f"{value:.4f}") for name, value in signals.items()]


def ask(index: Index, query: str, mode: str) -> list[tuple[Any, ...]]:
    return told(index.search(query, mode=mode, limit=40, explain=True, refresh=False))


def edit(r: random.Random, root: Path, number: int) -> None:
    """Create, change, delete or rename some files."""
    for _ in range(r.randrange(1, 4)):
        files = sorted(root.rglob("*.py"))
        kind = r.choice(["create", "change", "change", "delete", "rename", "copy"])
        new = root / f"pkg{r.randrange(4)}" / f"{r.choice(WORDS)}_{number}_{r.randrange(99)}.py"
        new.parent.mkdir(exist_ok=True)
        if kind == "create" or len(files) < 15:
            new.write_text(python_file(r.randrange(10**6), functions=r.randrange(1, 9)))
        elif kind == "change":
            r.choice(files).write_text(python_file(r.randrange(10**6), functions=r.randrange(1, 9)))
        elif kind == "delete" and len(files) > 20:
            r.choice(files).unlink()
        elif kind == "copy":
            new.write_bytes(r.choice(files).read_bytes())
        elif not new.exists():
            r.choice(files).rename(new)


def test_a_storm_of_edits_leaves_the_answers_of_a_fresh_index(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 25)
    r = random.Random(20261127)
    differences = []
    with Index.open(root, index_dir=str(tmp_path / "old")) as old:
        for number in range(1, ROUNDS + 1):
            edit(r, root, number)
            old.update()
            if number % EVERY:
                continue
            place = tmp_path / "fresh"
            with Index.open(root, index_dir=str(place)) as fresh:
                fresh.update()
                for query, mode in QUERIES:
                    if ask(old, query, mode) != ask(fresh, query, mode):
                        differences.append((number, query, mode))
            shutil.rmtree(place)

    assert differences == []


def test_the_answer_is_the_same_while_replaced_documents_wait_for_their_purge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a publish and its purge the full text has documents of two generations."""
    from spelunk.store.writer import StoreWriter

    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 25)
    index = Index.open(root, index_dir=str(tmp_path / "old"))
    index.update()
    monkeypatch.setattr(StoreWriter, "purge", lambda self: None)  # as if killed there
    for n in range(8):
        (root / "pkg0" / f"mod_{n}.py").write_text(python_file(4000 + n))
    index.update()

    with Index.open(root, index_dir=str(tmp_path / "fresh")) as fresh:
        fresh.update()
        for query, mode in QUERIES:
            assert ask(index, query, mode) == ask(fresh, query, mode), query


def test_workspaces_searched_together_are_weighed_as_one_corpus(tmp_path: Path) -> None:
    both = tmp_path / "both"
    large, small = both / "large", both / "small"
    large.mkdir(parents=True)
    small.mkdir()
    write_tree(large, 149)
    (small / "one.py").write_text(python_file(77))
    whole, parts = Index.open(both), [Index.open(large), Index.open(small)]
    queries = [
        ("flush the queue", "lexical"),
        ("flush the queue", "hybrid"),
        ("total", "lexical"),
        ("merge token", "semantic"),
    ]

    for query, mode in queries:
        one = _by_content(whole.search(query, mode=mode, limit=200, explain=True))
        for order in (parts, parts[::-1]):
            together = _by_content(search_many(order, query, mode=mode, limit=200, explain=True))
            # The folders above a file weigh in the order, so that the last of the hits may differ.
            shared = one.keys() & together.keys()
            assert len(shared) > 150 and any(path == "small/one.py" for path, _ in shared)
            assert {k: together[k] for k in shared} == {k: one[k] for k in shared}, query


def _by_content(answer: Answer) -> dict[tuple[str, int], tuple[Any, ...]]:
    """The signals of each hit that do not depend on the folders above it."""
    apart = ("depth", "folders", "cover", "repeat")
    return {
        (h.path, h.start_line): tuple((n, f"{v:.4f}") for n, v in h.signals.items() if n not in apart)
        for h in answer.hits
    }


def test_a_small_workspace_takes_the_rarity_of_words_from_the_large_one(tmp_path: Path) -> None:
    large, small = tmp_path / "large", tmp_path / "small"
    for root in (large, small):
        root.mkdir()
    for n in range(150):
        (large / f"f{n}.py").write_text(f"def common_{n}():\n    return common({n})\n")
    (small / "one.py").write_text("def common_word():\n    return rare() + common()\n")
    (large / "two.py").write_text("def common_word():\n    return rare() + common()\n")
    indexes = [Index.open(small), Index.open(large)]

    hits = search_many(indexes, "rare common", mode="lexical", explain=True, limit=2).hits

    assert [h.path for h in hits] == ["large/two.py", "small/one.py"]
    assert hits[0].signals["match"] == hits[1].signals["match"]
