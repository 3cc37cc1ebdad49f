"""Copy the index of another worktree, as the beginning of an index that is not published yet.

Files of the full text, vectors and references never change once they are written, so
they are linked; the manifest is copied under another name. Nothing of the copy
is visible before :func:`spelunk.store.rebuild.publish`, and a run that dies
leaves only files that no manifest describes, which the next one deletes. The
writer's locks of both indexes are held.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import Final

from spelunk import faults
from spelunk.config import LOCAL
from spelunk.errors import SpelunkError
from spelunk.io.atomic import sync_directory
from spelunk.store.location import store_of
from spelunk.store.manifest import Manifest
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.paths import BUILDING, COMMITS, GRAPH, VECTORS, next_manifest
from spelunk.store.writer_lock import WriterLock

REPLACED: Final = ("meta.json", ".managed.json")
"""Files of a full text that its writer replaces: copied, not linked."""
LOCKS: Final = (".tantivy-meta.lock", ".tantivy-writer.lock")
LOCK_TRIES: Final = 25
"""Tries of 0.2 s each to meet a moment in which nothing is written to the donor."""


def can_seed(donor: str, fingerprint: str, embedder: str) -> float | None:
    """When an index was published that is complete and holds these contents; None for any other.

    Args:
        donor: Its directory.
        fingerprint: Of the settings that decide the texts.
        embedder: Id of the embedder.
    """
    try:
        with closing(Manifest(donor)) as manifest:
            if store_of(manifest) != LOCAL:
                return None
            same = manifest.meta("fingerprint") == fingerprint and manifest.meta("embedder") == embedder
            if same and manifest.generation and manifest.meta("complete", 0) and not manifest.journalled():
                return manifest.published_at()
    except SpelunkError:
        pass
    return None


def seed(donor: str, directory: str, fingerprint: str, embedder: str, *, stamps: bool) -> str | None:
    """Copy an index, and mark all of it as not compared with the files of this workspace.

    Args:
        donor: The directory of the index that is copied.
        directory: The index directory, without stores.
        fingerprint: As for :func:`can_seed`.
        embedder: As for :func:`can_seed`.
        stamps: Whether equal stamps mean equal contents in both workspaces, as those of commits do.

    Returns:
        The name that the manifest will have, for :class:`ManifestWriter`; None where
        the donor is written to, or cannot be read. What was copied then is left.
    """
    lock = WriterLock(donor)
    try:
        for turn in range(LOCK_TRIES):
            try:
                lock.acquire("index of another worktree")
                break
            except SpelunkError:
                if turn == LOCK_TRIES - 1:
                    return None
        if can_seed(donor, fingerprint, embedder) is None:
            return None
        return _copy(donor, directory, stamps=stamps)
    except (SpelunkError, OSError, sqlite3.Error):
        return None
    finally:
        lock.release()


def _copy(donor: str, directory: str, *, stamps: bool) -> str:
    faults.reach("seed.begin")
    with closing(Manifest(donor)) as source:
        # Above the donor's number: names of segments, which have it, do not come again.
        number = max(next_manifest(directory)[1], int(source.meta("build", 1)) + 1)
        name = f"manifest-{number}.sqlite"
        _copy_database(source.db, os.path.join(directory, name + BUILDING))
        faults.reach("seed.manifest")
        _copy_folder(donor, directory, source.full_text_name, None)
        faults.reach("seed.full-text")
        _copy_folder(donor, directory, VECTORS, {s.name for s in source.segments()})
        faults.reach("seed.vectors")
        references = {s.name for s in source.reference_segments()}
        if references:
            _copy_folder(donor, directory, GRAPH, references)
        faults.reach("seed.references")
    commits = os.path.join(donor, COMMITS)
    if os.path.exists(commits):
        place = os.path.join(directory, COMMITS)
        for side in ("", "-wal", "-shm", "-journal"):
            if os.path.lexists(place + side):
                os.unlink(place + side)
        with closing(sqlite3.connect(commits)) as db:
            _copy_database(db, place + BUILDING)
        os.rename(place + BUILDING, place)
        faults.reach("seed.commits")
    with closing(ManifestWriter(directory, name)) as manifest:
        manifest.start()
        manifest.begin_seed(number, stamps=stamps)
        manifest.commit()
    sync_directory(directory)
    faults.reach("seed.end")
    return name


def _copy_database(db: sqlite3.Connection, place: str) -> None:
    for side in ("", "-wal", "-shm", "-journal"):
        if os.path.lexists(place + side):
            os.unlink(place + side)
    with closing(sqlite3.connect(place)) as copy:
        db.backup(copy)


def _copy_folder(donor: str, directory: str, name: str, wanted: set[str] | None) -> None:
    source, place = os.path.join(donor, name), os.path.join(directory, name)
    os.makedirs(place, mode=0o700, exist_ok=True)
    for file in sorted(os.listdir(source)):
        if file in LOCKS or (wanted is not None and file not in wanted):
            continue
        _link(os.path.join(source, file), os.path.join(place, file), copy=file in REPLACED)
    sync_directory(place)


def _link(source: str, place: str, *, copy: bool) -> None:
    if not copy:
        try:
            os.link(source, place, follow_symlinks=False)
            return
        except OSError:
            pass  # another disk, one without links, or too many of them
    with open(source, "rb") as old, open(place, "xb") as new:
        shutil.copyfileobj(old, new)
        new.flush()
        os.fsync(new.fileno())
