"""Scores of chunks: the same with numpy and without, and whatever segments they lie in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from spelunk.errors import IndexCorruptError
from spelunk.store import scan
from spelunk.store.scan import Allowed, nearest
from spelunk.store.scorer import SegmentScorer, quantize_query
from spelunk.store.segment import Segment, pack_rows, quantise, write_segment
from tests.examples import examples

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


# The nearest vectors


WIDTH = 128


def vectors_of(seed: int, count: int, distinct: int) -> np.ndarray:
    """Unit vectors, some of them equal: copies of files, and licence headers."""
    rng = np.random.default_rng(seed)
    made = rng.standard_normal((distinct, WIDTH)).astype(np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made[rng.integers(0, distinct, count)]


def stored(folder: Path, name: str, ids: np.ndarray, made: np.ndarray, dead: np.ndarray) -> Segment:
    kinds = (ids % 3).astype(np.uint8)
    write_segment(str(folder), name, ids, kinds, [quantise(made)])
    return Segment(str(folder / "vectors" / name), len(ids), pack_rows(dead) if dead.any() else None)


@examples(60, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 400),
    distinct=st.integers(1, 400),
    cuts=st.lists(st.integers(0, 400), max_size=6),
    scattered=st.booleans(),
    dead_share=st.floats(0, 0.9),
    limit=st.integers(1, 60),
    wanted=st.integers(1, 40),
    filtered=st.booleans(),
)
def test_the_nearest_depend_on_the_live_allowed_vectors_alone(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int, count: int, distinct: int, cuts: list[int], scattered: bool,
    dead_share: float, limit: int, wanted: int, filtered: bool,
) -> None:  # fmt: skip
    """One fresh segment and any split with dead rows in it give the same answer."""
    folder = tmp_path_factory.mktemp("split")
    rng = np.random.default_rng(seed)
    made = vectors_of(seed, count, distinct)
    ids = np.sort(rng.choice(10 * count, count, replace=False)).astype(np.int64) + 1
    dead = rng.random(count) < dead_share
    query = made[0] + 0.5 * vectors_of(seed + 1, 1, 1)[0]
    query /= np.linalg.norm(query)
    ranges = np.asarray([[0, 3 * count], [5 * count, 9 * count]], np.int64)
    allowed = Allowed(ranges, (0, 2)) if filtered else None
    part = (
        rng.integers(0, len(cuts) + 1, count)
        if scattered
        else np.searchsorted(np.sort(cuts), np.arange(count))
    )
    split = [
        stored(folder, f"{n}.vec", ids[part == n], made[part == n], dead[part == n])
        for n in range(len(cuts) + 1)
        if (part == n).any()
    ]
    live = ~dead
    fresh = [stored(folder, "fresh.vec", ids[live], made[live], dead[live])] if live.any() else []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "MIN_RESCORED", wanted)
        patch.setattr(scan, "OVERSAMPLE", 1)
        answer = nearest(split, query, limit, allowed)

        assert answer == nearest(fresh, query, limit, allowed)
    scores = [score for _, score in answer]
    assert scores == sorted(scores, reverse=True)
    assert len(answer) <= limit or scores[limit - 1] == scores[-1]  # ties at the boundary


def test_all_chunks_that_tie_at_the_boundary_come_back(tmp_path: Path) -> None:
    made = np.repeat(np.concatenate([vectors_of(3, 1, 1), vectors_of(4, 1, 1)]), [5, 95], axis=0)
    segment = stored(tmp_path, "a.vec", np.arange(1, 101), made, np.zeros(100, np.bool_))

    answer = nearest([segment], made[0], 3)

    assert [i for i, _ in answer] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("dimensions", [64, 256, 384, 1024])
def test_the_nearest_are_those_of_all_vectors(tmp_path: Path, dimensions: int) -> None:
    """Distances beyond 255 bits count as well: a wide model's short list is no accident."""
    rng = np.random.default_rng(4)
    made = rng.standard_normal((3_000, dimensions)).astype(np.float32)
    query = made[17] + 1.2 * rng.standard_normal(dimensions).astype(np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    query /= np.linalg.norm(query)
    write_segment(str(tmp_path), "a.vec", np.arange(3_000), np.zeros(3_000, np.uint8), [quantise(made)])
    segment = Segment(str(tmp_path / "vectors" / "a.vec"))
    best = np.argsort(-(made @ query))[:5].tolist()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "MIN_RESCORED", 300)
        answer = nearest([segment], query, 5)

    assert answer[0][0] == 17
    assert len({i for i, _ in answer} & set(best)) >= 3


@pytest.mark.parametrize("value", [0.0, 5e-324])
def test_a_vector_of_almost_nothing_counts_as_zeros(value: float) -> None:
    assert quantize_query([value] * 64) == ([0] * 64, 0.0)
