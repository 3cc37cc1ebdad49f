"""Search: parse → retrieve → fuse → rank → present, top to bottom.

:func:`search` is the sentence; the helpers below it are its words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import xxhash

from spelunk.errors import IndexCorruptError, SpelunkError, UsageError
from spelunk.search import verify as grep
from spelunk.search.filters import NOTHING, Scope, repo_matches, resolve
from spelunk.search.query import Query
from spelunk.search.rank import model
from spelunk.search.rank.signals import Candidate, QueryFacts, content_words, facts, query_stems
from spelunk.store import full_text as lexical
from spelunk.store.records import ChunkRecord, FileRow
from spelunk.store.snapshot import Snapshot
from spelunk.text.tokens import terms, words
from spelunk.types import Hit

if TYPE_CHECKING:
    from spelunk.embed import Embedder

MODES: Final = ("hybrid", "lexical", "semantic", "symbol", "regex")
DEFAULT_LIMIT: Final = 10
MAX_LIMIT: Final = 10_000
MIN_POOL: Final = 200
"""Candidates of each side that are ranked; the answer is among the first 200 or the terms are wrong."""
POOL_FACTOR: Final = 4
FEW: Final = 20
"""With fewer chunks than this by words, the nearest by meaning are looked for as well."""
MEANT: Final = 0.3
"""The least cosine of such a find: of unrelated texts, one in a hundred reaches 0.25 (docs/model.md)."""
MAX_TERMS: Final = 64
"""Terms of a query that are looked up, rarest first; a pasted page is searched by its rare words."""

FIELDS: Final[Mapping[str, float]] = {"body": 1.0, "name": 0.5, "path": 2.0}
"""BM25 boost of a chunk's text, the names defined in it, and its path."""
COMPOUND_WEIGHT: Final = 2.0
"""Of a word with several parts: ``flush_batches`` is worth more than its parts apart."""
STEM_WEIGHT: Final = 0.7
"""Of the stem of a part, beside the word itself."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to search.

    Attributes:
        mode: One of :data:`MODES`.
        limit: Hits wanted.
        context: Lines around each hit.
        explain: Fill in :attr:`Hit.signals`.
        weights: The ranking model's.
    """

    mode: str = "hybrid"
    limit: int = DEFAULT_LIMIT
    context: int = 0
    explain: bool = False
    weights: model.Weights = model.DEFAULT

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UsageError(f"mode {self.mode!r}: use one of {', '.join(MODES)}")
        if not 1 <= self.limit <= MAX_LIMIT:
            raise UsageError(f"{self.limit} hits: ask for 1 to {MAX_LIMIT}")
        if self.context < 0:
            raise UsageError(f"{self.context} lines of context: ask for 0 or more")

    @property
    def pool(self) -> int:
        """Candidates taken from each side."""
        return max(MIN_POOL, POOL_FACTOR * self.limit)


@dataclass(frozen=True, slots=True)
class Source:
    """One index to search.

    Attributes:
        snapshot: Its generation.
        embedder: Gives its embedder when the dense side is asked.
        prefix: Put before its paths where several are searched, with a slash.
        names: What ``repo:`` is held against.
        branch: The branch checked out, for ``branch:``.
        root: Absolute path of its workspace.
        within: Files and folders of it to stay in, relative; everywhere without any.
    """

    snapshot: Snapshot
    embedder: Callable[[], Embedder]
    prefix: str = ""
    names: tuple[str, ...] = ()
    branch: str = ""
    root: str = ""
    within: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Hits, and why a side of the search is missing, if one is."""

    hits: tuple[Hit, ...]
    degraded: str | None = None


def search(sources: Sequence[Source], query: Query, options: SearchOptions) -> Found:
    """The best chunks for a query over one or several indexes, as one corpus."""
    test = grep.verifier(query)
    candidates: list[Candidate] = []
    degraded = None
    for number, source in enumerate(sources):
        snapshot = source.snapshot
        scope = _scope(source, query)
        if scope.empty:
            continue
        if options.mode == "regex" or _only_regexes(query):
            found = grep.search(snapshot, query, scope, options.limit)
        else:
            words_too = options.mode != "semantic"
            by_words = _words_or_damage(snapshot, query, scope, options, test) if words_too else []
            cosines: dict[int, float] = {}
            # Vectors answer alone where the full text cannot.
            if snapshot.damage or _wants_vectors(query, options):
                try:
                    cosines = _near(source, query, scope, options, [i for i, _ in by_words])
                    degraded = unfilled(snapshot) or degraded
                except SpelunkError as error:
                    if snapshot.damage and options.mode != "semantic":
                        raise IndexCorruptError(snapshot.damage) from None
                    degraded = f"vectors: {error}"
                if degraded and not words_too:  # an answer by words is better than none
                    by_words = _words_or_damage(snapshot, query, scope, options, test)
            found = _fuse(snapshot, by_words, cosines, test)
        if snapshot.damage and options.mode != "semantic":
            degraded = f"full text: {snapshot.damage}"
        for candidate in found:
            candidate.source = number
        candidates += found
    if options.mode == "regex" or _only_regexes(query):
        ranked = candidates
    else:
        rarity = _PathRarity(sources)
        ranked = model.rank(candidates, _facts(sources, query, options), rarity, options.weights)
    asked = frozenset(re.split(r"\.|::|#", name)[-1].lower() for name in (*query.symbols, *query.words))
    return Found(_present(sources, ranked[: options.limit], options, asked), degraded)


def _words_or_damage(
    snapshot: Snapshot, query: Query, scope: Scope, options: SearchOptions, test: grep.Verifier | None
) -> list[tuple[int, float]]:
    """What the full text finds; nothing where it turns out to be damaged, which the snapshot then knows."""
    try:
        return _lexical(snapshot, query, scope, options, test)
    except lexical.FullTextDamaged as error:
        snapshot.lose_full_text(error)
        return []


def _wants_vectors(query: Query, options: SearchOptions) -> bool:
    """A name is found by its letters: vectors have nothing to say about it."""
    if not query.text:
        return False
    if options.mode == "hybrid":
        return bool(options.weights.meaning) and query.kind_of_query != "symbol"
    return options.mode == "semantic"


def _scope(source: Source, query: Query) -> Scope:
    """What the query's filters leave of one index."""
    filters = query.filters
    if not repo_matches(filters.repo, source.names) or not repo_matches(filters.branch, (source.branch,)):
        return NOTHING
    return resolve(
        source.snapshot, filters, _negated_terms(query), prefix=source.prefix, within=source.within
    )


def _only_regexes(query: Query) -> bool:
    return bool(query.regexes) and not query.text


def _negated_terms(query: Query) -> list[str]:
    """Negated words as terms; one with inner punctuation is verified in the text instead."""
    return [terms(w)[0] for w in query.negated_words if words(w) == [w]]


def _query_terms(snapshot: Snapshot, query: Query, options: SearchOptions) -> dict[str, float]:
    """Terms to look up with their weights; stop words only where there is nothing else."""
    found: dict[str, float] = {}
    for word in words(query.text) if options.mode == "symbol" else content_words(query.text):
        whole, *stems = terms(word)
        weight = COMPOUND_WEIGHT if len(stems) > 1 else 1.0
        found[whole] = max(weight, found.get(whole, 0.0))
        for stem in stems:
            found[stem] = max(STEM_WEIGHT, found.get(stem, 0.0))
    if len(found) > MAX_TERMS:
        rarest = sorted(found, key=lambda t: snapshot.lexical.document_frequency(t) or math.inf)
        found = {t: found[t] for t in rarest[:MAX_TERMS]}
    return found


def _lexical(
    snapshot: Snapshot,
    query: Query,
    scope: Scope,
    options: SearchOptions,
    test: grep.Verifier | None,
) -> list[tuple[int, float]]:
    """Chunk ids by BM25 over text, names and paths, those verified that need it."""
    fields = {"name": 1.0} if options.mode == "symbol" else FIELDS
    looked_up = _query_terms(snapshot, query, options)
    condition = scope.lexical
    needs = grep.required(query)

    def best(limit: int) -> list[tuple[int, float]]:
        if looked_up:
            return snapshot.lexical.top(looked_up, limit, fields=fields, scope=condition, conditions=needs)
        every = snapshot.lexical.matching(lexical.all_of(needs) if needs else None, limit, condition)
        return [(i, 1.0) for i in every]

    if test is None:
        # Text without a word in it and without a test, an emoji, is in no index.
        return best(options.pool) if looked_up or not query.text else []
    limit = options.pool
    while True:  # filters that only the text decides: ask for more until enough pass
        ranked = best(limit)
        passed = grep.passing(snapshot, [i for i, _ in ranked], test)
        if len(passed) >= options.pool or len(ranked) < limit:
            return [(i, s) for i, s in ranked if i in passed]
        limit *= 4


def _near(
    source: Source, query: Query, scope: Scope, options: SearchOptions, by_words: Sequence[int]
) -> dict[int, float]:
    """The cosine with the query's vector of what the words found, and of what comes nearest besides.

    Of what the words do not find where they find plenty, next to nothing is an
    answer (docs/benchmarks): the built-in vectors then order, and are not
    scanned. A larger model is asked for its own finds as well.
    """
    from spelunk.store.scorer import quantize_query

    snapshot, embedder = source.snapshot, source.embedder()
    alone = options.mode == "semantic" or bool(snapshot.damage)
    if not alone and not embedder.ranks:
        return {}
    if snapshot.manifest.meta("embedder") != embedder.id:
        raise UsageError("the vectors are another embedder's; run `spelunk index`")
    if not snapshot.codes:
        return {}
    vector = list(embedder.query(query.text))
    asked = quantize_query(vector)
    if any(c.dimensions != len(vector) for c in snapshot.codes):
        raise UsageError(
            f"the query's vector has not the dimensions of the index ({snapshot.codes[0].dimensions}); "
            "run `spelunk index --rebuild`"
        )
    found: dict[int, float] = {}
    for codes in snapshot.codes:
        found.update(codes.cosines(by_words, asked))
    if alone or not embedder.in_workers or len(by_words) < FEW:
        from spelunk.store import scan as vectors

        for i, cosine in vectors.nearest(snapshot.segments, vector, options.pool, scope.allowed(snapshot)):
            if alone or cosine >= MEANT:
                found.setdefault(i, cosine)
    return found


def unfilled(snapshot: Snapshot) -> str | None:
    """What to say of chunks that no vector was made of yet."""
    pending, _ = snapshot.manifest.pending()
    if not pending:
        return None
    why = snapshot.manifest.meta("embedder_error", "") or "the run was interrupted"
    return f"vectors: {pending:,} of {snapshot.manifest.counts()[1]:,} chunks have none yet ({why})"


def _fuse(
    snapshot: Snapshot,
    by_words: Sequence[tuple[int, float]],
    cosines: Mapping[int, float],
    test: grep.Verifier | None,
) -> list[Candidate]:
    """Both sides' chunks with their rows; those not of this generation fall out here."""
    scores = dict(by_words)
    ids = list(dict.fromkeys([*scores, *cosines]))
    chunks = snapshot.visible(ids)
    if test is not None:
        unverified = [i for i in cosines if i in chunks and i not in scores]
        passed = grep.passing(snapshot, unverified, test)
        chunks = {i: c for i, c in chunks.items() if i in scores or i in passed}
    files = snapshot.files(list({c.file for c in chunks.values()}))
    return [
        Candidate(chunk, files[chunk.file], lexical=scores.get(i, 0.0), dense=cosines.get(i))
        for i, chunk in chunks.items()
        if chunk.file in files
    ]


def _facts(sources: Sequence[Source], query: Query, options: SearchOptions) -> QueryFacts:
    """What ranking needs to know of the query."""
    kind = "symbol" if options.mode == "symbol" else query.kind_of_query
    full_texts = [s.snapshot.lexical for s in sources]
    total = max(1, sum(t.documents for t in full_texts))
    rarity = {
        s: math.log(1 + total / (1 + sum(t.document_frequency(s) for t in full_texts)))
        for s in query_stems(query.text)
    }
    return facts(query.text, kind, rarity)


class _PathRarity(dict[str, float]):
    """Stem -> how rare it is among the paths: 0 in every chunk's, near 1 in one's."""

    def __init__(self, sources: Sequence[Source]) -> None:
        super().__init__()
        self._full_texts = [s.snapshot.lexical for s in sources]
        self._total = max(1, sum(t.documents for t in self._full_texts))

    def __missing__(self, stem: str) -> float:
        found = sum(t.document_frequency(stem, "path") for t in self._full_texts)
        scale = math.log(1 + self._total)
        value = self[stem] = max(0.0, math.log((1 + self._total) / (1 + found)) / scale)
        return value


def chunk_id(file: FileRow, chunk: ChunkRecord) -> str:
    """16 hex digits over path, content and place: the same in every index of the same content."""
    place = f"\0{chunk.start}\0{chunk.end}\0{chunk.kind}".encode()
    path = file.path.encode("utf-8", "surrogateescape")
    return xxhash.xxh3_64_hexdigest(path + b"\0" + file.digest + place)


def _present(
    sources: Sequence[Source],
    ranked: Sequence[Candidate],
    options: SearchOptions,
    asked: frozenset[str] = frozenset(),
) -> tuple[Hit, ...]:
    """Candidates as hits with their text, labelled with the name asked for where they define it."""
    hits = []
    for c in ranked:
        kind, symbol = c.chunk.kind, c.chunk.symbol
        if asked and symbol.lower() not in asked:
            named = next((d for d in c.chunk.definitions if d.name.lower() in asked), None)
            if named is not None:
                kind, symbol = named.kind, named.name
        source = sources[c.source]
        text = source.snapshot.text(c.file.id)
        content, first, last = text.with_context(c.chunk, options.context, options.context)
        hits.append(
            Hit(
                path=source.prefix + c.file.path,
                start_line=first,
                end_line=last,
                language=c.file.language,
                kind=kind,
                symbol=symbol,
                score=c.score,
                content=content,
                signals=dict(c.signals) if options.explain else {},
                chunk_id=chunk_id(c.file, c.chunk),
                root=source.root,
            )
        )
    return tuple(hits)


def present_chunks(
    snapshot: Snapshot, scored: Sequence[tuple[ChunkRecord, float]], root: str = ""
) -> tuple[Hit, ...]:
    """Chunks with a score as hits, in the order given."""
    files = snapshot.files(list({c.file for c, _ in scored}))
    ranked = [Candidate(c, files[c.file], score=s) for c, s in scored]
    return _present([Source(snapshot, _no_embedder, root=root)], ranked, SearchOptions(limit=MAX_LIMIT))


def _no_embedder() -> Embedder:
    raise AssertionError("presenting embeds nothing")
