"""Check that the stores and the manifest agree.

What a repair of each problem costs:

==================  =====================================================
manifest damaged    everything: the index is rebuilt
a file's rows       that file is read and chunked again
full text           rebuilt from the stored texts, without parsing
vectors             made again for the chunks that lost theirs, from the
                    stored texts; intact ones are kept. A chunk recorded as
                    pending has no vector, and that is no problem
references          made again for the files that lost theirs, by parsing the stored texts
retained versions   let go: such a file is read again when its content comes back
leftovers, orphans  deleted
==================  =====================================================
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from spelunk.config import DEFAULTS, LOCAL, Options
from spelunk.errors import IndexBusyError, IndexCorruptError, IndexMissingError, IndexStateError, SpelunkError
from spelunk.observe.check_report import CheckReport, Problem
from spelunk.store.check_references import compare_references
from spelunk.store.full_text import LexicalReader
from spelunk.store.leftovers import leftovers
from spelunk.store.location import refuse_remote, store_of
from spelunk.store.manifest import Manifest
from spelunk.store.manifest_retained import damaged_retained, retained_chunks
from spelunk.store.packet import FileFacts, row_checksum
from spelunk.store.paths import MANIFEST, MAX_KINDS, VECTORS, manifest_name
from spelunk.store.segment_file import segment_path
from spelunk.store.tantivy_checksums import damaged_files
from spelunk.store.texts import unpack
from spelunk.store.writer_lock import holder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spelunk.store.segment import Segment

MANIFEST_DAMAGED: Final = "manifest"
TEXT: Final = "text"
FULL_TEXT: Final = "full-text"
VECTOR: Final = "vectors"
LEFTOVER: Final = "leftover"
ORPHANS: Final = "orphans"
RETAINED: Final = "retained"


ATTEMPTS: Final = 20
"""Tries to read the stores without a publish in between."""


def check(directory: str, options: Options = DEFAULTS) -> CheckReport:
    """Read all stores whole and compare them with the manifest.

    Args:
        directory: The index directory.
        options: Where the chunks are kept, and how it is called.

    A writer may be at work: a problem counts only if nothing was published,
    purged or merged while the stores were read.

    Raises:
        IndexMissingError: There is no index, or it is of an older format.
        IndexFormatError: It is a newer Spelunk's.
        IndexBusyError: Another program holds a lock on the manifest.
    """
    for _ in range(ATTEMPTS):
        before = _marks(directory)
        report = _check(directory, options)
        if report.ok or before == _marks(directory):
            return report
    return report


def _marks(directory: str) -> tuple[object, ...]:
    """Return values that change whenever a writer changes something."""
    try:
        manifest = Manifest(directory)
    except IndexStateError:
        return ()
    try:
        keys = ("generation", "purge", "merges", "lexical", "purged")
        return (manifest.name, *(manifest.meta(key, 0) for key in keys))
    except IndexStateError:
        return ()
    finally:
        manifest.close()


def _check(directory: str, options: Options) -> CheckReport:
    name = manifest_name(directory) or MANIFEST
    try:
        manifest = Manifest(directory)
    except IndexCorruptError as error:
        return _damaged(name, str(error))
    except IndexMissingError:
        older = os.path.exists(path := os.path.join(directory, name)) and os.path.getsize(path)
        if older or not os.path.isdir(os.path.join(directory, VECTORS)):
            raise
        return _damaged(name, "missing or empty, and both stores are there")
    try:
        manifest.begin()
        problems = list(_manifest(manifest))
        if problems:
            return CheckReport(False, tuple(problems), 0, 0, 0)
        files, chunks = manifest.counts()
        problems += [*_texts(manifest), *_retained(manifest), *_orphans(manifest)]
        of_chunks, alive = _of_chunks(manifest, options)
        problems += [*of_chunks, *compare_references(manifest).problems, *_leftovers(manifest)]
        return CheckReport(not problems, tuple(problems), files, chunks, alive, sum(manifest.pending()))
    except IndexCorruptError as error:
        return _damaged(name, str(error))
    finally:
        manifest.end()
        manifest.close()


def _of_chunks(manifest: Manifest, options: Options) -> tuple[list[Problem], int]:
    """Compare the stores of terms and vectors with the manifest; also the number of chunks that have a vector."""
    if store_of(manifest) == LOCAL:
        of_vectors, alive = vectors(manifest)
        return [*_full_text(manifest), *of_vectors], alive
    if options.store == LOCAL:
        refuse_remote(manifest)
    from spelunk.store.qdrant.check import problems

    return problems(manifest, options)


def _damaged(name: str, detail: str) -> CheckReport:
    return CheckReport(False, (Problem(MANIFEST_DAMAGED, name, detail),), 0, 0, 0)


def _manifest(manifest: Manifest) -> Iterator[Problem]:
    try:
        errors = manifest.integrity_errors()
    except IndexBusyError:
        raise
    except SpelunkError as error:
        yield Problem(MANIFEST_DAMAGED, manifest.name, f"cannot be read: {error}")
        return
    if errors:
        yield Problem(MANIFEST_DAMAGED, manifest.name, f"integrity check: {'; '.join(errors[:3])}")
        return
    for table in ("chunks", "files"):
        highest, following = manifest.highest(table), manifest.meta(f"next_{table[:-1]}", 1)
        if not isinstance(following, int) or highest >= following:
            detail = f"{table} up to {highest}, and the next is {following}"
            yield Problem(MANIFEST_DAMAGED, manifest.name, detail)


def _orphans(manifest: Manifest) -> Iterator[Problem]:
    """Yield a problem for each table with rows that belong to no file."""
    for table, count in manifest.orphans().items():
        yield Problem(ORPHANS, manifest.name, f"{count} {table} of no file")


def _texts(manifest: Manifest) -> Iterator[Problem]:
    """Yield a problem for each file whose rows differ from what was written, or whose text is damaged."""
    checksums = manifest.checksums()
    for file in manifest.all_files():
        try:
            content = manifest.content(file.id)
            text = unpack(content.text, content.line_map)
            chunks = manifest.chunks_of(file)
            ids = [c.id for c in chunks]
            if ids != list(range(file.first_chunk, file.first_chunk + file.chunks)):
                raise IndexCorruptError(f"{len(chunks)} chunks, {file.chunks} recorded")
            if any(c.file != file.id for c in chunks):
                raise IndexCorruptError("chunks of another file")
            last = max((c.end for c in chunks), default=0)
            if last > len(text.text):
                raise IndexCorruptError(f"text of {len(text.text)} characters, chunks up to {last}")
            about = FileFacts(
                file.path, file.digest, file.language, int(file.flags), file.encoding, file.lines
            )
            written = row_checksum(
                about,
                [c._replace(id=c.id - file.first_chunk) for c in chunks],
                manifest.fields_of_file(file),
                *content,
            )
            if checksums.get(file.id) != written:
                raise IndexCorruptError("rows differ from what was written")
        except (IndexCorruptError, TypeError, ValueError, OverflowError) as error:
            yield Problem(TEXT, file.path, str(error))


def _retained(manifest: Manifest) -> Iterator[Problem]:
    """Yield a problem for each retained file version that is damaged."""
    for _, path, detail in damaged_retained(manifest):
        yield Problem(RETAINED, path or manifest.name, detail)


def _full_text(manifest: Manifest) -> Iterator[Problem]:
    """Yield a problem if the full text's ids differ from the published ones."""
    name = manifest.full_text_name
    # Before it is opened: the engine may crash on a file that is not what it wrote.
    damaged = damaged_files(os.path.join(manifest.directory, name))
    if damaged:
        yield Problem(FULL_TEXT, name, f"damaged: {', '.join(damaged[:3])}")
        return
    try:
        reader = LexicalReader(os.path.join(manifest.directory, name))
        held = reader.all_ids()
    except (IndexCorruptError, ValueError, OSError) as error:
        yield Problem(FULL_TEXT, name, str(error).split("\n", 1)[0])
        return
    published = {i for i, _ in manifest.chunk_kinds()}
    missing = published - set(held)
    extra = set(held) - published
    for first, chunks in retained_chunks(manifest):
        extra.difference_update(range(first, first + chunks))
    if manifest.unfinished():
        extra = set()  # of a writer that died; the next one removes them
    if extra and _others_write(manifest.directory):
        extra = set()  # committed for a generation that is not published yet
    if missing or extra or len(held) != len(set(held)):
        twice = len(held) - len(set(held))
        yield Problem(FULL_TEXT, name, f"{len(missing)} chunks missing, {len(extra)} too many, {twice} twice")


def vectors(manifest: Manifest) -> tuple[list[Problem], int]:
    """Compare the vector segments with the manifest, byte for byte and row for row.

    Returns:
        The problems, and the number of chunks that have a vector.
    """
    import numpy as np

    from spelunk.store.segment import Segment

    problems: list[Problem] = []
    held: list[NDArray[np.int64]] = []
    kinds: list[NDArray[np.uint8]] = []
    live: list[NDArray[np.bool_]] = []
    miscounted: list[str] = []
    tombstones = manifest.tombstones()
    for row in manifest.segments():
        name = f"{VECTORS}/{row.name}"
        try:
            path = segment_path(manifest.directory, row.name)
            segment = Segment(path, row.rows, tombstones.get(row.name))
            noted = segment.live()
        except (IndexCorruptError, TypeError, ValueError) as error:
            problems.append(Problem(VECTOR, name, str(error)))
            continue
        if not segment.intact():
            problems.append(Problem(VECTOR, name, "contents differ from what was written"))
            continue
        if segment.rows and (segment.ids[0], segment.ids[-1]) != (row.first_chunk, row.last_chunk):
            problems.append(Problem(VECTOR, name, "another segment's vectors"))
            continue
        if row.dead != segment.rows - int(noted.sum()):
            miscounted.append(name)
        held.append(np.array(segment.ids))
        kinds.append(np.array(segment.kinds))
        live.append(noted)
    have = np.concatenate(held) if held else np.zeros(0, np.int64)
    rows = manifest.chunk_kinds()
    published = np.asarray([i for i, _ in rows], np.int64)
    alive = np.isin(published, have)
    if problems:
        return problems, int(alive.sum())
    waiting = np.asarray(manifest.pending_chunks(refused=True), np.int64)
    lacking = len(np.setdiff1d(published[~alive], waiting))
    if lacking:
        problems.append(Problem(VECTOR, VECTORS, f"{lacking} chunks without a vector"))
    wrong = len(np.setdiff1d(waiting, published[~alive]))
    if wrong:
        problems.append(
            Problem(VECTOR, VECTORS, f"{wrong} chunks recorded as pending that have a vector or are gone")
        )
    made = [row for row, there in zip(rows, alive.tolist(), strict=True) if there]
    if not problems and made and _other_kinds(manifest, made, have, np.concatenate(kinds)):
        problems.append(Problem(VECTOR, VECTORS, "kinds differ from those of the chunks"))
    if not problems and held:
        wrong = int((np.isin(have, published) != np.concatenate(live)).sum())
        if wrong or miscounted:
            detail = f"{wrong} rows wrongly recorded as dead or live"
            problems.append(Problem(VECTOR, miscounted[0] if miscounted else VECTORS, detail))
    return problems, int(alive.sum())


def _other_kinds(
    manifest: Manifest, rows: list[tuple[int, str]], have: NDArray[np.int64], kinds: NDArray[np.uint8]
) -> bool:
    """Return whether a vector carries another kind than its chunk. Kinds beyond the 255th share a code.

    Args:
        manifest: Gives the names of kinds.
        rows: Chunks, each with a vector, and their kinds.
        have: The chunks of the vectors.
        kinds: Codes of the vectors' kinds.
    """
    import numpy as np

    code = {name: min(n, MAX_KINDS) for n, name in enumerate(manifest.kinds())}
    order = np.argsort(have)
    at = order[np.searchsorted(have[order], [i for i, _ in rows])]
    return bool((kinds[at] != np.asarray([code.get(kind, -1) for _, kind in rows])).any())


def _leftovers(manifest: Manifest) -> list[Problem]:
    if manifest.journalled():
        return []  # of a writer that died: the next one removes them
    problems = [Problem(LEFTOVER, name, "nothing refers to it") for name in leftovers(manifest)]
    return [] if problems and _others_write(manifest.directory) else problems


def _others_write(directory: str) -> bool:
    """Return whether another process writes, whose files and documents no generation shows yet.

    Checked after the stores were read: a writer that began before it is at work
    still, or has published, and then the check is made again.
    """
    writer = holder(directory)
    return writer is not None and writer.get("pid") != os.getpid()


def intact_segments(manifest: Manifest) -> list[tuple[str, Segment]]:
    """Return the published segments, by name, whose bytes are what was written."""
    from spelunk.store.segment import Segment

    out: list[tuple[str, Segment]] = []
    for row in manifest.segments():
        try:
            segment = Segment(segment_path(manifest.directory, row.name))
        except SpelunkError:
            continue
        if segment.rows and segment.intact():
            out.append((row.name, segment))
    return out
