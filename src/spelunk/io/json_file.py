"""Read small JSON files that another program or a user may have damaged.

A file that is missing, too large, or not one JSON object counts as absent:
whatever its bytes are, no exception leaves this module.
"""

from __future__ import annotations

import json
from typing import Any, Final

MAX_BYTES: Final = 1_000_000
"""Files above this are not read: those of an index directory are below 10 kB."""


def read_object(path: str, max_bytes: int = MAX_BYTES) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is none that can be read.

    Values may still be of any type, infinite numbers included: check them.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(max_bytes + 1)
        value = json.loads(data) if len(data) <= max_bytes else None
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
