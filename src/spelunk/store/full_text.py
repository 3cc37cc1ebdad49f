"""The full-text index on Tantivy: an inverted index of terms with quantised impacts.

Text arrives already split and encoded (:mod:`spelunk.store.document`),
blank-separated, because a split in Python inside the add loop costs 4-5 times
the indexing itself. No positions are kept: phrases and regular expressions are
verified against the stored text. The manifest decides what is visible.

Scores are sums of whole numbers below 2**24, exact in float32 in whatever order
Tantivy adds them. They do not use Tantivy's statistics, which count deleted
documents until a merge.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Final

import tantivy
from tantivy import Occur, Query

from spelunk import faults
from spelunk.errors import IndexCorruptError, StorageError
from spelunk.store.document import TIE_BITS, ChunkTerms, tie_of
from spelunk.store.full_text_query import (
    ANALYSER,
    SCHEMA,
    Clause,
    FullTextFilter,
    constant,
    filter_clauses,
    has_term,
    required_query,
)
from spelunk.store.impact import forms, score_scale, score_units
from spelunk.store.protocols import Requirement, Scored
from spelunk.store.tantivy_errors import (
    damaged,
    disk_refuses,
    first_line,
    reading,
    storage_error,
    writing,
)

MIN_HEAP: Final = 16 * 1024 * 1024
"""Per indexing thread; Tantivy refuses less than 3 MB and thrashes below this."""

TIES_SPARED: Final = 2
"""The part of the hits wanted that is fetched besides, one in so many: where all that share the last score are
among them, as they are for most queries over a million chunks, no second search is made."""

TIES_FETCHED: Final = 16
"""Times the hits wanted that are fetched to choose among equal scores; beyond it the
search is narrowed to a part of the ``tie`` numbers."""
TIE_PARTS: Final = 8

MAX_FREQUENCIES: Final = 50_000
"""Document frequencies remembered by a reader."""


def _open(directory: str, create: bool) -> tantivy.Index:
    try:
        if create:
            faults.reach("create.full-text.before")
            os.makedirs(directory, mode=0o700, exist_ok=True)
            index = tantivy.Index(SCHEMA, path=directory, reuse=True)
            faults.reach("create.full-text.after")
        else:
            with reading(directory):
                index = tantivy.Index.open(directory)
    except (ValueError, OSError) as error:
        if create and disk_refuses(error):
            raise storage_error(directory, error) from None
        raise damaged(directory, error) from None
    index.register_tokenizer(ANALYSER, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
    return index


class LexicalWriter:
    """Adds and deletes documents; nothing is durable before :meth:`commit`."""

    def __init__(self, directory: str, *, heap: int, threads: int = 1, create: bool = True) -> None:
        """Open for writing.

        Args:
            directory: Folder of the Tantivy index.
            heap: Memory for indexing in bytes, over all threads.
            threads: Indexing threads, outside the interpreter lock.
            create: Make it if it is missing; not where documents were published, which
                a new one would silently lack.

        Raises:
            IndexCorruptError: What is there cannot be opened.
            StorageError: The disk refuses.
        """
        self.directory = directory
        index = _open(directory, create)
        try:
            with writing(directory):
                self._writer = index.writer(max(heap, MIN_HEAP * threads), threads)
        except ValueError as error:
            if "lock" in str(error).lower():
                raise StorageError(f"{directory}: held by another writer ({first_line(error)})") from None
            raise storage_error(directory, error) from None

    def add(self, chunk: ChunkTerms) -> None:
        """Add one chunk."""
        cid, file, body, name, path, language, kind, flags = chunk
        document = tantivy.Document()
        document.add_unsigned("cid", cid)
        document.add_unsigned("file", file)
        document.add_unsigned("tie", tie_of(body, name))
        document.add_text("body", body)
        if name:
            document.add_text("name", name)
        document.add_text("path", path)
        document.add_text("language", language)
        document.add_text("kind", kind)
        for flag in flags:
            document.add_text("flag", flag)
        try:
            self._writer.add_document(document)
        except ValueError as error:
            raise storage_error(self.directory, error) from None

    def delete_files(self, files: Iterable[int]) -> None:
        """Delete every chunk of these file versions."""
        # Not delete_documents_by_term: in 0.27 it looks for a signed term, and finds none.
        with writing(self.directory):
            self._writer.delete_documents_by_query(Query.term_set_query(SCHEMA, "file", list(files)))

    def delete_from(self, first_chunk: int) -> None:
        """Delete every chunk whose id is ``first_chunk`` or higher: work never published."""
        with writing(self.directory):
            self._writer.delete_documents_by_query(
                Query.range_query(SCHEMA, "cid", tantivy.FieldType.Unsigned, first_chunk, None)
            )

    def commit(self) -> None:
        """Make everything so far durable.

        Raises:
            StorageError: The disk refuses; nothing since the last commit is kept.
        """
        try:
            with writing(self.directory):
                self._writer.commit()
        except (ValueError, OSError) as error:
            raise storage_error(self.directory, error) from None

    def close(self) -> None:
        """Drop what was not committed, let merges end, release the lock."""
        try:
            self._writer.wait_merging_threads()
        except (ValueError, RuntimeError, OSError):
            pass  # the writer died of an error that was reported when it happened
        del self._writer


def _searcher(directory: str) -> tantivy.Searcher:
    index = _open(directory, False)
    with reading(directory):
        index.config_reader("manual")
        index.reload()
        return index.searcher()


def _searcher_of_read_only(directory: str) -> tantivy.Searcher:
    """Tantivy makes a lock file even to read; where that cannot be, it is made beside links to the files."""
    import tempfile

    try:
        with tempfile.TemporaryDirectory(prefix="spelunk-") as aside:
            for name in os.listdir(directory):
                if not name.endswith(".lock"):
                    os.symlink(os.path.join(directory, name), os.path.join(aside, name))
            return _searcher(aside)  # has mapped all it reads
    except OSError as error:
        raise damaged(directory, error) from None


class LexicalReader:
    """A searcher over one commit; later commits do not change what it sees."""

    def __init__(self, directory: str) -> None:
        """Open what the last commit left.

        Raises:
            FullTextDamaged: It cannot be opened.
        """
        self.directory = directory
        try:
            self._searcher = _searcher(directory)
        except IndexCorruptError:
            if os.access(directory, os.W_OK) or not os.path.isdir(directory):
                raise
            self._searcher = _searcher_of_read_only(directory)
        self._hidden: list[Clause] = []
        self._frequencies: dict[tuple[str, str], int] = {}
        self._counts: dict[tuple[str, str], list[int]] = {}
        with reading(directory):
            # Each document has one language; the counts include deleted documents until a merge.
            counts: Any = self._searcher.terms_with_prefix("language", "")
            self._exact = self.documents == sum(count for _, count in counts)

    def hide(self, first_chunk: int, files: Sequence[int]) -> None:
        """Take documents of other generations for absent.

        Args:
            first_chunk: The chunks with this id and higher ones were never published.
            files: File versions that were replaced and wait to be purged.
        """
        self._hidden = [
            (
                Occur.MustNot,
                Query.range_query(SCHEMA, "cid", tantivy.FieldType.Unsigned, first_chunk, None),
            )
        ]
        if files:
            self._hidden.append((Occur.MustNot, Query.term_set_query(SCHEMA, "file", list(files))))
        self._exact = False
        self._frequencies.clear()

    @property
    def documents(self) -> int:
        """Documents alive in this commit, published or not."""
        return int(self._searcher.num_docs)

    def all_ids(self) -> list[int]:
        """Ids of every document alive; one that is there twice comes twice.

        Raises:
            FullTextDamaged: They cannot be read.
        """
        hits = self._hits(Query.all_query(), max(1, self.documents))
        return self._values("cid", [address for _, address in hits])

    def frequencies(self, terms: Collection[str], field: str = "body") -> dict[str, int]:
        """How many documents that are alive and not hidden have each term; terms of none are left out."""
        if len(self._frequencies) > MAX_FREQUENCIES:
            self._frequencies.clear()
            self._counts.clear()
        known = self._frequencies
        for term in terms:
            if (field, term) not in known:
                known[field, term] = self._frequency(term, field)
        return {term: known[field, term] for term in terms if known[field, term]}

    def vocabulary(self, prefix: str, field: str) -> dict[str, int]:
        """The terms that begin with ``prefix`` of documents that are alive and not hidden, with their counts."""
        counts: dict[str, int] = {}
        with reading(self.directory):
            visible = None
            if not self._exact:
                visible = Query.boolean_query([(Occur.Must, Query.all_query()), *self._hidden])
            found: Any = self._searcher.terms_with_prefix(field, prefix, filter_query=visible)
        for form, count in found:
            term = form[:-1]
            counts[term] = counts.get(term, 0) + int(count)
        return {term: count for term, count in counts.items() if count and term.startswith(prefix)}

    def _frequency(self, term: str, field: str) -> int:
        count = sum(self._form_counts(term, field))
        with reading(self.directory):
            if self._exact or not count:
                return count
            # Document frequencies count deleted documents until they are merged away.
            clauses = [(Occur.Must, has_term(term, field)), *self._hidden]
            counted: Any = self._searcher.search(Query.boolean_query(clauses), 1, count=True)
            return int(counted.count)

    def _form_counts(self, term: str, field: str) -> list[int]:
        """The documents with each form of the term, deleted ones included; kept, since a search asks twice."""
        if (field, term) not in self._counts:
            with reading(self.directory):
                self._counts[field, term] = [int(self._searcher.doc_freq(field, f)) for f in forms(term)]
        return self._counts[field, term]

    def top(
        self,
        terms: Mapping[str, float],
        limit: int,
        *,
        fields: Mapping[Any, float],
        where: FullTextFilter | None = None,
        requires: Sequence[Requirement] = (),
    ) -> list[Scored]:
        """The documents with the highest sum of term weight times field weight times impact.

        Args:
            terms: Weight by term, inverse document frequency included.
            limit: How many, at least 1; more only where the last are equal in score and ``tie``.
            fields: Weight by field name.
            where: Which documents may be returned.
            requires: What a document must meet besides.

        Returns:
            Best first; equal scores by ``tie``.
        """
        scale = score_scale(terms, fields)
        if not scale:
            return []
        clauses: list[Clause] = []
        with reading(self.directory):
            for (term, weight), (field, boost) in product(terms.items(), fields.items()):
                counts = self._form_counts(term, field)
                for level, (form, count) in enumerate(zip(forms(term), counts, strict=True)):
                    if count:
                        units = float(score_units(weight, boost, level, scale))
                        query = Query.term_query(SCHEMA, field, form, "basic")
                        clauses.append((Occur.Should, Query.const_score_query(query, units)))
        if not clauses:
            return []
        outer = [(Occur.Must, Query.boolean_query(clauses)), *self._conditions(where, requires)]
        return [Scored(s.id, s.score / scale, s.tie) for s in self._best(outer, limit)]

    def matching(self, where: FullTextFilter | None, requires: Sequence[Requirement] = ()) -> list[int]:
        """Ids of all documents that pass, ascending."""
        clauses = [(Occur.Must, constant(Query.all_query())), *self._conditions(where, requires)]
        hits = self._hits(Query.boolean_query(clauses), max(1, self.documents))
        return sorted(self._values("cid", [address for _, address in hits]))

    def having(self, terms: Sequence[str]) -> list[int]:
        """Ids of the documents whose body has one of the terms, ascending."""
        any_of = Query.boolean_query([(Occur.Should, has_term(term, "body")) for term in terms])
        hits = self._hits(
            Query.boolean_query([(Occur.Must, constant(any_of)), *self._hidden]), max(1, self.documents)
        )
        return sorted(self._values("cid", [address for _, address in hits]))

    def _best(self, clauses: list[Clause], limit: int) -> list[Scored]:
        """The best ``limit`` documents, whatever the order in which they were added.

        Tantivy breaks ties by the place in the index. Where the last score is
        shared by more documents than fit, those with the least ``tie`` are taken.
        """
        query = Query.boolean_query(clauses)
        most = limit + max(1, limit // TIES_SPARED)
        hits = self._hits(query, most)
        if len(hits) <= limit:
            return self._scored(hits)
        edge = hits[limit - 1][0]
        if hits[limit][0] != edge:
            return self._scored(hits[:limit])
        above = [hit for hit in hits if hit[0] > edge]
        wanted = limit - len(above)
        if len(hits) < most or hits[-1][0] < edge:  # all that share the last score are here
            equal = self._scored([hit for hit in hits if hit[0] == edge])
            return self._scored(above) + [s for s in equal if s.tie <= equal[wanted - 1].tie]
        return self._scored(above) + self._least_ties(clauses, edge, limit, wanted)

    def _least_ties(self, clauses: list[Clause], edge: float, limit: int, wanted: int) -> list[Scored]:
        """Of the documents with the score ``edge`` the ``wanted`` ones with the least ``tie``."""
        most, end = TIES_FETCHED * limit, 1 << TIE_BITS
        while True:
            part = clauses
            if end < 1 << TIE_BITS:
                inside = Query.range_query(SCHEMA, "tie", tantivy.FieldType.Unsigned, 0, end, True, False)
                part = [*clauses, (Occur.Must, constant(inside))]
            count = most if end > 1 else max(1, self.documents)
            hits = self._hits(Query.boolean_query(part), count)
            if len(hits) < count or hits[-1][0] < edge or end == 1:
                break
            end //= TIE_PARTS
        equal = self._scored([hit for hit in hits if hit[0] == edge])
        last = equal[min(wanted, len(equal)) - 1].tie if equal else 0
        return [s for s in equal if s.tie <= last]

    def _scored(self, hits: Sequence[Any]) -> list[Scored]:
        addresses = [address for _, address in hits]
        ids, ties = self._values("cid", addresses), self._values("tie", addresses)
        scored = [Scored(i, float(hit[0]), tie) for i, hit, tie in zip(ids, hits, ties, strict=True)]
        return sorted(scored, key=lambda s: (-s.score, s.tie, s.id))

    def _hits(self, query: Query, limit: int) -> list[Any]:
        with reading(self.directory):
            return list(self._searcher.search(query, limit, count=False).hits)

    def _values(self, field: str, addresses: list[Any]) -> list[int]:
        with reading(self.directory):
            values = self._searcher.fast_field_values(field, addresses)
            numbers = [int(v) for v in values if v is not None]
            if len(numbers) != len(values):
                raise ValueError(f"a document without {field}")
        return numbers

    def _conditions(self, where: FullTextFilter | None, requires: Sequence[Requirement]) -> list[Clause]:
        out = [(Occur.Must, constant(required_query(r))) for r in requires]
        return [*out, *filter_clauses(where), *self._hidden]


def remove(directory: str) -> None:
    """Delete a full-text index that nothing refers to any more."""
    import shutil

    shutil.rmtree(directory, ignore_errors=True)
