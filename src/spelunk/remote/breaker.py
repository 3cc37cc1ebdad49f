"""Circuit breaker of a remote provider: closed, open, half-open; its state is a file that processes share.

The file is ``breakers.json`` in the index directory: one entry a breaker. It is
read before and written after each call that changes it, so that the next
process does not call a provider that failed in this one. A file that cannot be
read, or an entry with a value of the wrong type, counts as no entry.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from spelunk.errors import ProviderDownError, ProviderError, RefusedError
from spelunk.io import atomic
from spelunk.io.json_file import read_object
from spelunk.observe import Observer, null_observer

FILE: Final = "breakers.json"
CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half-open"
STATES: Final = (CLOSED, OPEN, HALF_OPEN)


class TransientError(ProviderError):
    """A failure that a later call may not meet: the call is retried.

    Attributes:
        after: Seconds to wait according to the provider, or None.
        counts: Whether the breaker counts it as a failure. A request to slow
            down is not one.
    """

    def __init__(self, message: str, after: float | None = None, *, counts: bool = True) -> None:
        super().__init__(message)
        self.after = after
        self.counts = counts


class BreakerState(Struct, frozen=True):
    """State of one breaker.

    Attributes:
        name: The breaker's name.
        state: ``closed``, ``open``, or ``half-open``: the next call is a trial.
        failures: Failures in a row.
        since: When it opened, in seconds since the epoch; 0.0 while closed.
        retry_at: When a trial is allowed; 0.0 while closed.
        reason: The last failure, one line.
    """

    name: str
    state: str = CLOSED
    failures: int = 0
    since: float = 0.0
    retry_at: float = 0.0
    reason: str = ""


def states(directory: str) -> tuple[BreakerState, ...]:
    """The breakers of an index directory by name; empty where no call ever failed."""
    now = time.time()
    return tuple(_at(entry, now) for _, entry in sorted(_load(directory).items()))


def _at(entry: BreakerState, now: float) -> BreakerState:
    """The state at a time: an open breaker is half-open once its wait is over, or the clock was set back."""
    if entry.state == CLOSED:
        return entry
    return replace(entry, state=OPEN if entry.since <= now <= entry.retry_at else HALF_OPEN)


def _load(directory: str) -> dict[str, BreakerState]:
    """Read the entries as they were stored, without those that are not valid."""
    entries = {}
    for name, value in (read_object(os.path.join(directory, FILE)) or {}).items():
        try:
            entries[name] = _parse(name, value)
        except (KeyError, TypeError, ValueError):
            pass
    return entries


def _parse(name: str, value: Mapping[str, Any]) -> BreakerState:
    failures, opened, wait = (_number(value[key]) for key in ("failures", "opened", "rest"))
    state, reason = STATES[STATES.index(value["state"])], value["reason"]
    if not isinstance(reason, str):
        raise TypeError(reason)
    if state == CLOSED:
        return BreakerState(name, failures=int(failures), reason=reason)
    # The clock was set back since: how much of the wait is left is not known, and a trial tells.
    since = opened if opened <= time.time() else 0.0
    return BreakerState(name, state, int(failures), since, since + wait, reason)


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < 2**53:
        raise ValueError(value)
    return float(value)


def _save(directory: str, entry: BreakerState) -> None:
    """Store one entry and keep the others; a disk that refuses leaves the file as it was."""
    entries = _load(directory) | {entry.name: entry}
    data = {
        e.name: {
            "state": e.state, "failures": e.failures, "opened": e.since, "rest": e.retry_at - e.since,
            "reason": e.reason,
        }
        for e in entries.values()
    }  # fmt: skip
    try:
        atomic.write_bytes(os.path.join(directory, FILE), json.dumps(data).encode())
    except OSError:
        pass  # this process still has the state in memory


class Breaker:
    """A circuit breaker. Usable from several threads.

    ``failures`` failures in a row open it, and no call is made for ``wait``
    seconds. It is then half-open: one call at a time is a trial, whose success
    closes the breaker and whose failure opens it again.
    """

    def __init__(
        self,
        name: str,
        *,
        failures: int,
        wait: float,
        directory: str | None = None,
        observer: Observer = null_observer,
    ) -> None:
        """Create a closed breaker, or one in its stored state.

        Args:
            name: Its name in the file, in messages and in metrics.
            failures: Failures in a row that open it.
            wait: Seconds for which it stays open.
            directory: Where the state is stored; None keeps it in memory.
            observer: Receives every change of state.
        """
        self.name = name
        self.observer = observer
        self._failures = failures
        self._wait = wait
        self._directory = directory
        self._guard = threading.Lock()
        self._on_trial = False
        self._entry = BreakerState(name)

    @property
    def state(self) -> BreakerState:
        """The state now."""
        with self._guard:
            return _at(self._recall(), time.time())

    def enter(self) -> None:
        """Enter a call if the breaker allows it; :meth:`leave` reports its result.

        Raises:
            ProviderDownError: The breaker is open, or half-open with a trial under way.
        """
        with self._guard:
            entry = self._recall()
            left = entry.since + self._wait - time.time()
            if entry.state == CLOSED:
                return
            if entry.state == OPEN and 0 <= left <= self._wait:
                raise ProviderDownError(
                    f"{self.name}: not called for another {left:.0f} s after {entry.failures} failures in a row "
                    f"({entry.reason})"
                )
            if self._on_trial:
                raise ProviderDownError(f"{self.name}: a trial call is under way ({entry.reason})")
            self._on_trial = True
            self._store(replace(entry, state=HALF_OPEN))

    def leave(self, error: BaseException | None) -> None:
        """Report the end of a call.

        Args:
            error: Its failure, or None. A refusal and a request to slow down
                close the breaker as a success does; other errors change nothing.
        """
        with self._guard:
            self._on_trial = False
            entry = self._recall()
            if entry.state == OPEN:
                return  # opened by other calls meanwhile: a late answer does not close it
            if isinstance(error, TransientError) and error.counts:
                failures, now = entry.failures + 1, time.time()
                opens = entry.state == HALF_OPEN or failures >= self._failures
                self._store(
                    BreakerState(self.name, OPEN, failures, now, now + self._wait, str(error))
                    if opens
                    else replace(entry, failures=failures, reason=str(error))
                )
            elif error is None or isinstance(error, (RefusedError, TransientError)):
                self._store(BreakerState(self.name))

    def _recall(self) -> BreakerState:
        if self._directory is not None:
            self._entry = _load(self._directory).get(self.name, self._entry)
        return self._entry

    def _store(self, entry: BreakerState) -> None:
        if entry == self._entry:
            return
        before, self._entry = self._entry.state, entry
        if self._directory is not None:
            _save(self._directory, entry)
        if before != entry.state:
            from spelunk.observe.events import BreakerChanged

            self.observer(BreakerChanged(self.name, entry.state, entry.reason))
