"""The full-text document of a chunk: one function for the worker and for a repair."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from spelunk.store.impact import encode
from spelunk.text.tokens import LEXICON, LONG_WORD, terms, words


class ChunkDocument(NamedTuple):
    """A chunk as the full text is given it.

    Attributes:
        text: The chunk's text.
        words: Its words, for an embedder that works on words.
        body: The terms of its words with their levels (:mod:`spelunk.store.impact`).
        names: The terms of the names that it defines, with their levels.
    """

    text: str
    words: list[str]
    body: str
    names: str


def document_of(text: str, start: int, end: int, names: Iterable[str]) -> ChunkDocument:
    """The document of the chunk ``text[start:end]``.

    A chunk that is cut inside a line gets the term :data:`LONG_WORD`: none of its
    terms proves that a match is absent.

    Args:
        text: The whole text of the file.
        start: Offset of the chunk's first character.
        end: Offset behind its last character.
        names: The names that the chunk defines.
    """
    piece = text[start:end]
    found = words(piece)
    lookup = LEXICON.__getitem__
    body = " ".join(map(lookup, found)).split(" ") if found else []
    if cuts_line(text, start, end):
        body.append(LONG_WORD)
    named = " ".join(lookup(w) for name in names for w in words(name)).split()
    return ChunkDocument(piece, found, encode(body, "body"), encode(named, "name"))


def cuts_line(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` begins or ends inside a line."""
    begins_inside = start > 0 and text[start - 1] != "\n"
    return begins_inside or (end < len(text) and text[end - 1] != "\n")


def path_document(path: str) -> str:
    """The terms of a path with their levels, for the full text's ``path`` field."""
    readable = path.encode("utf-8", "replace").decode()
    return encode([t for w in words(readable) for t in terms(w)], "path")
