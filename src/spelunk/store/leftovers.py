"""Find and delete files of the stores that no generation refers to."""

from __future__ import annotations

import os
import shutil

from spelunk import faults
from spelunk.store.manifest import Manifest
from spelunk.store.paths import GRAPH, VECTORS, full_texts, manifest_files


def leftovers(manifest: Manifest) -> list[str]:
    """Return the paths, relative to the index directory, of files and folders that nothing refers to.

    They are what a crash left: segments, full-text indexes, and
    manifests that a rebuild replaced or never published.
    """
    listed = {os.path.join(VECTORS, s.name) for s in manifest.segments()}
    listed |= {os.path.join(GRAPH, s.name) for s in manifest.reference_segments()}
    names = [name for folder in (VECTORS, GRAPH) for name in _names(manifest.directory, folder)]
    own = tuple(manifest.name + side for side in ("", "-wal", "-shm", "-journal"))
    return [
        *(name for name in manifest_files(manifest.directory) if name not in own),
        *(name for name in names if name not in listed),
        *(name for name in full_texts(manifest.directory) if name != manifest.full_text_name),
    ]


def _names(directory: str, folder: str) -> list[str]:
    """Paths of the files in a folder of the index directory, in order."""
    path = os.path.join(directory, folder)
    return [os.path.join(folder, name) for name in sorted(os.listdir(path))] if os.path.isdir(path) else []


def remove_leftovers(directory: str, manifest: Manifest) -> None:
    """Delete what :func:`leftovers` lists; the writer's lock is held and the manifest is published."""
    os.makedirs(os.path.join(directory, VECTORS), mode=0o700, exist_ok=True)
    for name in leftovers(manifest):
        path = os.path.join(directory, name)
        faults.reach("leftover.before", name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
        faults.reach("leftover.after", name)
