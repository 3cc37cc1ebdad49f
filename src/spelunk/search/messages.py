"""Find the chunks whose text has a message or a quoted text of a pasted text word for word."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from spelunk.search import verify
from spelunk.search.evidence import Evidence
from spelunk.search.query import Query
from spelunk.search.query_syntax import PHRASE, Term
from spelunk.search.terms import whole_term
from spelunk.store.protocols import ChunkId, Filter, Reader, Requirement
from spelunk.text.required import Run
from spelunk.text.tokens import words

if TYPE_CHECKING:
    from spelunk.pasted import Pasted

MAX_MESSAGES: Final = 8
MAX_OPTIONS: Final = 6
"""Names with hyphens, such as options and rule names: their parts alone are common words."""
MAX_CHUNKS: Final = 40
"""Chunks that are verified for one message; where more have its words, it is a common phrase."""
MAX_HAVING: Final = 2_000
"""Chunks with the rarest word of a message above which it is not looked for."""
LONG: Final = 4
"""Words from which a message counts in full."""
RARE: Final = 10
"""Chunks with a message up to which they are ranked even where no word found them."""


def collect(reader: Reader, part: int, pasted: Pasted, where: Filter, evidence: Evidence) -> set[ChunkId]:
    """Note which chunks of an index have a message of the text.

    Returns:
        Chunks to rank even where no word found them.
    """
    candidates: set[ChunkId] = set()
    for message in literals(pasted):
        having = _having(reader, message, where)
        strength = min(1.0, len(words(message)) / LONG) / math.sqrt(len(having) or 1)
        for chunk in having:
            evidence.of_chunk(part, chunk, "message", strength)
        if len(having) <= RARE:
            candidates.update(having)
    return candidates


def literals(pasted: Pasted) -> list[str]:
    """Texts worth looking for word for word: messages of several words, names with hyphens."""
    messages = [m for m in pasted.messages if len(words(m)) > 1 or len(m) >= 12]
    options = [name for name in pasted.names if "-" in name]
    return list(dict.fromkeys([*messages[:MAX_MESSAGES], *options[:MAX_OPTIONS]]))


def _having(reader: Reader, message: str, where: Filter) -> Sequence[ChunkId]:
    query = Query((Term(PHRASE, message),), message)
    test = verify.verifier(query)
    if test is None:
        return []
    weights = {whole_term(word): 1.0 for word in words(message)}
    counts = reader.frequencies(weights, "body")
    if len(counts) < len(weights) or min(counts.values(), default=0) > MAX_HAVING:
        return []  # a word of it occurs nowhere, or all of them are common
    # Whole words alone: a run inside longer words is a walk over the whole term dictionary.
    rarest = sorted(weights, key=lambda term: (counts[term], term))[: verify.MAX_RUNS]
    needed = [Requirement(frozenset((Run(term, starts=True, ends=True),))) for term in rarest]
    scored = reader.lexical(weights, {"body": 1.0}, where, MAX_CHUNKS, needed)
    if len(scored) >= MAX_CHUNKS:
        return []
    return sorted(verify.passing(reader, [s.id for s in scored], test))
