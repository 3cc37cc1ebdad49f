"""Rare names: chunks that hold a name of the query as a whole, where few do.

An identifier, a hash or a request's number has many parts (``5cd0663add`` is
``5``, ``cd``, ``0663``, ``add``), and texts that share the parts can weigh more
together than the one text that has the name. That text is what was asked for,
in a test or a document too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from spelunk.search.terms import content_words, query_text
from spelunk.text.tokens import MAX_WORD, terms

if TYPE_CHECKING:
    from spelunk.search.corpus import Corpus
    from spelunk.search.evidence import Evidence
    from spelunk.search.query import Query

RARE: Final = 8
"""Chunks that may have the name; where more have it, ranking by rarity is enough."""
MAX_NAMES: Final = 4
"""Names of one query that are looked up, the first ones."""


def collect(corpus: Corpus, query: Query, evidence: Evidence) -> None:
    """Note the chunks that hold a rare name of the query, stronger the fewer they are."""
    wanted = [terms(w) for w in content_words(query_text(query)) if len(w) <= MAX_WORD]
    names = list(dict.fromkeys(whole for whole, *stems in wanted if len(stems) > 1))[:MAX_NAMES]
    counts = corpus.frequencies(names, "body") if names else {}
    for name in names:
        if not 0 < counts.get(name, 0) <= RARE:
            continue
        for part in corpus.parts:
            for scored in part.reader.lexical({name: 1.0}, {"body": 1.0}, part.where, RARE, ()):
                evidence.of_chunk(part.number, scored.id, "whole", 1 / math.sqrt(counts[name]))
