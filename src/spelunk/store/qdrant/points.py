"""A chunk as a point: its id, its sparse vector of terms and levels, its payload.

The sparse vector has one dimension for each term, field and level, with the
value 1. A query gives each dimension the whole units that a term of that level
adds to a score (:func:`spelunk.store.impact.score_units`), so the server's sum
is exact and is the score of the embedded full text (docs/decisions/qdrant.md).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import product
from typing import Any, Final, NamedTuple

import xxhash

from spelunk.store.impact import LEVELS, decode_form, forms_of, score_units

FORMAT: Final = 1
"""Part of the names of the vectors: a collection of another format has no vector of these names."""
DENSE: Final = f"spelunk-dense-{FORMAT}"
TERMS: Final = f"spelunk-terms-{FORMAT}"

WORKSPACE: Final = "workspace"
CHUNK: Final = "chunk"
FILE: Final = "file"
TIE: Final = "tie"
LANGUAGE: Final = "language"
KIND: Final = "kind"
FLAG: Final = "flag"
BODY: Final = "body"
NAME: Final = "name"
EMBEDDER: Final = "embedder"
SCALE: Final = "scale"


KEPT_FORMS: Final = 1 << 15
"""Encoded terms whose hashes are kept, some 6 MB for each of two tables: most terms of a chunk occur in others too."""


class PointDocument(NamedTuple):
    """A chunk on its way to the server.

    Attributes:
        chunk: Its id.
        file: Id of the file version.
        cut_digest: Of the file: content and cuts.
        tie: See :func:`spelunk.store.document.tie_of`.
        fields: Encoded terms by field.
        payload: The rest of the payload, for filters and for people.
    """

    chunk: int
    file: int
    cut_digest: bytes
    tie: int
    fields: Mapping[str, str]
    payload: Mapping[str, Any]


def point_id(workspace: str, chunk: int, cut_digest: bytes) -> str:
    """The UUID of a chunk's point: of the index, the chunk's id and the content of its file.

    The same write twice is one point; another content under the same id is another point.
    """
    name = b"%s\0%d\0%s" % (workspace.encode(), chunk, cut_digest)
    return str(uuid.UUID(bytes=blake2b(name, digest_size=16).digest(), version=5))


def dimension(term: str, field: str, level: int) -> int:
    """The dimension of a term at a level of a field: 32 bits of a hash.

    Of a million terms some 0.1 % share a dimension with another; a chunk then scores as if it had both.
    """
    return xxhash.xxh32_intdigest(f"{field}{level}\0{term}".encode("utf-8", "surrogatepass"))


def number_of(term: str) -> int:
    """A term in the payload: a whole number of 63 bits, in which no two terms are expected to agree."""
    return xxhash.xxh3_64_intdigest(term.encode("utf-8", "surrogatepass")) >> 1


def embedder_number(embedder: str) -> int:
    """The id of an embedder in the payload of a point that has a vector of it."""
    return number_of(embedder)


@lru_cache(maxsize=KEPT_FORMS)
def _dimension_of(form: str, field: str) -> int:
    """The dimension of an encoded term."""
    term, level = decode_form(form)
    return dimension(term, field, level)


@lru_cache(maxsize=KEPT_FORMS)
def _number_of(form: str) -> int:
    """The number of an encoded term, whatever its level."""
    return number_of(decode_form(form)[0])


def sparse(fields: Mapping[str, str]) -> list[int]:
    """The dimensions of a chunk, ascending; each has the value 1."""
    return sorted({_dimension_of(form, field) for field, text in fields.items() for form in forms_of(text)})


def numbers(text: str) -> list[int]:
    """The terms of an encoded field as they are in the payload."""
    return [_number_of(form) for form in forms_of(text)]


def sparse_query(terms: Mapping[str, float], fields: Mapping[Any, float], scale: float) -> dict[int, int]:
    """The units that each dimension adds to a score; see :func:`spelunk.store.impact.score_units`."""
    units: dict[int, int] = {}
    for (term, weight), (field, boost) in product(terms.items(), fields.items()):
        for level in range(len(LEVELS)):
            key = dimension(term, field, level)
            units[key] = units.get(key, 0) + score_units(weight, boost, level, scale)
    return units


def payload_of(document: PointDocument, workspace: str) -> dict[str, Any]:
    """The whole payload of a point, without what a vector adds (:func:`vector_payload`)."""
    return {
        WORKSPACE: workspace,
        CHUNK: document.chunk,
        FILE: document.file,
        TIE: document.tie,
        BODY: numbers(document.fields["body"]),
        NAME: numbers(document.fields["name"]),
        **document.payload,
    }


def vector_payload(embedder: str, scale: float) -> dict[str, Any]:
    """What the payload says of a point's vector: whose it is, and what its codes are multiplied with."""
    return {EMBEDDER: embedder_number(embedder), SCALE: float(scale)}


def runs(ids: Iterable[int]) -> tuple[list[tuple[int, int]], list[int]]:
    """Whole numbers as ranges ``[first, end)`` of three and more, and the others one by one."""
    ranges: list[tuple[int, int]] = []
    for i in sorted(set(ids)):
        if ranges and ranges[-1][1] == i:
            ranges[-1] = (ranges[-1][0], i + 1)
        else:
            ranges.append((i, i + 1))
    long = [r for r in ranges if r[1] - r[0] > 2]
    single = [i for r in ranges if r[1] - r[0] <= 2 for i in range(*r)]
    return long, single


def batches(items: Sequence[Any], size: int) -> Iterable[Sequence[Any]]:
    """Consecutive parts of a sequence."""
    return (items[n : n + size] for n in range(0, len(items), size))
