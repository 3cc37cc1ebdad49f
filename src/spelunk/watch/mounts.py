"""Mounts on which the kernel does not report every change: network, shared and stacked file systems."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Final, NamedTuple

POLLED: Final = frozenset(
    ("9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "drvfs", "gfs2", "glusterfs", "gpfs", "lustre",
     "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "overlay", "pvfs2", "prl_fs", "smb2", "smb3", "smbfs",
     "vboxsf", "virtiofs", "vmhgfs")
)  # fmt: skip
"""File systems that other machines, a host or another layer change without an event here."""

MOUNTS: Final = "/proc/self/mountinfo"
_ESCAPE: Final = re.compile(rb"\\([0-7]{3})")


class Mount(NamedTuple):
    """A mount: where it is, and the type of its file system."""

    path: str
    kind: str

    @property
    def polled(self) -> bool:
        """Whether its changes may come without an event."""
        return self.kind in POLLED or self.kind.startswith("fuse.") or self.kind == "fuse"


def parse(data: bytes) -> list[Mount]:
    """The mounts in a ``mountinfo`` file (proc(5)), in its order: a later one covers an earlier one of its path."""
    mounts: list[Mount] = []
    for line in data.splitlines():
        before, dash, after = line.partition(b" - ")
        fields, kinds = before.split(b" "), after.split(b" ")
        if dash and len(fields) > 4:
            path = _ESCAPE.sub(lambda m: bytes((int(m[1], 8),)), fields[4])
            mounts.append(Mount(os.fsdecode(path), os.fsdecode(kinds[0])))
    return mounts


def polled_mount(root: str, mounts: list[Mount], kept: Callable[[str], bool]) -> Mount | None:
    """The mount that holds a folder, or one below it that is kept, if its changes may come without an event."""
    here = root.rstrip("/") + "/"
    holding = None
    for mount in {m.path: m for m in mounts}.values():  # the last one of a path covers the others
        folder = mount.path.rstrip("/") + "/"
        if here.startswith(folder):
            if holding is None or len(mount.path) > len(holding.path):
                holding = mount
        elif folder.startswith(here) and mount.polled and kept(mount.path):
            return mount
    return holding if holding is not None and holding.polled else None


def read_mounts() -> list[Mount]:
    """The mounts that this process sees; none where the system does not tell."""
    try:
        with open(MOUNTS, "rb") as file:
            return parse(file.read())
    except OSError:
        return []
