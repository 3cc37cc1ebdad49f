"""Slugs, file names and time stamps of documents."""

from __future__ import annotations

import re
import time
import zlib
from typing import Final

CURRENT_FILE: Final = re.compile(r"CURRENT-.+\.md$")
ARCHIVED_FILE: Final = re.compile(r"\d{12}-.+\.md$")
_STAMP: Final = re.compile(r"\s*(\d{4})-(\d\d)-(\d\d)(?:[ T](\d{1,2}):(\d\d))?(?::\d\d)?\s*(UTC|Z)?", re.I)


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
    parts = time.localtime(now) if local else time.gmtime(now)
    return time.strftime("%Y-%m-%d %H:%M", parts) + ("" if local else " UTC")


def seconds(text: str) -> float | None:
    """The time of a stamp in seconds since the epoch, None if it is none; one without a zone is local time."""
    from datetime import UTC, datetime

    match = _STAMP.match(text)
    if match is None:
        return None
    year, month, day, hour, minute = (int(part or 0) for part in match.groups()[:5])
    try:
        return datetime(year, month, day, hour, minute, tzinfo=UTC if match.group(6) else None).timestamp()
    except (OverflowError, ValueError, OSError):
        return None
