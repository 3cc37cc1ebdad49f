"""Do the stores and the manifest agree? Proof, and repair with the least work.

What each finding costs to mend:

==================  =====================================================
manifest damaged    everything: the index is rebuilt
a text damaged      that file is read and chunked again
full text           rebuilt from the stored texts, without parsing
vectors             made again for the chunks that lost theirs, from the
                    stored texts; intact ones are kept. A chunk that is
                    noted as pending lacks its vector rightly
leftovers           deleted
==================  =====================================================
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from spelunk.errors import IndexCorruptError, IndexError_, IndexMissingError, SpelunkError
from spelunk.store.layout import VECTORS, lexical_name
from spelunk.store.lexical import LexicalReader
from spelunk.store.lock import holder
from spelunk.store.manifest import Manifest, SegmentRow
from spelunk.store.texts import unpack

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MANIFEST_DAMAGED: Final = "manifest"
TEXT: Final = "text"
FULL_TEXT: Final = "full-text"
VECTOR: Final = "vectors"
LEFTOVER: Final = "leftover"


@dataclass(frozen=True, slots=True)
class Problem:
    """One disagreement.

    Attributes:
        what: ``manifest``, ``text``, ``full-text``, ``vectors`` or ``leftover``.
        where: The file or path it concerns.
        detail: One line for people.
        repaired: Whether it was mended.
    """

    what: str
    where: str
    detail: str
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found.

    Attributes:
        ok: Nothing is wrong, or all that was is mended.
        problems: Every disagreement.
        files: Files in the manifest.
        chunks: Chunks in the manifest.
        vectors: Vectors of those chunks.
        pending: Chunks whose vector is still to be made, or was refused.
    """

    ok: bool
    problems: tuple[Problem, ...]
    files: int
    chunks: int
    vectors: int
    pending: int = 0

    def mended(self) -> CheckReport:
        """The same with every problem marked as repaired."""
        return replace(self, ok=True, problems=tuple(replace(p, repaired=True) for p in self.problems))


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
        found, vectors = _vectors(manifest)
        problems += [*_texts(manifest), *_full_text(manifest), *found, *_leftovers(manifest)]
        return CheckReport(not problems, tuple(problems), files, chunks, vectors, sum(manifest.pending()))
    except IndexCorruptError as error:
        return CheckReport(False, (Problem(MANIFEST_DAMAGED, "manifest.sqlite", str(error)),), 0, 0, 0)
    finally:
        manifest.end()
        manifest.close()


def _manifest(manifest: Manifest) -> Iterator[Problem]:
    try:
        rows = manifest.db.execute("PRAGMA integrity_check(5)").fetchall()
    except sqlite3.Error as error:
        yield Problem(MANIFEST_DAMAGED, "manifest.sqlite", f"cannot be read: {error}")
        return
    if rows != [("ok",)]:
        detail = "; ".join(str(r[0]).replace("\n", " ") for r in rows[:3])
        yield Problem(MANIFEST_DAMAGED, "manifest.sqlite", f"integrity check: {detail}")
        return
    counted = (
        "SELECT f.id, f.chunks, count(c.id) n FROM files f LEFT JOIN chunks c ON c.file = f.id GROUP BY f.id"
    )
    wrong = manifest.all(f"SELECT count(*) FROM ({counted}) WHERE chunks <> n")[0][0]
    orphans = manifest.all("SELECT count(*) FROM chunks WHERE file NOT IN (SELECT id FROM files)")[0][0]
    if wrong or orphans:
        yield Problem(
            MANIFEST_DAMAGED,
            "manifest.sqlite",
            f"{wrong} files with a wrong count of chunks, {orphans} orphan chunks",
        )


def _texts(manifest: Manifest) -> Iterator[Problem]:
    for row in manifest.all_files():
        try:
            text = unpack(*manifest.content(row.id))
            last = manifest.all("SELECT coalesce(max(end), 0) FROM chunks WHERE file = ?", (row.id,))[0][0]
            if last > len(text.text):
                raise IndexCorruptError(f"text of {len(text.text)} characters, chunks up to {last}")
        except IndexCorruptError as error:
            yield Problem(TEXT, row.path, str(error))


def _full_text(manifest: Manifest) -> Iterator[Problem]:
    """Exactly the published chunks, and those waiting to be purged, are in the full text."""
    name = lexical_name(manifest)
    try:
        reader = LexicalReader(os.path.join(manifest.directory, name))
        held = reader.all_ids()
    except (IndexCorruptError, ValueError, OSError) as error:
        yield Problem(FULL_TEXT, name, str(error).split("\n", 1)[0])
        return
    published = {i for (i,) in manifest.all("SELECT id FROM chunks")}
    missing = published - set(held)
    extra = set(held) - published
    if manifest.all("SELECT 1 FROM purges LIMIT 1") or manifest.all("SELECT 1 FROM intents LIMIT 1"):
        extra = set()  # a writer died before it tidied up; the next one does
    if extra and _others_write(manifest.directory):
        extra = set()  # committed for a generation that is not published yet
    if missing or extra or len(held) != len(set(held)):
        twice = len(held) - len(set(held))
        yield Problem(FULL_TEXT, name, f"{len(missing)} chunks missing, {len(extra)} too many, {twice} twice")
        return
    damaged = reader.damaged_files()
    if damaged:
        yield Problem(FULL_TEXT, name, f"damaged: {', '.join(damaged[:3])}")


def _vectors(manifest: Manifest) -> tuple[list[Problem], int]:
    """Every segment has the bytes it was written with, and every chunk that is not pending a vector."""
    import numpy as np

    from spelunk.store.vectors import Segment

    problems: list[Problem] = []
    held: list[NDArray[np.int64]] = []
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
        held.append(np.array(segment.ids))
    have = np.concatenate(held) if held else np.zeros(0, np.int64)
    published = np.asarray([i for (i,) in manifest.all("SELECT id FROM chunks ORDER BY id")], np.int64)
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
    dead = len(have) - int(alive.sum())
    noted = sum(s.dead for s in manifest.segments())
    if dead != noted and not problems:
        problems.append(Problem(VECTOR, VECTORS, f"{dead} rows of replaced chunks, {noted} noted"))
    return problems, int(alive.sum())


def _waiting(manifest: Manifest) -> list[int]:
    if not any(manifest.pending()):
        return []
    return [i for (i,) in manifest.all("SELECT chunk FROM pending ORDER BY chunk")]


def _leftovers(manifest: Manifest) -> list[Problem]:
    if manifest.all("SELECT 1 FROM intents LIMIT 1"):
        return []  # of a writer that died: the next one tidies up
    listed = {s.name for s in manifest.segments()}
    folder = os.path.join(manifest.directory, VECTORS)
    vectors = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    found = [
        Problem(LEFTOVER, f"{VECTORS}/{name}", "vectors that no generation refers to")
        for name in vectors
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


def intact_segments(manifest: Manifest) -> list[SegmentRow]:
    """The segments whose bytes are what was written."""
    from spelunk.store.vectors import Segment

    out: list[SegmentRow] = []
    for row in manifest.segments():
        try:
            if Segment(os.path.join(manifest.directory, VECTORS, row.name), row.rows).intact():
                out.append(row)
        except SpelunkError:
            continue
    return out
