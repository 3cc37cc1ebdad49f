"""The protocol between the making of vectors and storage, and its implementation over local segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from spelunk.store import merge
from spelunk.store.segment_file import open_segment, segment_path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spelunk.store.manifest_writer import ManifestWriter
    from spelunk.store.segment import Rows


class VectorStore(Protocol):
    """Where the vectors of chunks are kept. The writer's lock is held, no transaction is open."""

    def dimensions(self) -> int:
        """Columns of the vectors that are stored already; 0 without any."""
        ...

    def add(
        self,
        ids: NDArray[np.int64],
        kinds: NDArray[np.uint8],
        parts: Sequence[Rows],
        refused: Sequence[tuple[int, str]],
    ) -> None:
        """Publish vectors of pending chunks; arguments as of :func:`spelunk.store.merge.add`."""
        ...

    def compact(self, *, end: bool) -> None:
        """Tidy up after :meth:`add`, where it is worth it; ``end`` after the last one."""
        ...


class SegmentVectors:
    """The vector segments of an index directory."""

    def __init__(self, manifest: ManifestWriter) -> None:
        """Nothing is read yet."""
        self._manifest = manifest

    def dimensions(self) -> int:
        """See :class:`VectorStore`."""
        segments = self._manifest.segments()
        if not segments:
            return 0
        path = segment_path(self._manifest.directory, segments[0].name)
        return open_segment(path, segments[0].rows).dimensions

    def add(
        self,
        ids: NDArray[np.int64],
        kinds: NDArray[np.uint8],
        parts: Sequence[Rows],
        refused: Sequence[tuple[int, str]],
    ) -> None:
        """See :class:`VectorStore`."""
        merge.add(self._manifest, ids, kinds, parts, refused)

    def compact(self, *, end: bool) -> None:
        """See :class:`VectorStore`."""
        if end or len(self._manifest.segments()) > merge.MAX_SEGMENTS:
            merge.compact(self._manifest)
