"""Conditions on points: a neutral filter and requirements as filters of the server.

What only the manifest knows (path patterns, front matter) is resolved there to
file versions; languages, kinds, flags and terms are conditions on the payload.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from qdrant_client import models as m

from spelunk.store.full_text_query import FullTextFilter, flag_terms
from spelunk.store.qdrant import points
from spelunk.store.qdrant.points import number_of, runs

NO_NUMBER: Final = -1
"""A number that no term has: a condition that nothing meets."""


def one_of(key: str, values: Sequence[Any]) -> m.FieldCondition:
    """The payload has one of the values; nothing has one of none."""
    chosen = list(values) if values else [NO_NUMBER]
    return m.FieldCondition(key=key, match=m.MatchAny(any=chosen))


def in_ids(key: str, ids: Iterable[int]) -> m.Filter | m.FieldCondition:
    """The number is one of many: consecutive ones are given as ranges."""
    ranges, single = runs(ids)
    if not ranges:
        return one_of(key, single)
    choices: list[Any] = [
        m.FieldCondition(key=key, range=m.Range(gte=first, lt=end)) for first, end in ranges
    ]
    if single:
        choices.append(one_of(key, single))
    return m.Filter(should=choices)


def of_workspace(workspace: str) -> m.FieldCondition:
    """The point is of one index."""
    return m.FieldCondition(key=points.WORKSPACE, match=m.MatchValue(value=workspace))


def visible(workspace: str, next_chunk: int, hidden: Sequence[int]) -> m.Filter:
    """The points of a generation, and no others.

    Args:
        workspace: The index.
        next_chunk: Chunks with this id and higher ones are of no published generation.
        hidden: File versions that were replaced or removed.
    """
    must: list[Any] = [
        of_workspace(workspace),
        m.FieldCondition(key=points.CHUNK, range=m.Range(lt=next_chunk)),
    ]
    return m.Filter(must=must, must_not=[in_ids(points.FILE, hidden)] if hidden else None)


def narrowed(base: m.Filter, where: FullTextFilter | None, more: Sequence[Any] = ()) -> m.Filter:
    """The points that pass ``base``, a filter, and ``more``."""
    must: list[Any] = [*_listed(base.must), *more]
    must_not: list[Any] = [*_listed(base.must_not)]
    if where is not None:
        if where.languages:
            must.append(one_of(points.LANGUAGE, where.languages))
        if where.kinds:
            must.append(one_of(points.KIND, where.kinds))
        if where.flags:
            must.append(one_of(points.FLAG, flag_terms(where.flags)))
        if where.files is not None:
            must.append(in_ids(points.FILE, where.files))
        if where.not_languages:
            must_not.append(one_of(points.LANGUAGE, where.not_languages))
        if where.not_kinds:
            must_not.append(one_of(points.KIND, where.not_kinds))
        if where.not_flags:
            must_not.append(one_of(points.FLAG, flag_terms(where.not_flags)))
        if where.not_files:
            must_not.append(in_ids(points.FILE, where.not_files))
        if where.not_terms:
            must_not.append(one_of(points.BODY, [number_of(term) for term in where.not_terms]))
    return m.Filter(must=must, must_not=must_not or None)


def _listed(conditions: Any) -> list[Any]:
    if conditions is None:
        return []
    return list(conditions) if isinstance(conditions, list) else [conditions]
