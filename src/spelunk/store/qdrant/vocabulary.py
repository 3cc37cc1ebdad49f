"""Terms of an index whose chunks are kept remotely: counted in the manifest, in its transactions.

The server cannot list the terms that begin with a prefix, and counts documents of
unpublished generations too. With the counts beside the manifest's rows document
frequencies are those of one generation, exactly, and cost no call.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import zstandard

from spelunk.store.impact import decode
from spelunk.store.manifest import VARIABLES, Manifest
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.text.required import Run
from spelunk.text.tokens import LONG_WORD, MAX_WORD

TABLES: Final = """
CREATE TABLE IF NOT EXISTS terms (
  field TEXT NOT NULL, term TEXT NOT NULL, chunks INTEGER NOT NULL, PRIMARY KEY (field, term)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file_terms (file INTEGER PRIMARY KEY, counts BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS retired (file INTEGER PRIMARY KEY, at REAL NOT NULL);
"""
"""``retired``: file versions that no generation shows since ``at``, whose points are still there."""

Counts = Counter[tuple[str, str]]
"""Number of chunks by field and term."""


def count(fields: Iterable[Mapping[str, str]]) -> Counts:
    """Count the chunks that have each term.

    Args:
        fields: Of each chunk the encoded terms by field.
    """
    counts: Counts = Counter()
    for chunk in fields:
        for field, text in chunk.items():
            counts.update({(field, term): 1 for term, _ in decode(text)})
    return counts


class VocabularyWriter:
    """Changes of the counts; they are stored with the next publish."""

    def __init__(self, manifest: ManifestWriter) -> None:
        """Make the tables if they are missing."""
        self._manifest = manifest
        for statement in TABLES.split(";"):
            if statement.strip():
                manifest._run(statement)
        self._changes: Counts = Counter()

    def add(self, file: int, counts: Counts) -> None:
        """Count the chunks of a new file version."""
        self._changes.update(counts)
        rows = [[field, term, n] for (field, term), n in counts.items()]
        data = zstandard.compress(json.dumps(rows, separators=(",", ":")).encode("utf-8", "surrogatepass"))
        self._manifest._run("INSERT OR REPLACE INTO file_terms VALUES (?, ?)", (file, data))

    def remove(self, file: int) -> None:
        """Take the chunks of a file version out of the counts."""
        for (data,) in self._manifest.all("SELECT counts FROM file_terms WHERE file = ?", (file,)):
            self._changes.subtract(unpack(data))
        self._manifest._run("DELETE FROM file_terms WHERE file = ?", (file,))

    def store(self) -> None:
        """Write the changes into the open transaction."""
        rows = [(field, _plain(term), n) for (field, term), n in self._changes.items() if n]
        self._manifest._many(
            "INSERT INTO terms VALUES (?, ?, ?)"
            " ON CONFLICT (field, term) DO UPDATE SET chunks = chunks + excluded.chunks",
            rows,
        )
        if any(n < 0 for _, _, n in rows):
            self._manifest._run("DELETE FROM terms WHERE chunks <= 0")
        self._changes.clear()


def unpack(data: bytes) -> dict[tuple[str, str], int]:
    """The counts of one file as they were stored."""
    rows = json.loads(zstandard.decompress(data))
    return {(field, term): n for field, term, n in rows}


def total(manifest: Manifest) -> Counts:
    """Add up the counts of all published files; they are those of the table ``terms``."""
    counts: Counts = Counter()
    for (data,) in manifest.all("SELECT counts FROM file_terms WHERE file IN (SELECT id FROM files)"):
        counts.update(unpack(data))
    return counts


def _plain(term: str) -> str:
    """A term as SQLite takes it: without lone surrogates, which no query has either."""
    return term.encode("utf-8", "replace").decode()


class Vocabulary:
    """The terms of the generation that a manifest's read transaction sees."""

    def __init__(self, manifest: Manifest) -> None:
        """Nothing is read yet."""
        self._manifest = manifest

    def frequencies(self, terms: Collection[str], field: str) -> dict[str, int]:
        """How many chunks have each term in a field; terms of none are left out."""
        wanted = [_plain(term) for term in dict.fromkeys(terms)]
        found: dict[str, int] = {}
        for n in range(0, len(wanted), VARIABLES):
            part = wanted[n : n + VARIABLES]
            marks = ",".join("?" * len(part))
            rows = self._manifest.all(
                f"SELECT term, chunks FROM terms WHERE field = ? AND term IN ({marks})", (field, *part)
            )
            found.update(rows)
        return {term: found[term] for term in terms if term in found}

    def beginning(self, prefix: str, field: str) -> dict[str, int]:
        """The terms that begin with ``prefix``, with the number of chunks that have each."""
        prefix = _plain(prefix)
        sql, values = "SELECT term, chunks FROM terms WHERE field = ?", [field]
        if prefix:
            sql += " AND term >= ? AND term < ?"
            values += [prefix, _after(prefix)]
        return dict(self._manifest.all(sql, values))

    def fitting(self, choices: Iterable[Run], field: str) -> set[str]:
        """The terms that fit one of the runs, and that of chunks which may hold anything."""
        wanted = [run for run in sorted(choices) if len(run.text) <= MAX_WORD]
        found: set[str] = {LONG_WORD} if field == "body" or not wanted else set()
        for run in wanted:
            if run.starts and run.ends:
                found.add(run.text)
            elif run.starts:
                found.update(self.beginning(run.text, field))
            else:
                place = "substr(term, -length(?2)) = ?2" if run.ends else "instr(term, ?2) > 0"
                rows = self._manifest.all(
                    f"SELECT term FROM terms WHERE field = ?1 AND {place}", (field, run.text)
                )
                found.update(term for (term,) in rows)
        return found


def _after(prefix: str) -> str:
    """The least text behind all that begin with ``prefix``, in the order of code points."""
    last = ord(prefix[-1]) + 1
    return prefix[:-1] + chr(0xE000 if 0xD800 <= last <= 0xDFFF else min(last, 0x10FFFF))
