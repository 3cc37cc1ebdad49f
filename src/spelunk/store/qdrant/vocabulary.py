"""Terms of an index whose chunks are kept remotely: counted in the manifest, in its transactions.

The server cannot list the terms that begin with a prefix, and counts documents of
unpublished generations too. With the counts beside the manifest's rows document
frequencies are those of one generation, exactly, and cost no call.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import zstandard

from spelunk.store import remote_rows
from spelunk.store.impact import forms_of
from spelunk.store.manifest import Manifest
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.text.required import Run
from spelunk.text.tokens import LONG_WORD, MAX_WORD

Counts = Counter[tuple[str, str]]
"""Number of chunks by field and term."""


def count(fields: Iterable[Mapping[str, str]]) -> Counts:
    """Count the chunks that have each term.

    Args:
        fields: Of each chunk the encoded terms by field.
    """
    by_field: dict[str, Counter[str]] = {}
    for chunk in fields:
        for field, text in chunk.items():
            by_field.setdefault(field, Counter()).update([form[:-1] for form in forms_of(text)])
    return Counter({(field, term): n for field, terms in by_field.items() for term, n in terms.items()})


class VocabularyWriter:
    """Changes of the counts; they are stored with the next publish."""

    def __init__(self, manifest: ManifestWriter) -> None:
        """Make the tables if they are missing."""
        self._manifest = manifest
        remote_rows.make_tables(manifest)
        self._changes: Counts = Counter()

    def add(self, file: int, counts: Counts) -> None:
        """Count the chunks of a new file version."""
        self._changes.update(counts)
        rows = [[field, term, n] for (field, term), n in counts.items()]
        data = zstandard.compress(json.dumps(rows, separators=(",", ":")).encode("utf-8", "surrogatepass"))
        remote_rows.put_packed(self._manifest, file, data)

    def remove(self, file: int) -> None:
        """Take the chunks of a file version out of the counts."""
        for data in remote_rows.packed_counts(self._manifest, file):
            self._changes.subtract(unpack(data))
        remote_rows.drop_packed(self._manifest, file)

    def store(self) -> None:
        """Write the changes into the open transaction."""
        rows = [(field, _plain(term), n) for (field, term), n in self._changes.items() if n]
        remote_rows.add_counts(self._manifest, rows)
        self._changes.clear()


def unpack(data: bytes) -> dict[tuple[str, str], int]:
    """The counts of one file as they were stored."""
    rows = json.loads(zstandard.decompress(data))
    return {(field, term): n for field, term, n in rows}


def total(manifest: Manifest) -> Counts:
    """Add up the counts of all published files; they are those of the table ``terms``."""
    counts: Counts = Counter()
    for data in remote_rows.packed_counts(manifest):
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
        found = dict(remote_rows.counts_of_terms(self._manifest, wanted, field))
        return {term: found[term] for term in terms if term in found}

    def beginning(self, prefix: str, field: str) -> dict[str, int]:
        """The terms that begin with ``prefix``, with the number of chunks that have each."""
        prefix = _plain(prefix)
        behind = _after(prefix) if prefix else ""
        return dict(remote_rows.counts_between(self._manifest, prefix, behind, field))

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
                found |= remote_rows.terms_with(self._manifest, run.text, field, at_end=run.ends)
        return found


def _after(prefix: str) -> str:
    """The least text behind all that begin with ``prefix``, in the order of code points."""
    last = ord(prefix[-1]) + 1
    return prefix[:-1] + chr(0xE000 if 0xD800 <= last <= 0xDFFF else min(last, 0x10FFFF))
