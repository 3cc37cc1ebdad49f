"""Words of a query that occur nowhere in the corpus, and for each the nearest word that does.

A word is missing where none of its terms is in a text, a name or a path of any
index searched. A name of several parts is missing as a whole even if its parts
occur: that a name exists nowhere is worth telling to whoever typed it exactly.

The nearest word is at most two edits away (one for short words), an edit being
an insertion, a deletion, a replacement or a swap of neighbours. It is looked for
among the terms with the same beginning, and among those one edit away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from spelunk.search.answer import MissingWord
from spelunk.search.query import SYMBOL
from spelunk.search.terms import content_words, query_text
from spelunk.store.protocols import Filter
from spelunk.text.tokens import LEXICON, MAX_WORD, parts, terms, words

if TYPE_CHECKING:
    from spelunk.search.corpus import Corpus
    from spelunk.search.query import Query
    from spelunk.store.protocols import TextField

MOST_MISSING: Final = 5
"""Missing words that are told, the longest ones."""
MOST_CHECKED: Final = 64
"""Words of a query that are looked up, from its beginning."""
MOST_WORDS_SPELLED: Final = 16
"""In a query of more words nothing is suggested: a pasted text is full of foreign words."""
LEAST_LETTERS: Final = 4
"""A shorter word has too many neighbours for a suggestion."""
TWO_EDITS_FROM: Final = 6
"""Letters from which two edits are allowed."""
SAME_BEGINNING: Final = 3
LONG_BEGINNING: Final = 4
"""First letters that the terms of a beginning share with the word. An edit within them is found by
trying each: some 170 terms to look up instead of a walk over much of the vocabulary. The second
is for words of :data:`LONG_FROM` letters and more."""
LONG_FROM: Final = 8
MOST_CONFIRMED: Final = 3
"""Candidates that are looked for in a text."""
CHUNKS_READ: Final = 3
"""Chunks that a candidate is read from."""
MOST_FAR: Final = 100
"""A distance beyond any that counts."""

FIELDS: Final[tuple[TextField, ...]] = ("body", "name", "path")
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz_"


def missing_words(corpus: Corpus, query: Query, mode: str) -> tuple[MissingWord, ...]:
    """The words of a query that occur nowhere, in their order; none where a full text cannot be read.

    Args:
        corpus: The indexes searched; a missing word is in none of them.
        query: The query.
        mode: As of the request.
    """
    if mode == "regex" or not corpus.intact:
        return ()
    symbols = {w for t in query.terms if t.kind == SYMBOL for w in words(t.value)}
    typed = list(dict.fromkeys(content_words(query_text(query))))[:MOST_CHECKED]
    missing = []
    for word in typed:
        if 1 < len(word) <= MAX_WORD and not word[0].isdigit():  # 17, 0xc000, 3rd
            found = _missing(corpus, word)
            if found is not None:
                missing.append(found)
    told = sorted(missing, key=lambda m: -len(m.word))[:MOST_MISSING]
    in_order = tuple(m for m in missing if m in told)
    if len(typed) > MOST_WORDS_SPELLED:
        return in_order
    return tuple(
        replace(m, nearest=nearest_word(corpus, m.word, "name" if m.word in symbols else "body"))
        for m in in_order
    )


def _missing(corpus: Corpus, word: str) -> MissingWord | None:
    whole, *stems = terms(word)
    known = {term for field in FIELDS for term in corpus.frequencies((whole, *stems), field)}
    if whole in known or (len(stems) == 1 and stems[0] in known):
        return None
    return MissingWord(word, parts=len(stems) > 1 and known.issuperset(stems))


def nearest_word(corpus: Corpus, word: str, field: TextField = "body") -> str:
    """The word nearest to a missing one, as it is written in the corpus; "" where none is near.

    Among equally near ones the commonest, then the first by alphabet.

    Args:
        corpus: The indexes to look in.
        word: A word that does not occur.
        field: Where the nearest one has to occur.
    """
    lowered = word.lower()
    if len(lowered) < LEAST_LETTERS:
        return ""
    most = 2 if len(lowered) >= TWO_EDITS_FROM else 1
    found: list[tuple[int, bool, str]] = []
    for edits, _, term in sorted(_near_terms(corpus, lowered, field, most))[:MOST_CONFIRMED]:
        if found and min(found)[0] <= edits:
            break
        written = _as_written(corpus, term, field)
        found += [(distance(lowered, w.lower(), most), w.islower() != word.islower(), w) for w in written]
    edits, _, best = min(found, default=(MOST_FAR, False, ""))
    return best if edits <= most else ""


def _near_terms(corpus: Corpus, word: str, field: TextField, most: int) -> Iterator[tuple[int, int, str]]:
    """Terms at most so many edits away: (edits, number of chunks negated, term)."""
    beginning = SAME_BEGINNING if len(word) < LONG_FROM else LONG_BEGINNING
    counts = dict(corpus.vocabulary(word[:beginning], field))
    counts.update(corpus.frequencies(set(_edited_beginnings(word, beginning)), field))
    letters = set(word)
    for term, count in counts.items():
        if abs(len(term) - len(word)) <= most and len(letters.symmetric_difference(term)) <= 2 * most:
            edits = distance(word, term, most)
            if edits <= most:
                yield edits, -count, term


def _edited_beginnings(word: str, beginning: int) -> Iterator[str]:
    """The words one edit away whose beginning differs."""
    for n in range(beginning):
        before, here, after = word[:n], word[n], word[n + 1 :]
        yield before + after
        yield before + after[:1] + here + after[1:]
        for letter in _LETTERS:
            yield before + letter + after
            yield before + letter + here + after


def _as_written(corpus: Corpus, term: str, field: TextField) -> set[str]:
    """The words, and the parts of words, that a term stands for in the chunks most about it."""
    found: set[str] = set()
    for reader in corpus.readers:
        best = [s.id for s in reader.lexical({term: 1.0}, {field: 1.0}, Filter(), CHUNKS_READ)]
        for chunk in reader.chunks(best[:CHUNKS_READ]).values():
            text = " ".join(d.name for d in chunk.definitions)
            if field == "body":
                text = reader.text(chunk.file).of(chunk)
            bearing = {w for w in words(text) if len(w) <= MAX_WORD and term in LEXICON[w]}
            written = bearing.union(*(p for w in bearing if len(p := parts(w)) > 1))
            found |= {w for w in written if term in LEXICON[w]}
        if found:
            break
    return found


def distance(a: str, b: str, most: int) -> int:
    """Edits between two words (optimal string alignment), :data:`MOST_FAR` where they exceed ``most``."""
    if abs(len(a) - len(b)) > most:
        return MOST_FAR
    while a and b and a[0] == b[0]:
        a, b = a[1:], b[1:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(last[j] + 1, row[-1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return MOST_FAR
        before, last = last, row
    return last[-1] if last[-1] <= most else MOST_FAR
