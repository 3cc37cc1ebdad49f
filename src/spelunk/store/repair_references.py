"""Make lost references again from the stored texts. The writer's lock is held."""

from __future__ import annotations

from collections.abc import Iterator

from spelunk import faults
from spelunk.chunk import parse
from spelunk.chunk.relations import relations
from spelunk.config import Options
from spelunk.errors import IndexCorruptError
from spelunk.store.check_references import Compared
from spelunk.store.manifest import VARIABLES
from spelunk.store.manifest_references import pack_files
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.records import FileRow, ReferenceSegmentRow
from spelunk.store.reference_merge import MAX_MERGED_ROWS
from spelunk.store.reference_writer import ReferenceCollector
from spelunk.store.relation_pack import Packer, row_count
from spelunk.store.texts import unpack
from spelunk.types import Document


def mend_references(manifest: ManifestWriter, found: Compared, options: Options) -> list[str]:
    """Keep the intact segments, and write the rows that are missing to new ones.

    Args:
        manifest: No transaction is open.
        found: What was compared with the manifest as it is now.
        options: The settings with which the files were indexed.

    Returns:
        Paths of files whose references cannot be made from what is stored; they have to be read again.
    """
    manifest.begin_intent("merge")
    failed: list[str] = []
    made = [*_made_again(manifest, found.lost, options, failed)]
    manifest.start()
    manifest.replace_references(
        manifest.reference_segments(), [*(row._replace(dead=0) for row, _ in found.kept), *made]
    )
    for (row, counts), dead in zip(found.kept, found.dead, strict=True):
        manifest.set_dead_references(row.name, pack_files(dead), sum(counts[f] for f in dead))
    faults.reach("repair.references.switch.before")
    manifest.publish()
    faults.reach("repair.references.switch.after")
    return failed


def _made_again(
    manifest: ManifestWriter, lost: list[int], options: Options, failed: list[str]
) -> Iterator[ReferenceSegmentRow]:
    """Write the references of files to segments, each of a bounded number of rows."""
    packer, collected, first = Packer(), ReferenceCollector(), 0
    for start in range(0, len(lost), VARIABLES):
        for number, file in sorted(manifest.files(lost[start : start + VARIABLES]).items()):
            rows = _rows_of(manifest, file, packer, options)
            if rows is None:
                failed.append(file.path)
                continue
            first = first or number
            collected.add(number, rows)
            if collected.rows >= MAX_MERGED_ROWS:
                yield from collected.write(manifest.directory, manifest.reference_name(first))
                collected, first = ReferenceCollector(), 0
    yield from collected.write(manifest.directory, manifest.reference_name(first))


def _rows_of(manifest: ManifestWriter, file: FileRow, packer: Packer, options: Options) -> bytes | None:
    """The packed references of a file; None where its text does not give as many as were recorded."""
    content = manifest.content(file.id)
    try:
        text = unpack(content.text, content.line_map)
    except IndexCorruptError:
        return None
    lines = None if text.line_map is None else tuple(text.line_map)
    document = Document(
        file.path, text.text, file.digest, file.language, file.encoding, file.size, file.flags, lines
    )
    rows = packer.references(relations(parse(document, options)))
    return rows if row_count(rows) == content.reference_rows else None
