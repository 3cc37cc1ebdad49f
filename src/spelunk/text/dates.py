"""Dates as people write them in a filter: ``2024``, ``2024-03``, ``2024-03-11``, ``2w``, ``3 days ago``. All in UTC."""

from __future__ import annotations

import datetime
import re
from typing import Final

from spelunk.errors import UsageError

_DATE: Final = re.compile(r"(\d{4})(?:-(\d\d?)(?:-(\d\d?)(?:[T ](\d\d?):(\d\d)(?::(\d\d))?Z?)?)?)?")
_SPAN: Final = re.compile(r"(\d{1,5})[\s.]*(h|d|w|m|y|hours?|days?|weeks?|months?|years?)(?:[\s.]*ago)?")
_SECONDS: Final = {"h": 3600, "d": 86_400, "w": 604_800, "m": 2_629_746, "y": 31_556_952}
"""Of an hour, a day, a week, and of a month and a year on average (Gregorian calendar)."""


def moment(text: str, now: float, *, end: bool = False) -> int:
    """Seconds since the epoch of a date, or of a span before now.

    Args:
        text: What was written.
        now: Seconds since the epoch.
        end: The end of the year, month or day that it names, instead of its beginning.

    Raises:
        UsageError: It is neither.
    """
    wanted = " ".join(text.lower().split())
    span = _SPAN.fullmatch(wanted)
    if span:
        return int(now) - int(span[1]) * _SECONDS[span[2][0]]
    date = _DATE.fullmatch(wanted.upper())
    try:
        if date:
            year, month, day, hour, minute, second = (int(g) if g else None for g in date.groups())
            first = datetime.datetime(
                year or 1, month or 1, day or 1, hour or 0, minute or 0, second or 0, tzinfo=datetime.UTC
            )
            if end and hour is None:
                first = _next(first, month, day)
            return int(first.timestamp())
    except (ValueError, OverflowError):
        pass
    raise UsageError(f"{text!r} is no date; write 2024, 2024-03, 2024-03-11, or a span such as 2w or 90d")


def _next(first: datetime.datetime, month: int | None, day: int | None) -> datetime.datetime:
    """The first moment after the year, the month or the day that begins at ``first``."""
    if month is None:
        return first.replace(year=first.year + 1)
    if day is None:
        return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return first + datetime.timedelta(days=1)
