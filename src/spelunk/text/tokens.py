"""Split texts into words, and words into the terms that they are indexed under.

A *word* is a run of ``\\w``. Each word is indexed whole, in lower case, and,
where it has several, by its camelCase, snake_case and digit parts. A part is
indexed as its :func:`stem`, so that a query for *parsing* finds a *parser*.
One pass serves both stores: the full-text index takes the terms as one string
with blanks, the embedder takes the words.

All functions take time linear in the text, whatever its words are: a word
beyond :data:`MAX_WORD` is cut before it is split into parts.

The regex planner (:mod:`spelunk.text.required`) relies on two facts: every run of
``[A-Za-z0-9_]`` in a text is a term of its chunk in lower case, and a word
longer than :data:`MAX_WORD` leaves :data:`LONG_WORD` in its chunk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

MAX_WORD: Final = 120
"""Characters. Longer words are data (base64, digests), not names: only their first part is indexed."""

LONG_WORD: Final = "\x01long"
"""A term that is never a word; marks a chunk that holds a word beyond :data:`MAX_WORD`."""

MAX_CACHED: Final = 131_072
"""Entries of a cache of words, together some 25 MB. A corpus full of constants has millions of words."""

_V = TypeVar("_V")

_WORD: Final = re.compile(r"\w+")
_PART: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^\W\d_A-Za-z]+")

_PART_OF_ONE_CASE: Final = re.compile(r"[a-z]+|[0-9]+")
"""The parts of an ASCII word in lower case: what ``_PART`` finds, in half the time."""

_DIGITS: Final = "0123456789"
_ASCII_RUN: Final = re.compile(r"[A-Za-z0-9_]+")

_BLANKS: Final = "".join(chr(i) if chr(i).isalnum() or chr(i) == "_" else " " for i in range(128))


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    if text.isascii():
        return text.translate(_BLANKS).split()  # the same, at twice the speed
    return _WORD.findall(text)


def singular(part: str) -> str:
    """A lower-case part without its plural ending (Harman's S-stemmer, 1991)."""
    if len(part) < 4 or part[-1] != "s":
        return part
    if part.endswith("ies"):
        return part[:-3] + "y" if len(part) > 4 else part
    if part.endswith("es"):
        if part.endswith(("sses", "xes", "ches", "shes", "zes")):
            return part[:-2]
        return part[:-1]
    if part.endswith(("us", "ss", "is")):
        return part
    return part[:-1]


_VOWEL: Final = re.compile(r"[aeiouy]").search
_ENDINGS: Final = (
    ("ization", 4), ("isation", 4), ("ation", 4), ("ition", 5), ("izing", 4), ("ising", 5), ("ized", 4), ("ised", 5),
    ("izer", 4), ("iser", 5), ("ize", 4), ("ise", 5), ("ating", 4), ("ated", 4), ("ator", 4), ("ate", 4), ("tion", 4),
    ("sion", 4), ("ment", 5), ("able", 4), ("ible", 4), ("ing", 3), ("ive", 4), ("ed", 3), ("er", 3), ("or", 3),
    ("ly", 4), ("al", 4), ("iz", 4),
)  # fmt: skip
"""Endings and the fewest letters that must stay, the first that fits being taken off."""
_ENDS: Final = tuple(ending for ending, _ in _ENDINGS)


def stem(part: str) -> str:
    """A lower-case part without its English ending: parser, parsed and parsing give pars.

    One pass over a short list of the endings in which code and queries about it
    differ (verbs, their agents and nouns); a stem is a key, not a word. Words of
    other languages and short words stay as they are.
    """
    part = singular(part)
    if len(part) < 4 or not part.isascii():
        return part
    if part.endswith(_ENDS):
        for ending, least in _ENDINGS:
            if part.endswith(ending):
                rest = part[: -len(ending)]
                if len(rest) >= least and _VOWEL(rest):
                    part = rest + ending[0] if ending in ("tion", "sion") else rest
                    break
    if len(part) > 3:
        if part[-1] == part[-2] and part[-1] not in "lsz":
            part = part[:-1]
        if len(part) > 3:
            if part[-1] == "e":
                part = part[:-1]
            elif part[-1] == "y":
                part = part[:-1] + "i"
    return part


class Recent(dict[str, _V]):
    """A cache of a pure function, of bounded size: two generations, of which the older one is dropped.

    A hit costs one look-up of ``dict``. When the young generation holds half the
    capacity it becomes the old one, and entries move back as they are used:
    words that recur survive, and constants met once do not push them out. Keys
    beyond :data:`MAX_WORD` are computed each time and never kept, so the memory
    is bounded in bytes as well.

    Threads may share it: each step is one operation of ``dict``. Two threads that
    miss at the same time may compute a value twice, or drop a generation early;
    every value that is returned is right.
    """

    def __init__(self, make: Callable[[str], _V], capacity: int) -> None:
        super().__init__()
        self._make = make
        self._half = capacity // 2
        self._old: dict[str, _V] = {}

    def __missing__(self, key: str) -> _V:
        if len(key) > MAX_WORD:
            return self._make(key)
        if len(self) >= self._half:
            self._old = self.copy()
            self.clear()
        value = self._old.pop(key, None)
        if value is None:
            value = self._make(key)
        self[key] = value
        return value


STEMS: Final = Recent(stem, MAX_CACHED)
"""Part -> its stem, for this process. The parts of names recur far more often than the names."""


def parts(word: str) -> list[str]:
    """The lower-case parts of an identifier: ``HTTPServer2`` gives http, server, 2.

    A word that starts with a digit is a literal and has no parts but itself.
    """
    lowered = word.lower()
    if word[0] in _DIGITS:
        return [lowered]
    if word == lowered or word.isupper():
        if lowered.isalpha() and lowered.isascii():
            return [lowered]
        if lowered.replace("_", "a").isalpha() and lowered.isascii():
            return [p for p in lowered.split("_") if p]
    return [p.lower() for p in _PART.findall(word)]


def part_spans(word: str) -> list[tuple[int, int]]:
    """Where the parts of an identifier begin and end in it, as :func:`parts` cuts it."""
    if word[0] in _DIGITS:
        return [(0, len(word))]
    return [m.span() for m in _PART.finditer(word)]


def terms(word: str) -> list[str]:
    """The terms of a word: the whole word first, then the stem of each part that differs from it."""
    if len(word) > MAX_WORD:
        return [word[:MAX_WORD].lower(), LONG_WORD]
    whole = word.lower()
    if not word.isascii():
        # the regex planner's tokens are ASCII runs; each must be a term by itself
        runs = [run.lower() for run in _ASCII_RUN.findall(word)]
        if not runs and word.isalpha():
            return [whole]  # one part, and no stem: a word of another script
        return list(dict.fromkeys([whole, *map(STEMS.__getitem__, parts(word)), *runs]))
    if word[0] in _DIGITS:
        return [whole]
    pieces: Iterable[str]
    if word == whole or word.isupper():
        if whole.isalpha():  # most words
            stemmed = STEMS[whole]
            return [whole] if stemmed == whole else [whole, stemmed]
        if whole.replace("_", "a").isalpha():
            pieces = filter(None, whole.split("_"))
        else:
            pieces = _PART_OF_ONE_CASE.findall(whole)
    else:
        pieces = map(str.lower, _PART.findall(word))
    return list(dict.fromkeys([whole, *map(STEMS.__getitem__, pieces)]))


LEXICON: Final = Recent(lambda word: tuple(terms(word)), MAX_CACHED)
"""Word -> its terms, for this process; the full text and a bag-of-words embedder share it.

``chain.from_iterable(map(LEXICON.__getitem__, words(text)))`` runs at C speed, some seven
times faster than a function call a word.
"""


def path_terms(path: str) -> str:
    """The terms of a path, for the full-text index's ``path`` field."""
    return " ".join(t for w in words(path.encode("utf-8", "replace").decode()) for t in terms(w))
