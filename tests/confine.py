"""Keep a process from changing files outside some folders, also through links: for tests that make odd trees.

The tests may run as root, and a generator that writes through a link of its own making reaches any
file of the machine. An audit hook sees every call of Python's that changes a file before it happens.
What is named relative to an open folder, descriptors, and what native libraries open are not seen.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FOLLOW = {"os.chmod": 1, "os.chown": 1, "os.truncate": 1, "os.utime": 1, "os.setxattr": 1}
"""Calls that change what a path leads to, and how many of their arguments are paths."""
_STAY = {"os.remove": 1, "os.rmdir": 1, "os.mkdir": 1, "os.rename": 2, "os.link": 2, "shutil.rmtree": 1}
"""Calls that change what a path names itself."""


class OutsideError(BaseException):
    """Something was about to be changed outside; nothing catches this by accident."""


def confine(*folders: str) -> None:
    """From now on, in this process and for good, only files below ``folders`` may be changed."""
    allowed = tuple(os.path.realpath(folder) for folder in folders)
    _watch(lambda name, real: _below(real, allowed))


def hold(folder: str) -> None:
    """From now on, in this process and for good, no change of a file below ``folder`` leads out by a link."""
    here = (folder, os.path.realpath(folder))
    _watch(lambda name, real: not _below(name, here) or _below(real, here[1:]))


def _below(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder + "/") for folder in folders)


def _watch(allows: Callable[[str, str], bool]) -> None:
    outside = OutsideError

    def refuse(event: str, path: object, follow: bool) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a descriptor
        name = os.fsdecode(path)
        if name == os.devnull or not (follow or os.path.isabs(name)):
            return  # relative to an open folder, as rmtree names what it removes
        if follow:
            real = os.path.realpath(name)
        else:
            real = os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name))
        if not allows(name, real):
            raise outside(f"{event}: {name!r} is {real!r}")

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            opens = flags if isinstance(flags, int) else 0
            if opens & _WRITES or (isinstance(mode, str) and any(c in mode for c in "wax+")):
                refuse(event, path, not opens & (os.O_NOFOLLOW | os.O_EXCL))
        elif event in _FOLLOW or event in _STAY:
            for path in args[: _FOLLOW.get(event) or _STAY[event]]:
                refuse(event, path, event in _FOLLOW)

    sys.addaudithook(hook)
