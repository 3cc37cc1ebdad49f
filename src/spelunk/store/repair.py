"""Mend what a check found, without re-doing what is intact. The writer's lock is held."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from spelunk.store import check, lexical
from spelunk.store.check import Problem
from spelunk.store.layout import VECTORS, lexical_name, remove_leftovers
from spelunk.store.lexical import LexicalWriter
from spelunk.store.manifest import ChunkRow, FileRow, ManifestWriter, SegmentRow
from spelunk.store.texts import unpack
from spelunk.store.vectors import Rows, Segment, quantise, write_segment
from spelunk.tokens import LEXICON, LONG_WORD, path_terms, words

if TYPE_CHECKING:
    from spelunk.embed import Embedder

HEAP: Final = 64 * 1024 * 1024
GROUP: Final = 2_000
"""Chunks embedded at a time."""


def repair(directory: str, problems: tuple[Problem, ...], embedder: Embedder) -> bool:
    """Mend the stores from the manifest.

    Returns:
        Whether files have to be indexed again for it to be complete: texts
        that were lost, which are now marked as changed.
    """
    kinds = {p.what for p in problems}
    manifest = ManifestWriter(directory)
    try:
        lost = [p.where for p in problems if p.what == check.TEXT]
        if lost:
            _forget(manifest, lost)
        if check.VECTOR in kinds:
            _mend_vectors(directory, manifest, embedder)
        if check.FULL_TEXT in kinds or lost:
            rebuild_full_text(directory, manifest)
        remove_leftovers(directory, manifest)
        return bool(lost)
    finally:
        manifest.close()


def _forget(manifest: ManifestWriter, paths: list[str]) -> None:
    """Take files out, so that the next update reads them again."""
    known = manifest.known()
    manifest.start()
    for path in paths:
        manifest.remove_file(known[path])
    manifest.set_meta("complete", 0)
    manifest.publish([])


def document(manifest: ManifestWriter, file: FileRow) -> Iterator[tuple[ChunkRow, str, list[str], str, str]]:
    """A file's chunks as the full text is given them: (chunk, text, words, body, names)."""
    text = unpack(*manifest.content(file.id))
    for chunk in manifest.chunks_of(file):
        piece = text.of(chunk)
        found = words(piece)
        body = " ".join(map(LEXICON.__getitem__, found))
        if text.cuts_line(chunk):
            body += " " + LONG_WORD
        names = " ".join(LEXICON[w] for d in chunk.definitions for w in words(d.name))
        yield chunk, piece, found, body, names


def rebuild_full_text(directory: str, manifest: ManifestWriter) -> None:
    """Build the full text anew from the stored texts beside the old one, and switch to it."""
    number = int(manifest.meta("lexical", 1)) + 1
    target = os.path.join(directory, f"lexical-{number}")
    lexical.remove(target)
    writer = LexicalWriter(target, heap=HEAP)
    for file in manifest.all_files():
        path = path_terms(file.path)
        for chunk, _, _, body, names in document(manifest, file):
            writer.add(chunk.id, file.id, body, names, path, file.language, chunk.kind)
    writer.commit()
    writer.close()
    old = lexical_name(manifest)
    manifest.start()
    manifest.set_meta("lexical", number)
    manifest.run("DELETE FROM purges")
    manifest.publish([])
    lexical.remove(os.path.join(directory, old))


def _mend_vectors(directory: str, manifest: ManifestWriter, embedder: Embedder) -> None:
    """Keep the intact segments; embed, from the stored texts, the chunks that lost their vector."""
    good = check.intact_segments(manifest)
    folder = os.path.join(directory, VECTORS)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    published = np.asarray([i for (i,) in manifest.all("SELECT id FROM chunks ORDER BY id")], np.int64)
    codes = {name: n for n, name in enumerate(manifest.kinds())}
    ids: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
    kinds: list[np.ndarray[tuple[int], np.dtype[np.uint8]]] = []
    parts: list[Rows] = []
    for row in good:
        segment = Segment(os.path.join(folder, row.name), row.rows)
        keep = np.flatnonzero(np.isin(segment.ids, published))
        ids.append(segment.ids[keep])
        kinds.append(segment.kinds[keep])
        parts.append(segment.select(keep))
    have = np.concatenate(ids) if ids else np.zeros(0, np.int64)
    for group in _lacking(manifest, set(np.setdiff1d(published, have).tolist())):
        matrix = embedder.embed([t for _, t, _ in group], [w for _, _, w in group])
        ids.append(np.asarray([c.id for c, _, _ in group], np.int64))
        kinds.append(np.asarray([codes.get(c.kind, 0) for c, _, _ in group], np.uint8))
        parts.append(quantise(matrix))
    all_ids = np.concatenate(ids) if ids else np.zeros(0, np.int64)
    order = np.argsort(all_ids, kind="stable")
    name = f"repaired-{int(time.time() * 1000)}.vec"
    rows: list[SegmentRow] = []
    if len(all_ids):
        joined = Rows(
            np.concatenate([p.planes for p in parts], axis=1)[:, order],
            np.concatenate([p.scales for p in parts])[order],
            np.concatenate([p.codes for p in parts])[order],
        )
        all_ids = all_ids[order]
        all_kinds = np.concatenate(kinds)[order]
        write_segment(os.path.join(folder, name), all_ids, all_kinds, [joined], embedder.dimensions)
        rows.append(SegmentRow(name, len(all_ids), 0, int(all_ids[0]), int(all_ids[-1])))
    manifest.start()
    manifest.run("DELETE FROM segments")
    manifest.set_meta("merges", int(manifest.meta("merges", 0)) + 1)
    manifest.publish(rows)


def _lacking(manifest: ManifestWriter, lacking: set[int]) -> Iterator[list[tuple[ChunkRow, str, list[str]]]]:
    group: list[tuple[ChunkRow, str, list[str]]] = []
    for file in manifest.all_files():
        if not lacking.intersection(range(file.first_chunk, file.first_chunk + file.chunks)):
            continue
        for chunk, text, found, _, _ in document(manifest, file):
            if chunk.id in lacking:
                group.append((chunk, text, found))
        if len(group) >= GROUP:
            yield group
            group = []
    if group:
        yield group
