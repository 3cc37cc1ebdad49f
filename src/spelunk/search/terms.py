"""The terms of a query: which are looked up, their weights, and what a snippet marks.

Every consumer (retrieval, ranking, verification, snippets) takes its words
from here, so that they agree. A query of any size is bounded here: only its
first :data:`~spelunk.search.query.MAX_TEXT` characters are tokenised and embedded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from spelunk.search.answer import Matched
from spelunk.search.query import MAX_TEXT, Query
from spelunk.text.tokens import LEXICON, MAX_WORD, parts, terms, words

if TYPE_CHECKING:
    from spelunk.pasted import Pasted

MAX_TERMS: Final = 64
"""Terms of a query that are looked up, the rarest first."""

COMPOUND_WEIGHT: Final = 2.0
"""Of a word with several parts: ``flush_batches`` is worth more than its parts apart."""
STEM_WEIGHT: Final = 0.7
"""Of the stem of a part, beside the word itself."""

_STOP_WORDS: Final = """
a an and are as at be been being but by can could did do does doing for from get gets had has have
how i if in into is it its let me of on or should so than that the their them then there these they
this those to up use used uses using was we were what when where which while who whom whose why will
with would you your about after all also any before between both each implement implemented
implementation work works
"""
STOP_WORDS: Final = frozenset(_STOP_WORDS.split())
"""Words of questions, not of answers; kept when a query has nothing else."""


def query_text(query: Query) -> str:
    """The words, phrases and symbol names that are tokenised and embedded."""
    return query.text[:MAX_TEXT]


def content_words(text: str) -> list[str]:
    """The words of a query without stop words; all of them where nothing else is there."""
    spoken = words(text)
    return [w for w in spoken if w.lower() not in STOP_WORDS] or spoken


def whole_term(word: str) -> str:
    """The term of a word as a whole: in lower case, and its head alone where it is very long."""
    return terms(word)[0]


def term_weights(text: str, mode: str) -> dict[str, float]:
    """The terms to look up with their weights; stop words only where there is nothing else."""
    weights: dict[str, float] = {}
    for word in words(text) if mode == "symbol" else content_words(text):
        whole, *stems = terms(word) if len(word) <= MAX_WORD else [whole_term(word)]
        weight = COMPOUND_WEIGHT if len(stems) > 1 else 1.0
        weights[whole] = max(weight, weights.get(whole, 0.0))
        for stem in stems:
            weights[stem] = max(STEM_WEIGHT, weights.get(stem, 0.0))
    return weights


def text_weights(pasted: Pasted) -> dict[str, float]:
    """The terms of a pasted text with their weights: those of its words, by the regions they stand in."""
    weights: dict[str, float] = {}
    for word, worth in pasted.words.items():
        if word.lower() in STOP_WORDS:
            continue
        whole, *stems = terms(word) if len(word) <= MAX_WORD else [whole_term(word)]
        weight = worth * (COMPOUND_WEIGHT if len(stems) > 1 else 1.0)
        weights[whole] = max(weight, weights.get(whole, 0.0))
        for stem in stems:
            weights[stem] = max(STEM_WEIGHT * worth, weights.get(stem, 0.0))
    return weights or dict.fromkeys((whole_term(word) for word in pasted.words), 1.0)


def heaviest(weights: Mapping[str, float]) -> dict[str, float]:
    """At most :data:`MAX_TERMS` of the terms: those of the highest weight."""
    if len(weights) <= MAX_TERMS:
        return dict(weights)
    return {t: weights[t] for t in sorted(weights, key=lambda t: (-weights[t], t))[:MAX_TERMS]}


def rarest(weights: Mapping[str, float], frequencies: Mapping[str, int]) -> dict[str, float]:
    """At most :data:`MAX_TERMS` of the terms: the rarest, those that no chunk has last."""
    if len(weights) <= MAX_TERMS:
        return dict(weights)
    order = sorted(weights, key=lambda t: frequencies.get(t) or float("inf"))
    return {t: weights[t] for t in order[:MAX_TERMS]}


def negated_terms(query: Query) -> tuple[str, ...]:
    """Negated words as terms; one with inner punctuation is verified in the text instead."""
    return tuple(whole_term(w) for w in query.negated_words if words(w) == [w])


def has_term(text: str, term: str) -> bool:
    """Whether a text is indexed under a term."""
    return any(term in LEXICON[word] for word in words(text))


def matched_by(query: Query, mode: str) -> Matched:
    """What a text is matched by."""
    if query.regexes:
        return Matched(literals=query.phrases, regexes=query.regexes)
    text = " ".join((*query.words, *query.symbols))[:MAX_TEXT]
    names = [w for w in (word.strip(".,;:!?'\"`()") for word in text.split()) if _is_name(w)]
    looked_up = term_weights(text, mode)
    return Matched(frozenset(looked_up), tuple(dict.fromkeys([*names, *query.phrases, *query.symbols])))


def _is_name(word: str) -> bool:
    return len(word) <= MAX_WORD and len([part for w in re.findall(r"\w+", word) for part in parts(w)]) > 1
