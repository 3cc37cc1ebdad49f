"""The search itself: retrieve → fuse → rank → present, over one or several indexes.

The steps of :func:`search` are the functions below it, in order. Several
indexes are searched as one corpus: document frequencies are summed, and a list
of candidates is cut after it is merged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from spelunk.errors import IndexCorruptError, SpelunkError, UsageError
from spelunk.search import messages, past, places, rare_names, verify
from spelunk.search.answer import Facets
from spelunk.search.copies import Group
from spelunk.search.corpus import Corpus, Part, PathRarity, SearchTarget
from spelunk.search.evidence import Evidence
from spelunk.search.facets import count_candidates
from spelunk.search.findings import NO_FINDINGS, Findings, findings
from spelunk.search.hits import grouped, present
from spelunk.search.query import Query
from spelunk.search.rank import model
from spelunk.search.rank.signals import (
    QueryFacts,
    ScoredChunk,
    facts,
    flags_asked_for,
    query_stems,
    text_stems,
)
from spelunk.search.request import SearchRequest
from spelunk.search.terms import heaviest, query_text, rarest, term_weights, text_weights
from spelunk.store.protocols import ChunkId, Filter, Scored
from spelunk.types import Flag, Hit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spelunk.store.protocols import TextField

MIN_POOL: Final = 200
"""Candidates of each side that are ranked. With 400 NDCG@10 is 0.8936 instead of 0.8950
(docs/benchmarks/impacts-2026-11-27.md)."""
TEXT_POOL: Final = 400
"""The same of a pasted text. With 200 Acc@5 of 240 commits is .887 instead of .892, All@10 .842 instead of .850, and
Acc@10 of 46 issues .891 instead of .913 (docs/benchmarks/localisation-2026-11-27.md)."""
POOL_FACTOR: Final = 4
SOURCES: Final = 100
"""Candidates of a pasted text that are taken besides from files without these flags, which are many
and use its words more often than the code to change."""
HELD_DOWN: Final = (Flag.TEST, Flag.DOCS, Flag.EXAMPLE, Flag.VENDORED, Flag.GENERATED)
FEW_LEXICAL_HITS: Final = 20
"""With fewer chunks than this by words, the nearest by meaning are looked for as well."""
MIN_COSINE: Final = 0.3
"""The least cosine of such a chunk: of unrelated texts, one in a hundred reaches 0.25 (docs/model.md)."""

FIELDS: Final[Mapping[TextField, float]] = {"body": 1.0, "name": 0.5, "path": 2.0}
"""Weight of a chunk's text, the names defined in it, and its path."""
NAMES_ALONE: Final[Mapping[TextField, float]] = {"name": 1.0}

Scores = dict[int, dict[ChunkId, float]]
"""Scores by the number of the part, then by chunk."""


class SearchResult(Struct, frozen=True):
    """Hits, why a side of the search is missing if one is, what is to say about them, and counts if asked for."""

    hits: tuple[Hit, ...]
    degraded: str | None = None
    findings: Findings = NO_FINDINGS
    facets: Facets | None = None


def search(
    targets: Sequence[SearchTarget],
    query: Query,
    request: SearchRequest,
    weights: model.Weights | None = None,
) -> SearchResult:
    """The best chunks for a query over one or several indexes, as one corpus.

    Args:
        targets: The indexes.
        query: The parsed query, filters of the request included.
        request: Mode, limit, context and explain.
        weights: The ranking model's; by default those for the kind of query.

    Raises:
        IndexCorruptError: Neither side of any index can be read.
    """
    corpus = Corpus(targets, query)
    weights = weights or weights_for(query)
    known: QueryFacts | None = None
    pool = pool_size(request, pasted=query.pasted is not None)
    if request.mode == "regex" or (query.regexes and not query.text):
        ranked = by_pattern(corpus, query, max(request.limit, request.facets))
        complete = len(ranked) < max(request.limit, request.facets)
        groups = [Group(c) for c in ranked[: request.limit]]
    else:
        known = facts_of(corpus, query, request)
        lexical = by_words(corpus, query, request)
        evidence = by_evidence(corpus, query, request, lexical)
        dense = by_meaning(corpus, query, request, lexical, weights)
        candidates = fuse(corpus, query, lexical, dense)
        ranked = model.rank(candidates, known, PathRarity(corpus), weights, evidence)
        complete = max(sum(map(len, lexical.values())), sum(map(len, dense.values()))) < pool
        groups = grouped(targets, ranked, request)
    hits = present(targets, query, groups, request)
    if request.related:
        from spelunk.search.related import with_related

        hits = with_related(targets, groups, hits, request.related)
    found = findings(corpus, query, request.mode, hits, groups, known, partial(_finds, targets, request))
    facets = count_candidates(ranked, targets, complete=complete) if request.facets else None
    return SearchResult(hits, corpus.degraded(), found, facets)


def _finds(targets: Sequence[SearchTarget], request: SearchRequest, query: Query) -> bool:
    """Whether a part of a query finds anything by its words."""
    mode = "lexical" if request.mode == "semantic" else request.mode
    return any(by_words(Corpus(targets, query), query, replace(request, mode=mode)).values())


def pool_size(request: SearchRequest, *, pasted: bool = False) -> int:
    """Candidates taken from each side."""
    return max(TEXT_POOL if pasted else MIN_POOL, POOL_FACTOR * request.limit, request.facets)


def weights_for(query: Query) -> model.Weights:
    """The weights of the ranking model for a kind of query."""
    return model.TEXT if query.pasted is not None else model.DEFAULT


def by_pattern(corpus: Corpus, query: Query, limit: int) -> list[ScoredChunk]:
    """Chunks in which every pattern matches, by path and line: no hit outranks another."""
    matches: list[ScoredChunk] = []
    for part in corpus.parts:
        for n, match in enumerate(verify.scan(part.reader, query, part.where, part.inside)):
            if n == limit:
                break
            place = part.target.prefix + match.file.path
            signals = {"matches": float(match.matches)}
            matches.append(
                ScoredChunk(match.chunk, match.file, part.number, place, signals=signals, score=1.0)
            )
        _note_damage(part)
    return sorted(matches, key=lambda c: (c.place, c.chunk.start))


def by_words(corpus: Corpus, query: Query, request: SearchRequest) -> Scores:
    """Chunks by impact over text, names and paths, verified where the text decides.

    In ``semantic`` mode none; :func:`by_meaning` calls :func:`_by_words` where vectors are missing.
    """
    return {} if request.mode == "semantic" else _by_words(corpus, corpus.parts, query, request)


def _by_words(corpus: Corpus, parts: Sequence[Part], query: Query, request: SearchRequest) -> Scores:
    fields = NAMES_ALONE if request.mode == "symbol" else FIELDS
    weights = _weighed_terms(corpus, query, request.mode, fields)
    requires = verify.requirements(query)
    pool = pool_size(request, pasted=query.pasted is not None)
    lists: list[tuple[Part, list[Scored]]] = []
    sources: list[tuple[Part, list[Scored]]] = []
    for part in parts:
        reader, where = part.reader, part.where
        test = verify.verifier(query, part.inside)

        def best(limit: int) -> list[Scored]:
            if weights:
                return reader.lexical(weights, fields, where, limit, requires)  # noqa: B023 - called here
            if query_text(query) and test is None:  # noqa: B023
                return []  # an emoji: no word in it, nothing to verify, and in no index
            return [Scored(i, 1.0) for i in reader.listed(where, limit, requires)]  # noqa: B023

        limit = pool
        scored = best(limit)
        while test is not None:  # conditions that only the text decides: ask for more until enough pass
            passed = verify.passing(reader, [s.id for s in scored], test)
            if len(passed) >= pool or len(scored) < limit:
                scored = [s for s in scored if s.id in passed]
                break
            limit *= 4
            scored = best(limit)
        lists.append((part, scored))
        if query.pasted is not None and weights and test is None:
            sources.append(
                (part, reader.lexical(weights, fields, _sources_only(part, query), SOURCES, requires))
            )
        _note_damage(part)
        part.by_words = reader.damage is None
    best_scores = _best_of(lists, pool)
    for number, scores in _best_of(sources, SOURCES).items():
        best_scores[number].update(scores)
    return best_scores


def _weighed_terms(
    corpus: Corpus, query: Query, mode: str, fields: Mapping[TextField, float]
) -> dict[str, float]:
    """The query's terms with their weights, inverse document frequency included.

    A term's rarity is that in the field where it is commonest: a word that
    every text holds is not telling because few paths have it.
    """
    pasted = query.pasted
    weights = term_weights(query_text(query), mode) if pasted is None else text_weights(pasted)
    in_texts = corpus.frequencies(weights, "body")
    if pasted is None:
        weights = rarest(weights, in_texts)
    counts = [in_texts if f == "body" else corpus.frequencies(weights, f) for f in fields]
    commonest = {term: max(count.get(term, 0) for count in counts) for term in weights}
    return heaviest(
        {t: w * corpus.inverse_frequency(commonest[t]) for t, w in weights.items() if commonest[t]}
    )


def _sources_only(part: Part, query: Query) -> Filter:
    """The part's filter without the files that are held down: tests, documents, copies."""
    asked = flags_asked_for(query.pasted.title) if query.pasted is not None else frozenset()
    bits = sum(int(flag) for flag in HELD_DOWN if (flag.name or "").lower() not in asked)
    return replace(part.where, not_flags=part.where.not_flags | bits)


def by_evidence(corpus: Corpus, query: Query, request: SearchRequest, lexical: Scores) -> Evidence:
    """What places, messages and commits say of files and chunks; those named join the candidates."""
    evidence = Evidence()
    if request.mode == "semantic":
        return evidence
    pasted = query.pasted
    text = query_text(query)
    terms = term_weights(text, request.mode) if pasted is None else text_weights(pasted)
    if pasted is None:
        rare_names.collect(corpus, query, evidence)
    for part in corpus.parts:
        if part.target.history is not None and text and query.kind_of_query != "symbol":
            past.collect(part.reader, part.number, part.target.history, terms, evidence)
        if pasted is not None:
            named = places.collect(part.reader, part.number, pasted.places, evidence)
            if replace(part.where, prefix="") != Filter():  # they may lie outside the filters
                named.clear()
            named |= messages.collect(part.reader, part.number, pasted, part.where, evidence)
            scores = lexical.setdefault(part.number, {})
            for chunk in sorted(named):
                scores.setdefault(chunk, 0.0)
    return evidence


def _note_damage(part: Part) -> None:
    if part.reader.damage:
        part.notices.append(f"full text: {part.reader.damage}")


def _best_of(lists: Sequence[tuple[Part, list[Scored]]], limit: int) -> Scores:
    """The best of several lists as of one; those that equal the last are kept."""
    keys = sorted((-s.score, s.tie) for _, scored in lists for s in scored)
    last = keys[limit - 1] if len(keys) > limit else (0.0, 0)
    return {
        part.number: {s.id: s.score for s in scored if (-s.score, s.tie) <= last or len(keys) <= limit}
        for part, scored in lists
    }


def by_meaning(
    corpus: Corpus, query: Query, request: SearchRequest, lexical: Scores, weights: model.Weights
) -> Scores:
    """The cosine with the query's vector of what the words found, and of the nearest chunks besides.

    The nearest are looked for where the vectors answer alone, where the words
    found few chunks, and with a larger model. The built-in vectors only order
    what the words found where that is plenty: more gained nothing (docs/benchmarks).
    An index whose vectors cannot be read is searched by words instead, in every mode.
    """
    semantic = request.mode == "semantic"
    few = sum(map(len, lexical.values())) < FEW_LEXICAL_HITS
    orders = request.mode == "hybrid" and query.kind_of_query != "symbol" and (few or bool(weights.meaning))
    wanted = bool(query.text) and (semantic or orders)
    cosines: Scores = {}
    lists: list[tuple[Part, list[Scored]]] = []
    for part in corpus.parts:
        damaged = part.reader.damage is not None
        if not (wanted or damaged):
            continue
        alone = semantic or damaged
        try:
            cosines[part.number], nearest = _dense(
                part,
                query,
                list(lexical.get(part.number, ())),
                pool_size(request, pasted=query.pasted is not None),
                alone=alone,
                few=few,
            )
            lists.append((part, nearest))
            _note_missing_vectors(part)
        except SpelunkError as error:
            part.broken = damaged
            part.notices.append(f"vectors: {error}")
    for number, near in _best_of(lists, pool_size(request, pasted=query.pasted is not None)).items():
        for chunk, cosine in near.items():
            cosines[number].setdefault(chunk, cosine)
    if semantic:  # an answer by words is better than none
        lacking = [part for part in corpus.parts if part.notices and not part.broken]
        lexical.update(_by_words(corpus, lacking, query, request) if lacking else {})
    if corpus.parts and all(part.broken for part in corpus.parts):
        raise IndexCorruptError(corpus.parts[0].reader.damage or "")
    return cosines


def _dense(
    part: Part, query: Query, by_words: Sequence[ChunkId], pool: int, *, alone: bool, few: bool
) -> tuple[dict[ChunkId, float], list[Scored]]:
    """Of one index: the cosines of the chunks given, and the nearest chunks where they are wanted."""
    reader, embedder = part.reader, part.target.embedder()
    if (not alone and not embedder.semantic) or not reader.dimensions:
        return {}, []
    if reader.embedder != embedder.id:
        raise UsageError("the vectors are another embedder's; run `spelunk index`")
    vector = list(embedder.query(query_text(query)))
    if reader.dimensions != len(vector):
        raise UsageError(
            f"the query's vector has not the dimensions of the index ({reader.dimensions}); "
            "run `spelunk index --rebuild`"
        )
    cosines = reader.cosines(vector, by_words)
    if not (alone or few or not embedder.in_workers):
        return cosines, []
    nearest = reader.nearest(vector, part.where, pool)
    return cosines, [s for s in nearest if alone or s.score >= MIN_COSINE]


def _note_missing_vectors(part: Part) -> None:
    notice = missing_vectors(part.target)
    if notice:
        part.notices.append(notice)


def missing_vectors(target: SearchTarget) -> str | None:
    """A notice about chunks that no vector was made of yet; None if there are none."""
    pending, why = target.reader.missing_vectors()
    if not pending:
        return None
    why = why or "the run was interrupted"
    return f"vectors: {pending:,} of {target.reader.documents:,} chunks have none yet ({why})"


def fuse(corpus: Corpus, query: Query, lexical: Scores, dense: Scores) -> list[ScoredChunk]:
    """The chunks of both sides with their rows, by path and line."""
    fused: list[ScoredChunk] = []
    for part in corpus.parts:
        reader, scores = part.reader, lexical.get(part.number, {})
        intact = reader.damage is None
        test = verify.verifier(query, part.inside, by_terms=intact)
        cosines = dense.get(part.number, {})
        chunks = reader.chunks(list(dict.fromkeys([*scores, *cosines])))
        if test is not None:
            verified = scores if intact else {}
            passed = verify.passing(reader, [i for i in chunks if i not in verified], test)
            chunks = {i: c for i, c in chunks.items() if i in verified or i in passed}
        files = reader.files(list({c.file for c in chunks.values()}))
        fused += [
            ScoredChunk(
                chunk,
                files[chunk.file],
                part.number,
                part.target.prefix + files[chunk.file].path,
                lexical=scores.get(i, 0.0) if part.by_words else None,
                dense=cosines.get(i),
            )
            for i, chunk in chunks.items()
            if chunk.file in files
        ]
    return sorted(fused, key=lambda c: (c.place, c.chunk.start))


def facts_of(corpus: Corpus, query: Query, request: SearchRequest) -> QueryFacts:
    """The facts about the query that ranking uses."""
    kind = "symbol" if request.mode == "symbol" else query.kind_of_query
    text = query_text(query)
    pasted = query.pasted
    if pasted is not None:
        weights = text_stems(pasted)
        counts, total = corpus.frequencies(weights, "body"), corpus.documents
        rarity = {s: w * math.log(1 + total / (1 + counts.get(s, 0))) for s, w in weights.items()}
        return replace(facts(text, kind, rarity), asked=flags_asked_for(pasted.title))
    stems = query_stems(text)
    counts, total = corpus.frequencies(stems, "body"), corpus.documents
    rarity = {s: math.log(1 + total / (1 + counts.get(s, 0))) for s in stems}
    return facts(text, kind, rarity)
