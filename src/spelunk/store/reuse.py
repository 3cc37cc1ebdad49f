"""Vectors that exist already: for a copy, a rename, another worktree of the same code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from spelunk.errors import SpelunkError
from spelunk.store.manifest import Manifest
from spelunk.store.scan import Segment

MAX_WORKSPACES: Final = 16
"""Workspaces asked, the own one first; each costs a scan of its file table."""
FEW_SIZES: Final = 500
MAX_OF_A_SIZE: Final = 1_000
"""Files of one size whose vectors are offered: they travel to the worker with every batch
that has a file of that size, some 40 bytes each."""


def find(
    directories: Sequence[str], sizes: set[int], embedder: str
) -> tuple[dict[int, dict[bytes, tuple[int, int]]], list[list[Segment]]]:
    """Find the vectors of files of these sizes.

    Args:
        directories: Index directories.
        sizes: Sizes in bytes of the files to be indexed.
        embedder: Id that a workspace's vectors must have.

    Returns:
        By size and layout: (first chunk id, number of the workspace), at most
        :data:`MAX_OF_A_SIZE` for each size; and each workspace's open segments.
        A workspace that cannot be read is left out.
    """
    reusable: dict[int, dict[bytes, tuple[int, int]]] = {}
    segments: list[list[Segment]] = []
    for directory in directories[:MAX_WORKSPACES]:
        try:
            found, opened = _of(directory, sizes, embedder)
        except SpelunkError:
            continue
        if found:
            for layout, first, size in found:
                of_size = reusable.setdefault(size, {})
                if len(of_size) < MAX_OF_A_SIZE:
                    of_size.setdefault(layout, (first, len(segments)))
            segments.append(opened)
    return reusable, segments


def _of(directory: str, sizes: set[int], embedder: str) -> tuple[list[tuple[bytes, int, int]], list[Segment]]:
    manifest = Manifest(directory)
    try:
        manifest.begin()
        if manifest.meta("embedder") != embedder:
            return [], []
        select = "SELECT layout, first_chunk, size FROM files f WHERE chunks > 0"
        if len(sizes) <= FEW_SIZES:
            select += f" AND size IN ({','.join(map(str, sizes))})"
        if any(manifest.pending()):
            select += (
                " AND NOT EXISTS (SELECT 1 FROM pending WHERE chunk >= f.first_chunk"
                " AND chunk < f.first_chunk + f.chunks)"
            )
        listed = manifest.segments()
        rows = [row for row in manifest.all(select) if row[2] in sizes]
        if not rows:
            return [], []
        folder = os.path.join(directory, "vectors")
        return rows, [Segment(os.path.join(folder, s.name), s.rows) for s in listed]
    finally:
        manifest.end()
        manifest.close()
