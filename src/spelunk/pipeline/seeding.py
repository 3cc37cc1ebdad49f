"""Begin an index with that of another worktree: what both have in common is neither cut nor embedded again.

The copy is visible to no search before it was compared with the workspace's own
files: each is read and its digest compared, whatever its stamp says.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from typing import Final

from spelunk import faults
from spelunk.config import Options
from spelunk.errors import SpelunkError
from spelunk.files.read import read
from spelunk.files.source import Row, Source, entry_of
from spelunk.store import rebuild
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.seed import can_seed, seed
from spelunk.types import Entry, Skipped
from spelunk.workspace.siblings import sibling_indexes

MAX_DONORS: Final = 16
"""Other worktrees whose manifests are looked at."""


def begin(root: str, directory: str, fingerprint: str, embedder: str, part: str = "") -> str | None:
    """Copy the newest index that another worktree of the same repository has of these contents.

    Args:
        root: The workspace.
        directory: The directory to fill; it holds no stores, and its lock is held.
        fingerprint: Of the settings that decide the texts.
        embedder: Id of the embedder.
        part: Folder of the index directory that ``directory`` is; "" where it is the whole.

    Returns:
        The name that the new manifest will have; None where there is no such index.
    """
    donors = [os.path.join(d, part) if part else d for d in sibling_indexes(root)[:MAX_DONORS]]
    dated = [(at, d) for d in donors if (at := can_seed(d, fingerprint, embedder)) is not None]
    for _, donor in sorted(dated, reverse=True):
        name = seed(donor, directory, fingerprint, embedder, stamps=bool(part))
        if name is not None:
            return name
        rebuild.remove_stores(directory)
    return None


def abandon(directory: str) -> None:
    """Delete a copy that is not published; what cannot be deleted now is left to the next run."""
    try:
        rebuild.remove_stores(directory)
    except SpelunkError:
        pass


def restamp(directory: str, name: str, source: Source, rows: Iterable[Row], options: Options) -> None:
    """Give the copied files whose content this workspace has their stamp in it, those that are left out too.

    Here, and not in workers, which decode every file they read and load an embedder.

    Args:
        directory: The index directory.
        name: The manifest's name, of :func:`begin`.
        source: The workspace's files.
        rows: Those that its walk offers.
        options: The settings.
    """
    import xxhash

    with closing(ManifestWriter(directory, name)) as manifest:
        known, others = manifest.known(), manifest.unindexed()
        manifest.start()
        for row in rows:
            file, entry = known.get(row[0]), entry_of(row)
            if file is not None:
                raw = source.read(entry, options.max_file_size)
                if isinstance(raw, bytes) and xxhash.xxh3_128_digest(raw) == file.digest:
                    manifest.update_stamp(entry)
            elif row[0] in others and isinstance(others[row[0]][0], Skipped):
                what = _left_out(source, entry, options)
                if what is not None:
                    manifest.set_unindexed(what, entry.stamp)
        faults.reach("seed.compared")
        manifest.commit()


def _left_out(source: Source, entry: Entry, options: Options) -> Skipped | None:
    """Why a file is not indexed; None where it is, or where reading it fails: then a worker does it."""
    try:
        what = read(source, entry, options)
    except Exception:
        return None
    return what if isinstance(what, Skipped) else None
