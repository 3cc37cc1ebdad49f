"""Read a small JSON object from an index directory without trusting its content.

The files are written by Spelunk, but anything may be in their place: a
FIFO, a truncated file, other JSON. A reader gets a dictionary or None.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

from spelunk.io.regular import read_head

MAX_BYTES: Final = 65_536
"""Default size limit; the files of an index directory hold a few hundred bytes."""


def read_object(path: str, limit: int = MAX_BYTES) -> dict[str, Any] | None:
    """Parse a regular file that holds one JSON object.

    Args:
        path: The file.
        limit: Largest size in bytes that is read.

    Returns:
        The object, or None if the file is missing, not a regular file, larger
        than ``limit``, not valid JSON, nested too deeply, not an
        object, or holds a number that is not finite. Bytes of file names that
        are not UTF-8 are kept as lone surrogates.
    """
    try:
        data = read_head(path, limit + 1)
        if len(data) > limit:
            return None
        value = json.loads(
            data.decode("utf-8", "surrogateescape"), parse_float=_finite, parse_constant=_refuse
        )
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is not a number of JSON")
