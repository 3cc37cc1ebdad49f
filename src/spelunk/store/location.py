"""Where the chunks of an index are kept, as its manifest and its index directory say."""

from __future__ import annotations

import os
from typing import Final

from spelunk.config import LOCAL
from spelunk.errors import ConfigError
from spelunk.store.manifest import Manifest

STORE: Final = "store"
"""Key of the manifest's ``meta`` table: the address of the collection; none where the stores are local."""
REMOTE: Final = "remote.json"
"""File of an index directory that names its points; see :mod:`spelunk.store.qdrant.tenants`."""


def store_of(manifest: Manifest) -> str:
    """Where the chunks of an index are kept: ``local``, or the address of a collection."""
    return str(manifest.meta(STORE, LOCAL))


def vectors_in(manifest: Manifest) -> int:
    """The number of chunks that have a vector."""
    if store_of(manifest) == LOCAL:
        return sum(s.rows - s.dead for s in manifest.segments())
    return manifest.counts()[1] - sum(manifest.pending())


def refuse_remote(manifest: Manifest) -> None:
    """Refuse an index whose chunks are in a collection, where the settings say ``local``.

    Raises:
        ConfigError: It names the collection and what to do.
    """
    store = store_of(manifest)
    if store != LOCAL:
        raise ConfigError(
            f"the chunks of this index are in {store}; set store to it, run `spelunk migrate --to local`, "
            "or `spelunk index --rebuild`"
        )


def has_remote(directory: str) -> bool:
    """Whether an index may have points in a collection."""
    return os.path.lexists(os.path.join(directory, REMOTE))
