r"""Log: an observer that writes events to standard error, as text or as one JSON object a line.

A line of text reads ``spelunk: 10:47:56.123 info: published run=… generation=3``;
a value with anything but plain characters is quoted, and nothing that could
control a terminal is written unescaped. The standard library's ``logging`` is not
imported: that would cost every search some 10 ms, and a program that uses
Spelunk as a library can pass events on to it in one line (docs/logging.md).
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TextIO

from spelunk.io.printable import printable
from spelunk.observe import events

DEBUG: Final = 10
INFO: Final = 20
WARNING: Final = 30
ERROR: Final = 40
"""Numbered as in the standard library's ``logging``."""

NAMES: Final = {DEBUG: "debug", INFO: "info", WARNING: "warning", ERROR: "error"}
LEVELS: Final = {name: level for level, name in NAMES.items()}
TEXT: Final = "text"
JSON: Final = "json"


class Kind(NamedTuple):
    """An event's name in logs and its level."""

    name: str
    level: int


KINDS: Final[Mapping[type, Kind]] = {
    events.RunStarted: Kind("run-started", INFO),
    events.LockAwaited: Kind("lock-awaited", INFO),
    events.StageEnded: Kind("stage-ended", DEBUG),
    events.Planned: Kind("planned", INFO),
    events.WorkersChosen: Kind("workers-chosen", INFO),
    events.WorkerStarted: Kind("worker-started", DEBUG),
    events.WorkerDied: Kind("worker-died", WARNING),
    events.MemoryHigh: Kind("memory-high", WARNING),
    events.PieceTaken: Kind("piece-taken", DEBUG),
    events.FileFailed: Kind("file-failed", WARNING),
    events.FileSkipped: Kind("file-skipped", DEBUG),
    events.Published: Kind("published", INFO),
    events.RunEnded: Kind("run-ended", INFO),
    events.Searched: Kind("searched", INFO),
    events.BreakerChanged: Kind("breaker-changed", INFO),
    events.CallRetried: Kind("call-retried", INFO),
    events.BackfillProgress: Kind("backfill-progress", DEBUG),
    events.VectorsPending: Kind("vectors-pending", INFO),
    events.HistoryUpdated: Kind("history-updated", INFO),
}
"""Every event but the samples of the queue and of memory, which are for metrics."""

MESSAGE: Final = "message"
"""Name of a line that is no event: a command's message to its user."""

_PLAIN: Final = re.compile(r"[\w.:/@%+-]+", re.ASCII)
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def level_for(verbose: int, quiet: bool) -> int:
    """The level for ``-q``, no flag, ``-v`` and ``-vv``."""
    if quiet:
        return ERROR
    return (WARNING, INFO, DEBUG)[min(verbose, 2)]


class Log:
    """An observer that writes lines. Usable from several threads.

    Attributes:
        run_id: Written on every line; an update replaces it by its own.
        form: :data:`TEXT` or :data:`JSON`.
        level: Events below it are left out.
    """

    def __init__(
        self,
        form: str = TEXT,
        level: int = WARNING,
        *,
        run_id: str = "",
        stream: TextIO | None = None,
        leave_out: frozenset[type] = frozenset(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Write to ``stream``, or to whatever ``sys.stderr`` is at the time.

        Args:
            form: The format.
            level: The least level to write.
            run_id: Of this process.
            stream: Where to.
            leave_out: Events that are not logged, since the user sees them in another way.
            clock: Seconds since the epoch.
        """
        self.form = form
        self.level = level
        self.run_id = run_id
        self._stream = stream
        self._leave_out = leave_out
        self._clock = clock

    def __call__(self, event: events.Event) -> None:
        """Log an event of at least :attr:`level`."""
        if type(event) is events.RunStarted:
            self.run_id = event.run_id
        kind = KINDS.get(type(event))
        if kind is None or kind.level < self.level or type(event) in self._leave_out:
            return
        values = event._asdict()
        values.pop("run_id", None)
        if type(event) is events.PieceTaken:
            values["seconds"] = dict(zip(events.WORKER_STAGES, event.seconds, strict=True))
        self.write(kind.level, kind.name, **values)

    def write(self, level: int, event: str, **values: Any) -> None:
        """Write one line, whatever its level; nothing where the stream is closed."""
        stream = self._stream or sys.stderr
        if stream is None:
            return
        make = json_line if self.form == JSON else text_line
        try:
            stream.write(make(self._clock(), level, event, self.run_id, values) + "\n")
            stream.flush()
        except (OSError, ValueError):
            pass  # the reader is gone


def text_line(at: float, level: int, event: str, run_id: str, values: Mapping[str, Any]) -> str:
    """A line for people."""
    clock = time.strftime("%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}"
    facts: dict[str, Any] = {"run": run_id} if run_id else {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            facts |= value
        else:
            facts[name] = value
    shown = "".join(f" {name}={_text(value)}" for name, value in facts.items())
    return f"spelunk: {clock} {NAMES[level]}: {event.replace('-', ' ')}{shown}"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if not isinstance(value, str):
        return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    if _PLAIN.fullmatch(value):
        return value
    return '"' + printable(value.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")) + '"'


def json_line(at: float, level: int, event: str, run_id: str, values: Mapping[str, Any]) -> str:
    """One JSON object in ASCII; a byte of a name that is not UTF-8 reads ``\\x80``."""
    import json

    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"
    line = {"time": stamp, "level": NAMES[level], "event": event, "run_id": run_id, **values}
    text = json.dumps(_plain(line), separators=(",", ":"), default=str)
    return text.replace("\x7f", "\\u007f")


def _plain(value: Any) -> Any:
    """``value`` without what strict readers of JSON refuse: lone surrogates, numbers that are none."""
    if isinstance(value, str):
        return _SURROGATES.sub(_byte, value)
    if isinstance(value, float):
        return round(value, 6) if abs(value) < float("inf") else None
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def _byte(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
