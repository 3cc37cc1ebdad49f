"""Why a search found nothing, and what to try: one or two sentences.

The query is taken apart: filters that leave nothing, what is excluded,
conditions of which none is met or that no chunk meets together, words that
occur nowhere. Each part is tried by itself, so this runs for empty answers alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from spelunk.search.query import FILTER, PHRASE, REGEX, SYMBOL, WORD, Query, Term
from spelunk.search.query_syntax import RELATIONS
from spelunk.search.terms import content_words, query_text
from spelunk.text.tokens import words

if TYPE_CHECKING:
    from spelunk.search.answer import MissingWord
    from spelunk.search.corpus import Corpus

MOST_TRIED: Final = 8
"""Parts of a query that are tried one by one."""
MOST_NAMED: Final = 8
"""Kinds or languages that are named, the commonest ones."""
MOST_SHOWN: Final = 60
"""Characters shown of a part of a query."""

Finds = Callable[[Query], bool]
"""Whether a query finds anything in the same indexes."""


def reasons(
    corpus: Corpus, query: Query, mode: str, missing: Sequence[MissingWord], finds: Finds
) -> tuple[str, ...]:
    """Why nothing was found, and what to try.

    Args:
        corpus: The indexes searched.
        query: The query.
        mode: As of the request.
        missing: Its words that occur nowhere.
        finds: Tries a part of the query.
    """
    if not any(reader.documents for reader in corpus.readers):
        return ("nothing is indexed here",)
    filters = [t for t in query.terms if t.kind == FILTER]
    why = _empty_filter(corpus, filters)
    if why is None and mode != "regex" and not any(t.kind == REGEX for t in query.terms):
        why = _too_narrow(query, filters, finds) or _unmet(query, missing, finds)
    if why is None:
        why = _without_words(query, mode, missing)
    if any(part.target.within for part in corpus.parts):
        return why, f"only {_places(corpus)} was searched"
    return (why,)


def _empty_filter(corpus: Corpus, filters: Sequence[Term]) -> str | None:
    """The filter that leaves nothing, if there is one."""
    if not corpus.parts:
        given = _listed(t for t in filters if t.field in ("repo", "branch"))
        return f"no workspace passes {given}"
    if not corpus.passes_any(Query(())):
        return f"no indexed file in {_places(corpus)}; `spelunk why PATH` says why"
    keys = list(dict.fromkeys(t.field for t in filters if t.field not in ("repo", "branch")))
    for key in keys[:MOST_TRIED]:
        own = [t for t in filters if t.field == key]
        if key in RELATIONS and all(part.inside.paths == () for part in corpus.parts):
            return f"no definition passes {_listed(own)}; `spelunk def NAME` shows what a name means"
        if not corpus.passes_any(Query(tuple(own))):
            return f"no {_noun(key)} passes {_listed(own)}{_offered(corpus, key)}"
    if keys and not corpus.passes_any(Query(tuple(filters))):
        return f"no file passes all filters together: {_listed(filters)}; leave one out"
    return None


def _places(corpus: Corpus) -> str:
    places = [place for part in corpus.parts for place in part.target.within]
    more = " …" if len(places) > MOST_NAMED else ""
    return " ".join(map(_shown, places[:MOST_NAMED])) + more


def _noun(key: str) -> str:
    return {"kind": "chunk", "lang": "file", "path": "path", "file": "path"}.get(key, "document")


def _offered(corpus: Corpus, key: str) -> str:
    """The values that a filter could have."""
    if key not in ("kind", "lang"):
        return ""
    counts: dict[str, int] = {}
    for reader in corpus.readers:
        for name, count in (reader.kinds() if key == "kind" else reader.languages()).items():
            counts[name] = counts.get(name, 0) + count
    common = sorted(counts, key=lambda name: (-counts[name], name))
    more = ", …" if len(common) > MOST_NAMED else ""
    return f"; there {'are' if len(common) > 1 else 'is'} {', '.join(common[:MOST_NAMED])}{more}"


def _too_narrow(query: Query, filters: Sequence[Term], finds: Finds) -> str | None:
    """What leaves out everything that the rest of the query finds."""
    negated = [t for t in query.terms if t.negated and t.kind != FILTER]
    if negated and finds(_without(query, negated)):
        return f"everything found is excluded by {_listed(negated)}; leave it out"
    keys = list(dict.fromkeys(t.field for t in filters))
    rest = _without(query, filters)
    if not keys or not rest.terms or not finds(rest):
        return None
    for key in keys[:MOST_TRIED]:
        own = [t for t in filters if t.field == key]
        if len(keys) == 1 or finds(_without(query, own)):
            return f"there are hits, but none passes {_listed(own)}; leave it out"
    return f"there are hits, but none passes {_listed(filters)}; leave them out"


def _unmet(query: Query, missing: Sequence[MissingWord], finds: Finds) -> str | None:
    """The condition that no chunk meets, or the conditions that none meets together."""
    conditions = [t for t in query.terms if t.kind in (PHRASE, SYMBOL) and not t.negated]
    for term in conditions[:MOST_TRIED]:
        if finds(Query((term,))):
            continue
        occurs = finds(Query((Term(WORD, term.value),)))
        if term.kind == PHRASE:
            occurs = occurs and {m.word for m in missing}.isdisjoint(words(term.value))
        if term.kind == SYMBOL:
            return f"nothing here defines {_shown(term.value)}" + (
                "; it is mentioned: search it as a word, without sym: or --mode symbol" if occurs else ""
            )
        return f"the phrase {_shown(term.value)} occurs nowhere" + (
            "; its words do: leave out the quotation marks" if occurs else ""
        )
    if len(conditions) > 1:
        return f"each is found alone, but no chunk has all of {_listed(conditions)}; leave one out"
    return None


def _without_words(query: Query, mode: str, missing: Sequence[MissingWord]) -> str:
    if mode == "regex" or any(t.kind == REGEX for t in query.terms):
        return "no text matches the pattern; letters match in their own case alone, (?i) ignores it"
    if not words(query_text(query)):
        return "the query has no word to look for"
    if len(missing) >= len(set(content_words(query_text(query)))):
        return "none of its words occurs here"
    return "no chunk has these words; try fewer or other ones"


def _without(query: Query, terms: Sequence[Term]) -> Query:
    return replace(query, terms=tuple(t for t in query.terms if t not in terms))


def _listed(terms: Iterable[Term]) -> str:
    return " ".join(_shown(str(t)) for t in terms)


def _shown(text: str) -> str:
    return f"`{text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + '…'}`"
