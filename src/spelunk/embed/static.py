"""The built-in model: a table with one trained row for each term.

A text's vector is the sum of the rows of its distinct words' terms, at unit
length. In a query each row is first scaled by a number of its own, so that
words such as "how" and "where" weigh little. ``training/`` makes the table and
``docs/model.md`` describes it. It is read by memory map: processes share one
copy, a query touches some twenty rows and needs no numpy, and nothing is
unpacked before it is needed.

Sums of the table's whole numbers do not depend on the order of work, so a
vector is the same on every machine.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
from array import array
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Final
from zlib import crc32

from spelunk.embed.protocol import STATIC_ID
from spelunk.embed.unit import unit_rows
from spelunk.errors import ConfigError
from spelunk.text.tokens import LEXICON, MAX_CACHED, Recent, words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spelunk.embed.protocol import Matrix

MAGIC: Final = b"SPLKTAB1"
HEADER: Final = struct.Struct("<8sIIII8x")
"""Magic, dimensions, terms, buckets, bytes of the terms; padded to :data:`ALIGN`."""
ALIGN: Final = 64
PATH: Final = os.path.join(os.path.dirname(__file__), "static.table")

FEW_WORDS: Final = 2_000
"""Distinct words up to which each is found in the table by itself: to read all its terms takes as long."""
SCALE_STEPS: Final = 4096
"""The scale 1 of a query's row as a whole number, so that the sums of a query are whole too."""


def write_table(
    path: str,
    terms: Sequence[str],
    scales: Sequence[int],
    rows: bytes,
    dimensions: int,
    buckets: int,
) -> None:
    """Write a table's file.

    Args:
        path: Where.
        terms: Ascending by their UTF-8 bytes.
        scales: Of each row in a question, in steps; the buckets' after the terms'.
        rows: int8 ``(len(terms) + buckets, dimensions)``.
        dimensions: Columns; a multiple of 64.
        buckets: Rows shared by the terms that are not in the table.
    """
    encoded = [t.encode() for t in terms]
    if encoded != sorted(encoded) or len(scales) != len(terms) + buckets:
        raise ValueError("terms must ascend, and each row have a scale")
    blob = b"".join(encoded)
    offsets, at = array("I", [0]), 0
    for e in encoded:
        at += len(e)
        offsets.append(at)
    parts = [
        HEADER.pack(MAGIC, dimensions, len(terms), buckets, len(blob)),
        offsets.tobytes(),
        array("h", scales).tobytes(),
        blob,
        rows,
    ]
    with open(path, "wb") as f:
        for part in parts:
            f.write(part + b"\0" * (-len(part) % ALIGN))


class TermTable:
    """The memory-mapped file: rows by term.

    Attributes:
        dimensions: Columns.
        first_bucket: Number of the first row shared by unknown terms.
    """

    def __init__(self, path: str = PATH) -> None:
        """Map the file.

        Raises:
            ConfigError: The file is missing or no table: a broken installation.
        """
        try:
            with open(path, "rb") as f:
                self._map = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
            magic, *numbers = HEADER.unpack_from(self._map)
        except (OSError, ValueError, struct.error) as error:
            raise ConfigError(
                f"{path}: the built-in model cannot be read ({error}); reinstall Spelunk"
            ) from None
        if magic != MAGIC:
            raise ConfigError(f"{path}: not the built-in model; reinstall Spelunk")
        self.dimensions, self._terms, self.buckets, size = (int(n) for n in numbers)
        self.first_bucket = self._terms
        self.rows = self._terms + self.buckets
        view, at = memoryview(self._map), _aligned(HEADER.size)
        self._bytes: memoryview[int] = view.cast("b")
        self._offsets = view[at : at + 4 * (self._terms + 1)].cast("I")
        at += _aligned(4 * (self._terms + 1))
        self._scales = view[at : at + 2 * self.rows].cast("h")
        at += _aligned(2 * self.rows)
        self._blob = at
        at += _aligned(size)
        self._rows = at
        if len(self._map) != at + _aligned(self.rows * self.dimensions):
            raise ConfigError(f"{path}: the built-in model is truncated; reinstall Spelunk")

    def find(self, term: str) -> int:
        """The row of a term: its own, or one of those that unknown terms share."""
        wanted = term.encode("utf-8", "surrogatepass")
        low, high = 0, self._terms
        data, blob, offsets = self._map, self._blob, self._offsets
        while low < high:
            middle = (low + high) // 2
            entry = data[blob + offsets[middle] : blob + offsets[middle + 1]]
            if entry == wanted:
                return middle
            if entry < wanted:
                low = middle + 1
            else:
                high = middle
        return self.first_bucket + crc32(wanted) % self.buckets

    def numbers(self) -> dict[str, int]:
        """Every term with the number of its row, for look-ups by the million."""
        offsets, blob = self._offsets, self._map[self._blob : self._blob + self._offsets[-1]]
        return {
            blob[offsets[n] : offsets[n + 1]].decode("utf-8", "surrogatepass"): n for n in range(self._terms)
        }

    def row(self, number: int) -> memoryview:
        """A row, ``(dimensions,)`` int8."""
        at = self._rows + number * self.dimensions
        return self._bytes[at : at + self.dimensions]

    def scale(self, number: int) -> int:
        """A row's scale in a query, in steps."""
        return int(self._scales[number])

    def matrix(self) -> NDArray[np.int8]:
        """All rows, ``(rows, dimensions)`` int8; a view into the map."""
        import numpy as np

        flat = np.frombuffer(self._map, np.int8, self.rows * self.dimensions, self._rows)
        return flat.reshape(self.rows, self.dimensions)


def _aligned(size: int) -> int:
    return -(-size // ALIGN) * ALIGN


@cache
def _shared_table(path: str) -> TermTable:
    """The table of a path, mapped once for a process: a watcher makes an embedder for each update."""
    return TermTable(path)


def features(word: str) -> list[str]:
    """The terms of a word that have a row: its parts, or the word itself where it has none.

    A number has no terms.
    """
    word_terms = list(LEXICON[word])
    if len(word_terms) > 1:
        del word_terms[0]  # the whole word adds nothing to its parts
    elif word[0] in "0123456789":
        return []
    return word_terms


class StaticEmbedder:
    """The embedder of the built-in table. One thread of a process calls it."""

    id = STATIC_ID
    in_workers = True
    semantic = True
    batch = 512
    concurrency = 1

    def __init__(self, path: str = PATH) -> None:
        self._table = _shared_table(path)
        self.dimensions = self._table.dimensions
        self._matrix: NDArray[np.int8] | None = None
        self._numbers: dict[str, int] = {}
        self._rows: Recent[tuple[int, ...]] = Recent(self._rows_of, MAX_CACHED)

    def _rows_of(self, word: str) -> tuple[int, ...]:
        table, known = self._table, self._numbers.get
        if not self._numbers:
            return tuple(table.find(term) for term in features(word))
        numbers = []
        for term in features(word):
            number = known(term)
            if number is None:
                number = table.first_bucket + crc32(term.encode("utf-8", "surrogatepass")) % table.buckets
            numbers.append(number)
        return tuple(numbers)

    def embed(self, texts: Sequence[str], words: Sequence[Sequence[str]]) -> Matrix:
        """See :meth:`spelunk.embed.Embedder.embed`."""
        import numpy as np

        if self._matrix is None:
            self._matrix = self._table.matrix()
        if not self._numbers and len(set(chain.from_iterable(words))) > FEW_WORDS:
            self._numbers = self._table.numbers()
        table, lookup = self._matrix, self._rows.__getitem__
        sums = np.zeros((len(words), self.dimensions), np.int32)
        for n, text_words in enumerate(words):
            rows = list(chain.from_iterable(map(lookup, set(text_words))))
            if rows:
                # int8 rows summed in int16, which 258 of the largest do not overflow, take half the time.
                wide = np.int16 if len(rows) <= 258 else np.int32
                sums[n] = np.add.reduce(table[rows], axis=0, dtype=wide)
        return unit_rows(sums.astype(np.float32))

    def query(self, text: str) -> list[float]:
        """See :meth:`spelunk.embed.Embedder.query`; needs no numpy."""
        table = self._table
        sums = [0] * self.dimensions
        for word in dict.fromkeys(words(text)):
            for term in features(word):
                number = table.find(term)
                scale = table.scale(number)
                sums = [s + scale * x for s, x in zip(sums, table.row(number), strict=True)]
        norm = math.sqrt(sum(s * s for s in sums))
        return [s / norm for s in sums] if norm else [0.0] * self.dimensions
