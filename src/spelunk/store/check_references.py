"""Compare the reference segments with the manifest, byte for byte and file for file."""

from __future__ import annotations

from typing import Final, NamedTuple

from spelunk.errors import IndexCorruptError
from spelunk.observe.check_report import Problem
from spelunk.store.manifest import Manifest
from spelunk.store.manifest_references import unpack_files
from spelunk.store.paths import GRAPH
from spelunk.store.records import ReferenceSegmentRow
from spelunk.store.reference_segment import ReferenceSegment, reference_path
from spelunk.store.relation_queries import files_by_path, files_with_content, reference_rows

REFERENCES: Final = "references"
"""What a problem of the reference segments is called."""


class Compared(NamedTuple):
    """The reference segments as compared with the manifest.

    Attributes:
        problems: What does not agree.
        kept: Segments whose bytes are what was written, each with the rows of its files.
        dead: For each of them the files that are not taken from it: those that are gone, those
            whose rows another segment has too, and those with another number of rows than recorded.
        lost: Files whose rows are in none of them.
    """

    problems: list[Problem]
    kept: list[tuple[ReferenceSegmentRow, dict[int, int]]]
    dead: list[set[int]]
    lost: list[int]


def compare_references(manifest: Manifest) -> Compared:
    """Read every reference segment whole."""
    problems: list[Problem] = []
    kept: list[tuple[ReferenceSegmentRow, dict[int, int]]] = []
    noted: list[frozenset[int]] = []
    tombstones = manifest.dead_references()
    for row in manifest.reference_segments():
        name = f"{GRAPH}/{row.name}"
        try:
            segment = ReferenceSegment(reference_path(manifest.directory, row.name), row.rows)
            if not segment.intact():
                raise IndexCorruptError("contents differ from what was written")
            counts = segment.counts
            if not counts or (min(counts), max(counts)) != (row.first_file, row.last_file):
                raise IndexCorruptError("another segment's references")
        except IndexCorruptError as error:
            problems.append(Problem(REFERENCES, name, str(error)))
            continue
        kept.append((row, counts))
        try:
            noted.append(unpack_files(tombstones.get(row.name)))
        except IndexCorruptError as error:
            problems.append(Problem(REFERENCES, name, str(error)))
            noted.append(frozenset())
    there, with_content = {*files_by_path(manifest)}, files_with_content(manifest)
    wanted = {file: rows for file, rows in reference_rows(manifest).items() if file in there}
    # Of a file that lost its row in `contents` nothing is known; it is read again, and its rows stay until then.
    unknown = there - with_content
    have: set[int] = set()
    dead: list[set[int]] = []
    for (row, counts), known in zip(kept, noted, strict=True):
        live = {f for f, n in counts.items() if f in unknown or (wanted.get(f) == n and f not in have)}
        have |= live
        dead.append(counts.keys() - live)
        if dead[-1] != known or row.dead != sum(counts[f] for f in dead[-1]):
            detail = f"{len(dead[-1] ^ known)} files wrongly recorded as dead or live"
            problems.append(Problem(REFERENCES, f"{GRAPH}/{row.name}", detail))
    lost = sorted(wanted.keys() - have)
    if lost and not problems:
        problems.append(Problem(REFERENCES, GRAPH, f"{len(lost)} files without their references"))
    return Compared(problems, kept, dead, lost)
