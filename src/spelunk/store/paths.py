"""Where the stores lie in an index directory."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

from spelunk import faults

if TYPE_CHECKING:
    from spelunk.store.manifest import Manifest

VECTORS: Final = "vectors"
MAX_KINDS: Final = 255
"""Code of a vector's kind that further kinds share."""


def lexical_name(manifest: Manifest) -> str:
    """Folder of the full-text index that this generation uses."""
    return f"lexical-{int(manifest.meta('lexical', 1))}"


def remove_leftovers(directory: str, manifest: Manifest) -> None:
    """Delete files of both stores that no generation refers to; the writer's lock is held."""
    listed = {s.name for s in manifest.segments()}
    folder = os.path.join(directory, VECTORS)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    for name in os.listdir(folder):
        if name not in listed:
            faults.reach("leftover.before", name)
            os.unlink(os.path.join(folder, name))
            faults.reach("leftover.after", name)
    current = lexical_name(manifest)
    for name in os.listdir(directory):
        if name.startswith("lexical-") and name != current:
            shutil.rmtree(os.path.join(directory, name), ignore_errors=True)
