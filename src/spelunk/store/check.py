"""Do the stores and the manifest agree? Proof, and repair with the least work.

What each finding costs to mend:

==================  =====================================================
manifest damaged    everything: the index is rebuilt
a file's rows       that file is read and chunked again
full text           rebuilt from the stored texts, without parsing
vectors             made again for the chunks that lost theirs, from the
                    stored texts; intact ones are kept. A chunk that is
                    noted as pending lacks its vector rightly
leftovers, orphans  deleted
==================  =====================================================
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from spelunk.errors import IndexCorruptError, IndexError_, IndexMissingError, SpelunkError
from spelunk.store.full_text import LexicalReader
from spelunk.store.manifest import Manifest
from spelunk.store.packet import seal
from spelunk.store.paths import MAX_KINDS, VECTORS, lexical_name
from spelunk.store.schema import DAMAGE
from spelunk.store.tantivy_checksums import damaged_files
from spelunk.store.texts import unpack
from spelunk.store.writer_lock import holder
from spelunk.types import CheckReport, Problem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spelunk.store.scan import Segment

MANIFEST_DAMAGED: Final = "manifest"
TEXT: Final = "text"
FULL_TEXT: Final = "full-text"
VECTOR: Final = "vectors"
LEFTOVER: Final = "leftover"
ORPHANS: Final = "orphans"

PARTS: Final = ("chunks", "contents", "seals", "fields")
"""Tables whose rows belong to a file."""
OWNED: Final = "file IN (SELECT id FROM files)"
SEALED: Final = "start_line, end_line, start, end, kind, symbol, scope, definitions"
"""Columns of a chunk as :func:`spelunk.store.packet.seal` was given them."""


ATTEMPTS: Final = 20
"""Tries to look at the stores without a publish in between."""


def check(directory: str) -> CheckReport:
    """Read both stores whole and hold them against the manifest.

    A writer may be at work: a finding counts only if nothing was published,
    purged or merged while the stores were read.

    Raises:
        IndexMissingError: There is no index.
        IndexFormatError: It is a newer Spelunk's.
    """
    for _ in range(ATTEMPTS):
        before = _marks(directory)
        report = _check(directory)
        if report.ok or before == _marks(directory):
            return report
    return report


def _marks(directory: str) -> tuple[object, ...]:
    """What changes whenever a writer changes something."""
    try:
        manifest = Manifest(directory)
    except IndexError_:
        return ()
    try:
        return tuple(manifest.meta(key, 0) for key in ("generation", "purge", "merges", "lexical", "purged"))
    except IndexError_:
        return ()
    finally:
        manifest.close()


def _check(directory: str) -> CheckReport:
    try:
        manifest = Manifest(directory)
    except IndexCorruptError as error:
        return CheckReport(False, (Problem(MANIFEST_DAMAGED, "manifest.sqlite", str(error)),), 0, 0, 0)
    except IndexMissingError:
        if not os.path.isdir(os.path.join(directory, VECTORS)):
            raise
        problem = Problem(MANIFEST_DAMAGED, "manifest.sqlite", "missing, and both stores are there")
        return CheckReport(False, (problem,), 0, 0, 0)
    try:
        manifest.begin()
        problems = list(_manifest(manifest))
        if problems:
            return CheckReport(False, tuple(problems), 0, 0, 0)
        files, chunks = manifest.counts()
        found, alive = vectors(manifest)
        problems += [*_texts(manifest), *_orphans(manifest), *_full_text(manifest)]
        problems += [*found, *_leftovers(manifest)]
        return CheckReport(not problems, tuple(problems), files, chunks, alive, sum(manifest.pending()))
    except IndexCorruptError as error:
        return CheckReport(False, (Problem(MANIFEST_DAMAGED, "manifest.sqlite", str(error)),), 0, 0, 0)
    finally:
        manifest.end()
        manifest.close()


def _manifest(manifest: Manifest) -> Iterator[Problem]:
    try:
        rows = manifest.db.execute("PRAGMA integrity_check(5)").fetchall()
    except DAMAGE as error:
        yield Problem(MANIFEST_DAMAGED, "manifest.sqlite", f"cannot be read: {error}")
        return
    if rows != [("ok",)]:
        detail = "; ".join(str(r[0]).replace("\n", " ") for r in rows[:3])
        yield Problem(MANIFEST_DAMAGED, "manifest.sqlite", f"integrity check: {detail}")
        return
    for table, column in (("chunks", "id"), ("files", "id")):
        highest = manifest.all(f"SELECT coalesce(max({column}), 0) FROM {table}")[0][0]
        following = manifest.meta(f"next_{table[:-1]}", 1)
        if not isinstance(following, int) or highest >= following:
            yield Problem(
                MANIFEST_DAMAGED, "manifest.sqlite", f"{table} up to {highest}, and the next is {following}"
            )


def _orphans(manifest: Manifest) -> Iterator[Problem]:
    """Rows that belong to no file."""
    for table in PARTS:
        count = manifest.all(f"SELECT count(*) FROM {table} WHERE file NOT IN (SELECT id FROM files)")[0][0]
        if count:
            yield Problem(ORPHANS, "manifest.sqlite", f"{count} {table} of no file")


def _texts(manifest: Manifest) -> Iterator[Problem]:
    """Every file's rows are what was written, and its text is whole."""
    seals = dict(manifest.all("SELECT file, seal FROM seals"))
    encodings = dict(manifest.all("SELECT id, encoding FROM files"))
    for row in manifest.all_files():
        try:
            stored, lines = manifest.content(row.id)
            text = unpack(stored, lines)
            chunks = manifest.all(f"SELECT id, {SEALED} FROM chunks WHERE file = ? ORDER BY id", (row.id,))
            fields = manifest.all(
                "SELECT chunk - ?, key, value FROM fields WHERE file = ? ORDER BY rowid",
                (row.first_chunk, row.id),
            )
            if [c[0] for c in chunks] != list(range(row.first_chunk, row.first_chunk + row.chunks)):
                raise IndexCorruptError(f"{len(chunks)} chunks, {row.chunks} noted")
            last = max((c[4] for c in chunks), default=0)
            if last > len(text.text):
                raise IndexCorruptError(f"text of {len(text.text)} characters, chunks up to {last}")
            about = (row.path, row.digest, row.language, int(row.flags), encodings[row.id], row.lines)
            if seals.get(row.id) != seal(about, [c[1:] for c in chunks], fields, stored, lines):
                raise IndexCorruptError("rows differ from what was written")
        except (IndexCorruptError, TypeError, ValueError) as error:
            yield Problem(TEXT, row.path, str(error))


def _full_text(manifest: Manifest) -> Iterator[Problem]:
    """Exactly the published chunks, and those waiting to be purged, are in the full text."""
    name = lexical_name(manifest)
    # Before it is opened: what the engine does with a file that is not what it wrote is its own affair.
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
    published = {i for (i,) in manifest.all(f"SELECT id FROM chunks WHERE {OWNED}")}
    missing = published - set(held)
    extra = set(held) - published
    if manifest.all("SELECT 1 FROM purges LIMIT 1") or manifest.all("SELECT 1 FROM intents LIMIT 1"):
        extra = set()  # a writer died before it tidied up; the next one does
    if extra and _others_write(manifest.directory):
        extra = set()  # committed for a generation that is not published yet
    if missing or extra or len(held) != len(set(held)):
        twice = len(held) - len(set(held))
        yield Problem(FULL_TEXT, name, f"{len(missing)} chunks missing, {len(extra)} too many, {twice} twice")


def vectors(manifest: Manifest) -> tuple[list[Problem], int]:
    """Every segment has the bytes it was written with, and every chunk that is not pending a vector.

    Returns:
        What is wrong, and how many chunks have a vector.
    """
    import numpy as np

    from spelunk.store.scan import Segment

    problems: list[Problem] = []
    held: list[NDArray[np.int64]] = []
    kinds: list[NDArray[np.uint8]] = []
    for row in manifest.segments():
        name = f"{VECTORS}/{row.name}"
        try:
            segment = Segment(os.path.join(manifest.directory, name), row.rows)
        except IndexCorruptError as error:
            problems.append(Problem(VECTOR, name, str(error)))
            continue
        if not segment.intact():
            problems.append(Problem(VECTOR, name, "contents differ from what was written"))
            continue
        if segment.rows and (segment.ids[0], segment.ids[-1]) != (row.first_chunk, row.last_chunk):
            problems.append(Problem(VECTOR, name, "another segment's vectors"))
            continue
        held.append(np.array(segment.ids))
        kinds.append(np.array(segment.kinds))
    have = np.concatenate(held) if held else np.zeros(0, np.int64)
    rows = manifest.all(f"SELECT id, kind FROM chunks WHERE {OWNED} ORDER BY id")
    published = np.asarray([i for i, _ in rows], np.int64)
    alive = np.isin(published, have)
    waiting = np.asarray(_waiting(manifest), np.int64)
    lacking = len(np.setdiff1d(published[~alive], waiting))
    if lacking and not problems:
        problems.append(Problem(VECTOR, VECTORS, f"{lacking} chunks without a vector"))
    wrong = len(np.setdiff1d(waiting, published[~alive]))
    if wrong and not problems:
        problems.append(
            Problem(VECTOR, VECTORS, f"{wrong} chunks noted as pending that have a vector or are gone")
        )
    made = [row for row, there in zip(rows, alive.tolist(), strict=True) if there]
    if not problems and made and _other_kinds(manifest, made, have, np.concatenate(kinds)):
        problems.append(Problem(VECTOR, VECTORS, "kinds differ from those of the chunks"))
    dead = len(have) - int(alive.sum())
    noted = sum(s.dead for s in manifest.segments())
    if dead != noted and not problems:
        problems.append(Problem(VECTOR, VECTORS, f"{dead} rows of replaced chunks, {noted} noted"))
    return problems, int(alive.sum())


def _waiting(manifest: Manifest) -> list[int]:
    if not any(manifest.pending()):
        return []
    return [i for (i,) in manifest.all("SELECT chunk FROM pending ORDER BY chunk")]


def _other_kinds(
    manifest: Manifest, rows: list[tuple[int, str]], have: NDArray[np.int64], kinds: NDArray[np.uint8]
) -> bool:
    """Does a vector carry another kind than its chunk? Kinds beyond the 255th share a code.

    Args:
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
    if manifest.all("SELECT 1 FROM intents LIMIT 1"):
        return []  # of a writer that died: the next one tidies up
    listed = {s.name for s in manifest.segments()}
    folder = os.path.join(manifest.directory, VECTORS)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    found = [
        Problem(LEFTOVER, f"{VECTORS}/{name}", "vectors that no generation refers to")
        for name in names
        if name not in listed
    ]
    current = lexical_name(manifest)
    found += [
        Problem(LEFTOVER, name, "a full text that no generation refers to")
        for name in sorted(os.listdir(manifest.directory))
        if name.startswith("lexical-") and name != current
    ]
    return [] if _others_write(manifest.directory) else found


def _others_write(directory: str) -> bool:
    """Is a writer at work, whose files and documents no generation shows yet?

    Asked after the look at a store: a writer that began before it is at work
    still, or has published, and then the check is made again.
    """
    writer = holder(directory)
    return writer is not None and writer.get("pid") != os.getpid()


def intact_segments(manifest: Manifest) -> list[tuple[str, Segment]]:
    """Published segments, by name, whose bytes are what was written, whatever else the manifest says of them."""
    from spelunk.store.scan import Segment

    out: list[tuple[str, Segment]] = []
    for row in manifest.segments():
        try:
            segment = Segment(os.path.join(manifest.directory, VECTORS, row.name))
        except SpelunkError:
            continue
        if segment.rows and segment.intact():
            out.append((row.name, segment))
    return out
