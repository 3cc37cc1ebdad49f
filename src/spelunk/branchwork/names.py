"""Slugs, file names and time stamps of documents."""

from __future__ import annotations

import re
import time
import zlib

CURRENT_FILE = re.compile(r"CURRENT-.+\.md$")
ARCHIVED_FILE = re.compile(r"\d{12}-.+\.md$")


def slug(branch: str) -> str:
    """Lower case, each run of anything but ``a-z0-9`` one ``-``, trimmed.

    A name without any such letter or digit gets ``branch-`` and its checksum.
    """
    text = re.sub(r"[^a-z0-9]+", "-", branch.lower()).strip("-")
    return text or f"branch-{zlib.crc32(branch.encode('utf-8', 'surrogateescape')):08x}"


def current_name(slug_text: str) -> str:
    """The file name of a live document."""
    return f"CURRENT-{slug_text}.md"


def archive_name(slug_text: str, now: float) -> str:
    """The file name of an archived document, the time in UTC."""
    return f"{time.strftime('%Y%m%d%H%M', time.gmtime(now))}-{slug_text}.md"


def stamp(now: float, *, local: bool = False) -> str:
    """``YYYY-MM-DD HH:MM UTC``, or local time without a zone."""
    return (
        time.strftime("%Y-%m-%d %H:%M", time.localtime(now))
        if local
        else time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    )


def seconds(text: str) -> float | None:
    """The time that a stamp means, None if it is none; one without a zone is local time."""
    found = re.match(r"\s*(\d{4})-(\d\d)-(\d\d)(?:[ T](\d{1,2}):(\d\d))?(?::\d\d)?\s*(UTC|Z)?", text, re.I)
    if found is None:
        return None
    year, month, day, hour, minute = (int(part or 0) for part in found.groups()[:5])
    if not (1 <= month <= 12 and 1 <= day <= _days(year, month) and hour <= 23 and minute <= 59):
        return None
    if found.group(6):
        import calendar

        return float(calendar.timegm((year, month, day, hour, minute, 0, 0, 0, 0)))
    try:
        return time.mktime((year, month, day, hour, minute, 0, 0, 0, -1))
    except (OverflowError, ValueError):
        return None


def _days(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31
