"""Stamps: opaque bytes that are equal exactly while a file or folder is unchanged.

A stamp is compared with ``==``; its bytes have no other meaning. :data:`UNSURE` is the
stamp of something that may change once more without a trace; it equals
nothing, itself included: test a stamp for truth before comparing it.

The change time (``ctime``) is part of every stamp. Unlike the modification time
it cannot be set by a program, so a time put back by tar, rsync or a
reproducible checkout still shows.
"""

from __future__ import annotations

import os
import struct
from typing import Final

UNSURE: Final = b""

_SLACK_NS: Final = 20_000_000
"""Two ticks of the slowest kernel clock in use (100 Hz): a later change within it may keep the time stamp."""

COARSE_SLACK_NS: Final = 2_000_000_000
"""The same for file systems that keep whole seconds (FAT keeps two)."""

pack_file: Final = struct.Struct("<qqqQ").pack
"""(size, mtime in ns, ctime in ns, inode) -> stamp of a file. The walk's loop calls it directly."""

_pack_folder: Final = struct.Struct("<qqQqQ").pack


def is_settled(ctime_ns: int, now_ns: int) -> bool:
    """Whether a change after ``now_ns`` would surely get another change time.

    Args:
        ctime_ns: The change time seen.
        now_ns: A moment before the look.
    """
    age = now_ns - ctime_ns
    return age > COARSE_SLACK_NS or (age > _SLACK_NS and ctime_ns % 1_000_000_000 != 0)


def file_stamp(st: os.stat_result) -> bytes:
    """The stamp of a file, whether or not it may still change without a trace."""
    values = (st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_ino)
    try:
        return pack_file(*values)
    except struct.error:  # a time beyond the year 2262
        return repr(values).encode()


def folder_stamp(st: os.stat_result) -> bytes:
    """The stamp of a folder: of its set of names.

    Its size and its number of links count names on many file systems, which
    helps where a network file system keeps no change time of its own.
    """
    values = (st.st_mtime_ns, st.st_ctime_ns, st.st_ino, st.st_size, st.st_nlink)
    try:
        return _pack_folder(*values)
    except struct.error:
        return repr(values).encode()


def settled(stamp: bytes, st: os.stat_result, now_ns: int) -> bytes:
    """The stamp to keep: the given one, or :data:`UNSURE` if a change after ``now_ns`` could leave it the same."""
    return stamp if is_settled(st.st_ctime_ns, now_ns) else UNSURE
