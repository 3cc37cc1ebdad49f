"""Retries, and the breaker on a clock of its own; what one process learns another knows."""

from __future__ import annotations

import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from spelunk.errors import ProviderDownError, RefusedError
from spelunk.observe import events
from spelunk.remote import breaker as breakerstate
from spelunk.remote.breaker import BreakerState, states
from spelunk.remote.calls import Breaker, Calls, Policy, TransientError, retry_after, within

POLICY = Policy(attempts=4, wait=1.0, max_wait=8.0, failures=3, rest=30.0)


class Clock:
    now = 1_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    from purgatory.domain import model

    clock = Clock()
    monkeypatch.setattr(model.time, "time", clock.time)  # one module: resilience sees it as well
    return clock


def fail(breaker: Breaker, times: int = 1, message: str = "boom") -> None:
    for _ in range(times):
        breaker.enter()
        breaker.leave(TransientError(message))


def succeed(breaker: Breaker) -> None:
    breaker.enter()
    breaker.leave(None)


def test_it_opens_after_so_many_failures_in_a_row(clock: Clock) -> None:
    breaker = Breaker("x", POLICY)
    fail(breaker, 2)
    succeed(breaker)
    fail(breaker, 2)
    assert breaker.state.state == "closed" and breaker.state.failures == 2

    fail(breaker)

    assert breaker.state == BreakerState("x", "open", 3, clock.now, clock.now + 30, "boom")
    with pytest.raises(ProviderDownError, match=r"x: not asked for another 30 s after 3 failures.*\(boom\)"):
        breaker.enter()


def test_half_open_lets_one_call_through_and_its_success_closes(clock: Clock) -> None:
    breaker = Breaker("x", POLICY)
    fail(breaker, 3)
    clock.now += 30.5
    assert breaker.state.state == "half-open"

    breaker.enter()
    with pytest.raises(ProviderDownError, match="being tried"):
        breaker.enter()
    breaker.leave(None)

    assert breaker.state == BreakerState("x")
    succeed(breaker)


def test_half_open_opens_again_when_the_one_call_fails(clock: Clock) -> None:
    breaker = Breaker("x", POLICY)
    fail(breaker, 3)
    clock.now += 31
    fail(breaker, 1, "still down")

    assert breaker.state == BreakerState("x", "open", 4, clock.now, clock.now + 30, "still down")
    clock.now += 29
    with pytest.raises(ProviderDownError):
        breaker.enter()
    clock.now += 2
    succeed(breaker)
    assert breaker.state.state == "closed"


def test_a_trial_that_was_interrupted_does_not_bar_the_next(clock: Clock, tmp_path: Path) -> None:
    fail(Breaker("x", POLICY, str(tmp_path)), 3)
    clock.now += 31
    killed = Breaker("x", POLICY, str(tmp_path))
    killed.enter()

    assert states(str(tmp_path))[0].state == "half-open"
    succeed(Breaker("x", POLICY, str(tmp_path)))

    assert states(str(tmp_path))[0].state == "closed"


def test_other_processes_know_what_one_learnt(clock: Clock, tmp_path: Path) -> None:
    first, second = Breaker("x", POLICY, str(tmp_path)), Breaker("x", POLICY, str(tmp_path))
    fail(first, 2)
    fail(second)

    assert [(s.name, s.state, s.failures) for s in states(str(tmp_path))] == [("x", "open", 3)]
    for breaker in (first, second, Breaker("x", POLICY, str(tmp_path))):
        with pytest.raises(ProviderDownError):
            breaker.enter()
    succeed(Breaker("another", POLICY, str(tmp_path)))
    assert [s.name for s in states(str(tmp_path))] == ["x"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"x": 1}', '{"x": {"state": "open"}}', '{"x": {"state": null}}']
)
def test_a_damaged_memory_is_learnt_again(tmp_path: Path, text: str) -> None:
    (tmp_path / breakerstate.FILE).write_text(text)

    assert states(str(tmp_path)) == ()
    breaker = Breaker("x", POLICY, str(tmp_path))
    succeed(breaker)
    fail(breaker)
    assert states(str(tmp_path))[0].failures == 1


def test_a_refusal_and_a_plea_for_patience_are_signs_of_life(clock: Clock) -> None:
    breaker = Breaker("x", POLICY)
    for error in (RefusedError("no"), TransientError("slow down", 5, counts=False)):
        fail(breaker, 2)
        breaker.enter()
        breaker.leave(error)
        assert breaker.state.failures == 0


class Recorded(Calls):
    """Waits are written down, and over at once."""

    def __init__(self, breaker: Breaker, policy: Policy = POLICY) -> None:
        super().__init__(breaker, policy)
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
    policy = Policy(attempts=6, wait=1.0, max_wait=5.0, failures=100, rest=30.0)
    calls = Recorded(Breaker("x", policy), policy)
    call, made = failing(5, TransientError("boom"))

    assert calls.patiently(call, 5) == "done"

    assert len(made) == 6 and len(calls.waits) == 5
    for wait, least in zip(calls.waits, (1, 2, 4, 5, 5), strict=True):
        assert least <= wait <= min(least + 1, 5)


def test_the_last_failure_is_raised_when_the_tries_are_used_up() -> None:
    policy = Policy(attempts=2, wait=1.0, max_wait=5.0, failures=100, rest=30.0)
    call, made = failing(9, TransientError("boom"))

    with pytest.raises(TransientError, match="boom"):
        Recorded(Breaker("x", policy), policy).patiently(call, 5)

    assert len(made) == 2


@pytest.mark.parametrize(("asked", "waited"), [(3.0, 3.0), (500.0, 8.0)])
def test_a_provider_says_when_to_come_back(asked: float, waited: float) -> None:
    calls = Recorded(Breaker("x", POLICY))
    call, _ = failing(1, TransientError("slow down", asked, counts=False))

    assert calls.patiently(call, 5) == "done"

    assert calls.waits[0] == waited


def test_all_calls_wait_when_one_is_told_to() -> None:
    calls = Recorded(Breaker("x", POLICY))
    call, _ = failing(1, TransientError("slow down", 5, counts=False))
    calls.patiently(call, 5)
    calls.waits.clear()

    calls.patiently(lambda: None, 5)

    assert len(calls.waits) == 1 and 4 < calls.waits[0] <= 5


@pytest.mark.parametrize("error", [RefusedError("no"), ProviderDownError("401")])
def test_what_cannot_help_is_not_tried_again(error: Exception) -> None:
    call, made = failing(9, error)

    with pytest.raises(type(error)):
        Recorded(Breaker("x", POLICY)).patiently(call, 5)

    assert len(made) == 1


def test_an_open_breaker_ends_the_tries(clock: Clock) -> None:
    calls = Recorded(Breaker("x", POLICY))
    call, made = failing(9, TransientError("boom"))

    with pytest.raises(ProviderDownError, match="boom"):
        calls.patiently(call, 5)

    assert len(made) == POLICY.failures


def test_a_call_that_hangs_is_left_behind() -> None:
    never = threading.Event()
    try:
        with pytest.raises(TransientError, match="no answer within"):
            within(0.05, never.wait)
    finally:
        never.set()


def test_a_stopped_call_ends_at_once() -> None:
    calls = Calls(Breaker("x", POLICY), POLICY)
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

    fail(Breaker("x", POLICY, str(tmp_path)), 3)
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
    calls = Recorded(Breaker("x", POLICY, str(tmp_path), told.append))
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
