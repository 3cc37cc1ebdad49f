"""Fault injection: named points where a test makes the engine fail, armed by environment variable.

``SPELUNK_FAULTS="worker.file@bad.py=kill"`` kills the process that reaches the
point ``worker.file`` with ``bad.py`` in the detail; ``publish.manifest.before#3=error:EIO``
fails the third time. Several are separated by ``;``. Unarmed, a point costs one truth test.

=====================  =======================================================
``kill``               SIGKILL to itself
``error`` ``error:E``  raise ``OSError``: ENOSPC, or the errno named
``short`` ``short:E``  write half of what was to be written, then raise as above
``hang``               sleep for an hour
``note:FILE``          append the point and the detail to a file, and go on
=====================  =======================================================
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from typing import Final


class Fault:
    """An armed point."""

    def __init__(self, entry: str) -> None:
        where, _, action = entry.partition("=")
        where, _, turn = where.partition("#")
        self.point, _, self.detail = where.partition("@")
        self.action, _, self.value = action.partition(":")
        self.left = int(turn or 1)
        self.every = not turn

    def meets(self, point: str, detail: str) -> bool:
        """Return whether this is the armed point, and the armed turn at it."""
        if point != self.point or self.detail not in detail:
            return False
        self.left -= 1
        return self.every or self.left == 0

    def error(self) -> OSError:
        """Return the armed error."""
        number = getattr(errno, self.value or "ENOSPC")
        return OSError(number, os.strerror(number))


ARMED: Final = [Fault(entry) for entry in filter(None, os.environ.get("SPELUNK_FAULTS", "").split(";"))]


def reach(point: str, detail: str = "") -> None:
    """Fail here if a fault is armed for this point.

    Raises:
        OSError: For the actions ``error`` and ``short``.
    """
    for fault in ARMED:
        if fault.meets(point, detail):
            _act(fault, f"{point} {detail}\n")


def write(point: str, put: Callable[[bytes], object], data: bytes) -> None:
    """Call ``put`` with ``data``; if ``short`` is armed for this point, with half of it, and fail.

    Raises:
        OSError: As :func:`reach`.
    """
    for fault in ARMED:
        if fault.meets(point, ""):
            if fault.action == "short":
                put(data[: len(data) // 2])
            _act(fault, f"{point} \n")
    put(data)


def _act(fault: Fault, note: str) -> None:
    if fault.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault.action in ("error", "short"):
        raise fault.error()
    elif fault.action == "hang":
        time.sleep(3600)
    elif fault.action == "note":
        fd = os.open(fault.value, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(fd, note.encode("utf-8", "surrogateescape"))
        finally:
            os.close(fd)
