"""Mend what a check found, without re-doing what is intact. The writer's lock is held."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Final

import numpy as np

from spelunk import faults
from spelunk.errors import IndexCorruptError
from spelunk.store import check
from spelunk.store import full_text as lexical
from spelunk.store.full_text import LexicalWriter
from spelunk.store.manifest import ChunkRow, FileRow, Manifest, ManifestWriter, SegmentRow
from spelunk.store.paths import MAX_KINDS, VECTORS, lexical_name, remove_leftovers
from spelunk.store.scan import Segment
from spelunk.store.texts import unpack
from spelunk.text.tokens import LEXICON, LONG_WORD, path_terms, words
from spelunk.types import Problem

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
            faults.reach("repair.texts.before")
            _forget(manifest, lost)
            faults.reach("repair.texts.after")
        if check.ORPHANS in kinds or lost:
            _drop_orphans(manifest)
        if check.VECTOR in kinds or lost:
            _recount(manifest)
            if check.vectors(manifest)[0]:
                _mend_vectors(manifest)
        if check.FULL_TEXT in kinds:
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
        file = known[path]  # what it says of its chunks may be what is damaged
        manifest.run("DELETE FROM chunks WHERE file = ?", (file.id,))
        manifest.run("INSERT OR IGNORE INTO purges VALUES (?)", (file.id,))
        manifest.remove_file(file._replace(chunks=0))
    manifest.set_meta("complete", 0)
    manifest.publish([])


def _drop_orphans(manifest: ManifestWriter) -> None:
    manifest.start()
    for table in check.PARTS:
        manifest.run(f"DELETE FROM {table} WHERE file NOT IN (SELECT id FROM files)")
    manifest.publish([])


def _recount(manifest: ManifestWriter) -> None:
    """Note anew how many rows of each segment belong to no file."""
    published = np.asarray([i for (i,) in manifest.all("SELECT id FROM chunks")], np.int64)
    manifest.start()
    for row in manifest.segments():
        try:
            segment = Segment(os.path.join(manifest.directory, VECTORS, row.name), row.rows)
        except IndexCorruptError:
            continue  # its vectors are made again
        dead = segment.rows - int(np.isin(segment.ids, published).sum())
        manifest.run("UPDATE segments SET dead = ? WHERE name = ?", (dead, row.name))
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
        faults.reach("repair.full-text.file", file.path)
        path = path_terms(file.path)
        for chunk, _, _, body, names in document(manifest, file):
            writer.add(chunk.id, file.id, body, names, path, file.language, chunk.kind)
    faults.reach("repair.full-text.before")
    writer.commit()
    writer.close()
    faults.reach("repair.full-text.after")
    old = lexical_name(manifest)
    manifest.start()
    manifest.set_meta("lexical", number)
    manifest.run("DELETE FROM purges")
    faults.reach("repair.full-text.switch.before")
    manifest.publish([])
    faults.reach("repair.full-text.switch.after")
    lexical.remove(os.path.join(directory, old))
    faults.reach("repair.full-text.end")


def _mend_vectors(manifest: ManifestWriter) -> None:
    """Keep the intact segments; every chunk that lost its vector waits for one."""
    rows = manifest.all("SELECT id, kind FROM chunks ORDER BY id")
    published = np.asarray([i for i, _ in rows], np.int64)
    kind_of = dict(rows)
    names: dict[int, str] = {}
    have = np.zeros(0, np.int64)
    kept: list[SegmentRow] = []
    for name, segment in check.intact_segments(manifest):
        ids = np.array(segment.ids)
        alive = np.isin(ids, published)
        if np.isin(ids[alive], have).any():
            continue  # a vector twice: what only this one has is made again
        found = {
            *zip(segment.kinds[alive].tolist(), map(kind_of.__getitem__, ids[alive].tolist()), strict=True)
        }
        codes = {**names, **dict(found)}
        if any(codes[code] != kind for code, kind in found if code < MAX_KINDS):
            continue  # kinds of another numbering
        names = codes
        have = np.concatenate([have, ids[alive]])
        kept.append(SegmentRow(name, len(ids), int(len(ids) - alive.sum()), int(ids[0]), int(ids[-1])))
    manifest.start()
    manifest.run("DELETE FROM segments")
    manifest.many("DELETE FROM pending WHERE chunk = ?", ((i,) for i in have.tolist()))
    manifest.run("DELETE FROM pending WHERE chunk NOT IN (SELECT id FROM chunks)")
    lacking = np.setdiff1d(published, have).tolist()
    manifest.many("INSERT OR IGNORE INTO pending (chunk) VALUES (?)", ((i,) for i in lacking))
    manifest.set_meta("merges", int(manifest.meta("merges", 0)) + 1)
    manifest.set_meta("kinds", json.dumps(_kinds(manifest.kinds(), names)))
    faults.reach("repair.vectors.switch.before")
    manifest.publish(kept)
    faults.reach("repair.vectors.switch.after")


def _kinds(noted: list[str], found: dict[int, str]) -> list[str]:
    """Kind names by the code that the vectors carry; a place of none is kept free."""
    out = list(noted) + [""] * (max(found, default=-1) + 1 - len(noted))
    for code, kind in found.items():
        out[code] = kind
    for code, kind in enumerate(out):
        if not kind or (code not in found and kind in found.values()):
            out[code] = f"?{code}"
    return out
