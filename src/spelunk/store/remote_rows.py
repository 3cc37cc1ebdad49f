"""Rows of the manifest that only an index with a remote store has: term counts, and retired files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from spelunk.store.manifest import VARIABLES, Manifest
from spelunk.store.manifest_writer import ManifestWriter

TABLES: Final = {
    "terms": """
CREATE TABLE IF NOT EXISTS terms (
  field TEXT NOT NULL, term TEXT NOT NULL, chunks INTEGER NOT NULL, PRIMARY KEY (field, term)
) WITHOUT ROWID""",
    "file_terms": "CREATE TABLE IF NOT EXISTS file_terms (file INTEGER PRIMARY KEY, counts BLOB NOT NULL)",
    "retired": "CREATE TABLE IF NOT EXISTS retired (file INTEGER PRIMARY KEY, at REAL NOT NULL)",
}
"""``retired``: file versions that no generation shows since ``at``, whose points are still there."""

TermCount = tuple[str, str, int]
"""A field, a term, and the number of chunks that have it."""


# Reading


def term_counts(manifest: Manifest) -> list[TermCount]:
    """Every stored count."""
    return manifest.all("SELECT field, term, chunks FROM terms")


def counts_of_terms(manifest: Manifest, terms: Sequence[str], field: str) -> Iterator[tuple[str, int]]:
    """Those of these terms that a field has, with their counts."""
    for n in range(0, len(terms), VARIABLES):
        part = terms[n : n + VARIABLES]
        marks = ",".join("?" * len(part))
        yield from manifest.all(
            f"SELECT term, chunks FROM terms WHERE field = ? AND term IN ({marks})", (field, *part)
        )


def counts_between(manifest: Manifest, first: str, behind: str, field: str) -> list[tuple[str, int]]:
    """The terms of a field from ``first`` up to ``behind``, that left out; all terms where ``first`` is ""."""
    if not first:
        return manifest.all("SELECT term, chunks FROM terms WHERE field = ?", (field,))
    return manifest.all(
        "SELECT term, chunks FROM terms WHERE field = ? AND term >= ? AND term < ?", (field, first, behind)
    )


def terms_with(manifest: Manifest, part: str, field: str, *, at_end: bool) -> set[str]:
    """The terms of a field that hold a text, or end in it."""
    place = "substr(term, -length(?2)) = ?2" if at_end else "instr(term, ?2) > 0"
    rows = manifest.all(f"SELECT term FROM terms WHERE field = ?1 AND {place}", (field, part))
    return {term for (term,) in rows}


def packed_counts(manifest: Manifest, file: int | None = None) -> list[bytes]:
    """The packed counts of one file version, or of every published one."""
    if file is not None:
        rows = manifest.all("SELECT counts FROM file_terms WHERE file = ?", (file,))
    else:
        rows = manifest.all("SELECT counts FROM file_terms WHERE file IN (SELECT id FROM files)")
    return [data for (data,) in rows]


def counted_files(manifest: Manifest) -> set[int]:
    """The file versions that have counts."""
    return {file for (file,) in manifest.all("SELECT file FROM file_terms")}


def cut_digest(manifest: Manifest, file: int) -> bytes:
    """The digest over content and cuts of a file version that is there."""
    return bytes(manifest.all("SELECT cut_digest FROM files WHERE id = ?", (file,))[0][0])


def chunk_digests(manifest: Manifest, chunks: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Chunks of the generation, and the digest over content and cuts of their files."""
    return manifest._by_id(
        "SELECT c.id, f.cut_digest FROM chunks c JOIN files f ON f.id = c.file WHERE c.id IN", chunks
    )


def pending_among(manifest: Manifest, chunks: Sequence[int]) -> list[int]:
    """Those of these chunks that wait for a vector."""
    return [chunk for (chunk,) in manifest._by_id("SELECT chunk FROM pending WHERE chunk IN", chunks)]


def retired(manifest: Manifest, before: float | None = None) -> list[int]:
    """File versions that no generation shows and whose points are still there; those retired by then."""
    if before is None:
        return [file for (file,) in manifest.all("SELECT file FROM retired")]
    return [file for (file,) in manifest.all("SELECT file FROM retired WHERE at <= ?", (before,))]


# Writing, inside the writer's transaction


def make_tables(manifest: ManifestWriter) -> None:
    """Make the tables that are missing."""
    for statement in TABLES.values():
        manifest._run(statement)


def drop_tables(manifest: ManifestWriter) -> None:
    """Delete the tables."""
    for table in TABLES:
        manifest._run(f"DROP TABLE IF EXISTS {table}")


def forget_meta(manifest: ManifestWriter, *keys: str) -> None:
    """Delete values of the table ``meta``."""
    manifest._many("DELETE FROM meta WHERE key = ?", [(key,) for key in keys])


def put_packed(manifest: ManifestWriter, file: int, data: bytes) -> None:
    """Store the packed counts of a file version."""
    manifest._run("INSERT OR REPLACE INTO file_terms VALUES (?, ?)", (file, data))


def drop_packed(manifest: ManifestWriter, file: int) -> None:
    """Delete the packed counts of a file version."""
    manifest._run("DELETE FROM file_terms WHERE file = ?", (file,))


def add_counts(manifest: ManifestWriter, rows: Sequence[TermCount]) -> None:
    """Add to the counts; terms of no chunk are deleted."""
    manifest._many(
        "INSERT INTO terms VALUES (?, ?, ?)"
        " ON CONFLICT (field, term) DO UPDATE SET chunks = chunks + excluded.chunks",
        rows,
    )
    if any(n < 0 for _, _, n in rows):
        manifest._run("DELETE FROM terms WHERE chunks <= 0")


def clear_counts(manifest: ManifestWriter) -> None:
    """Delete every count."""
    manifest._run("DELETE FROM terms")
    manifest._run("DELETE FROM file_terms")


def replace_counts(manifest: ManifestWriter, rows: Iterable[TermCount]) -> None:
    """Store these counts alone; keep the packed ones of published files, and forget what is retired."""
    manifest._run("DELETE FROM file_terms WHERE file NOT IN (SELECT id FROM files)")
    manifest._run("DELETE FROM terms")
    manifest._many("INSERT INTO terms VALUES (?, ?, ?)", list(rows))
    manifest._run("DELETE FROM retired")


def retire(manifest: ManifestWriter, files: Collection[int], now: float) -> None:
    """Note file versions as retired; nothing is to be purged any more."""
    manifest._many("INSERT OR IGNORE INTO retired VALUES (?, ?)", [(file, now) for file in files])
    manifest._run("DELETE FROM purges")


def retire_again(manifest: ManifestWriter, now: float) -> None:
    """Note those as retired now that were retired at a time to come: the clock was set back since."""
    manifest._run("UPDATE retired SET at = ? WHERE at > ?", (now, now))


def forget_retired(manifest: ManifestWriter, files: Collection[int]) -> None:
    """Delete the notes of file versions whose points are gone."""
    manifest._many("DELETE FROM retired WHERE file = ?", [(file,) for file in files])
