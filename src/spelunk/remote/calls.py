"""Here is a call that may fail for reasons of its own, make it once, again, or not at all.

For whatever is remote: :class:`Breaker` remembers, across processes, that a
provider is down (closed → open → half-open), :class:`Calls` tries again with
growing waits, and :func:`within` bounds a call in time, whatever it hangs in.
The state machine is purgatory's, the retries are tenacity's; both are imported
when a call is made. What is remembered lies in ``breakerstate.py``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from spelunk.config import Options
from spelunk.errors import ConfigError, ProviderDownError, ProviderError, RefusedError
from spelunk.observe import Observer, events, nobody
from spelunk.remote.breaker import CLOSED, HALF_OPEN, OPEN, BreakerState, load, save, seen

if TYPE_CHECKING:
    from purgatory.domain.model import Context
    from tenacity import RetryCallState

TICK_SECONDS: Final = 0.05
"""How soon a waiting call notices that it is to stop."""
EXTRA: Final = "remote"

T = TypeVar("T")


class TransientError(ProviderError):
    """It may work in a moment: tried again, and counted by the breaker.

    Attributes:
        after: Seconds that the provider asks to wait, or None.
        counts: Whether it speaks against the provider's health; being asked to
            slow down does not.
    """

    def __init__(self, message: str, after: float | None = None, *, counts: bool = True) -> None:
        super().__init__(message)
        self.after = after
        self.counts = counts


@dataclass(frozen=True, slots=True)
class Policy:
    """How calls are made.

    Attributes:
        attempts: Tries of one call.
        wait: Seconds before the second try; doubled for each further one, with jitter.
        max_wait: Longest wait, also where the provider asks for more.
        failures: Failures in a row that open the breaker.
        rest: Seconds for which it stays open.
    """

    attempts: int
    wait: float
    max_wait: float
    failures: int
    rest: float


def policy(options: Options) -> Policy:
    """The settings' policy."""
    return Policy(
        options.retry_attempts,
        options.retry_wait,
        options.retry_max_wait,
        options.breaker_failures,
        options.breaker_wait,
    )


class Breaker:
    """Lets calls through to a provider, or not. Usable from several threads.

    After ``failures`` failures in a row it is open: no call is made for ``rest``
    seconds. Then it is half-open: one call, and no other beside it, tries the
    provider and closes it or opens it again.
    """

    def __init__(
        self, name: str, policy: Policy, directory: str | None = None, observer: Observer = nobody
    ) -> None:
        """Remember in this index directory; without one, in this object alone."""
        self.name = name
        self._policy = policy
        self._directory = directory
        self.observer = observer
        self._guard = threading.Lock()
        self._trying = False
        self._entry: dict[str, Any] = {
            "state": CLOSED,
            "failures": 0,
            "opened": 0.0,
            "rest": policy.rest,
            "reason": "",
        }

    def _recall(self) -> Context:
        """purgatory's state machine as it stands, here or in the file."""
        from purgatory.domain.model import CLOSED as SHUT
        from purgatory.domain.model import HALF_OPENED, OPENED, Context

        if self._directory is not None:
            self._entry = load(self._directory).get(self.name, self._entry)
        names = {CLOSED: SHUT, OPEN: OPENED, HALF_OPEN: HALF_OPENED}
        entry = self._entry
        opened = entry["opened"] if entry["state"] != CLOSED else None
        return Context(
            self.name, self._policy.failures, self._policy.rest, names.get(entry["state"], SHUT),
            entry["failures"], opened,
        )  # fmt: skip

    def _remember(self, context: Context, reason: str | None) -> None:
        states = {"closed": CLOSED, "opened": OPEN, "half-opened": HALF_OPEN}
        entry: dict[str, Any] = {
            "state": states[context.state],
            "failures": int(context.failure_count or 0),
            "opened": float(context.opened_at or self._entry["opened"] or 0.0),
            "rest": float(self._policy.rest),
            "reason": self._entry["reason"] if reason is None else reason,
        }
        if entry["state"] == CLOSED:
            entry["opened"] = 0.0
        else:  # purgatory counts while it is closed
            entry["failures"] = self._entry["failures"] + (entry["state"] == OPEN)
        if entry != self._entry:
            before, self._entry = self._entry["state"], entry
            if self._directory is not None:
                save(self._directory, self.name, entry)
            if before != entry["state"]:
                self.observer(events.BreakerChanged(self.name, entry["state"], entry["reason"]))

    @property
    def state(self) -> BreakerState:
        """What is remembered now."""
        with self._guard:
            if self._directory is not None:
                self._entry = load(self._directory).get(self.name, self._entry)
            return seen(self.name, self._entry, time.time())

    def enter(self) -> None:
        """Ask to make a call; :meth:`leave` says how it went.

        Raises:
            ProviderDownError: It is open, or half-open and being tried.
        """
        from purgatory.domain.model import OpenedState

        with self._guard:
            context = self._recall()
            try:
                context.handle_new_request()
            except OpenedState:
                raise ProviderDownError(self._resting()) from None
            if context.state == "half-opened":
                if self._trying:
                    raise ProviderDownError(
                        f"{self.name}: being tried after failures ({self._entry['reason']})"
                    )
                self._trying = True
                self._remember(context, None)

    def _resting(self) -> str:
        left = max(0.0, self._entry["opened"] + self._policy.rest - time.time())
        return (
            f"{self.name}: not asked for another {left:.0f} s after {self._entry['failures']} failures in a row "
            f"({self._entry['reason']})"
        )

    def leave(self, error: BaseException | None) -> None:
        """A call has ended.

        Args:
            error: What it failed with; None, or an answer that says nothing
                against the provider's health, closes the breaker.
        """
        with self._guard:
            self._trying = False
            context = self._recall()
            if context.state == "opened":
                return  # by another's failures meanwhile; a late success does not undo them
            if isinstance(error, TransientError) and error.counts:
                context.handle_exception(error)
                self._remember(context, str(error))
            elif error is None or isinstance(error, (RefusedError, TransientError)):
                context.handle_end_request()
                self._remember(context, "" if context.state == "closed" else None)


class Calls:
    """Makes calls to one provider: through its breaker, again where that may help."""

    def __init__(self, breaker: Breaker, policy: Policy) -> None:
        self.breaker = breaker
        self._policy = policy
        self._stopped = threading.Event()
        self._not_before = 0.0

    def stop(self) -> None:
        """End all waiting; calls under way and to come raise :class:`ProviderDownError`."""
        self._stopped.set()

    def once(self, call: Callable[[], T], seconds: float) -> T:
        """One try, for somebody who waits for an answer.

        Raises:
            ProviderError: It failed, took too long, or the breaker is open.
        """
        self.breaker.enter()
        error: BaseException | None = None
        try:
            return within(seconds, call, self._stopped)
        except BaseException as caught:
            error = caught
            raise
        finally:
            self.breaker.leave(error)

    def patiently(self, call: Callable[[], T], seconds: float) -> T:
        """As many tries as the policy allows, each within ``seconds``.

        Waits double, each with up to one first wait more at random; where the
        provider says when to come back, all calls wait until then.

        Raises:
            ProviderDownError: The breaker is open.
            ProviderError: The last try's failure.
        """
        import tenacity

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._policy.attempts),
            wait=self._wait(),
            retry=tenacity.retry_if_exception_type(TransientError),
            sleep=self._sleep,
            before_sleep=self._tell,
            reraise=True,
        )

        def attempt() -> T:
            self._sleep(self._not_before - time.monotonic())
            return self.once(call, seconds)

        return retrying(attempt)

    def _tell(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        wait = state.next_action.sleep if state.next_action is not None else 0.0
        event = events.CallRetried(self.breaker.name, state.attempt_number, float(wait), str(error))
        self.breaker.observer(event)

    def _wait(self) -> Callable[[RetryCallState], float]:
        import tenacity

        p = self._policy
        growing = tenacity.wait_exponential(multiplier=p.wait, max=p.max_wait) + tenacity.wait_random(
            0, p.wait
        )

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome is not None else None
            asked = error.after if isinstance(error, TransientError) else None
            if asked is None:
                return min(growing(state), p.max_wait)
            asked = min(max(0.0, asked), p.max_wait)
            self._not_before = max(self._not_before, time.monotonic() + asked)
            return asked

        return wait

    def _sleep(self, seconds: float) -> None:
        if (seconds > 0 and self._stopped.wait(seconds)) or self._stopped.is_set():
            raise ProviderDownError(f"{self.breaker.name}: stopped")


def within(seconds: float, call: Callable[[], T], stopped: threading.Event | None = None) -> T:
    """The call's result, or a :class:`TransientError` once the time is over.

    The call is made in a thread that is left behind when it does not end: no
    time-out of a socket bounds a name look-up, or an answer that comes byte by
    byte. The caller's own time-outs end it sooner or later.
    """
    done = threading.Event()
    result: list[T] = []
    error: list[BaseException] = []

    def run() -> None:
        try:
            result.append(call())
        except BaseException as caught:
            error.append(caught)
        finally:
            done.set()

    threading.Thread(target=run, name="spelunk-call", daemon=True).start()
    end = time.monotonic() + seconds
    while not done.wait(min(TICK_SECONDS, max(0.0, end - time.monotonic())) if stopped else seconds):
        if stopped is not None and stopped.is_set():
            raise ProviderDownError("stopped")
        if time.monotonic() >= end:
            raise TransientError(f"no answer within {seconds:g} s")
    if error:
        raise error[0]
    return result[0]


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait by a ``Retry-After`` header (RFC 9110, section 10.2.3), or None.

    Args:
        value: Seconds or an HTTP date.
        now: Seconds since the epoch.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def need(module: str) -> None:
    """Say what to install where a library for remote work is missing.

    Raises:
        ConfigError: It cannot be imported.
    """
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise ConfigError(f"{module} is not installed; run `pip install 'spelunk[{EXTRA}]'`")
