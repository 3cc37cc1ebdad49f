"""Names near to one that nothing has: by edits, and by the parts that they share."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from spelunk.graph.names import SEPARATOR
from spelunk.text.tokens import terms, words

if TYPE_CHECKING:
    from spelunk.store.protocols import Reader

MOST_NEAREST: Final = 5
LOOKED_AT: Final = 40
"""Chunks whose definitions are compared with a name that nothing has."""
LEAST_LIKENESS: Final = 0.6
"""As difflib measures it."""


def nearest_names(reader: Reader, asked: str) -> tuple[str, ...]:
    """Names near to one that nothing has, as they are defined, the nearest first."""
    from spelunk.search.corpus import Corpus, SearchTarget
    from spelunk.search.missing_words import nearest_word
    from spelunk.search.query import WORD, Query, Term
    from spelunk.store.protocols import Filter

    name = [part for part in SEPARATOR.split(asked.removesuffix("()")) if part][-1:]
    if not name or reader.damage is not None:
        return ()
    word = name[0]

    def no_embedder() -> None:
        raise AssertionError("names are compared without vectors")

    corpus = Corpus([SearchTarget(reader, no_embedder)], Query((Term(WORD, word),)))  # type: ignore[arg-type]
    spelled = nearest_word(corpus, word, "name")
    weights = {term: 1.0 for w in words(word) for term in terms(w)}
    weights.update({term: 2.0 for w in words(spelled) for term in terms(w)})
    scored = reader.lexical(weights, {"name": 1.0}, Filter(), LOOKED_AT) if weights else []
    defined = {d.name for chunk in reader.chunks([s.id for s in scored]).values() for d in chunk.definitions}
    near = {d: difflib.SequenceMatcher(None, word.lower(), d.lower()).ratio() for d in defined}
    ordered = sorted((d for d in near if near[d] >= LEAST_LIKENESS), key=lambda d: (-near[d], d))
    return tuple(ordered[:MOST_NEAREST])
