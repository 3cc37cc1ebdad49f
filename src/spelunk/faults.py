"""Named points where a test can make the engine fail, armed by environment variable.

``SPELUNK_FAULTS="worker.file@bad.py=kill"`` kills the process that reaches the
point ``worker.file`` with ``bad.py`` in the detail. Several are separated by
``;``. Actions: ``kill`` (SIGKILL to itself), ``error`` (raise ``OSError(ENOSPC)``),
``hang`` (sleep). Unarmed, a point costs one truth test.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from typing import Final


def _parse(text: str) -> list[tuple[str, str, str]]:
    out = []
    for entry in filter(None, text.split(";")):
        where, _, action = entry.partition("=")
        point, _, detail = where.partition("@")
        out.append((point, detail, action))
    return out


ARMED: Final = _parse(os.environ.get("SPELUNK_FAULTS", ""))


def reach(point: str, detail: str = "") -> None:
    """Fail here if a fault is armed for this point.

    Raises:
        OSError: ENOSPC, for the action ``error``.
    """
    for name, part, action in ARMED:
        if name != point or part not in detail:
            continue
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif action == "error":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        elif action == "hang":
            time.sleep(3600)
