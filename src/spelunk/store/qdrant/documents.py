"""The points of an index from its manifest: stored texts, chunks and paths, without reading or parsing a file."""

from __future__ import annotations

from collections.abc import Sequence

from spelunk.store.document import ChunkTerms, path_document
from spelunk.store.document import document_of as of_text
from spelunk.store.full_text_query import flag_terms
from spelunk.store.manifest import Manifest
from spelunk.store.qdrant.point_writer import about, document_of
from spelunk.store.qdrant.points import PointDocument
from spelunk.store.records import FileRow
from spelunk.store.remote_rows import cut_digest
from spelunk.store.texts import unpack


def documents_of(manifest: Manifest, file: FileRow) -> list[PointDocument]:
    """The documents of a file's chunks, as they were when the file was indexed.

    Raises:
        IndexCorruptError: Its text is missing or damaged.
    """
    digest = cut_digest(manifest, file.id)
    text = unpack(*manifest.content(file.id)[:2]).text
    path, flags = path_document(file.path), flag_terms(file.flags)
    shown = file.path.encode("utf-8", "replace").decode()
    out = []
    for chunk in manifest.chunks_of(file):
        made = of_text(text, chunk.start, chunk.end, (d.name for d in chunk.definitions))
        terms = ChunkTerms(chunk.id, file.id, made.body, made.names, path, file.language, chunk.kind, flags)
        seen = about(shown, chunk.start_line, chunk.end_line, chunk.symbol, chunk.scope)
        out.append(document_of(terms, digest, {**seen, "generation": file.generation}))
    return out


def with_chunks(manifest: Manifest, chunks: Sequence[int]) -> list[FileRow]:
    """The files of some chunks, by id."""
    ids = sorted({row.file for row in manifest.chunks(chunks).values()})
    return [file for _, file in sorted(manifest.files(ids).items())]
