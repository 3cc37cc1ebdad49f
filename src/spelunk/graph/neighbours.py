"""Neighbours of some lines of a file: who calls what they define, and which definitions they use.

They are for the hits of a search, so their bounds are narrower than those of a question about one symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from spelunk.chunk.relation import Reference, Role
from spelunk.graph.answer import doubt
from spelunk.graph.callers import CALLS, grouped
from spelunk.graph.grading import group_of
from spelunk.graph.languages import CALLABLE, CLASSES
from spelunk.graph.resolve import Resolver
from spelunk.graph.sites import Located, sites_of
from spelunk.graph.view import GraphView, qualified
from spelunk.store.relation_reader import DefinitionRow
from spelunk.types import Flag, Neighbour, Neighbours

MOST_PARSES: Final = 24
"""Files parsed again for the neighbours of one place: some 50 ms of source code."""
MOST_SITES: Final = 400
"""Stored references of each name that are looked at."""
MOST_OWN: Final = 5
"""Definitions of the lines whose callers are looked for."""
MOST_USES: Final = 80
"""Different references of the lines that are resolved."""
LEAST_CONFIDENCE: Final = 0.3
"""Of a neighbour that is named; as in a search by relation."""
SURE: Final = 0.75
"""From this confidence on, definitions that are used are in the order of the lines alone."""

_USING: Final = frozenset({Role.CALL, Role.TYPE, Role.INHERIT, Role.DECORATE, Role.MACRO})


class LineRange(NamedTuple):
    """LineRange of a file, inclusive, and the name of the definition that they are about, if any."""

    file: int
    first: int
    last: int
    symbol: str = ""

    def hold(self, file: int, line: int) -> bool:
        """Whether a place is in them."""
        return file == self.file and self.first <= line <= self.last


class _Found(NamedTuple):
    """A neighbour: its file, its definition (None for the top of the file), and the reference that makes it one."""

    file: int
    row: DefinitionRow | None
    site: Located


def neighbours(
    resolver: Resolver, lines: LineRange, limit: int, inside: Callable[[str], bool] | None = None
) -> Neighbours:
    """Up to ``limit`` callers of what some lines define, and up to ``limit`` definitions that they use.

    Args:
        resolver: Of the generation; its view should parse at most :data:`MOST_PARSES` files.
        lines: The lines.
        limit: Of each kind.
        inside: Only what is in files at these paths.
    """
    view = resolver.view
    if not view.has_table(lines.file):
        return Neighbours(left_out=(f"no relations are known of this {view.row(lines.file).language} file",))
    left: list[str] = []
    uses = _uses(resolver, lines, left)
    callers = _callers(resolver, lines, left)
    if inside is not None:
        kept = [[one for one in found if inside(view.row(one.file).path)] for found in (callers, uses)]
        hidden = len(callers) + len(uses) - sum(map(len, kept))
        callers, uses = kept
        if hidden:
            left.append(f"{hidden:,} in files that are not searched")
    for found, what in ((callers, "callers"), (uses, "definitions that are used")):
        if len(found) > limit:
            left.append(f"{len(found) - limit:,} more {what}")
    if view.unparsed:
        left.append(f"types of receivers were not read in {len(view.unparsed):,} files")
    return Neighbours(
        tuple(_caller(view, one) for one in callers[:limit]),
        tuple(_used(view, one) for one in uses[:limit]),
        (*left, *sorted(view.told)),
    )


def _callers(resolver: Resolver, lines: LineRange, left: list[str]) -> list[_Found]:
    """The callers of what some lines define: code before tests, then the most certain first."""
    view = resolver.view
    own = _defined(view, lines)
    found = _callers_of(resolver, lines, own, left)
    if not found and len(own) == 1 and own[0].kind in CLASSES:
        members = [r for r in view.spans(lines.file).starting(*lines[1:3]) if r.scope == qualified(own[0])]
        found = _callers_of(resolver, lines, members, left)
    return sorted(found, key=lambda one: bool(view.row(one.file).flags & Flag.TEST))


def _callers_of(
    resolver: Resolver, lines: LineRange, own: Sequence[DefinitionRow], left: list[str]
) -> list[_Found]:
    """The callers of some definitions outside of the lines, the most certain first."""
    view = resolver.view
    if len(own) > MOST_OWN:
        left.append(f"callers of {len(own) - MOST_OWN:,} more definitions were not looked for")
    looked = sites_of(resolver, own[:MOST_OWN], CALLS, MOST_SITES)
    if looked.unread:
        left.append(f"{looked.unread:,} references of the name were not looked at")
    outer = [
        s
        for s in looked.sites
        if s.confidence >= LEAST_CONFIDENCE and not lines.hold(s.file, s.reference.line)
    ]
    return [_Found(group.sites[0].file, group.inside, group.sites[0]) for group in grouped(view, outer)]


def _defined(view: GraphView, lines: LineRange) -> list[DefinitionRow]:
    """The functions and types that some lines define: those of the name that they are about, else the outermost."""
    rows = [
        row
        for row in view.spans(lines.file).starting(lines.first, lines.last)
        if row.kind in CALLABLE | CLASSES
    ]
    named = [row for row in rows if row.name == lines.symbol]
    if named:
        return named[:1]
    names = {qualified(row) for row in rows}
    return [row for row in rows if row.scope not in names]


def _uses(resolver: Resolver, lines: LineRange, left: list[str]) -> list[_Found]:
    """The definitions elsewhere that some lines refer to: the sure ones first, in the order of the lines."""
    view = resolver.view
    once: dict[tuple[str, str], Reference] = {}
    for reference in view.references_within(lines.file, lines.first, lines.last):
        if reference.role in _USING:
            once.setdefault((reference.receiver, reference.name), reference)
    if len(once) > MOST_USES:
        left.append(f"{len(once) - MOST_USES:,} more names in the lines were not looked up")
    found: dict[DefinitionRow, _Found] = {}
    for reference in list(once.values())[:MOST_USES]:
        candidates = resolver.resolve(lines.file, reference).candidates
        if not candidates or candidates[0].confidence < LEAST_CONFIDENCE:
            continue
        best = candidates[0]
        if lines.hold(best.row.file, best.row.line):
            continue
        others = {group_of(view, c.row) for c in candidates} - {group_of(view, best.row)}
        site = Located(lines.file, reference, best.row, best.confidence, best.rule, len(others))
        known = found.get(best.row)
        if known is None or known.site.confidence < best.confidence:
            found[best.row] = _Found(best.row.file, best.row, site)
    return sorted(found.values(), key=lambda one: (doubt(one.site.confidence, SURE), one.site.reference.line))


def _caller(view: GraphView, one: _Found) -> Neighbour:
    site = one.site
    path, line = view.row(one.file).path, site.reference.line
    return Neighbour(
        path if one.row is None else qualified(one.row),
        "file" if one.row is None else one.row.kind,
        path,
        line,
        view.line(one.file, line),
        round(site.confidence, 3),
        site.rule,
        site.alternatives,
    )


def _used(view: GraphView, one: _Found) -> Neighbour:
    assert one.row is not None
    symbol, site = view.symbol(one.row), one.site
    return Neighbour(
        symbol.qualified,
        symbol.kind,
        symbol.path,
        symbol.line,
        symbol.signature or view.line(one.file, symbol.line),
        round(site.confidence, 3),
        site.rule,
        site.alternatives,
    )
