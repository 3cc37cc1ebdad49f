"""Mend what a check found, without re-doing what is intact. The writer's lock is held."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import numpy as np

from spelunk.store import check, lexical
from spelunk.store.check import Problem
from spelunk.store.layout import VECTORS, lexical_name, remove_leftovers
from spelunk.store.lexical import LexicalWriter
from spelunk.store.manifest import ChunkRow, FileRow, Manifest, ManifestWriter, SegmentRow
from spelunk.store.texts import unpack
from spelunk.store.vectors import Segment
from spelunk.tokens import LEXICON, LONG_WORD, path_terms, words

HEAP: Final = 64 * 1024 * 1024


def repair(directory: str, problems: tuple[Problem, ...]) -> bool:
    """Mend the stores from the manifest; vectors that were lost are pending afterwards.

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
            _mend_vectors(manifest)
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


def document(manifest: Manifest, file: FileRow) -> Iterator[tuple[ChunkRow, str, list[str], str, str]]:
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


def _mend_vectors(manifest: ManifestWriter) -> None:
    """Keep the intact segments; every chunk that lost its vector waits for one."""
    published = np.asarray([i for (i,) in manifest.all("SELECT id FROM chunks ORDER BY id")], np.int64)
    have = np.zeros(0, np.int64)
    kept: list[SegmentRow] = []
    for row in check.intact_segments(manifest):
        ids = np.array(Segment(os.path.join(manifest.directory, VECTORS, row.name), row.rows).ids)
        alive = np.isin(ids, published)
        if np.isin(ids[alive], have).any():
            continue  # a vector twice: what only this one has is made again
        have = np.concatenate([have, ids[alive]])
        kept.append(row._replace(dead=int(row.rows - alive.sum())))
    manifest.start()
    manifest.run("DELETE FROM segments")
    manifest.many("DELETE FROM pending WHERE chunk = ?", ((i,) for i in have.tolist()))
    manifest.run("DELETE FROM pending WHERE chunk NOT IN (SELECT id FROM chunks)")
    lacking = np.setdiff1d(published, have).tolist()
    manifest.many("INSERT OR IGNORE INTO pending (chunk) VALUES (?)", ((i,) for i in lacking))
    manifest.set_meta("merges", int(manifest.meta("merges", 0)) + 1)
    manifest.publish(kept)
