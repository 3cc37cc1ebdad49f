"""Here is a place in a file, give me chunks like it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from spelunk.errors import ProviderError, UsageError
from spelunk.search.engine import Found, present_chunks, unfilled
from spelunk.store.records import ChunkRecord
from spelunk.store.snapshot import Snapshot
from spelunk.text.tokens import words

if TYPE_CHECKING:
    from spelunk.embed import Embedder, Matrix


def chunk_at(snapshot: Snapshot, path: str, line: int) -> ChunkRecord:
    """The chunk that holds a line, or the next one where the line is blank.

    Raises:
        UsageError: The file is not indexed, or has no such line.
    """
    file = snapshot.manifest.file(path)
    if file is None:
        raise UsageError(f"{path}: not indexed; `spelunk why {path}` says why")
    chunks = snapshot.manifest.chunks_of(file)
    for chunk in chunks:
        if line <= chunk.end_line and line >= 1:
            return chunk
    raise UsageError(f"{path}:{line}: no such line; the indexed text ends at line {file.lines}")


def similar(snapshot: Snapshot, embedder: Callable[[], Embedder], path: str, line: int, limit: int) -> Found:
    """The nearest chunks by vector, without the one asked about.

    The chunk's own vector is asked for where there is one, so that a provider
    which is down, or has a price, is not needed.

    Args:
        embedder: Gives the embedder, for a chunk that has no vector yet.

    Raises:
        UsageError: The place is not indexed.
    """
    from spelunk.store import scan as vectors

    chunk = chunk_at(snapshot, path, line)
    asked = _stored(snapshot, chunk.id)
    if asked is None:
        try:
            text = snapshot.text(chunk.file).of(chunk)
            asked = embedder().embed([text], [words(text)])[0]
        except ProviderError as error:
            return Found((), f"vectors: {error}")
    if any(s.dimensions != len(asked) for s in snapshot.segments):
        raise UsageError("the vectors are another embedder's; run `spelunk index`")
    near = vectors.nearest(snapshot.segments, asked, 2 * limit + 1)
    rows = snapshot.visible([i for i, _ in near])
    ranked = [(rows[i], s) for i, s in near if i in rows and i != chunk.id]
    return Found(present_chunks(snapshot, ranked[:limit]), unfilled(snapshot))


def _stored(snapshot: Snapshot, chunk: int) -> Matrix | None:
    import numpy as np

    for segment in snapshot.segments:
        found = segment.lookup(np.asarray([chunk]))
        if len(found):
            return segment.vector(int(found[0]))
    return None
