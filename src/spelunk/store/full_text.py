"""Here are terms, give me the best chunk ids: the full-text index, on Tantivy.

Text arrives already split (:mod:`spelunk.text.tokens`), blank-separated, because a
split in Python inside the add loop costs 4-5 times the indexing itself. No
positions are kept: phrases and regular expressions are verified against the
stored text. What is visible is decided by the manifest, not here.
"""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import tantivy
from tantivy import Occur, Query

from spelunk import faults
from spelunk.errors import IndexCorruptError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

MIN_HEAP: Final = 16 * 1024 * 1024
"""Per indexing thread; Tantivy refuses less than 3 MB and thrashes below this."""

SCORE_DIGITS: Final = 3
ANALYSER: Final = "terms"
_NEEDS_ESCAPE: Final = re.compile(r"[^\w]")


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("cid", indexed=True, fast=True)
    builder.add_unsigned_field("file", indexed=True)
    for name in ("body", "name", "path"):
        builder.add_text_field(name, tokenizer_name=ANALYSER, index_option="freq")
    for name in ("language", "kind"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    return builder.build()


SCHEMA: Final = _schema()


def _open(directory: str, create: bool) -> tantivy.Index:
    try:
        if create:
            faults.reach("create.full-text.before")
            os.makedirs(directory, mode=0o700, exist_ok=True)
            index = tantivy.Index(SCHEMA, path=directory, reuse=True)
            faults.reach("create.full-text.after")
        else:
            with _reading(directory):
                index = tantivy.Index.open(directory)
    except (ValueError, OSError) as error:
        if create and _disk_refuses(error):
            raise _storage_error(directory, error) from None
        raise _damaged(directory, error) from None
    index.register_tokenizer(ANALYSER, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
    return index


class FullTextDamaged(IndexCorruptError):  # noqa: N818 - says what is, as its siblings do
    """The full text cannot be used; manifest and vectors may be well."""


def _damaged(directory: str, error: BaseException) -> FullTextDamaged:
    return FullTextDamaged(
        f"{directory}: full text damaged ({_first_line(error)}); run `spelunk check --repair`"
    )


@contextmanager
def _reading(directory: str) -> Iterator[None]:
    """A damaged file shows as an error, or as a panic, which is no Exception."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, (ValueError, OSError)) or type(error).__name__ == "PanicException":
            raise _damaged(directory, error) from None
        raise


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0][:200]


def _disk_refuses(error: BaseException) -> bool:
    text = str(error)
    return isinstance(error, OSError) or any(
        s in text
        for s in ("No space left", "Read-only file system", "Permission denied", "os error", "IoError", "Io")
    )


def _storage_error(directory: str, error: BaseException) -> StorageError:
    return StorageError(
        f"{directory}: cannot write the full text ({_first_line(error)}); nothing published was lost"
    )


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
            self._writer = index.writer(max(heap, MIN_HEAP * threads), threads)
        except ValueError as error:
            if "lock" in str(error).lower():
                raise StorageError(f"{directory}: held by another writer ({_first_line(error)})") from None
            raise _storage_error(directory, error) from None

    def add(self, cid: int, file: int, body: str, name: str, path: str, language: str, kind: str) -> None:
        """Add one chunk; ``body``, ``name`` and ``path`` are blank-separated terms."""
        document = tantivy.Document()
        document.add_unsigned("cid", cid)
        document.add_unsigned("file", file)
        document.add_text("body", body)
        if name:
            document.add_text("name", name)
        document.add_text("path", path)
        document.add_text("language", language)
        document.add_text("kind", kind)
        try:
            self._writer.add_document(document)
        except ValueError as error:
            raise _storage_error(self.directory, error) from None

    def delete_files(self, files: Iterable[int]) -> None:
        """Delete every chunk of these file versions."""
        # Not delete_documents_by_term: in 0.27 it looks for a signed term, and finds none.
        self._writer.delete_documents_by_query(Query.term_set_query(SCHEMA, "file", list(files)))

    def delete_from(self, first_chunk: int) -> None:
        """Delete every chunk whose id is ``first_chunk`` or higher: work never published."""
        self._writer.delete_documents_by_query(
            Query.range_query(SCHEMA, "cid", tantivy.FieldType.Unsigned, first_chunk, None)
        )

    def commit(self) -> None:
        """Make everything so far durable.

        Raises:
            StorageError: The disk refuses; nothing since the last commit is kept.
        """
        try:
            self._writer.commit()
        except (ValueError, OSError) as error:
            raise _storage_error(self.directory, error) from None

    def close(self) -> None:
        """Drop what was not committed, let merges end, release the lock."""
        try:
            self._writer.wait_merging_threads()
        except (ValueError, RuntimeError, OSError):
            pass  # the writer died of an error that was reported when it happened
        del self._writer


@dataclass(frozen=True, slots=True)
class Scope:
    """Which documents may be returned; applied before the best are chosen.

    ``None`` means no condition. Languages, kinds and files are alternatives
    within one attribute and all hold together across attributes.
    """

    languages: tuple[str, ...] | None = None
    not_languages: tuple[str, ...] = ()
    kinds: tuple[str, ...] | None = None
    not_kinds: tuple[str, ...] = ()
    files: tuple[int, ...] | None = None
    not_files: tuple[int, ...] = ()
    not_terms: tuple[str, ...] = ()


def _searcher(directory: str) -> tantivy.Searcher:
    index = _open(directory, False)
    with _reading(directory):
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
        raise _damaged(directory, error) from None


class LexicalReader:
    """A searcher over one commit; later commits do not change what it sees."""

    def __init__(self, directory: str) -> None:
        """Open what the last commit left.

        Raises:
            IndexCorruptError: It cannot be opened.
        """
        self.directory = directory
        try:
            self._searcher = _searcher(directory)
        except IndexCorruptError:
            if os.access(directory, os.W_OK) or not os.path.isdir(directory):
                raise
            self._searcher = _searcher_of_read_only(directory)

    @property
    def documents(self) -> int:
        """Documents alive in this commit, published or not."""
        return int(self._searcher.num_docs)

    def all_ids(self) -> list[int]:
        """Ids of every document alive; one that is there twice comes twice.

        Raises:
            IndexCorruptError: They cannot be read.
        """
        return self._ids(self._found(Query.all_query(), max(1, self.documents)))

    def document_frequency(self, term: str, field: str = "body") -> int:
        """How many chunks hold the term; deleted ones count until merged away."""
        with _reading(self.directory):
            return int(self._searcher.doc_freq(field, term))

    def top(
        self,
        terms: Mapping[str, float],
        limit: int,
        *,
        fields: Mapping[str, float],
        scope: Scope | None = None,
        conditions: Sequence[Query] = (),
    ) -> list[tuple[int, float]]:
        """The best chunk ids by BM25 (k1 1.2, b 0.75), best first; ties by id.

        A term's rarity is that in the field where it is commonest: a word that
        every text holds is not telling because few paths have it.

        Args:
            terms: Weight by term.
            limit: How many.
            fields: Boost by field name.
            scope: Which documents may be returned.
            conditions: What a document must meet besides.
        """
        clauses: list[tuple[Any, Query]] = []
        for term, weight in terms.items():
            frequencies = {f: self.document_frequency(term, f) for f in fields}
            rarity = self._idf(max(frequencies.values(), default=0))
            for field, boost in fields.items():
                if not frequencies[field]:
                    continue
                query = Query.term_query(SCHEMA, field, term, "freq")
                factor = weight * boost * rarity / self._idf(frequencies[field])
                clauses.append((Occur.Should, query if factor == 1 else Query.boost_query(query, factor)))
        if not clauses:
            return []
        outer = [(Occur.Must, Query.boolean_query(clauses)), *_conditions(scope)]
        outer += [(Occur.Must, _constant(c)) for c in conditions]
        return self._run(outer, limit)

    def _idf(self, frequency: int) -> float:
        """As Tantivy weighs a term that this many documents hold."""
        total = max(self.documents, frequency)  # frequencies count deleted documents too
        return math.log(1 + (total - frequency + 0.5) / (frequency + 0.5))

    def matching(self, query: Query | None, limit: int, scope: Scope | None = None) -> list[int]:
        """Ids of documents that match a condition, ascending, at most ``limit``."""
        outer = _conditions(scope)
        if query is not None:
            outer.append((Occur.Must, _constant(query)))
        if not any(occur == Occur.Must for occur, _ in outer):
            outer.append((Occur.Must, Query.all_query()))
        found = self._found(Query.boolean_query(outer), max(1, min(limit, self.documents or 1)))
        return sorted(self._ids(found))

    def _run(self, clauses: list[tuple[Any, Query]], limit: int) -> list[tuple[int, float]]:
        found = self._found(Query.boolean_query(clauses), limit)
        ids = self._ids(found)
        # The last digits depend on the order in which Tantivy adds up a document's terms.
        scores = (round(float(score), SCORE_DIGITS) for score, _ in found.hits)
        return sorted(zip(ids, scores, strict=True), key=lambda hit: (-hit[1], hit[0]))

    def _found(self, query: Query, limit: int) -> Any:
        with _reading(self.directory):
            return self._searcher.search(query, limit, count=False)

    def _ids(self, found: Any) -> list[int]:
        with _reading(self.directory):
            values = self._searcher.fast_field_values("cid", [address for _, address in found.hits])
            found_ids = [int(v) for v in values if v is not None]
            if len(found_ids) != len(values):
                raise ValueError("a document without an id")
        return found_ids


class LostReader(LexicalReader):
    """Stands in for a full text that is damaged: it knows nothing, and a search of it says why."""

    def __init__(self, directory: str, damage: str) -> None:
        self.directory = directory
        self.damage = damage

    @property
    def documents(self) -> int:
        """None that could be counted."""
        return 0

    def document_frequency(self, term: str, field: str = "body") -> int:
        """Nothing is known of any term."""
        return 0

    def _found(self, query: Query, limit: int) -> Any:
        raise FullTextDamaged(self.damage)


def term(text: str, field: str = "body") -> Query:
    """The condition that a field holds a term."""
    return Query.term_query(SCHEMA, field, text, "freq")


def containing(run: str, *, starts: bool = False, ends: bool = False) -> Query:
    """The condition that some term of the body contains ``run`` (word characters, lower case).

    Args:
        starts: The term starts with it: found without a walk over the whole dictionary.
        ends: The term ends with it.
    """
    escaped = _NEEDS_ESCAPE.sub(lambda m: "\\" + m.group(), run)
    return Query.regex_query(SCHEMA, "body", f"{'' if starts else '.*'}{escaped}{'' if ends else '.*'}")


def all_of(queries: Sequence[Query]) -> Query:
    """The condition that all of these hold."""
    return Query.boolean_query([(Occur.Must, q) for q in queries])


def any_of(queries: Sequence[Query]) -> Query:
    """The condition that one of these holds."""
    return Query.boolean_query([(Occur.Should, q) for q in queries])


def _constant(query: Query) -> Query:
    return Query.const_score_query(query, 0.0)


def _conditions(scope: Scope | None) -> list[tuple[Any, Query]]:
    if scope is None:
        return []
    out: list[tuple[Any, Query]] = []

    def text_set(field: str, values: Sequence[str]) -> Query:
        return any_of([Query.term_query(SCHEMA, field, v, "basic") for v in values])

    if scope.languages is not None:
        out.append((Occur.Must, _constant(text_set("language", scope.languages))))
    if scope.kinds is not None:
        out.append((Occur.Must, _constant(text_set("kind", scope.kinds))))
    if scope.files is not None:
        out.append((Occur.Must, _constant(Query.term_set_query(SCHEMA, "file", list(scope.files)))))
    if scope.not_languages:
        out.append((Occur.MustNot, text_set("language", scope.not_languages)))
    if scope.not_kinds:
        out.append((Occur.MustNot, text_set("kind", scope.not_kinds)))
    if scope.not_files:
        out.append((Occur.MustNot, Query.term_set_query(SCHEMA, "file", list(scope.not_files))))
    if scope.not_terms:
        out.append(
            (Occur.MustNot, any_of([Query.term_query(SCHEMA, "body", t, "freq") for t in scope.not_terms]))
        )
    return out


def remove(directory: str) -> None:
    """Delete a full-text index that nothing refers to any more."""
    shutil.rmtree(directory, ignore_errors=True)
