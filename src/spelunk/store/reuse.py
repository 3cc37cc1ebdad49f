"""Find vectors that exist already: of a copy, a renamed file, another worktree of the same code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from spelunk.errors import SpelunkError
from spelunk.store.manifest import Manifest
from spelunk.store.records import Donor
from spelunk.store.segment import Segment
from spelunk.store.segment_file import segment_path

MAX_WORKSPACES: Final = 16
"""Workspaces that are searched, the own one first; each costs a scan of its file table."""
MAX_OF_A_SIZE: Final = 1_000
"""Files of one size whose vectors are offered: they travel to the worker with every batch
that has a file of that size, some 40 bytes each."""


def reusable_vectors(
    directories: Sequence[str], sizes: set[int], embedder: str
) -> tuple[dict[int, dict[bytes, tuple[int, int]]], list[list[Segment]]]:
    """Find the vectors of files of these sizes.

    Args:
        directories: Index directories.
        sizes: Sizes in bytes of the files to be indexed.
        embedder: Id that a workspace's vectors must have.

    Returns:
        By size and cut digest: (first chunk id, number of the workspace), at most
        :data:`MAX_OF_A_SIZE` for each size; and each workspace's open segments.
        A workspace that cannot be read is left out.
    """
    reusable: dict[int, dict[bytes, tuple[int, int]]] = {}
    segments: list[list[Segment]] = []
    for directory in directories[:MAX_WORKSPACES]:
        try:
            donors, opened = _of(directory, sizes, embedder)
        except SpelunkError:
            continue
        if donors:
            for donor in donors:
                of_size = reusable.setdefault(donor.size, {})
                if len(of_size) < MAX_OF_A_SIZE:
                    of_size.setdefault(donor.cut_digest, (donor.first_chunk, len(segments)))
            segments.append(opened)
    return reusable, segments


def _of(directory: str, sizes: set[int], embedder: str) -> tuple[list[Donor], list[Segment]]:
    manifest = Manifest(directory)
    try:
        manifest.begin()
        if manifest.meta("embedder") != embedder:
            return [], []
        rows = manifest.segments()
        donors = manifest.donors(sizes) if rows else []
        if not donors:
            return [], []
        return donors, [Segment(segment_path(directory, s.name), s.rows) for s in rows]
    finally:
        manifest.end()
        manifest.close()
