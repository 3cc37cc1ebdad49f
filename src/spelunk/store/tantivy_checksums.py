"""Verify the files of a full-text index against the checksums in their footers."""

from __future__ import annotations

import json
import mmap
import os
import struct
from typing import Final
from zlib import crc32

FOOTER_MAGIC: Final = 1337
ATTEMPTS: Final = 20
"""Tries to read a commit that no merge replaces meanwhile."""


def damaged_files(directory: str) -> list[str]:
    """Return the segment files whose contents do not match the CRC-32 in their footer.

    A Tantivy file ends with a JSON footer that holds the checksum of what is
    before it, the footer's length and a magic number, each 32 bits.
    """
    for _ in range(ATTEMPTS):
        listed = _committed(directory)
        bad = ["meta.json"] if listed is None else _damaged_of(directory, listed)
        if not bad or listed == _committed(directory):
            return bad
    return []  # merged again and again while it was read: each time another commit


def _committed(directory: str) -> tuple[str, ...] | None:
    """Return what the names of the last commit's files start with; None if it cannot be read."""
    try:
        with open(os.path.join(directory, "meta.json"), encoding="utf-8") as meta:
            data = json.load(meta)
        return (*(s["segment_id"].replace("-", "") for s in data["segments"]), str(data["opstamp"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _damaged_of(directory: str, committed: tuple[str, ...]) -> list[str]:
    bad: list[str] = []
    for name in sorted(os.listdir(directory)):
        if not name.startswith(committed[:-1]) or len(committed) == 1:
            continue  # of a commit under way, or waiting to be deleted
        path = os.path.join(directory, name)
        try:
            with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as data:
                length, magic = struct.unpack("<II", data[-8:])
                footer = json.loads(data[-8 - length : -8])
                expected = footer["crc"]
                with memoryview(data) as view, view[: max(0, len(data) - 8 - length)] as body:
                    same = crc32(body) == expected
            if magic != FOOTER_MAGIC or not same:
                bad.append(name)
        except FileNotFoundError:
            continue  # deletions of an older commit, collected meanwhile
        except (OSError, ValueError, KeyError, TypeError, RecursionError, struct.error):
            bad.append(name)
    return bad
