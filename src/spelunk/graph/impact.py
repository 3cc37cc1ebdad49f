"""What a change reaches: who calls, inherits, types or imports what changed, step by step; tests first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from spelunk.chunk.relation import Role, last_part
from spelunk.graph.answer import Edge, GraphAnswer, Symbol
from spelunk.graph.callers import grouped
from spelunk.graph.resolve import Resolver
from spelunk.graph.sites import Located, sites_of
from spelunk.graph.tell import edge_at, left_out
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
STEP_WEIGHT: Final = 0.7
"""What a further step takes from the urgency of a test."""
CALLED_AFTER: Final = "called-after"
"""The rule of a test file that is called after a changed file."""
CALLED_AFTER_TRUST: Final = 0.7
BASE_TRUST: Final = 0.7
"""Trust in that a call of a member of a base reaches the member that overrides it."""
MOST_TESTS_OF_A_NAME: Final = 20

_TEST_WORD: Final = re.compile(
    r"(?:^|[_.\-])(?:tests?|specs?)(?=$|[_.\-])|(?<=[a-z0-9])(?:Tests?|Spec|TestCase|IT)$|^Test(?=[A-Z])"
)


class Changed(NamedTuple):
    """What changes.

    Attributes:
        rows: Definitions.
        files: Files of which something outside any definition changes, or all.
        left_out: What could not be taken into account, a sentence each.
    """

    rows: Sequence[DefinitionRow]
    files: Sequence[int] = ()
    left_out: Sequence[str] = ()


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
) -> GraphAnswer:
    """What a change reaches: tests first, each test file once; then the rest by distance and confidence.

    Args:
        resolver: Of the generation.
        asked: What was asked for.
        changed: What changes.
        limit: Tests, and others, wanted.
        steps: Followed at most.
        inside: Only what is in files at these paths.
    """
    view = resolver.view
    reached = _reach(resolver, changed, min(max(1, steps), MOST_STEPS))
    if inside is not None:
        reached = [r for r in reached if inside(view.row(r.file).path)]
    own = {row.file for row in changed.rows} | set(changed.files)
    tests = _tests(resolver, reached, own, inside)
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
        trust.update({base: BASE_TRUST for base in _overridden(resolver, row) if base not in trust})
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


def _overridden(resolver: Resolver, row: DefinitionRow) -> list[DefinitionRow]:
    """The members of types above that a member overrides."""
    if not row.scope or row.kind != "method":
        return []
    owner = resolver.owner(row)
    if owner is None:
        return []
    above, _ = resolver.classes.above(owner)
    return [m for base, _ in above for m in resolver.classes.members(base, row.name) if m != row]


def importers(resolver: Resolver, file: int) -> list[Located]:
    """The imports of other files that lead to a file."""
    view = resolver.view
    path = view.row(file).path
    folder, _, name = path.rpartition("/")
    parts = {last_part("./" + name), name.partition(".")[0], folder.rpartition("/")[2]} - {""}
    out: list[Located] = []
    importing = view.reader.importing(parts)
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


def _tests(
    resolver: Resolver, reached: Sequence[_Reached], own: set[int], inside: Callable[[str], bool] | None
) -> list[Edge]:
    """One edge for each test file: its best test, the lines of others; those called after a changed file too."""
    view = resolver.view
    by_file: dict[int, list[_Reached]] = {}
    for r in reached:
        if view.row(r.file).flags & Flag.TEST:
            by_file.setdefault(r.file, []).append(r)
    named = _tests_called_after(resolver, own)
    if inside is not None:
        named = {file for file in named if inside(view.row(file).path)}
    ranked: list[tuple[float, str, Edge]] = []
    for file, found in by_file.items():
        found.sort(key=lambda r: (-r.confidence * STEP_WEIGHT ** (r.steps - 1), r.inside is None))
        edge = _edge(resolver, found[0])
        lines = sorted({r.site.reference.line for r in found[1:]} - {edge.line})[:50]
        urgency = found[0].confidence * STEP_WEIGHT ** (found[0].steps - 1)
        urgency += 0.01 * min(len(found), 20) + (file in named)
        ranked.append((-urgency, edge.path, replace(edge, lines=tuple(lines))))
    for file in named - set(by_file) - own:
        symbol = view.file_symbol(file)
        edge = Edge(symbol.name, "test", symbol.path, 1, "", symbol, CALLED_AFTER_TRUST, CALLED_AFTER)
        ranked.append((-CALLED_AFTER_TRUST, edge.path, edge))
    return [edge for _, _, edge in sorted(ranked, key=lambda r: r[:2])]


def _tests_called_after(resolver: Resolver, files: Iterable[int]) -> set[int]:
    """Test files whose name is that of one of some files with a word for tests."""
    view = resolver.view
    stems = {_stem(view.row(file).path) for file in files} - {""}
    if not stems:
        return set()
    by_stem: dict[str, list[str]] = {}
    for path in view.reader.all_paths():
        stem = path.rpartition("/")[2].split(".")[0]
        name = path.rpartition("/")[2].rpartition(".")[0]
        bare = _TEST_WORD.sub("", name)
        if bare != name:
            key = bare.strip("_.-").lower().replace("-", "_").replace(".", "_")
            if key in stems:
                by_stem.setdefault(key, []).append(path)
        elif stem.lower() in stems and re.search(r"(?:^|/)(?:tests?|__tests__|spec)/", path):
            by_stem.setdefault(stem.lower(), []).append(path)
    paths = [path for found in by_stem.values() if len(found) <= MOST_TESTS_OF_A_NAME for path in found]
    return {row.id for row in view.rows_at(paths) if row.flags & Flag.TEST}


def _stem(path: str) -> str:
    """What tests of a file are called after, in lower case; "" where that says nothing."""
    folder, _, name = path.rpartition("/")
    stem = name.split(".")[0]
    if stem in ("__init__", "mod", "index", "lib", "main"):
        stem = folder.rpartition("/")[2]
    return stem.strip("_").lower().replace("-", "_")
