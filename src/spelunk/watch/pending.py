"""Changes that wait for an update: gathered for a moment, and paced for files that change all the time."""

from __future__ import annotations

from typing import Final, NamedTuple

QUIET_SECONDS: Final = 0.03
"""Changes are gathered until none has come for this long. More than two ticks of the slowest
kernel clock (``files/stamp.py``), so that the stamps of the files are settled."""
MAX_DELAY_SECONDS: Final = 0.2
"""An update begins so long after the first change at the latest, whatever else changes."""
MAX_PACE_SECONDS: Final = 5.0
"""A file that is written all the time is indexed that often."""
PACE_MEMORY: Final = 4.0
"""A change within this many intervals of the last update of a file doubles its interval."""
MAX_PATHS: Final = 2_000
"""For more changed paths than this everything is walked: it takes less time."""
MAX_PACED: Final = 10_000
"""Files whose pace is remembered."""


class Batch(NamedTuple):
    """Changes to make an update for.

    Attributes:
        paths: Relative paths that changed.
        everything: Whether everything has to be walked.
        first: When the first of them came, by the monotonic clock.
    """

    paths: frozenset[str]
    everything: bool
    first: float


class _Pace(NamedTuple):
    interval: float
    taken: float


class Pending:
    """Changed paths, and when they are due. Times are of one monotonic clock."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._everything = False
        self._first = self._last = 0.0
        self._paced: dict[str, tuple[float, float]] = {}
        """Paths that have to wait: when they are due, and when they changed first."""
        self._pace: dict[str, _Pace] = {}

    def __bool__(self) -> bool:
        return bool(self._paths or self._everything or self._paced)

    def only_paced(self) -> bool:
        """Whether nothing waits but files that change all the time."""
        return bool(self._paced) and not self._paths and not self._everything

    def add(self, path: str, now: float) -> None:
        """Add a changed path."""
        if self._everything or path in self._paced:
            self._touch(now, only=self._everything)
            return
        pace = self._pace.get(path)
        if pace is not None:
            if now - pace.taken < PACE_MEMORY * pace.interval:
                interval = min(MAX_PACE_SECONDS, 2 * pace.interval)
                self._pace[path] = pace._replace(interval=interval)
                if pace.taken + interval > now + QUIET_SECONDS:
                    self._paced[path] = (pace.taken + interval, now)
                    return
            else:
                del self._pace[path]
        self._touch(now)
        self._paths.add(path)
        if len(self._paths) > MAX_PATHS:
            self.add_everything(now)

    def _touch(self, now: float, *, only: bool = True) -> None:
        if not only:
            return
        if not self._paths and not self._everything:
            self._first = now
        self._last = now

    def add_everything(self, now: float) -> None:
        """Have everything walked."""
        self._touch(now)
        self._everything = True
        self._paths.clear()
        self._paced.clear()

    def put_back(self, batch: Batch, now: float) -> None:
        """Add a batch again for which the update failed."""
        if batch.everything:
            self.add_everything(now)
        for path in batch.paths:
            self._pace.pop(path, None)
            self.add(path, now)
        self._first = min(self._first, batch.first)

    def due_at(self) -> float | None:
        """When the next changes are due; None where nothing waits."""
        times = [due for due, _ in self._paced.values()]
        if self._paths or self._everything:
            times.append(min(self._last + QUIET_SECONDS, self._first + MAX_DELAY_SECONDS))
        return min(times, default=None)

    def take(self, now: float) -> Batch:
        """Take the changes that are due, and those that came with them."""
        first = [self._first] if self._paths or self._everything else []
        ripe = {path: since for path, (due, since) in self._paced.items() if due <= now}
        for path in ripe:
            del self._paced[path]
        batch = Batch(
            frozenset(self._paths | ripe.keys()), self._everything, min([*first, *ripe.values()], default=now)
        )
        self._paths.clear()
        self._everything = False
        return batch

    def done(self, batch: Batch, now: float) -> None:
        """Record that an update was made for a batch."""
        if len(self._pace) + len(batch.paths) > MAX_PACED:
            self._pace.clear()
        for path in batch.paths:
            pace = self._pace.get(path)
            self._pace[path] = _Pace(pace.interval if pace else QUIET_SECONDS, now)
