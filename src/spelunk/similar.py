"""Here is a place in a file, give me chunks like it."""

from __future__ import annotations

from spelunk.embed import Embedder
from spelunk.errors import UsageError
from spelunk.search import Found, present_chunks
from spelunk.store.manifest import ChunkRow
from spelunk.store.snapshot import Snapshot


def chunk_at(snapshot: Snapshot, path: str, line: int) -> ChunkRow:
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


def similar(snapshot: Snapshot, embedder: Embedder, path: str, line: int, limit: int) -> Found:
    """The nearest chunks by vector, without the one asked about.

    Raises:
        UsageError: The place is not indexed.
    """
    from spelunk.store import vectors

    chunk = chunk_at(snapshot, path, line)
    text = snapshot.text(chunk.file).of(chunk)
    near = vectors.top(snapshot.segments, embedder.query(text), 2 * limit + 1)
    rows = snapshot.visible([i for i, _ in near])
    ranked = [(rows[i], s) for i, s in near if i in rows and i != chunk.id]
    return Found(present_chunks(snapshot, ranked[:limit]))
