"""Focus of a query: its words as literals to look for in files that are not indexed yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from spelunk.search.corpus import filter_of
from spelunk.search.query import Query
from spelunk.search.terms import COMPOUND_WEIGHT, STOP_WORDS, content_words, query_text
from spelunk.text.required import required
from spelunk.text.tokens import MAX_WORD, STEMS, parts, words
from spelunk.workspace.focus import Focus, Literal

MAX_LITERALS: Final = 24
"""Literals looked for in each file: a pasted text has hundreds of words, and the heaviest tell enough."""
MIN_PREFIX: Final = 3
"""Characters of a stem that may stand for its word: shorter ones occur in everything."""
PART_WEIGHT: Final = 0.7
REGEX_WEIGHT: Final = 2.0


def focus_of(query: Query, mode: str, *, prefix: str = "", within: Sequence[str] = ()) -> Focus:
    """The focus of a parsed query.

    Args:
        query: With the request's filters.
        mode: Of the search.
        prefix: Put before each path for ``path:``.
        within: Files and folders to stay in; everywhere without any.
    """
    literals: dict[str, Literal] = {}

    def add(text: str, weight: float, term: str = "") -> None:
        known = literals.get(text)
        if text and (known is None or weight > known.weight):
            literals[text] = Literal(text, weight, term)

    for word, weight in _words(query, mode).items():
        pieces = parts(word[:MAX_WORD])
        if len(pieces) == 1:
            add(_prefix(pieces[0]), weight, STEMS[pieces[0]])
            continue
        add(word[:MAX_WORD].lower(), weight * COMPOUND_WEIGHT)
        for piece in pieces:
            if piece not in STOP_WORDS:
                add(_prefix(piece), weight * PART_WEIGHT, STEMS[piece])
    for pattern in query.regexes:
        for clause in required(pattern) or ():
            for run in clause:
                add(run.text, REGEX_WEIGHT / len(clause))
    heaviest = sorted(literals.values(), key=lambda item: (-item.weight, -len(item.text), item.text))
    return Focus(
        literals=tuple(heaviest[:MAX_LITERALS]),
        places=_places(query),
        wanted=filter_of(query, prefix=prefix, within=within),
    )


def _words(query: Query, mode: str) -> Mapping[str, float]:
    if query.pasted is not None:
        words_of_text = {w: n for w, n in query.pasted.words.items() if w.lower() not in STOP_WORDS}
        return words_of_text or query.pasted.words
    text = query_text(query)
    return dict.fromkeys(words(text) if mode == "symbol" else content_words(text), 1.0)


def _prefix(term: str) -> str:
    """What a word in lower case shares with its stem: a file with any form of the word has it."""
    stem = STEMS[term]
    shared = next((n for n, (a, b) in enumerate(zip(term, stem, strict=False)) if a != b), len(stem))
    return term[:shared] if shared >= MIN_PREFIX else term


def _places(query: Query) -> tuple[str, ...]:
    """Paths and file names that the query names, in lower case without a leading ``./`` or ``/``."""
    named = [place.path for place in query.pasted.places] if query.pasted is not None else []
    named += [w for w in (word.strip(".,;:!?'\"`()") for word in query.words) if "." in w or "/" in w]
    return tuple(
        dict.fromkeys(n.lower().replace("\\", "/").removeprefix("./").strip("/") for n in named if n)
    )
