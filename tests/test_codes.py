"""Cosines of single chunks: the same with numpy and without, and as the scan has them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelunk.errors import IndexCorruptError
from spelunk.store.scan import nearest
from spelunk.store.scorer import SegmentScorer, quantize_query
from spelunk.store.segment import Segment, quantise, write_segment

ROWS = 300


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = np.random.default_rng(1).standard_normal((ROWS, 128)).astype(np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    folder = tmp_path_factory.mktemp("segment")
    ids = np.arange(10, 10 + 3 * ROWS, 3)
    write_segment(str(folder), "a.vec", ids, np.zeros(ROWS, np.uint8), [quantise(made)])
    return folder / "vectors" / "a.vec"


@given(
    ids=st.lists(st.integers(0, 11 + 3 * ROWS), max_size=40, unique=True),
    vector=st.lists(st.floats(-1, 1, allow_nan=False), min_size=128, max_size=128),
)
def test_numpy_changes_no_bit(segment: Path, ids: list[int], vector: list[float]) -> None:
    scorer, query = SegmentScorer(str(segment)), quantize_query(vector)

    plain = scorer.by_loop(ids, query)

    assert scorer.by_matrix(ids, query) == scorer.cosines(ids, query) == plain
    assert set(plain) == {i for i in ids if i >= 10 and (i - 10) % 3 == 0 and i < 10 + 3 * ROWS}


def test_a_look_up_agrees_with_the_scan(segment: Path) -> None:
    vector = np.random.default_rng(2).standard_normal(128).astype(np.float32)
    vector /= np.linalg.norm(vector)
    scanned = dict(nearest([Segment(str(segment))], vector, 50))

    looked_up = SegmentScorer(str(segment)).cosines(scanned, quantize_query(vector))

    assert looked_up == scanned


def test_a_query_without_words_has_no_direction() -> None:
    assert quantize_query([0.0] * 64).step == 0


def test_a_segment_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.vec").write_bytes(b"no vectors" * 20)

    with pytest.raises(IndexCorruptError, match="--repair"):
        SegmentScorer(str(tmp_path / "x.vec"))


def test_a_look_up_imports_no_numpy(segment: Path) -> None:
    code = (
        "import sys; from spelunk.store.scorer import SegmentScorer, quantize_query; "
        f"print(len(SegmentScorer({str(segment)!r}).cosines([10, 13], quantize_query([0.1] * 128))), 'numpy' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["2", "False"]
