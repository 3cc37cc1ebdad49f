"""Here are vectors, make them part of a generation; keep their segments few.

Each step journals its intent, writes aside, and ends with one transaction of
the manifest. Where chunks had to wait for their vectors, segments are written
out of the order of ids: the ranges of segments may overlap, their ids never do.
The writer's lock is held.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spelunk import faults
from spelunk.store.manifest import ManifestWriter, SegmentRow
from spelunk.store.paths import VECTORS
from spelunk.store.scan import Rows, Segment, write_segment

MAX_SEGMENTS: Final = 8
"""More vector segments than this are merged: each costs a search some 50 µs."""
MAX_MERGED_ROWS: Final = 131_072
"""Rows of a merged segment at most: merging holds them in memory, 40 MB of them."""
MIN_MERGED_ROWS: Final = 4_096
MERGE_FACTOR: Final = 4
"""A segment joins newer ones that hold at least a quarter of its rows: each row is copied
some log4 times in its life."""


def write(
    directory: str, name: str, ids: NDArray[np.int64], kinds: NDArray[np.uint8], parts: Sequence[Rows]
) -> SegmentRow:
    """Write a segment file; the manifest does not know of it yet.

    Args:
        ids: Chunk ids, ascending; not empty.
        kinds: Kind codes.
        parts: The vectors, in the order of ``ids``.
    """
    path = os.path.join(directory, VECTORS, name)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    write_segment(path, ids, kinds, parts, parts[0].codes.shape[1])
    return SegmentRow(name, len(ids), 0, int(ids[0]), int(ids[-1]))


def begin(manifest: ManifestWriter, what: str, segment: str | None) -> None:
    """Journal what is going to be done; whoever comes after a crash removes what was left."""
    manifest.run(
        "INSERT INTO intents (what, first_chunk, segment, started) VALUES (?, NULL, ?, ?)",
        (what, segment, time.time()),
    )


def change_embedder(manifest: ManifestWriter, embedder: str) -> None:
    """Publish a generation without vectors, in which every chunk waits for one of this embedder.

    No other intent is under way.
    """
    old = [s.name for s in manifest.segments()]
    begin(manifest, "embedder", None)
    faults.reach("embedder.begin")
    manifest.start()
    manifest.run("DELETE FROM segments")
    manifest.run("DELETE FROM pending")
    manifest.run("INSERT INTO pending (chunk) SELECT id FROM chunks")
    manifest.set_meta("embedder", embedder)
    manifest.set_meta("merges", int(manifest.meta("merges", 0)) + 1)
    manifest.publish([], settled=False)
    faults.reach("embedder.end")
    _unlink(manifest, old)


def add(
    manifest: ManifestWriter,
    ids: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    parts: Sequence[Rows],
    refused: Sequence[tuple[int, str]],
) -> None:
    """Publish vectors of chunks that waited for them, and say of which none can be made.

    Args:
        ids: Pending chunks, ascending; may be empty.
        kinds: Their kind codes.
        parts: Their vectors.
        refused: Pending chunks and why they are given up.
    """
    name = f"{int(ids[0]) if len(ids) else 0:012d}-g{manifest.generation + 1}.vec"
    begin(manifest, "fill", name)
    faults.reach("fill.intent")
    rows = [write(manifest.directory, name, ids, kinds, parts)] if len(ids) else []
    faults.reach("fill.vectors")
    manifest.start()
    manifest.many("DELETE FROM pending WHERE chunk = ?", ((i,) for i in ids.tolist()))
    manifest.many("UPDATE pending SET refused = ? WHERE chunk = ?", ((why, i) for i, why in refused))
    manifest.publish(rows)
    faults.reach("fill.end")


def compact(manifest: ManifestWriter) -> None:
    """Merge the newest vector segments where there are many, and rewrite those mostly dead.

    A segment is merged only with others that make up a good part of it: an
    update of a few files does not copy a large index.
    """
    rows = manifest.segments()
    if len(rows) > MAX_SEGMENTS:
        group: list[SegmentRow] = []
        total = 0
        for s in reversed(rows):
            if s.rows > max(MIN_MERGED_ROWS, MERGE_FACTOR * total) or total + s.rows > MAX_MERGED_ROWS:
                _merge(manifest, group)
                group, total = [], 0
            group.insert(0, s)
            total += s.rows
        _merge(manifest, group)
    for s in manifest.segments():
        if s.dead * 2 > s.rows:
            _merge(manifest, [s])


def _merge(manifest: ManifestWriter, group: list[SegmentRow]) -> None:
    if not group or (len(group) == 1 and not group[0].dead):
        return
    alive = _alive_ranges(manifest, min(s.first_chunk for s in group), max(s.last_chunk for s in group))
    parts: list[Rows] = []
    ids: list[NDArray[np.int64]] = []
    kinds: list[NDArray[np.uint8]] = []
    for s in group:
        segment = Segment(os.path.join(manifest.directory, VECTORS, s.name), s.rows)
        keep = _inside(segment.ids, alive)
        ids.append(segment.ids[keep])
        kinds.append(segment.kinds[keep])
        parts.append(segment.select(keep))
    all_ids, all_kinds = np.concatenate(ids), np.concatenate(kinds)
    if np.any(all_ids[1:] < all_ids[:-1]):  # their ranges overlap
        order = np.argsort(all_ids, kind="stable")
        all_ids, all_kinds = all_ids[order], all_kinds[order]
        parts = [
            Rows(
                np.concatenate([p.planes for p in parts], axis=1)[:, order],
                np.concatenate([p.scales for p in parts])[order],
                np.concatenate([p.codes for p in parts])[order],
            )
        ]
    m = manifest
    number = int(m.meta("merges", 0)) + 1
    name = f"{group[0].first_chunk:012d}-{number}.vec"
    faults.reach("merge.intent.before")
    begin(m, "merge", name)
    faults.reach("merge.intent.after")
    faults.reach("merge.vectors.before")
    rows = [write(m.directory, name, all_ids, all_kinds, parts)] if len(all_ids) else []
    faults.reach("merge.vectors.after")
    m.start()
    m.set_meta("merges", number)
    m.many("DELETE FROM segments WHERE name = ?", [(s.name,) for s in group])
    m.many("INSERT INTO segments VALUES (?, ?, ?, ?, ?)", rows)
    faults.reach("merge.manifest.before")
    m.commit()
    faults.reach("merge.manifest.after")
    _unlink(m, [s.name for s in group])


def _unlink(manifest: ManifestWriter, names: Sequence[str]) -> None:
    for name in names:
        faults.reach("merge.unlink", name)
        try:
            os.unlink(os.path.join(manifest.directory, VECTORS, name))
        except FileNotFoundError:
            pass
    faults.reach("merge.end.before")
    manifest.run("DELETE FROM intents")  # only now: it makes the next writer look for leftovers
    faults.reach("merge.end.after")


def _alive_ranges(manifest: ManifestWriter, first: int, last: int) -> NDArray[np.int64]:
    rows = manifest.all(
        "SELECT first_chunk, first_chunk + chunks FROM files "
        "WHERE chunks > 0 AND first_chunk + chunks > ? AND first_chunk <= ? ORDER BY first_chunk",
        (first, last),
    )
    return np.asarray(rows, np.int64).reshape(-1, 2)


def _inside(ids: NDArray[np.int64], ranges: NDArray[np.int64]) -> NDArray[np.intp]:
    """Row numbers of the ids that fall into one of the ascending, disjoint ranges."""
    if not len(ranges):
        return np.zeros(0, np.intp)
    at = np.searchsorted(ranges[:, 0], ids, side="right") - 1
    return np.flatnonzero((at >= 0) & (ids < ranges[np.maximum(at, 0), 1]))
