"""Keep a process from changing files outside some folders, also through links: for tests that make odd trees.

The tests may run as root, and a generator that writes through a link of its own making reaches any
file of the machine. An audit hook sees every call of Python's that changes a file before it happens.
"""

from __future__ import annotations

import os
import sys

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FOLLOW = {"os.chmod": 1, "os.chown": 1, "os.truncate": 1, "os.utime": 1, "os.setxattr": 1}
"""Calls that change what a path leads to, and how many of their arguments are paths."""
_STAY = {"os.remove": 1, "os.rmdir": 1, "os.mkdir": 1, "os.rename": 2, "os.link": 2, "shutil.rmtree": 1}
"""Calls that change what a path names itself."""


class OutsideError(BaseException):
    """Something was about to be changed outside; nothing catches this by accident."""


def confine(*folders: str) -> None:
    """From now on, in this process and for good, only files below ``folders`` may be changed.

    Covers what Python itself opens or changes by an absolute path; a path relative to an open folder,
    a descriptor and what native libraries open are not seen. Names are bound early: no test replaces them.
    """
    allowed = tuple(os.path.realpath(folder) for folder in folders)
    outside = OutsideError

    def inside(path: object, follow: bool) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return True  # a descriptor
        name = os.fsdecode(path)
        if name == os.devnull or not os.path.isabs(name):
            return name == os.devnull or not follow
        if follow:
            real = os.path.realpath(name)
        else:
            real = os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name))
        return any(real == folder or real.startswith(folder + "/") for folder in allowed)

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            writes = isinstance(flags, int) and flags & _WRITES
            if isinstance(mode, str):
                writes = writes or any(c in mode for c in "wax+")
            stays = isinstance(flags, int) and flags & (os.O_NOFOLLOW | os.O_EXCL)
            if writes and not inside(path, not stays):
                raise outside(f"open of {path!r} for writing")
            return
        paths = _FOLLOW.get(event)
        follow = paths is not None
        if paths is None:
            paths = _STAY.get(event, 0)
        for path in args[:paths]:
            if not inside(path, follow):
                raise outside(f"{event} of {path!r}")

    sys.addaudithook(hook)
