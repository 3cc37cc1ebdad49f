"""Move the chunks of an index between its directory and a collection, under the writer's lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing

from msgspec.structs import replace

from spelunk.config import LOCAL, SCHEMA, Options
from spelunk.errors import ConfigError
from spelunk.observe import Observer
from spelunk.store.location import store_of
from spelunk.store.manifest import Manifest
from spelunk.store.writer_lock import WriterLock


def migrate(
    directory: str, options: Options, to: str, moved: Callable[[int, int], object], observer: Observer
) -> int:
    """Move all chunks; see :meth:`spelunk.Index.migrate`.

    Args:
        directory: The index directory.
        options: The settings of calls.
        to: Where to: ``local``, the index directory, or the address of a collection.
        moved: Called with chunks moved and chunks in all.
        observer: Is sent retries and changes of the breaker.
    """
    target = (
        LOCAL
        if to == LOCAL or os.path.realpath(to) == directory
        else SCHEMA.from_flags({"store": to})["store"]
    )
    lock = WriterLock(directory)
    with closing(Manifest(directory)) as manifest:
        source = store_of(manifest)
    if source == target:
        raise ConfigError(f"the chunks of this index are in {target} already")
    if LOCAL not in (source, target):
        raise ConfigError(f"the chunks of this index are in {source}; move them to local first")
    from spelunk.store.qdrant.migrate import to_collection, to_directory

    lock.acquire("migrate")
    try:
        if target == LOCAL:
            return to_directory(directory, replace(options, store=source), moved, observer)
        return to_collection(directory, replace(options, store=target), moved, observer)
    finally:
        lock.release()
