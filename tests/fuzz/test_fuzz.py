"""No input crashes, hangs or fills the memory; the long part makes ten thousand for each target."""

from __future__ import annotations

import pytest

from tests.fuzz.run import SLOW, run
from tests.fuzz.targets import CHUNKERS, TARGETS

FEW = 200
MANY = 10_000


@pytest.mark.parametrize("target", [t for t in TARGETS if not t.startswith("chunks ")])
def test_some_inputs(target: str) -> None:
    outcome = run(target, FEW, first=1_000_000)

    assert not outcome.failures
    assert outcome.inputs == FEW


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_many_inputs(target: str) -> None:
    count = int(MANY * SLOW.get(target, 1))

    outcome = run(target, count)

    print(f"{target}: {outcome.inputs} inputs in {outcome.seconds} s")
    assert not outcome.failures, "\n".join(outcome.failures)
    assert outcome.inputs == count


def test_every_chunker_is_fuzzed() -> None:
    assert {f"chunks {language}" for language in CHUNKERS} <= set(TARGETS)
