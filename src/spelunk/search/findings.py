"""What is said about an answer: missing words, whether its hits are near, and why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from spelunk.embed.protocol import STATIC_ID
from spelunk.search.confidence import is_confident
from spelunk.search.missing_words import missing_words

if TYPE_CHECKING:
    from spelunk.search.answer import MissingWord
    from spelunk.search.copies import Group
    from spelunk.search.corpus import Corpus
    from spelunk.search.query import Query
    from spelunk.search.rank.signals import QueryFacts
    from spelunk.search.reasons import Finds
    from spelunk.types import Hit


class Findings(Struct, frozen=True):
    """What is said about an answer; the attributes are those of :class:`~spelunk.search.answer.Answer`."""

    missing: tuple[MissingWord, ...] = ()
    confident: bool = True
    notes: tuple[str, ...] = ()


NO_FINDINGS: Final = Findings()


def findings(
    corpus: Corpus,
    query: Query,
    mode: str,
    hits: Sequence[Hit],
    groups: Sequence[Group],
    facts: QueryFacts | None,
    finds: Finds,
) -> Findings:
    """What is said about the hits of a query.

    Args:
        corpus: The indexes searched.
        query: The query.
        mode: As of the request.
        hits: What was found.
        groups: The chunks of the hits.
        facts: As ranking used them; None where nothing was ranked.
        finds: Tries a part of the query, where nothing was found.
    """
    missing = missing_words(corpus, query, mode)
    if not hits:
        from spelunk.search.reasons import reasons  # for empty answers alone

        return Findings(missing, False, reasons(corpus, query, mode, missing, finds))
    by_cosine = all(part.reader.embedder == STATIC_ID for part in corpus.parts)
    confident = facts is None or is_confident(hits, [g.shown for g in groups], facts, by_cosine=by_cosine)
    return Findings(missing, confident and not _is_missing_name(query, missing))


def _is_missing_name(query: Query, missing: Sequence[MissingWord]) -> bool:
    """Whether the query is one name that occurs nowhere, in no other spelling either."""
    return (
        len(query.terms) == 1 and query.kind_of_query == "symbol" and any(not word.parts for word in missing)
    )
