"""Repair what a check found, without doing again what is intact. The writer's lock is held."""

from __future__ import annotations

import os
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spelunk import faults
from spelunk.config import LOCAL, Options
from spelunk.errors import IndexCorruptError
from spelunk.observe.check_report import Problem
from spelunk.store import check
from spelunk.store import full_text as lexical
from spelunk.store.check_references import REFERENCES, compare_references
from spelunk.store.document import ChunkTerms, document_of, path_document
from spelunk.store.full_text import LexicalWriter
from spelunk.store.full_text_query import flag_terms
from spelunk.store.leftovers import remove_leftovers
from spelunk.store.manifest import Manifest
from spelunk.store.manifest_retained import damaged_retained
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.paths import MAX_KINDS, full_text_name
from spelunk.store.records import SegmentRow
from spelunk.store.segment import Segment, pack_rows
from spelunk.store.segment_file import segment_path
from spelunk.store.texts import unpack

HEAP: Final = 64 * 1024 * 1024


def repair(directory: str, problems: tuple[Problem, ...], options: Options) -> bool:
    """Repair the stores from the manifest; vectors that were lost are pending afterwards.

    Args:
        directory: The index directory.
        problems: What a check found.
        options: The settings of the index: where the chunks are kept, and how it is called.

    Returns:
        Whether files have to be indexed again, because their texts were lost;
        they are marked as changed.
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
        if check.RETAINED in kinds:
            manifest.start()
            manifest.let_go([file for file, _, _ in damaged_retained(manifest)])
            manifest.publish()
        if options.store != LOCAL:
            from spelunk.store.qdrant.check import repair as repair_collection

            repair_collection(manifest, options)
        elif check.VECTOR in kinds or lost:
            _recount(manifest)
            if check.vectors(manifest)[0]:
                _mend_vectors(manifest)
        if REFERENCES in kinds or lost:
            unmade = _mend_references(manifest, options)
            if unmade:
                _forget(manifest, unmade)
                lost += unmade
        if check.FULL_TEXT in kinds and options.store == LOCAL:
            rebuild_full_text(directory, manifest)
        remove_leftovers(directory, manifest)
        return bool(lost)
    finally:
        manifest.close()


def _mend_references(manifest: ManifestWriter, options: Options) -> list[str]:
    """Make lost references again; return the paths of files that have to be read again for it."""
    found = compare_references(manifest)
    if not found.problems:
        return []
    from spelunk.store.repair_references import mend_references

    return mend_references(manifest, found, options)


def _forget(manifest: ManifestWriter, paths: list[str]) -> None:
    """Remove files, so that the next update reads them again."""
    known = manifest.known()
    manifest.start()
    for path in paths:
        manifest.forget_file(known[path])
    manifest.set_meta("complete", 0)
    manifest.publish()


def _drop_orphans(manifest: ManifestWriter) -> None:
    manifest.start()
    manifest.remove_orphans()
    manifest.publish()


def _recount(manifest: ManifestWriter) -> None:
    """Compute the tombstones again: the rows of each segment that belong to no file."""
    published = np.asarray([i for i, _ in manifest.chunk_kinds()], np.int64)
    manifest.start()
    for row in manifest.segments():
        try:
            segment = Segment(segment_path(manifest.directory, row.name), row.rows)
        except IndexCorruptError:
            continue  # its vectors are made again
        _set_dead(manifest, row.name, segment, published)
    manifest.publish()


def _set_dead(manifest: ManifestWriter, name: str, segment: Segment, published: NDArray[np.int64]) -> None:
    dead = ~np.isin(segment.ids, published)
    manifest.set_tombstones(name, pack_rows(dead), int(dead.sum()))


def rebuild_full_text(directory: str, manifest: ManifestWriter) -> None:
    """Build a full text from the stored texts beside the old one, and switch to it."""
    number = manifest.next_full_text()
    write_full_text(os.path.join(directory, full_text_name(number)), manifest)
    old = manifest.full_text_name
    manifest.start()
    manifest.switch_full_text(number)
    faults.reach("repair.full-text.switch.before")
    manifest.publish()
    faults.reach("repair.full-text.switch.after")
    lexical.remove(os.path.join(directory, old))
    faults.reach("repair.full-text.end")


def write_full_text(target: str, manifest: Manifest) -> None:
    """Write a full text of the stored texts into a folder that nothing refers to yet."""
    writer = LexicalWriter(target, heap=HEAP)
    for file in manifest.all_files():
        faults.reach("repair.full-text.file", file.path)
        path, flags = path_document(file.path), flag_terms(file.flags)
        text = unpack(*manifest.content(file.id)[:2]).text
        for chunk in manifest.chunks_of(file):
            made = document_of(text, chunk.start, chunk.end, (d.name for d in chunk.definitions))
            writer.add(
                ChunkTerms(chunk.id, file.id, made.body, made.names, path, file.language, chunk.kind, flags)
            )
    faults.reach("repair.full-text.before")
    writer.commit()
    writer.close()
    faults.reach("repair.full-text.after")


def _mend_vectors(manifest: ManifestWriter) -> None:
    """Keep the intact segments; every chunk that lost its vector waits for one."""
    rows = manifest.chunk_kinds()
    published = np.asarray([i for i, _ in rows], np.int64)
    kind_of = dict(rows)
    names: dict[int, str] = {}
    have = np.zeros(0, np.int64)
    kept: list[tuple[SegmentRow, Segment]] = []
    for name, segment in check.intact_segments(manifest):
        ids = np.array(segment.ids)
        alive = np.isin(ids, published)
        if np.isin(ids[alive], have).any():
            continue  # a vector twice: what only this one has is made again
        pairs = {
            *zip(segment.kinds[alive].tolist(), map(kind_of.__getitem__, ids[alive].tolist()), strict=True)
        }
        codes = {**names, **dict(pairs)}
        if any(codes[code] != kind for code, kind in pairs if code < MAX_KINDS):
            continue  # kinds of another numbering
        names = codes
        have = np.concatenate([have, ids[alive]])
        kept.append((SegmentRow(name, len(ids), 0, int(ids[0]), int(ids[-1])), segment))
    manifest.start()
    manifest.replace_segments(manifest.segments(), [row for row, _ in kept])
    for row, segment in kept:
        _set_dead(manifest, row.name, segment, published)
    manifest.remove_pending(have.tolist())
    manifest.remove_stray_pending()
    manifest.add_pending(np.setdiff1d(published, have).tolist())
    manifest.set_kinds(_kinds(manifest.kinds(), names))
    faults.reach("repair.vectors.switch.before")
    manifest.publish()
    faults.reach("repair.vectors.switch.after")


def _kinds(noted: list[str], carried: dict[int, str]) -> list[str]:
    """Return the names of kinds by the code that the vectors carry; an unused code gets a placeholder."""
    out = list(noted) + [""] * (max(carried, default=-1) + 1 - len(noted))
    for code, kind in carried.items():
        out[code] = kind
    for code, kind in enumerate(out):
        if not kind or (code not in carried and kind in carried.values()):
            out[code] = f"?{code}"
    return out
