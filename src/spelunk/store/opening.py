"""Open the writer, the reader and the vectors of an index where its chunks are kept: here or in a collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spelunk.config import LOCAL, Options
from spelunk.observe import Observer, null_observer
from spelunk.store.location import has_remote, refuse_remote, store_of

if TYPE_CHECKING:
    from spelunk.store.manifest_writer import ManifestWriter
    from spelunk.store.snapshot import Snapshot
    from spelunk.store.vectors import VectorStore
    from spelunk.store.writer import StoreWriter


def open_reader(directory: str, options: Options, observer: Observer = null_observer) -> Snapshot:
    """The newest generation.

    Raises:
        As :class:`spelunk.store.snapshot.Snapshot`; and ConfigError where the chunks are
        in a collection that the settings do not name.
    """
    if options.store != LOCAL:
        from contextlib import closing

        from spelunk.store.manifest import Manifest

        with closing(Manifest(directory)) as manifest:
            store = store_of(manifest)
        if store != LOCAL:
            from spelunk.store.qdrant.reader import RemoteSnapshot

            return RemoteSnapshot(directory, options, observer)
    from spelunk.store.snapshot import Snapshot

    return Snapshot(directory)


def open_writer(
    directory: str,
    manifest: ManifestWriter,
    options: Options,
    observer: Observer,
    *,
    heap: int,
    threads: int,
) -> StoreWriter:
    """A writer; arguments as of :class:`spelunk.store.writer.StoreWriter`.

    Raises:
        ConfigError: The chunks are kept elsewhere than the settings say.
        ProviderError: The cluster cannot be used.
    """
    if options.store != LOCAL:
        from spelunk.store.qdrant.writer import RemoteWriter

        return RemoteWriter(directory, manifest, options, observer)
    from spelunk.store.writer import StoreWriter

    refuse_remote(manifest)
    return StoreWriter(directory, manifest, heap=heap, threads=threads)


def open_vectors(manifest: ManifestWriter, options: Options, observer: Observer) -> VectorStore:
    """Where the vectors of pending chunks go."""
    if options.store != LOCAL:
        from spelunk.store.qdrant.vectors import RemoteVectors

        return RemoteVectors(manifest, options, observer)
    from spelunk.store.vectors import SegmentVectors

    return SegmentVectors(manifest)


def sweep_points(directory: str, manifest: ManifestWriter, options: Options, observer: Observer) -> None:
    """Delete the points of an index that a rebuild or a move replaced; what cannot be deleted now is left to the next run."""
    if has_remote(directory):
        from spelunk.store.qdrant.sweep import sweep

        sweep(directory, manifest, options, observer)


def remove_points(directory: str) -> None:
    """Delete the points of an index that is going to be deleted.

    Raises:
        ConfigError, ProviderError: A collection cannot be used; nothing local was deleted.
    """
    if has_remote(directory):
        from spelunk.config import resolve
        from spelunk.store.qdrant.sweep import remove_all

        remove_all(directory, resolve())
