"""The logical content of an index: what two indexes of the same files have in common.

It does not depend on the number of runs or workers that made the index, nor
on ids, segments and generations.
"""

from __future__ import annotations

from typing import Any

from spelunk.search.hits import chunk_id
from spelunk.store.snapshot import Snapshot


def logical_content(directory: str) -> dict[str, list[dict[str, Any]]]:
    """Return the chunks of every published file by path: stable ids, places, names, texts and vectors.

    Args:
        directory: The index directory.

    Raises:
        IndexMissingError: Nothing was published yet.
        IndexCorruptError: A store is damaged.
    """
    import numpy as np

    out: dict[str, list[dict[str, Any]]] = {}
    with Snapshot(directory) as snapshot:
        vectors: dict[int, bytes] = {}
        for segment in snapshot.segments:
            rows = segment.select(np.arange(segment.rows))
            for n, number in enumerate(segment.ids.tolist()):
                vectors[number] = (
                    rows.planes[:, n].tobytes() + rows.scales[n].tobytes() + rows.codes[n].tobytes()
                )
        for file in snapshot.all_files():
            text, chunks = snapshot.text(file.id), snapshot.chunks_of(file)
            fields = snapshot.fields_of([chunk.id for chunk in chunks])
            out[file.path] = [
                {
                    "id": chunk_id(file, chunk),
                    "lines": (chunk.start_line, chunk.end_line),
                    "kind": chunk.kind,
                    "symbol": chunk.symbol,
                    "scope": chunk.scope,
                    "definitions": chunk.definitions,
                    "language": file.language,
                    "flags": int(file.flags),
                    "fields": sorted(fields.get(chunk.id, [])),
                    "text": text.of(chunk),
                    "vector": vectors.get(chunk.id),
                }
                for chunk in chunks
            ]
    return out
