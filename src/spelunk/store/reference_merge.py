"""Keep the number of reference segments small by merging them, as :mod:`spelunk.store.merge` does vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from spelunk import faults
from spelunk.store.manifest_references import pack_files, retained_files, unpack_files
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.merge import end_merge, to_merge
from spelunk.store.records import ReferenceSegmentRow
from spelunk.store.reference_segment import ReferenceSegment, reference_path
from spelunk.store.reference_writer import ReferenceCollector

MAX_MERGED_ROWS: Final = 1 << 20
"""Rows of a merged segment at most: merging holds them in memory, 60 bytes each."""


def compact_references(manifest: ManifestWriter) -> None:
    """Merge the newest reference segments where there are many, and rewrite those mostly dead."""
    for group in to_merge(manifest.reference_segments(), MAX_MERGED_ROWS):
        _merge(manifest, group)
    for row in manifest.reference_segments():
        if row.dead * 2 > row.rows and _dropped(manifest, row) * 2 > row.rows:
            _merge(manifest, [row])


def _dropped(manifest: ManifestWriter, row: ReferenceSegmentRow) -> int:
    """Rows that a merge of a segment would drop: dead, and of no retained file."""
    dead = unpack_files(manifest.dead_references().get(row.name)) - retained_files(manifest)
    counts = ReferenceSegment(reference_path(manifest.directory, row.name), row.rows).counts
    return sum(counts[file] for file in dead)


def _merge(manifest: ManifestWriter, group: Sequence[ReferenceSegmentRow]) -> None:
    dead, collected = manifest.dead_references(), ReferenceCollector()
    retained = retained_files(manifest)
    paths = [reference_path(manifest.directory, row.name) for row in group]
    for row, path in zip(group, paths, strict=True):
        collected.add_segment(ReferenceSegment(path, row.rows), unpack_files(dead.get(row.name)) - retained)
    name = manifest.reference_name(group[0].first_file)
    faults.reach("references.merge.intent.before")
    manifest.begin_intent("merge", segment=name)
    faults.reach("references.merge.intent.after")
    merged = collected.write(manifest.directory, name)
    faults.reach("references.merge.written")
    manifest.start()
    manifest.replace_references(group, merged)
    for made in merged if retained else []:
        counts = ReferenceSegment(reference_path(manifest.directory, made.name), made.rows).counts
        still = retained & counts.keys()
        manifest.set_dead_references(made.name, pack_files(still), sum(counts[file] for file in still))
    faults.reach("references.merge.manifest.before")
    manifest.commit()
    faults.reach("references.merge.manifest.after")
    end_merge(manifest, paths)
