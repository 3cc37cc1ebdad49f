"""Make chunks of units: join small neighbours, split what is too large.

A unit is a run of rows that belongs together. Whatever finds units (a parse, a
line pattern) passes them in order and need not know about sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spelunk.chunk.rows import MAX_CHARS, SMALL_CHARS, TARGET_CHARS, TINY_CHARS, Piece, TextRows
from spelunk.types import Chunk, Definition


class Unit:
    """A run of rows that belongs together; it ends where the next unit starts.

    Attributes:
        row: First row.
        end: Last row.
        kind: Kind of the main definition; "" for rows without a name.
        symbol: Its name.
        scope: Names around it.
        inner: Scope of what is defined inside.
        definitions: Every name defined here, the main one first.
        kids: The members of a container; None where there are none, or none were looked for.
        nodes: Syntax nodes to look into where the unit has no members and is too large.
        head: What stands in a container before its first member.
    """

    __slots__ = ("definitions", "end", "head", "inner", "kids", "kind", "nodes", "row", "scope", "symbol")

    def __init__(self, row: int, end: int, kind: str = "", symbol: str = "", scope: str = "") -> None:
        self.row = row
        self.end = end
        self.kind = kind
        self.symbol = symbol
        self.scope = scope
        self.inner = scope
        self.definitions: list[Definition] = []
        self.kids: list[Unit] | None = None
        self.nodes: list[Any] = []
        self.head = False

    def grow(self, end: int, node: Any) -> None:
        """Add a node below that belongs to the main definition, which then ends at the row ``end``."""
        if self.definitions:
            main = self.definitions[0]
            self.definitions[0] = Definition(main.name, main.kind, main.line, main.scope, end + 1)
        self.end = end
        self.nodes.append(node)


class Assembler:
    """The chunks of one document.

    Attributes:
        rows: The document's rows.
        expand: Finds units inside a large unit, given the depth.
        out: The chunks made so far.
    """

    __slots__ = ("expand", "out", "rows")

    def __init__(self, rows: TextRows, expand: Callable[[Unit, int], list[Unit] | None]) -> None:
        self.rows = rows
        self.expand = expand
        self.out: list[Chunk] = []

    def assemble(self, units: list[Unit], stop: int, owner: Unit | None, depth: int) -> None:
        """Emit the chunks of consecutive units; the last one ends before the row ``stop``."""
        size = self.rows.size
        group: list[Unit] = []
        total = 0
        nameless = True
        full = False  # holds a definition that deserves a chunk of its own
        count = len(units)
        for i, unit in enumerate(units):
            after = units[i + 1].row if i + 1 < count else stop
            own = size(unit.row, after)
            if own > TARGET_CHARS:
                kids = unit.kids
                if kids is None and own > MAX_CHARS and unit.nodes:
                    kids = self.expand(unit, depth)
                if kids and _can_split(unit, kids):
                    if group and total < TINY_CHARS and (nameless or group[-1].head):
                        unit.row = group[0].row  # a lone line such as a namespace's
                        for small in group:
                            unit.definitions.extend(small.definitions)
                    elif group:
                        self._flush(group, unit.row, owner)
                    group = []
                    self.assemble(_with_head(unit, kids), after, unit if unit.symbol else owner, depth + 1)
                    continue
            named = bool(unit.definitions)
            if group and not (
                total + own <= TARGET_CHARS
                and (
                    (not named and own < TINY_CHARS)
                    or (not named and (nameless or group[-1].head))
                    or (total < TINY_CHARS and (nameless or group[-1].head))
                    or (named and not full and own < SMALL_CHARS and _related(group[-1], unit))
                )
            ):
                self._flush(group, unit.row, owner)
                group = []
            if not group:
                total = 0
                nameless = True
                full = False
            group.append(unit)
            total += own
            if named:
                nameless = False
                full = full or own >= SMALL_CHARS
        if group:
            self._flush(group, stop, owner)

    def _flush(self, group: list[Unit], stop: int, owner: Unit | None) -> None:
        """Emit a group as one chunk, named after its main definition or else after the container."""
        main: Unit | None = None
        if len(group) == 1:
            if group[0].definitions:
                main = group[0]
        else:
            best = -1
            for unit in group:
                if unit.definitions and unit.end - unit.row > best:
                    best = unit.end - unit.row
                    main = unit
            if group[0].head and group[0].definitions and not _tiny_before_large(group):
                main = group[0]  # the head of a container names its first chunk
        names: list[Definition] = []
        if main is not None:
            collect(main, names)
        for unit in group:
            if unit is not main and (unit.definitions or unit.kids):
                collect(unit, names)
        if main is not None and main.kind:
            piece = Piece(main.kind, main.symbol, main.scope, tuple(names))
        elif names:  # an anonymous namespace; rows without a name that took in a definition
            piece = Piece(names[0].kind, names[0].name, names[0].scope, tuple(names))
        elif owner is not None:
            piece = Piece(owner.kind or "block", owner.symbol, owner.scope)
        else:
            piece = Piece("block")
        self.rows.emit(self.out, group[0].row, stop, piece)


def _related(last: Unit, unit: Unit) -> bool:
    """Whether two neighbours have the same parent, or the later one belongs to the earlier (Go's methods)."""
    return unit.scope == last.scope or unit.scope == last.inner or last.head or not last.definitions


def _can_split(unit: Unit, kids: list[Unit]) -> bool:
    """Whether the members begin below the row of the name, so that the head is a piece of its own."""
    first = kids[0]
    floor = unit.definitions[0].line - 1 if unit.definitions else unit.row
    return first.row > floor or (not first.definitions and len(kids) > 1 and kids[1].row > floor)


def _tiny_before_large(group: list[Unit]) -> bool:
    """Whether the group is a container's bare first line and one large member."""
    return len(group) == 2 and group[1].end - group[1].row > 4 * (group[0].end - group[0].row + 1)


def _with_head(unit: Unit, kids: list[Unit]) -> list[Unit]:
    """The members of a split unit, and before them its signature with the documentation.

    A definition that stands further down (one of the constants of a group) goes to the member there.
    """
    first = 0 if kids[0].definitions or (kids[0].kids and kids[0].row > unit.row) else 1
    end = kids[0].end if first else kids[0].row - 1
    if first < len(kids):
        end = kids[first].row - 1
    head = Unit(unit.row, end, unit.kind, unit.symbol, unit.scope)
    head.definitions = [d for d in unit.definitions if d.line - 1 <= end or first == len(kids)]
    if first and kids[0].kids:
        collect(kids[0], head.definitions)
    head.head = True
    rest = kids[first:]
    at = 0
    for definition in unit.definitions:
        row = definition.line - 1
        if row <= end or not rest:
            continue
        while at + 1 < len(rest) and rest[at + 1].row <= row:
            at += 1
        kid = rest[at]
        if not kid.definitions:
            kid.kind, kid.symbol, kid.scope = definition.kind, definition.name, unit.scope
        known = ((d.name, d.kind, d.line) for d in kid.definitions)
        if (definition.name, definition.kind, definition.line) not in known:
            kid.definitions.append(definition)
    return [head, *rest]


def collect(unit: Unit, names: list[Definition]) -> None:
    """Append the definitions of a unit and of all its members."""
    names.extend(unit.definitions)
    if unit.kids:
        for kid in unit.kids:
            collect(kid, names)
