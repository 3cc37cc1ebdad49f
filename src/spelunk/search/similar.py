"""Chunks like the one at a place in a file, by their vectors."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from spelunk.errors import ProviderError, UsageError
from spelunk.search.corpus import SearchTarget
from spelunk.search.engine import SearchResult, missing_vectors
from spelunk.search.hits import present_chunks
from spelunk.store.protocols import Filter, Reader
from spelunk.store.records import ChunkRecord
from spelunk.text.tokens import words

if TYPE_CHECKING:
    from spelunk.search.answer import Answer
    from spelunk.search.many import Searchable


def chunk_at(reader: Reader, path: str, line: int) -> ChunkRecord:
    """The chunk that holds a line, or the next one where the line is blank.

    Raises:
        UsageError: The file is not indexed, or has no such line.
    """
    file = reader.file(path)
    if file is None:
        raise UsageError(f"{path}: not indexed; `spelunk why {path}` says why")
    for chunk in reader.chunks_of(file):
        if line <= chunk.end_line and line >= 1:
            return chunk
    raise UsageError(f"{path}:{line}: no such line; the indexed text ends at line {file.lines}")


def similar(target: SearchTarget, path: str, line: int, limit: int) -> SearchResult:
    """The nearest chunks by vector, without the one at the place; ties by path and line.

    The chunk's stored vector is used where there is one, so that a provider
    which is down, or has a price, is not needed.

    Raises:
        UsageError: The place is not indexed, or the vectors are another embedder's.
        IndexCorruptError: The vectors are damaged.
    """
    reader = target.reader
    chunk = chunk_at(reader, path, line)
    vector = reader.vector(chunk.id)
    if vector is None:
        try:
            text = reader.text(chunk.file).of(chunk)
            vector = [float(x) for x in target.embedder().embed([text], [words(text)])[0]]
        except ProviderError as error:
            return SearchResult((), f"vectors: {error}")
    if reader.dimensions not in (0, len(vector)):
        raise UsageError("the vectors are another embedder's; run `spelunk index`")
    near = {s.id: s.score for s in reader.nearest(vector, Filter(), limit + 1) if s.id != chunk.id}
    chunks = reader.chunks(list(near))
    files = reader.files(list({c.file for c in chunks.values()}))
    ranked = sorted(
        ((c, files[c.file], near[i]) for i, c in chunks.items()),
        key=lambda found: (-found[2], found[1].path, found[0].start),
    )
    return SearchResult(present_chunks(target, ranked[:limit]), missing_vectors(target))


def similar_answer(index: Searchable, path: str, line: int, limit: int, *, refresh: bool) -> Answer:
    """The answer of :meth:`spelunk.Index.similar`, without hits in files that changed meanwhile."""
    from spelunk.search.many import answer_of, targets_of

    fresh = index.refresh() if refresh else True
    began = time.perf_counter()
    with index.snapshot() as reader:
        result = similar(targets_of([index], [reader])[0], path, line, limit)
        changed = index.changed_paths(reader, {h.path for h in result.hits}) if refresh else ()
        hits = tuple(h for h in result.hits if h.path not in changed)
        place, stale = f"{path}:{line}", not fresh or bool(changed)
        return answer_of(place, "semantic", began, hits, result.degraded, [reader], stale=stale)
