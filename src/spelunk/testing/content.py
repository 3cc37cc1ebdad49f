"""The logical content of an index: what two indexes of the same files have in common.

It does not depend on the number of runs or workers that made the index, nor
on ids, segments and generations.
"""

from __future__ import annotations

from typing import Any

from spelunk.errors import IndexCorruptError
from spelunk.search.hits import chunk_id
from spelunk.store.relation_pack import MAX_LINE, ROLE_SHIFT
from spelunk.store.snapshot import Snapshot

Row = tuple[int, int, int, str]
"""Line, hash of the name, role and receiver of a row of a reference segment."""


def logical_content(directory: str) -> dict[str, list[dict[str, Any]]]:
    """Return the chunks of every published file by path: stable ids, places, names, texts, vectors, references and imports.

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
        references = _references(snapshot)
        for file in snapshot.all_files():
            imports = snapshot.relations.imports_of([file.id]).get(file.id, [])
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
                    "references": [
                        row
                        for row in references.get(file.id, ())
                        if chunk.start_line <= row[0] <= chunk.end_line
                    ],
                    "imports": [i for i in imports if chunk.start_line <= i.line <= chunk.end_line],
                }
                for chunk in chunks
            ]
    return out


def _references(snapshot: Snapshot) -> dict[int, list[Row]]:
    """The rows of each file in the reference segments, by line.

    Raises:
        IndexCorruptError: A segment is damaged, or a row of a file comes from several.
    """
    out: dict[int, list[Row]] = {}
    for segment, dead in snapshot.relations.segments:
        here: dict[int, list[Row]] = {}
        for value, rows in segment.runs():
            for file, place, receiver in zip(*rows, strict=True):
                if file not in dead:
                    row = (place & MAX_LINE, value, place >> ROLE_SHIFT, segment.receiver(receiver))
                    here.setdefault(file, []).append(row)
        if out.keys() & here.keys():
            raise IndexCorruptError("references of a file in several segments")
        out |= here
    return {file: sorted(rows) for file, rows in out.items()}
