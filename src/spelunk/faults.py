"""Named points where a test can make the engine fail, armed by environment variable.

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

Every point is in :data:`POINTS`; tests go through that list.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Final

POINTS: Final[Mapping[str, str]] = {
    # Whose the directory is
    "claim.before": "index",
    "claim.write": "index",
    "claim.after": "index",
    # The lock and the registry beside it
    "lock.taken": "index",
    "lock.registry": "index",
    "lock.ready": "index",
    # A new index
    "create.manifest.before": "index",
    "create.manifest.after": "index",
    "create.full-text.before": "index",
    "create.full-text.after": "index",
    # Phase 1
    "worker.file": "index",
    "worker.answer": "parallel",
    "worker.note": "sequential",
    # A publish: journal, both stores, manifest
    "intent.before": "index",
    "intent.after": "index",
    "take.rows": "index",
    "take.document": "index",
    "take.end": "index",
    "publish.begin": "index",
    "publish.vectors.before": "index",
    "segment.write": "index",
    "segment.flush": "index",
    "segment.rename.before": "index",
    "segment.rename.after": "index",
    "publish.vectors.after": "index",
    "publish.full-text.before": "index",
    "publish.full-text.after": "index",
    "publish.manifest.rows": "index",
    "publish.manifest.before": "index",
    "publish.manifest.after": "index",
    "publish.end": "index",
    # Replaced documents leave the full text
    "purge.mark.before": "replace",
    "purge.mark.after": "replace",
    "purge.full-text.before": "replace",
    "purge.full-text.after": "replace",
    "purge.end.before": "replace",
    "purge.end.after": "replace",
    # Vector segments become one
    "merge.intent.before": "merge",
    "merge.intent.after": "merge",
    "merge.vectors.before": "merge",
    "merge.vectors.after": "merge",
    "merge.manifest.before": "merge",
    "merge.manifest.after": "merge",
    "merge.unlink": "merge",
    "merge.end.before": "merge",
    "merge.end.after": "merge",
    # Vectors that chunks waited for, and another embedder (tests/test_fill.py)
    "fill.intent": "fill",
    "fill.vectors": "fill",
    "fill.end": "fill",
    "embedder.begin": "fill",
    "embedder.end": "fill",
    # What a crash left is undone
    "recover.full-text.before": "recover",
    "recover.full-text.after": "recover",
    "recover.intents.before": "recover",
    "recover.intents.after": "recover",
    "leftover.before": "recover",
    "leftover.after": "recover",
    # Nothing to index, and the walk is noted
    "settle.before": "settle",
    "settle.after": "settle",
    # Starting over
    "wipe.before": "rebuild",
    "wipe.part": "rebuild",
    "wipe.after": "rebuild",
    # check --repair
    "repair.texts.before": "repair-text",
    "repair.texts.after": "repair-text",
    "repair.full-text.file": "repair-full-text",
    "repair.full-text.before": "repair-full-text",
    "repair.full-text.after": "repair-full-text",
    "repair.full-text.switch.before": "repair-full-text",
    "repair.full-text.switch.after": "repair-full-text",
    "repair.full-text.end": "repair-full-text",
    "repair.vectors.switch.before": "repair-vectors",
    "repair.vectors.switch.after": "repair-vectors",
}
"""Every point, with the situation that leads to it (tests/test_crash.py)."""


class Fault:
    """One armed point."""

    def __init__(self, entry: str) -> None:
        where, _, action = entry.partition("=")
        where, _, turn = where.partition("#")
        self.point, _, self.detail = where.partition("@")
        self.action, _, self.value = action.partition(":")
        self.left = int(turn or 1)
        self.every = not turn

    def meets(self, point: str, detail: str) -> bool:
        """Is this the point, and the turn at it, that was asked for?"""
        if point != self.point or self.detail not in detail:
            return False
        self.left -= 1
        return self.every or self.left == 0

    def error(self) -> OSError:
        """The error that was asked for."""
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
    """Hand ``data`` to ``put``; if ``short`` is armed for this point only half of it, then fail.

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
