"""Samples: copies of some of a folder's files, spread evenly over it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import Final, TypeVar

from spelunk.config import Options, resolve
from spelunk.errors import UsageError, WorkspaceError
from spelunk.files.walk import walk
from spelunk.types import Candidate

Item = TypeVar("Item")

USUAL: Final = (100, 1_000, 10_000)


def candidates(root: str, options: Options | None = None) -> list[Candidate]:
    """The files that an index of the folder would hold, in the walk's order.

    Raises:
        WorkspaceError: There is none.
    """
    files = list(walk(root, options or resolve(root)).candidates)
    if not files:
        raise WorkspaceError(f"{root}: no files to measure with; name another folder")
    return files


def counts(wanted: Sequence[int], available: int) -> list[int]:
    """The sample sizes: those wanted, or the usual ones as far as there are files.

    Raises:
        UsageError: More files are wanted than there are.
    """
    for count in wanted:
        if count > available:
            raise UsageError(f"--files {count}: only {available:,} files here; name a larger folder or a smaller number")  # fmt: skip
    return sorted(set(wanted)) or [c for c in USUAL if c <= available] or [available]


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """Take ``count`` of the items at equal distances."""
    return [items[n * len(items) // count] for n in range(count)]


def copy(root: str, files: Sequence[Candidate], count: int, target: str) -> str:
    """Copy ``count`` of the files below ``target`` and return that folder.

    The workspace's settings are not copied: a sample is measured with the
    defaults and those of the environment.
    """
    for candidate in spread(files, count):
        at = os.path.join(target, candidate.path)
        os.makedirs(os.path.dirname(at), exist_ok=True)
        try:
            shutil.copyfile(os.path.join(root, candidate.path), at)
        except OSError as error:
            raise UsageError(f"{candidate.path}: cannot be copied: {error.strerror}") from None
    return target
