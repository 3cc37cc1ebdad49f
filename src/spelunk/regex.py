"""Regular expressions that run in linear time."""

from __future__ import annotations

from typing import Any

from spelunk.errors import UsageError


def compile(pattern: str) -> Any:
    """The compiled pattern."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile("(?m)" + pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise UsageError(f"not a regex: {error}") from None
