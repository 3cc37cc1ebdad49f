"""The full-text document of a chunk: one function for the worker and for a repair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final, NamedTuple

import xxhash

from spelunk.store.impact import encode
from spelunk.text.tokens import LEXICON, LONG_WORD, terms, words

TIE_BITS: Final = 32
"""Bits of :func:`tie_of`."""


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


class ChunkTerms(NamedTuple):
    """What the full text, local or remote, holds of a chunk.

    Attributes:
        chunk: Id of the chunk.
        file: Id of the file version.
        body: The terms of its words with their levels.
        names: The terms of the names that it defines, with their levels.
        path: The terms of its file's path, with their levels.
        language: Of its file.
        kind: Of the chunk.
        flags: Of its file, from :func:`flag_terms`.
    """

    chunk: int
    file: int
    body: str
    names: str
    path: str
    language: str
    kind: str
    flags: Sequence[str] = ()


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
    body = Counter(chain.from_iterable(map(lookup, found)))
    if cuts_line(text, start, end):
        body[LONG_WORD] += 1
    name_words = [word for name in names for word in words(name)]
    named = ""
    if name_words:
        named = encode(Counter(chain.from_iterable(map(lookup, name_words))), "name")
    return ChunkDocument(piece, found, encode(body, "body"), named)


def cuts_line(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` begins or ends inside a line; the end of the line may be left out."""
    if start > 0 and text[start - 1] != "\n":
        return True
    return end < len(text) and text[end - 1] != "\n" and not text.startswith(("\n", "\r\n"), end)


def path_document(*paths: str) -> str:
    """The terms of a file's path, or of several, with their levels, for the full text's ``path`` field."""
    readable = "\n".join(paths).encode("utf-8", "replace").decode()
    return encode(Counter(t for w in words(readable) for t in terms(w)), "path")


def tie_of(body: str, names: str) -> int:
    """A number of :data:`TIE_BITS` bits that orders chunks of equal score by their content alone.

    Args:
        body: :attr:`ChunkDocument.body`.
        names: :attr:`ChunkDocument.names`.
    """
    return xxhash.xxh3_64_intdigest(f"{names}\n{body}".encode("utf-8", "surrogatepass")) >> (64 - TIE_BITS)
