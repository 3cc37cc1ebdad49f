"""Fence: what a walk saw of folders and rule files, as opaque bytes to compare with the disk later.

Additions, removals and renames show in the folders' stamps, new rules in the
stamps of the rule files. Changes inside other files do not show.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from spelunk.files.stamp import UNSURE, file_stamp, folder_stamp, settled

MISSING: Final = b"-"
"""The stamp of a rule file that is not there."""

Seen = tuple[str, bytes]
"""A path and its stamp: a folder relative to the root (``""`` is the root), or a rule file's absolute path."""


def rule_file(path: str, now_ns: int) -> Seen:
    """A rule file as it is now, or would be."""
    try:
        st = os.stat(path)
    except (OSError, ValueError):  # ValueError: a NUL in a path from a configuration
        return (path, MISSING)
    return (path, settled(file_stamp(st), st, now_ns))


def build(folders: Iterable[Seen], rule_files: Iterable[Seen]) -> bytes:
    """A fence. Equal walks give equal fences."""
    rules = ((path, stamp) for path, stamp in set(rule_files) if "\0" not in path)
    parts = [
        part
        for path, stamp in (*sorted(folders), *sorted(rules))
        for part in (os.fsencode(path), stamp if stamp == MISSING else stamp.hex().encode())
    ]
    return b"\0".join(parts)


def parse(fence: bytes) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The folders and the rule files of a fence with their stamps; both empty where it is none."""
    parts = fence.split(b"\0")
    folders: dict[str, bytes] = {}
    rules: dict[str, bytes] = {}
    if len(parts) < 2 or len(parts) % 2:
        return folders, rules
    for path, stamp in zip(map(os.fsdecode, parts[::2]), parts[1::2], strict=True):
        try:
            seen = stamp if stamp == MISSING else bytes.fromhex(stamp.decode())
        except ValueError:
            return {}, {}
        (rules if path.startswith("/") else folders)[path] = seen
    return folders, rules


def holds(fence: bytes, root_fd: int) -> bool:
    """Whether folders and rule files are as the walk saw them.

    Args:
        fence: From :func:`build`; an empty one never holds.
        root_fd: The root, open.

    Raises:
        OSError: A folder is gone or cannot be looked at.
    """
    parts = fence.split(b"\0")
    if len(parts) < 2 or len(parts) % 2:
        return False
    stat = os.stat
    for path, seen in zip(parts[::2], parts[1::2], strict=True):
        if seen == UNSURE:
            return False
        if path.startswith(b"/"):
            try:
                now = file_stamp(stat(path)).hex().encode()
            except OSError:
                now = MISSING
        else:
            now = folder_stamp(stat(path or b".", dir_fd=root_fd, follow_symlinks=False)).hex().encode()
        if now != seen:
            return False
    return True
