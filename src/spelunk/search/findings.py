"""What is said about an answer: missing words, whether its hits are near, and why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spelunk.search.missing_words import missing_words

if TYPE_CHECKING:
    from spelunk.search.answer import MissingWord
    from spelunk.search.copies import Group
    from spelunk.search.corpus import Corpus
    from spelunk.search.query import Query
    from spelunk.search.rank.signals import QueryFacts
    from spelunk.search.request import SearchRequest


@dataclass(frozen=True, slots=True)
class Findings:
    """What is said about an answer; the attributes are those of :class:`~spelunk.search.answer.Answer`."""

    missing: tuple[MissingWord, ...] = ()
    confident: bool = True
    notes: tuple[str, ...] = ()


NO_FINDINGS: Final = Findings()


def findings(
    corpus: Corpus, query: Query, request: SearchRequest, groups: Sequence[Group], known: QueryFacts | None
) -> Findings:
    """What is said about the hits of a query."""
    return Findings(missing_words(corpus, query, request.mode))
