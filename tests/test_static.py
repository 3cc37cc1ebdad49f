"""The built-in table: its file, its vectors, and that it knows something."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from spelunk.embed.static import PATH, StaticEmbedder, TermTable, features, write_table
from spelunk.embed.sums import pack_rows, sum_rows
from spelunk.errors import ConfigError
from spelunk.text.tokens import words


@pytest.fixture(scope="module")
def embedder() -> StaticEmbedder:
    return StaticEmbedder()


def of(embedder: StaticEmbedder, *texts: str) -> np.ndarray:
    return embedder.embed(texts, [words(t) for t in texts])


def test_it_is_small_enough_to_ship() -> None:
    assert os.path.getsize(PATH) <= 16_000_000


def test_a_term_is_found_by_search_as_by_dictionary() -> None:
    table = TermTable()
    numbers = table.numbers()
    for term in random.Random(1).sample(sorted(numbers), 500):
        assert table.find(term) == numbers[term]
    unknown = table.find("no such term as this")
    assert table.first_bucket <= unknown < table.rows


def test_vectors_have_unit_length_and_do_not_depend_on_order(embedder: StaticEmbedder) -> None:
    one, other, empty = of(embedder, "def flush(queue): pass", "queue pass flush def", "12 34")

    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    assert (one == other).all()
    assert not empty.any()


def test_a_question_is_nearer_to_its_answer_than_to_other_code(embedder: StaticEmbedder) -> None:
    code = {
        "remove a directory and everything in it": "def rmtree(path):\n    for name in os.listdir(path):\n        os.unlink(name)\n    os.rmdir(path)",
        "decrypt a message with a private key": "func Open(cipher []byte, key *rsa.Key) ([]byte, error) { return aes.Decrypt(cipher, key.Secret) }",
        "draw the outline of a rectangle": "ctx.beginPath(); ctx.moveTo(x, y); ctx.lineTo(x + width, y); ctx.strokeStyle = color; ctx.stroke();",
    }
    answers = of(embedder, *code.values())
    for n, question in enumerate(code):
        near = answers @ np.asarray(embedder.query(question), np.float32)
        assert int(near.argmax()) == n


def test_a_question_of_no_words_has_no_direction(embedder: StaticEmbedder) -> None:
    assert not any(embedder.query("12 !!"))


def test_features_are_the_terms_of_the_full_text() -> None:
    assert features("flushBatches") == ("flush", "batch")
    assert features("0x1f") == ()


def test_what_is_no_table_says_to_reinstall(tmp_path: Path) -> None:
    path = tmp_path / "x.table"
    for content in (b"", b"short", b"no table at all " * 40):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="reinstall"):
            TermTable(str(path))
    write_table(str(path), ["a", "b"], [4096] * 3, bytes(3 * 64), 64, 1)
    path.write_bytes(path.read_bytes()[:-64])
    with pytest.raises(ConfigError, match="truncated"):
        TermTable(str(path))


def test_terms_must_ascend(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ascend"):
        write_table(str(tmp_path / "x"), ["b", "a"], [1] * 3, bytes(3 * 64), 64, 1)


@pytest.mark.parametrize("count", [1, 2, 255, 256, 600])
def test_sums_of_bytes_are_exact(count: int) -> None:
    table = np.random.default_rng(count).integers(-128, 128, (50, 64), np.int8)
    table[0], table[1] = -128, 127
    chosen = [0] * count if count % 2 else [1] * count
    for rows in (chosen, np.random.default_rng(1).integers(0, 50, count).tolist()):
        assert (sum_rows(table, pack_rows(rows)) == table[rows].sum(axis=0, dtype=np.int64)).all()
