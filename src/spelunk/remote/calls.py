"""Calls to a remote provider: retries with growing waits, bounded in time, through its circuit breaker.

Retries are tenacity's, imported when a call is made; the breaker is
``breaker.py``. What an index needs of a provider goes through :class:`Calls`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from spelunk.errors import ConfigError, ProviderDownError
from spelunk.observe import events
from spelunk.remote.breaker import Breaker, TransientError

if TYPE_CHECKING:
    from tenacity import RetryCallState

TICK_SECONDS: Final = 0.05
"""Period at which a waiting call looks whether it was stopped."""
EXTRA: Final = "remote"

T = TypeVar("T")


class Calls:
    """Make calls to one provider, through its breaker and with retries. Usable from several threads."""

    def __init__(self, breaker: Breaker, *, attempts: int, wait: float, max_wait: float) -> None:
        """Set the policy of retries.

        Args:
            breaker: The provider's.
            attempts: Attempts of one call.
            wait: Seconds before the second attempt; doubled for each further one, with jitter.
            max_wait: Longest wait in seconds, also where the provider asks for more.
        """
        self.breaker = breaker
        self._attempts = attempts
        self._first_wait = wait
        self._max_wait = max_wait
        self._stopped = threading.Event()
        self._not_before = 0.0

    def stop(self) -> None:
        """End all waiting; calls under way and to come raise :class:`ProviderDownError`."""
        self._stopped.set()

    def once(self, call: Callable[[], T], seconds: float) -> T:
        """Make one attempt, for a caller that waits for an answer.

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
        """Make as many attempts as the policy allows, each within ``seconds``.

        Waits double, each with up to one first wait more at random. Where the
        provider names a time (``Retry-After``), all calls wait until then.

        Raises:
            ProviderDownError: The breaker is open.
            ProviderError: The failure of the last attempt.
        """
        import tenacity

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._attempts),
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

        first, longest = self._first_wait, self._max_wait
        growing = tenacity.wait_exponential(multiplier=first, max=longest) + tenacity.wait_random(0, first)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome is not None else None
            after = error.after if isinstance(error, TransientError) else None
            if after is None:
                return min(growing(state), longest)
            after = min(max(0.0, after), longest)
            self._not_before = max(self._not_before, time.monotonic() + after)
            return after

        return wait

    def _sleep(self, seconds: float) -> None:
        if (seconds > 0 and self._stopped.wait(seconds)) or self._stopped.is_set():
            raise ProviderDownError(f"{self.breaker.name}: stopped")


def within(seconds: float, call: Callable[[], T], stopped: threading.Event | None = None) -> T:
    """Return the call's result, or raise :class:`TransientError` when the time is over.

    The call runs in a daemon thread, which is abandoned when it does not end in
    time: no socket time-out bounds a name look-up, or an answer that arrives
    byte by byte. The call's own time-outs end the thread later.

    Args:
        seconds: The bound.
        call: What to run.
        stopped: Ends the wait when it is set.

    Raises:
        ProviderDownError: ``stopped`` was set.
        TransientError: No result within ``seconds``.
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
    """Refuse to go on without a library of the extra ``remote``.

    Raises:
        ConfigError: It is not installed; the message says what to run.
    """
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise ConfigError(f"{module} is not installed; run `pip install 'spelunk[{EXTRA}]'`")
