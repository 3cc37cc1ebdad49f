"""The background run of an index: a process that completes it after a first answer, and the record of how it ended."""

from __future__ import annotations

import json
import os
import time
from typing import Final

from msgspec import Struct

from spelunk.io.atomic import write_bytes
from spelunk.io.json_file import read_object
from spelunk.store import writer_lock

RECORD: Final = "background.json"
LOG: Final = "background.log"
COMMAND: Final = "index (in the background)"
"""Name of the writer that other processes see."""

STARTED: Final = "started"
FAILED: Final = "failed"
KILLED: Final = "killed"
"""The record says that it started, and nothing writes."""

STARTING_SECONDS: Final = 30.0
"""A process that has not taken the lock for this long has ended: a start takes a second on a busy machine."""


class BackgroundRun(Struct, frozen=True):
    """A background run that has not completed the index.

    Attributes:
        state: :data:`STARTED`, :data:`FAILED` or :data:`KILLED`.
        pid: Its process id.
        since: When it started, in seconds since the epoch.
        error: Why it failed, one line.
        log: Path of its log.
    """

    state: str
    pid: int
    since: float
    error: str
    log: str

    def describe(self) -> str:
        """One line for people: how it is, and what to do."""
        if self.state == STARTED:
            return f"indexing goes on (pid {self.pid})"
        reason = self.error if self.state == FAILED else "ended early, perhaps killed"
        return f"{reason}; `spelunk index` goes on from there, the log is {self.log}"


def read(directory: str) -> BackgroundRun | None:
    """The background run of an index directory; None where none was started, or the last one ended well."""
    record = read_object(os.path.join(directory, RECORD))
    if record is None:
        return None
    state, pid = record.get("state"), record.get("pid")
    since, error = record.get("since"), record.get("error", "")
    if state not in (STARTED, FAILED) or not isinstance(pid, int) or isinstance(pid, bool):
        return None
    if not isinstance(since, float) or not 0 < since < writer_lock.MAX_TIME or not isinstance(error, str):
        return None
    if state == STARTED and time.time() - since > STARTING_SECONDS and not is_writing(directory):
        state = KILLED
    return BackgroundRun(state, pid, since, error, os.path.join(directory, LOG))


def is_writing(directory: str) -> bool:
    """Whether a background run holds the writer's lock."""
    return (writer_lock.holder(directory) or {}).get("command") == COMMAND


def record(directory: str, state: str, since: float, error: str = "") -> None:
    """Record the state of this process as the background run.

    Raises:
        OSError: The disk refuses.
    """
    value = {"state": state, "pid": os.getpid(), "since": since, "error": error}
    write_bytes(os.path.join(directory, RECORD), json.dumps(value).encode())


def forget(directory: str) -> None:
    """Remove the record and the log: the index is complete."""
    for name in (RECORD, LOG):
        try:
            os.unlink(os.path.join(directory, name))
        except OSError:
            pass  # there is none, or the disk is read-only
