"""Add vector segments to a generation, and keep their number small by merging them.

Each step journals its intent, writes beside, and ends with one transaction of
the manifest. Where chunks had to wait for their vectors, segments are written
out of the order of ids: the ranges of segments may overlap, their ids never do.
The writer's lock is held. A replaced segment's file is deleted at once: a
reader has mapped all segments of its generation before it trusts it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from spelunk import faults
from spelunk.store.manifest_retained import retained_chunks
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.records import ReferenceSegmentRow, SegmentRow
from spelunk.store.segment import Rows, Segment, pack_rows, write_segment
from spelunk.store.segment_file import segment_path

MAX_SEGMENTS: Final = 8
"""More vector segments than this are merged: each costs a search some 50 µs."""
MAX_MERGED_ROWS: Final = 131_072
"""Rows of a merged segment at most: merging holds them in memory, 40 MB of them."""
MIN_MERGED_ROWS: Final = 4_096
MERGE_FACTOR: Final = 4
"""A segment joins newer ones that hold at least a quarter of its rows: each row is copied
some log4 times in its life."""

Row = TypeVar("Row", SegmentRow, ReferenceSegmentRow)


def change_embedder(manifest: ManifestWriter, embedder: str) -> None:
    """Publish a generation without vectors, in which every chunk waits for one of this embedder.

    No other intent is under way.
    """
    old = manifest.segments()
    manifest.begin_intent("embedder")
    faults.reach("embedder.begin")
    manifest.start()
    manifest.drop_segments()
    manifest.make_all_pending()
    manifest.set_meta("embedder", embedder)
    manifest.publish(settled=False)
    faults.reach("embedder.end")
    end_merge(manifest, [segment_path(manifest.directory, s.name) for s in old])


def add(
    manifest: ManifestWriter,
    ids: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    parts: Sequence[Rows],
    refused: Sequence[tuple[int, str]],
) -> None:
    """Publish vectors of chunks that waited for them, and record of which none can be made.

    Args:
        manifest: No transaction is open.
        ids: Pending chunks, ascending; may be empty.
        kinds: Their kind codes.
        parts: Their vectors.
        refused: Pending chunks and why they are given up.
    """
    name = manifest.segment_name(int(ids[0]) if len(ids) else 0)
    manifest.begin_intent("fill", segment=name)
    faults.reach("fill.intent")
    rows = [write_segment(manifest.directory, name, ids, kinds, parts)] if len(ids) else []
    faults.reach("fill.vectors")
    manifest.start()
    manifest.remove_pending(ids.tolist())
    manifest.refuse(refused)
    manifest.publish(rows)
    faults.reach("fill.end")


def compact(manifest: ManifestWriter) -> None:
    """Merge the newest vector segments where there are many, and rewrite those mostly dead.

    A segment is merged only with others that make up a good part of it: an
    update of a few files does not copy a large index.
    """
    for group in to_merge(manifest.segments(), MAX_MERGED_ROWS):
        _merge(manifest, group)
    for s in manifest.segments():
        if s.dead * 2 > s.rows and _dropped(manifest, s) * 2 > s.rows:
            _merge(manifest, [s])


def _dropped(manifest: ManifestWriter, row: SegmentRow) -> int:
    """Rows that a merge of a segment would drop: dead, and of no retained version."""
    segment = Segment(
        segment_path(manifest.directory, row.name), row.rows, manifest.tombstones().get(row.name)
    )
    return int((~segment.live() & ~_retained(manifest, segment)).sum())


def _retained(manifest: ManifestWriter, segment: Segment) -> NDArray[np.bool_]:
    """One boolean a row: whether it belongs to a version that may be shown again."""
    spans = [(first, first + chunks) for first, chunks in retained_chunks(manifest)]
    return segment.inside(np.asarray(spans, np.int64).reshape(-1, 2))


def to_merge(rows: Sequence[Row], most: int) -> Iterator[list[Row]]:
    """Yield the groups of segments that are to be merged, each in its order.

    Args:
        rows: Segments, oldest first.
        most: Rows of a merged segment at most.
    """
    if len(rows) <= MAX_SEGMENTS:
        return
    groups: list[list[Row]] = [[]]
    total = 0
    for s in reversed(rows):
        if s.rows > max(MIN_MERGED_ROWS, MERGE_FACTOR * total) or total + s.rows > most:
            groups.append([])
            total = 0
        groups[-1].insert(0, s)
        total += s.rows
    yield from (group for group in groups if len(group) > 1 or any(s.dead for s in group))


def _merge(manifest: ManifestWriter, group: list[SegmentRow]) -> None:
    tombstones = manifest.tombstones()
    parts: list[Rows] = []
    ids: list[NDArray[np.int64]] = []
    kinds: list[NDArray[np.uint8]] = []
    for s in group:
        segment = Segment(segment_path(manifest.directory, s.name), s.rows, tombstones.get(s.name))
        live = segment.live() | _retained(manifest, segment)
        ids.append(segment.ids[live])
        kinds.append(segment.kinds[live])
        parts.append(segment.select(live))
    all_ids, all_kinds = np.concatenate(ids), np.concatenate(kinds)
    if np.any(all_ids[1:] < all_ids[:-1]):  # their ranges overlap
        order = np.argsort(all_ids, kind="stable")
        all_ids, all_kinds = all_ids[order], all_kinds[order]
        parts = [Rows.concat(parts).take(order)]
    name = manifest.segment_name(group[0].first_chunk)
    faults.reach("merge.intent.before")
    manifest.begin_intent("merge", segment=name)
    faults.reach("merge.intent.after")
    faults.reach("merge.vectors.before")
    rows = [write_segment(manifest.directory, name, all_ids, all_kinds, parts)] if len(all_ids) else []
    faults.reach("merge.vectors.after")
    manifest.start()
    manifest.replace_segments(group, rows)
    for made in rows:
        merged = Segment(segment_path(manifest.directory, made.name), made.rows)
        dead = _retained(manifest, merged)
        if dead.any():
            manifest.set_tombstones(made.name, pack_rows(dead), int(dead.sum()))
    faults.reach("merge.manifest.before")
    manifest.commit()
    faults.reach("merge.manifest.after")
    end_merge(manifest, [segment_path(manifest.directory, s.name) for s in group])


def end_merge(manifest: ManifestWriter, replaced: Sequence[str]) -> None:
    """Delete the files of segments that no generation refers to any more, and end the intent."""
    for path in replaced:
        faults.reach("merge.unlink", path)
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
    faults.reach("merge.end.before")
    manifest.end_intents()  # only now: an intent makes the next writer look for leftovers
    faults.reach("merge.end.after")
