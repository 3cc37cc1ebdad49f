"""What a change reaches: who calls, inherits, types or imports what changed, step by step; tests first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from spelunk.chunk.relation import Role, last_part
from spelunk.graph.answer import Edge, GraphAnswer, Symbol
from spelunk.graph.callers import grouped
from spelunk.graph.import_paths import imported_as
from spelunk.graph.overriding import BASE_TRUST, overridden
from spelunk.graph.resolve import Resolver
from spelunk.graph.sites import Located, sites_of
from spelunk.graph.tell import edge_at, left_out
from spelunk.graph.tests_to_run import ReachedTest, tests_to_run
from spelunk.store.relation_reader import DefinitionRow
from spelunk.types import Flag

MOST_STEPS: Final = 8
DEFAULT_STEPS: Final = 3
MOST_REACHED: Final = 2_000
"""Definitions and files that one answer reaches."""
MOST_CHANGED: Final = 2_000
"""Definitions from which references are followed."""
LEAST_CONFIDENCE: Final = 0.1
"""Of a chain, below which it is not followed."""


class Changed(NamedTuple):
    """What changes.

    Attributes:
        rows: Definitions.
        files: Files of which something outside any definition changes, or all.
        left_out: What could not be taken into account, a sentence each.
        touched: Files of code of which only lines differ that change no behaviour by themselves, such as
            imports and comments: no reference is followed from them.
        text: The lines that differ, before and after, as far as they are known.
    """

    rows: Sequence[DefinitionRow]
    files: Sequence[int] = ()
    left_out: Sequence[str] = ()
    touched: Sequence[int] = ()
    text: str = ""


class _Reached(NamedTuple):
    inside: DefinitionRow | None
    file: int
    site: Located
    confidence: float
    steps: int


def impact(
    resolver: Resolver,
    asked: str,
    changed: Changed,
    limit: int,
    *,
    steps: int = DEFAULT_STEPS,
    inside: Callable[[str], bool] | None = None,
    companions: Callable[[Sequence[str]], Mapping[str, float]] | None = None,
) -> GraphAnswer:
    """What a change reaches: tests first, each test file once; then the rest by distance and confidence.

    Args:
        resolver: Of the generation.
        asked: What was asked for.
        changed: What changes.
        limit: Tests, and others, wanted.
        steps: Followed at most.
        inside: Only what is in files at these paths.
        companions: How often files changed in the same commits as files at some paths, from 0 to 1.
    """
    view = resolver.view
    reached = _reach(resolver, changed, min(max(1, steps), MOST_STEPS))
    if inside is not None:
        reached = [r for r in reached if inside(view.row(r.file).path)]
    own = {row.file for row in changed.rows} | set(changed.files)
    tests = tests_to_run(
        resolver,
        [_reached_test(resolver, r) for r in reached if _is_test(resolver, r)],
        own | set(changed.touched),
        companions,
        inside,
        limit,
        changed.text,
    )
    others = [r for r in reached if not view.row(r.file).flags & Flag.TEST]
    covered = {r.file for r in others if r.inside is not None}
    others = [r for r in others if r.inside is not None or r.file not in covered | own]
    others.sort(key=lambda r: (r.steps, -r.confidence, view.row(r.file).path, r.site.reference.line))
    edges = tuple(_edge(resolver, r) for r in others[:limit])
    beyond = len(others) - len(edges) + max(0, len(tests) - limit)
    return GraphAnswer(
        "impact",
        asked,
        tuple(_symbols(resolver, changed))[:limit],
        edges,
        tuple(tests[:limit]),
        total=len(others) + len(tests),
        left_out=(*changed.left_out, *left_out(view, beyond=beyond, what="places")),
    )


def _is_test(resolver: Resolver, reached: _Reached) -> bool:
    return bool(resolver.view.row(reached.file).flags & Flag.TEST)


def _reached_test(resolver: Resolver, reached: _Reached) -> ReachedTest:
    return ReachedTest(
        _edge(resolver, reached), reached.file, reached.confidence, reached.steps, reached.inside is None
    )


def _symbols(resolver: Resolver, changed: Changed) -> Iterable[Symbol]:
    yield from (resolver.view.symbol(row) for row in changed.rows[:100])
    known = {row.file for row in changed.rows}
    yield from (resolver.view.file_symbol(file) for file in changed.files[:100] if file not in known)


def _edge(resolver: Resolver, reached: _Reached) -> Edge:
    view = resolver.view
    symbol = view.file_symbol(reached.file) if reached.inside is None else view.symbol(reached.inside)
    edge = edge_at(view, reached.site, symbol, reached.steps)
    return replace(edge, confidence=round(reached.confidence, 3))


def _reach(resolver: Resolver, changed: Changed, steps: int) -> list[_Reached]:
    view = resolver.view
    trust: dict[DefinitionRow, float] = {}
    if len(changed.rows) > MOST_CHANGED:
        view.told.add(f"of {len(changed.rows):,} definitions the first {MOST_CHANGED:,} were followed")
    for row in changed.rows[:MOST_CHANGED]:
        trust[row] = 1.0
        trust.update({base: BASE_TRUST for base in overridden(resolver, row) if base not in trust})
    seen: set[tuple[int, DefinitionRow | None]] = {(row.file, row) for row in changed.rows}
    out: list[_Reached] = []
    for file in changed.files:
        for site in importers(resolver, file):
            if (site.file, None) not in seen:
                seen.add((site.file, None))
                out.append(_Reached(None, site.file, site, site.confidence, 1))
    level = trust
    for step in range(1, steps + 1):
        found = sites_of(resolver, list(level)).sites
        level = {}
        for inside, sites in grouped(view, found):
            best = max(sites, key=lambda s: s.confidence * trust.get(s.target, 1.0) if s.target else 0.0)
            confidence = best.confidence * (trust.get(best.target, 1.0) if best.target else 1.0)
            key = (best.file, inside)
            if key in seen or confidence < LEAST_CONFIDENCE:
                continue
            seen.add(key)
            out.append(_Reached(inside, best.file, best, confidence, step))
            if inside is not None:
                level[inside] = confidence
                trust[inside] = confidence
            if len(out) >= MOST_REACHED:
                view.told.add(f"followed up to {MOST_REACHED:,} places")
                return out
        if not level:
            break
    return out


def importers(resolver: Resolver, file: int) -> list[Located]:
    """The imports of other files that lead to a file."""
    view = resolver.view
    row = view.row(file)
    out: list[Located] = []
    importing = view.reader.importing(imported_as(view.reader, row.path, row.language))
    view.load_rows(importing)
    for other, imports in sorted(importing.items(), key=lambda pair: view.row(pair[0]).path):
        for one in imports:
            if other != file and any(row.id == file for row in resolver.imports.files_of(other, one)):
                out.append(located_import(other, one.name or last_part(one.module), one.line, one.module))
                break
    return out


def located_import(file: int, name: str, line: int, module: str) -> Located:
    """An import as a place."""
    from spelunk.chunk.relation import Reference

    return Located(file, Reference(name, Role.IMPORT, line, module), None, 0.97, "import", 0)
