"""Ranked chunks as hits: near-copies taken together, with text, lines and a stable id."""

from __future__ import annotations

import os
from collections.abc import Sequence

import xxhash

from spelunk.search.copies import Group, collapse
from spelunk.search.corpus import SearchTarget
from spelunk.search.query import Query
from spelunk.search.rank.signals import ScoredChunk
from spelunk.search.request import SearchRequest
from spelunk.store.records import ChunkRecord, FileRow
from spelunk.types import Copy, Flag, Hit


def grouped(
    targets: Sequence[SearchTarget], ranked: Sequence[ScoredChunk], request: SearchRequest
) -> list[Group]:
    """The first hits of a ranking, near-copies taken together unless the request wants each."""
    if request.copies:
        return [Group(c) for c in ranked[: request.limit]]
    return collapse(ranked, request.limit, lambda c: targets[c.source].reader.text(c.file.id).of(c.chunk))


def chunk_id(file: FileRow, chunk: ChunkRecord) -> str:
    """16 hex digits over path, content and place: the same in every index of the same content."""
    place = f"\0{chunk.start}\0{chunk.end}\0{chunk.kind}".encode()
    path = os.fsencode(file.path)
    return xxhash.xxh3_64_hexdigest(path + b"\0" + file.digest + place)


def present(
    targets: Sequence[SearchTarget], query: Query, groups: Sequence[Group], request: SearchRequest
) -> tuple[Hit, ...]:
    """Ranked chunks as hits with their text, labelled with the name searched for where they define it."""
    names = query.bare_names
    around = (max(request.context, request.before), max(request.context, request.after))
    return tuple(
        _hit(targets[g.shown.source], g.shown, around, request.explain, names, g.copies) for g in groups
    )


def _hit(
    target: SearchTarget,
    scored: ScoredChunk,
    around: tuple[int, int],
    explain: bool,
    names: frozenset[str],
    copies: Sequence[ScoredChunk] = (),
) -> Hit:
    chunk, file = scored.chunk, scored.file
    kind, symbol, scope = chunk.kind, chunk.symbol, chunk.scope
    if names and symbol.lower() not in names:
        named = next((d for d in chunk.definitions if d.name.lower() in names), None)
        if named is not None:
            kind, symbol, scope = named.kind, named.name, named.scope
    content, first, last = target.reader.text(file.id).with_context(chunk, *around)
    return Hit(
        path=target.prefix + file.path,
        start_line=first,
        end_line=last,
        language=file.language,
        kind=kind,
        symbol=symbol,
        score=scored.score,
        content=content,
        signals=dict(scored.signals) if explain else {},
        chunk_id=chunk_id(file, chunk),
        root=target.root,
        scope=scope,
        flags=Flag(file.flags),
        copies=tuple(Copy(c.place, c.chunk.start_line, c.chunk.end_line) for c in copies),
    )


def present_chunks(
    target: SearchTarget, scored: Sequence[tuple[ChunkRecord, FileRow, float]]
) -> tuple[Hit, ...]:
    """Chunks with a score as hits, in the order given."""
    return tuple(
        _hit(target, ScoredChunk(chunk, file, 0, file.path, score=score), (0, 0), False, frozenset())
        for chunk, file, score in scored
    )
