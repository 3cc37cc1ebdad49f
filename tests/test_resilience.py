"""Retries, and the breaker on a clock of its own; what one process learns another knows."""

from __future__ import annotations

import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from spelunk.errors import ProviderDownError, RefusedError
from spelunk.observe import Observer, events, null_observer
from spelunk.remote import breaker as breaker_module
from spelunk.remote.breaker import FILE, Breaker, BreakerState, TransientError, states
from spelunk.remote.calls import Calls, retry_after, within


def breaker_at(
    directory: Path | None = None, observer: Observer = null_observer, failures: int = 3
) -> Breaker:
    place = None if directory is None else str(directory)
    return Breaker("x", failures=failures, wait=30.0, directory=place, observer=observer)


class Clock:
    now = 1_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(breaker_module.time, "time", clock.time)
    return clock


def fail(breaker: Breaker, times: int = 1, message: str = "boom") -> None:
    for _ in range(times):
        breaker.enter()
        breaker.leave(TransientError(message))


def succeed(breaker: Breaker) -> None:
    breaker.enter()
    breaker.leave(None)


def test_it_opens_after_so_many_failures_in_a_row(clock: Clock) -> None:
    breaker = breaker_at()
    fail(breaker, 2)
    succeed(breaker)
    fail(breaker, 2)
    assert breaker.state.state == "closed" and breaker.state.failures == 2

    fail(breaker)

    assert breaker.state == BreakerState("x", "open", 3, clock.now, clock.now + 30, "boom")
    with pytest.raises(ProviderDownError, match=r"x: not called for another 30 s after 3 failures.*\(boom\)"):
        breaker.enter()


def test_half_open_lets_one_call_through_and_its_success_closes(clock: Clock) -> None:
    breaker = breaker_at()
    fail(breaker, 3)
    clock.now += 30.5
    assert breaker.state.state == "half-open"

    breaker.enter()
    with pytest.raises(ProviderDownError, match="trial call is under way"):
        breaker.enter()
    breaker.leave(None)

    assert breaker.state == BreakerState("x")
    succeed(breaker)


def assert_it_waits_30_seconds(breaker: Breaker, clock: Clock) -> None:
    """It was opened just now; a call after its wait closes it."""
    clock.now += 29
    with pytest.raises(ProviderDownError):
        breaker.enter()
    clock.now += 2
    succeed(breaker)
    assert breaker.state.state == "closed"


def test_half_open_opens_again_when_the_one_call_fails(clock: Clock) -> None:
    breaker = breaker_at()
    fail(breaker, 3)
    clock.now += 31
    fail(breaker, 1, "still down")

    assert breaker.state == BreakerState("x", "open", 4, clock.now, clock.now + 30, "still down")
    assert_it_waits_30_seconds(breaker, clock)


def test_a_trial_that_was_interrupted_does_not_bar_the_next(clock: Clock, tmp_path: Path) -> None:
    fail(breaker_at(tmp_path), 3)
    clock.now += 31
    killed = breaker_at(tmp_path)
    killed.enter()

    assert states(str(tmp_path))[0].state == "half-open"
    succeed(breaker_at(tmp_path))

    assert states(str(tmp_path))[0].state == "closed"


def test_other_processes_know_what_one_learnt(clock: Clock, tmp_path: Path) -> None:
    first, second = breaker_at(tmp_path), breaker_at(tmp_path)
    fail(first, 2)
    fail(second)

    assert [(s.name, s.state, s.failures) for s in states(str(tmp_path))] == [("x", "open", 3)]
    for breaker in (first, second, breaker_at(tmp_path)):
        with pytest.raises(ProviderDownError):
            breaker.enter()
    succeed(Breaker("another", failures=3, wait=30.0, directory=str(tmp_path)))
    assert [s.name for s in states(str(tmp_path))] == ["x"]


ENTRY = '{"state": "open", "failures": 3, "opened": 5.0, "rest": 30.0, "reason": "r"}'
DAMAGED = [
    "", "{", "[]", "[" * 100_000, '{"x": ' * 100_000, "\x00" * 50, '{"x": 1}', '{"x": {"state": "open"}}',
    '{"x": {"state": null}}', '{"x": {"state": {}}}', f'{{"x": {ENTRY}',
    *(
        '{"x": ' + ENTRY.replace(old, new) + "}"
        for old, new in (
            ("5.0", '"x"'), ("5.0", "1e999"), ("5.0", "-1e999"), ("5.0", "NaN"), ("5.0", "null"), ("5.0", "[]"),
            ("3,", "1e999,"), ("3,", "-1,"), ("3,", "9" * 5000 + ","), ("3,", "true,"), ("30.0", "1e999"),
            ('"r"', "{}"), ('"open"', '"ajar"'), ('"open"', "[]"),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_counts_as_no_entry(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)

    assert states(str(tmp_path)) == ()
    breaker = breaker_at(tmp_path)
    succeed(breaker)
    fail(breaker)
    assert states(str(tmp_path))[0].failures == 1


@pytest.mark.parametrize("text", DAMAGED)
def test_status_answers_whatever_the_file_holds(tmp_path: Path, text: str) -> None:
    from spelunk import Index

    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.py").write_text("def one():\n    return 1\n")
    index = Index.open(tmp_path / "tree", index_dir=str(tmp_path / "index"))
    index.update()
    (tmp_path / "index" / FILE).write_text(text)

    assert index.status().breakers == ()


def test_an_opening_in_the_future_allows_a_trial(clock: Clock, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(f'{{"x": {ENTRY.replace("5.0", "9e15")}}}')
    assert states(str(tmp_path))[0].state == "half-open"

    succeed(breaker_at(tmp_path))

    assert states(str(tmp_path))[0].state == "closed"


@pytest.mark.parametrize("stored", [True, False])
def test_a_clock_that_is_set_back_does_not_keep_it_open(clock: Clock, tmp_path: Path, stored: bool) -> None:
    breaker = breaker_at(tmp_path if stored else None)
    fail(breaker, 3)
    clock.now -= 2 * 86_400

    assert breaker.state.state == "half-open"
    fail(breaker)  # the trial fails, so it is open by the new clock
    assert_it_waits_30_seconds(breaker, clock)


def test_valid_entries_are_kept_beside_a_damaged_one(clock: Clock, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(f'{{"y": {ENTRY}, "z": 7}}')

    fail(breaker_at(tmp_path))

    assert [(s.name, s.failures) for s in states(str(tmp_path))] == [("x", 1), ("y", 3)]


def test_a_refusal_and_a_plea_for_patience_are_signs_of_life(clock: Clock) -> None:
    breaker = breaker_at()
    for error in (RefusedError("no"), TransientError("slow down", 5, counts=False)):
        fail(breaker, 2)
        breaker.enter()
        breaker.leave(error)
        assert breaker.state.failures == 0


class Recorded(Calls):
    """Waits are written down, and over at once."""

    def __init__(self, breaker: Breaker, attempts: int = 4, wait: float = 1.0, max_wait: float = 8.0) -> None:
        super().__init__(breaker, attempts=attempts, wait=wait, max_wait=max_wait)
        self.waits: list[float] = []

    def _sleep(self, seconds: float) -> None:
        if seconds > 0.5:
            self.waits.append(seconds)


def failing(times: int, error: Exception) -> tuple[Any, list[int]]:
    made: list[int] = []

    def call() -> str:
        made.append(1)
        if len(made) <= times:
            raise error
        return "done"

    return call, made


def test_waits_double_up_to_the_longest() -> None:
    calls = Recorded(breaker_at(failures=100), attempts=6, max_wait=5.0)
    call, made = failing(5, TransientError("boom"))

    assert calls.patiently(call, 5) == "done"

    assert len(made) == 6 and len(calls.waits) == 5
    for wait, least in zip(calls.waits, (1, 2, 4, 5, 5), strict=True):
        assert least <= wait <= min(least + 1, 5)


def test_the_last_failure_is_raised_when_the_tries_are_used_up() -> None:
    call, made = failing(9, TransientError("boom"))

    with pytest.raises(TransientError, match="boom"):
        Recorded(breaker_at(failures=100), attempts=2, max_wait=5.0).patiently(call, 5)

    assert len(made) == 2


@pytest.mark.parametrize(("asked", "waited"), [(3.0, 3.0), (500.0, 8.0)])
def test_a_provider_says_when_to_come_back(asked: float, waited: float) -> None:
    calls = Recorded(breaker_at())
    call, _ = failing(1, TransientError("slow down", asked, counts=False))

    assert calls.patiently(call, 5) == "done"

    assert calls.waits[0] == waited


def test_all_calls_wait_when_one_is_told_to() -> None:
    calls = Recorded(breaker_at())
    call, _ = failing(1, TransientError("slow down", 5, counts=False))
    calls.patiently(call, 5)
    calls.waits.clear()

    calls.patiently(lambda: None, 5)

    assert len(calls.waits) == 1 and 4 < calls.waits[0] <= 5


@pytest.mark.parametrize("error", [RefusedError("no"), ProviderDownError("401")])
def test_what_cannot_help_is_not_tried_again(error: Exception) -> None:
    call, made = failing(9, error)

    with pytest.raises(type(error)):
        Recorded(breaker_at()).patiently(call, 5)

    assert len(made) == 1


def test_an_open_breaker_ends_the_tries(clock: Clock) -> None:
    calls = Recorded(breaker_at())
    call, made = failing(9, TransientError("boom"))

    with pytest.raises(ProviderDownError, match="boom"):
        calls.patiently(call, 5)

    assert len(made) == 3


def test_a_call_that_hangs_is_left_behind() -> None:
    never = threading.Event()
    try:
        with pytest.raises(TransientError, match="no answer within"):
            within(0.05, never.wait)
    finally:
        never.set()


def test_a_stopped_call_ends_at_once() -> None:
    calls = Calls(breaker_at(), attempts=4, wait=1.0, max_wait=8.0)
    never = threading.Event()
    threading.Timer(0.1, calls.stop).start()
    try:
        with pytest.raises(ProviderDownError, match="stopped"):
            calls.once(never.wait, 3_600)
    finally:
        never.set()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 0 ", 0.0),
        (formatdate(2_000_030, usegmt=True), 30.0),
        (formatdate(1_000, usegmt=True), 0.0),
        ("soon", None),
        ("-5", None),
        ("٣", None),
        ("Wed, 99 Foo 2026 00:00:00 GMT", None),
        ("9" * 400, 999_999_999.0),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, 2_000_000) == seconds


def test_reading_what_is_remembered_needs_no_library(tmp_path: Path) -> None:
    import subprocess
    import sys

    fail(breaker_at(tmp_path), 3)
    code = (
        "import sys\nfrom spelunk.remote.breaker import states\n"
        f"print(states({str(tmp_path)!r})[0].state)\n"
        "print([m for m in ('purgatory', 'tenacity', 'urllib3', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["open", "[]"]
    assert time.time() - states(str(tmp_path))[0].since < 3_600


def test_what_happens_is_told(clock: Clock, tmp_path: Path) -> None:
    told: list[Any] = []
    calls = Recorded(breaker_at(tmp_path, told.append))
    call, _ = failing(9, TransientError("boom"))
    with pytest.raises(ProviderDownError):
        calls.patiently(call, 5)
    clock.now += 31
    calls.once(lambda: None, 5)

    assert [type(event).__name__ for event in told] == ["CallRetried"] * 2 + ["BreakerChanged"] + [
        "CallRetried"
    ] + ["BreakerChanged"] * 2
    assert [e.state for e in told if isinstance(e, events.BreakerChanged)] == ["open", "half-open", "closed"]
    assert told[0][:2] == ("x", 1) and told[0].reason == "boom" and 1 <= told[0].wait_seconds <= 2
