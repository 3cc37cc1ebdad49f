"""Linux inotify through ctypes: watches on folders, and events with the folder and the name."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

MODIFY: Final = 0x2
ATTRIB: Final = 0x4
CLOSE_WRITE: Final = 0x8
MOVED_FROM: Final = 0x40
MOVED_TO: Final = 0x80
CREATE: Final = 0x100
DELETE: Final = 0x200
DELETE_SELF: Final = 0x400
MOVE_SELF: Final = 0x800
UNMOUNT: Final = 0x2000
OVERFLOW: Final = 0x4000
IGNORED: Final = 0x8000
ONLYDIR: Final = 0x0100_0000
DONT_FOLLOW: Final = 0x0200_0000
EXCL_UNLINK: Final = 0x0400_0000
IS_DIR: Final = 0x4000_0000
"""From <linux/inotify.h>; see inotify(7)."""

CONTENTS: Final = (
    MODIFY | ATTRIB | CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE | DELETE_SELF | MOVE_SELF
)
"""Everything that changes what a folder holds. ATTRIB: a file that becomes readable."""
NAMES: Final = CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE | DELETE_SELF | MOVE_SELF
"""The same without each single write: for folders in which only some names count."""

_HEADER: Final = struct.Struct("iIII")
READ_BYTES: Final = 64 * 1024
"""Some thousand events; one with the longest name has 272 bytes."""


class Notice(NamedTuple):
    """An event: the number of the watch (-1 for an overflow), what happened, and the name in the folder."""

    watch: int
    mask: int
    name: str


def parse(data: bytes) -> Iterator[Notice]:
    """The events in what was read from an inotify descriptor; a part of one at the end is left out."""
    at, end = 0, len(data)
    while at + _HEADER.size <= end:
        watch, mask, _, length = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        if at + length > end:
            return
        name = data[at : at + length].partition(b"\0")[0]
        at += length
        yield Notice(watch, mask, os.fsdecode(name))


class Inotify:
    """One inotify instance. Used by one thread; closed by its owner."""

    def __init__(self) -> None:
        """Open an instance.

        Raises:
            OSError: There is no inotify here (ENOSYS), or the user has too many instances (EMFILE).
        """
        self._libc = _libc()
        self.fd: int = self._call("inotify_init1", os.O_NONBLOCK | os.O_CLOEXEC)

    def _call(self, name: str, *args: Any) -> int:
        result = int(getattr(self._libc, name)(*args))
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result

    def add(self, folder: str, mask: int = CONTENTS) -> int:
        """Watch a folder; its number. A link is not followed. A folder watched already keeps its number.

        Raises:
            OSError: ENOSPC where the user has no watches left; ENOENT, ENOTDIR, EACCES.
        """
        return self._call(
            "inotify_add_watch", self.fd, os.fsencode(folder), mask | ONLYDIR | DONT_FOLLOW | EXCL_UNLINK
        )

    def remove(self, watch: int) -> None:
        """End a watch; do nothing where the kernel has ended it."""
        try:
            self._call("inotify_rm_watch", self.fd, watch)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise

    def read(self) -> list[Notice]:
        """The events that wait, up to :data:`READ_BYTES` of them; none where nothing waits."""
        try:
            return list(parse(os.read(self.fd, READ_BYTES)))
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Close the instance; all its watches end."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def _libc() -> Any:
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        libc.inotify_init1.argtypes = (ctypes.c_int,)
        libc.inotify_add_watch.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)
        libc.inotify_rm_watch.argtypes = (ctypes.c_int, ctypes.c_int)
    except AttributeError:
        raise OSError(errno.ENOSYS, "no inotify in the C library") from None
    return libc
