"""Rebuild all stores beside the published ones, and switch to them in one step.

A rebuild writes a manifest under a temporary name, segments under names of its
own and a full text with a number of its own. Until the rename of its manifest,
which is the switch, every reader sees the old generation, whatever happens to
the rebuild. A journalled intent in both manifests makes the next writer remove
what a crash left. The writer's lock is held.
"""

from __future__ import annotations

import os
import shutil
import time
from typing import Final

from spelunk import faults
from spelunk.errors import SpelunkError, StorageError
from spelunk.io.atomic import sync_directory
from spelunk.store.leftovers import leftovers, remove_leftovers
from spelunk.store.manifest_writer import REBUILD, ManifestWriter
from spelunk.store.paths import (
    BUILDING,
    GRAPH,
    VECTORS,
    full_texts,
    manifest_files,
    next_full_text,
    next_manifest,
)

LOG: Final = ("-wal", "-shm", "-journal")
DISCARD_ATTEMPTS: Final = 10
DISCARD_PAUSE: Final = 0.05
"""Seconds between two attempts to delete the stores of a failed rebuild."""


def begin(directory: str) -> str:
    """Start a rebuild beside the published index.

    Returns:
        The name that the new manifest will have; give it to :class:`ManifestWriter`.

    Raises:
        StorageError: The disk refuses; the published index stays.
    """
    name, number = next_manifest(directory)
    full_text = next_full_text(directory)
    try:
        published = ManifestWriter(directory)
    except SpelunkError:
        pass  # damaged or of an older format: nothing can be journalled there
    else:
        try:
            full_text = published.next_full_text()
            published.begin_intent(REBUILD)
        except SpelunkError:
            pass  # as above
        finally:
            published.close()
    faults.reach("rebuild.begin")
    try:
        for file in manifest_files(directory):
            if BUILDING in file:
                os.unlink(os.path.join(directory, file))
    except OSError as error:
        raise StorageError(f"{directory}: cannot be written ({error.strerror})") from None
    manifest = ManifestWriter(directory, name)
    try:
        manifest.start()
        manifest.set_meta("build", number)
        manifest.set_meta("lexical", full_text)
        manifest.begin_intent(REBUILD)
        manifest.commit()
    finally:
        manifest.close()
    return name


def publish(directory: str, name: str) -> None:
    """Replace the published index by the rebuilt one and delete the old stores.

    Raises:
        StorageError: The disk refuses; one of the two is published.
    """
    building = os.path.join(directory, name + BUILDING)
    manifest = ManifestWriter(directory, name)
    try:
        manifest.fold_log()
    finally:
        manifest.close()
    try:
        for side in LOG:
            if os.path.exists(building + side):
                os.unlink(building + side)  # empty: the log was folded in
        faults.reach("rebuild.switch.before")
        os.rename(building, os.path.join(directory, name))
        sync_directory(directory)
    except OSError as error:
        raise StorageError(
            f"{directory}: cannot be written ({error.strerror}); the old index stays"
        ) from None
    faults.reach("rebuild.switch.after")
    manifest = ManifestWriter(directory)
    try:
        remove_leftovers(directory, manifest)
        faults.reach("rebuild.end")
        manifest.end_intents()
    except OSError as error:
        raise StorageError(f"{directory}: old stores cannot be deleted ({error.strerror})") from None
    finally:
        manifest.close()


def discard(directory: str) -> None:
    """Delete what a failed rebuild made; what cannot be deleted now is left to the next writer.

    Threads of a full-text writer that failed may still create files in its
    folder, so the deletion is repeated. The intent stays while anything is left.
    """
    try:
        manifest = ManifestWriter(directory)
    except (SpelunkError, OSError):
        return
    try:
        for _ in range(DISCARD_ATTEMPTS):
            remove_leftovers(directory, manifest)
            if not leftovers(manifest):
                manifest.end_intents()
                break
            time.sleep(DISCARD_PAUSE)
    except (SpelunkError, OSError):
        pass
    finally:
        manifest.close()


def remove_stores(directory: str) -> None:
    """Delete stores that no manifest describes, and logs of a manifest that is gone.

    Raises:
        StorageError: The disk refuses.
    """
    faults.reach("wipe.before")
    try:
        for name in (*manifest_files(directory), VECTORS, GRAPH, *full_texts(directory)):
            path = os.path.join(directory, name)
            if os.path.lexists(path):
                faults.reach("wipe.part", name)
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                else:
                    os.unlink(path)
    except OSError as error:
        raise StorageError(f"{directory}: cannot be deleted ({error.strerror})") from None
    faults.reach("wipe.after")
