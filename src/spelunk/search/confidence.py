"""A floor for answers: whether the best hits are near the query at all.

Two measures, of which one is enough: the share of the query's words, weighed by
their rarity, that one of the hits holds in its text and path; and the cosine of
a hit's vector with the query's. Words that occur nowhere weigh most. Measured on
labelled queries and on the queries of other corpora
(docs/benchmarks/found-2026-11-27.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from spelunk.search.rank.signals import path_facts
from spelunk.text.tokens import LEXICON, words

if TYPE_CHECKING:
    from spelunk.search.rank.signals import QueryFacts, ScoredChunk
    from spelunk.types import Hit

HITS: Final = 10
"""Hits that are looked at, the best ones."""
LEAST_SHARE: Final = 0.4
LEAST_COSINE: Final = 0.3
"""Below both, with the built-in vectors, a hit is far from the query."""
LEAST_SHARE_BY_WORDS: Final = 0.2
"""Below it a hit is far where there is no cosine, or that of a model whose scale is not known."""
MOST_STEMS_BY_WORDS: Final = 12
"""With more words than this, no single chunk need hold many of them: only a cosine can tell."""


def is_confident(
    hits: Sequence[Hit], chunks: Sequence[ScoredChunk], query: QueryFacts, *, by_cosine: bool
) -> bool:
    """Whether one of the hits is near the query; True where that cannot be told.

    Args:
        hits: Best first.
        chunks: The chunk of each hit.
        query: The query, with the weight of each stem.
        by_cosine: Whether the cosines are of the built-in vectors.
    """
    if not hits:
        return False
    if not query.weights:
        return True
    cosines = [c.dense for c in chunks[:HITS] if c.dense is not None] if by_cosine else []
    if cosines and max(cosines) >= LEAST_COSINE:
        return True
    if not cosines and len(query.weights) > MOST_STEMS_BY_WORDS:
        return True
    least = LEAST_SHARE if cosines else LEAST_SHARE_BY_WORDS
    return any(share >= least for share in _shares(hits[:HITS], query))


def _shares(hits: Iterable[Hit], query: QueryFacts) -> Iterable[float]:
    for hit in hits:
        in_name, folders, _, _ = path_facts(hit.path)
        found = {term for word in words(hit.content) for term in LEXICON[word]}
        yield query.share(found | in_name | folders)
