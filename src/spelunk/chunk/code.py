"""Source code along its definitions: one parse, one shallow walk, one assembly.

The walk looks only at the children of containers (files, classes, modules);
the inside of a function is looked at when the function must be split. All
positions are rows, so nothing converts between bytes and characters.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from spelunk.chunk.layout import MAX_CHARS, SMALL_CHARS, TARGET_CHARS, TINY_CHARS, Layout
from spelunk.chunk.registry import METHOD_HOLDERS, NOTE, Found, Grammar, Rule, grammar_for
from spelunk.types import MAX_SYMBOL, Chunk, Definition, Document

MAX_DEPTH: Final = 40
"""Nested containers looked into; deeper ones are cut by lines."""

MAX_LINE: Final = 20_000
"""A file with a longer line is not parsed: it holds data, or it is hostile. Some
grammars take quadratic time on one expression (100 kB of ``a<b(`` in a shell
script: 31 s), and plain parsing cannot be interrupted."""

MAX_UNCLOSED: Final = 1_000
"""A file with more brackets opened than closed, or the reverse, is not parsed, for the same reason."""

GUESS_DEPTH: Final = 4
"""How deep definitions are looked for below unknown nodes of a grammar without a table."""

ERROR_SHARE: Final = 0.5
"""A parse whose top level is errors for more than this share is not believed."""

_ASCII: Final = bytes(range(128)) + b"x" * 128
"""Every byte of a character that is not ASCII as a letter: positions stay, names come from the source."""

_ERROR_KIND: Final = 65_535
_LOCAL_KINDS: Final = frozenset({"variable", "constant", "declaration", "field"})
_CALLABLE: Final = frozenset({"function", "method", "block", ""})


class Unit:
    """A run of rows that belongs together; it ends where the next unit starts.

    ``kids`` are the members of a container; ``nodes`` are what to look into
    when the unit has no members yet and is too large; a ``head`` is what
    stands in a container before its first member.
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


def chunk_code(document: Document, layout: Layout) -> list[Chunk] | None:
    """Chunks along the definitions of a source file.

    Returns:
        None where the language has no grammar, where the text is not fit to
        be parsed, or where the parse is mostly errors.
    """
    grammar = grammar_for(document.language)
    if grammar is None or _is_hostile(layout):
        return None
    source = document.text.encode("utf-8", "replace")
    # bytes, not callbacks: in 0.26.1 a read callback leaks what it returns or crashes, and only
    # with one is there a progress callback; the tree is kept because nodes may not keep it alive
    tree = grammar.parser.parse(source.translate(_ASCII) if grammar.ascii_only else source)
    root = tree.root_node
    walker = _Walker(grammar, source, layout)
    units = walker.walk(root.named_children, "", "", False, 0)
    if root.has_error and _mostly_errors(root, units, len(source)):
        return None
    if not units:
        return None
    units[0].row = 0
    walker.assemble(units, layout.count, None, 0)
    return walker.out


def assemble_units(layout: Layout, units: list[Unit]) -> list[Chunk]:
    """The chunks of units that some other means than a parse has found."""
    walker = _Walker(Grammar(None, {}, frozenset(), 0, False), b"", layout)
    units[0].row = 0
    walker.assemble(units, layout.count, None, 0)
    return walker.out


def _is_hostile(layout: Layout) -> bool:
    text = layout.text
    if len(text) > MAX_LINE and max(map(len, layout.lines)) > MAX_LINE:
        return True
    return any(abs(text.count(a) - text.count(b)) > MAX_UNCLOSED for a, b in ("()", "[]", "{}"))


def _mostly_errors(root: Any, units: list[Unit], size: int) -> bool:
    if root.kind_id == _ERROR_KIND:
        wrong = size
    else:
        wrong = sum(n.end_byte - n.start_byte for n in root.children if n.kind_id == _ERROR_KIND)
    if wrong <= size * ERROR_SHARE:
        return False
    # errors that still show the definitions inside (a macro around a file) are good enough
    named = sum(1 for unit in units if unit.definitions)
    return named * TARGET_CHARS < size


class _Walker:
    """The walk and the assembly over one document."""

    __slots__ = ("grammar", "layout", "out", "source")

    def __init__(self, grammar: Grammar, source: bytes, layout: Layout) -> None:
        self.grammar = grammar
        self.source = source
        self.layout = layout
        self.out: list[Chunk] = []

    def walk(self, nodes: Iterable[Any], scope: str, inside: str, local: bool, depth: int) -> list[Unit]:
        """The units of some sibling nodes, in order, starting on rising rows.

        Args:
            scope: Of the definitions among the nodes.
            inside: The kind of their container.
            local: Whether names of values are local, so no definitions.
        """
        units: list[Unit] = []
        self._walk(units, nodes, scope, inside, local, depth)
        return units

    def _walk(
        self, units: list[Unit], nodes: Iterable[Any], scope: str, inside: str, local: bool, depth: int
    ) -> None:
        rules = self.grammar.rules
        source = self.source
        size = self.layout.size
        merge = self.grammar.merge
        guessed = self.grammar.guessed
        methods = inside in METHOD_HOLDERS
        lead = lead_end = -1  # rows of the comments and attributes gathered for the next unit
        for node in nodes:
            row = node.start_point[0]
            end, column = node.end_point
            if column == 0 and end > row:
                end -= 1
            rule = rules.get(node.kind_id)
            if rule is not None and rule.leaf and not local and lead < 0:
                # most definitions: a field holds the name, no comment is pending
                name = node.child_by_field_id(rule.field)
                if name is not None and (not units or row > units[-1].end):
                    symbol = source[name.start_byte : name.end_byte].decode("utf-8", "replace")
                    kind = rule.kind
                    if kind == "function" and methods:
                        kind = "method"
                    if symbol and len(symbol) <= MAX_SYMBOL:
                        if merge and units and units[-1].symbol == symbol and units[-1].kind == kind:
                            units[-1].end = end
                            units[-1].nodes.append(node)
                            continue
                        unit = Unit(row, end, kind, symbol, scope)
                        unit.inner = f"{scope}.{symbol}" if scope else symbol
                        unit.nodes.append(node)
                        unit.definitions.append(Definition(symbol, kind, name.start_point[0] + 1))
                        units.append(unit)
                        continue
            found: list[Found] | None = None
            if rule is not None:
                if rule.describe is not None:
                    answer = rule.describe(node, source, rule)
                    if answer is NOTE:
                        rule = NOTE_RULE
                    else:
                        found = answer
                if rule.note:
                    last_end = units[-1].end if units else -1
                    if row <= last_end:
                        continue  # behind code, on its line
                    if lead < 0:
                        lead = row
                    elif row > lead_end + 1:
                        self._other(units, lead, lead_end, None, scope)
                        lead = row
                    lead_end = end
                    continue
            start = row
            if lead >= 0:
                if row <= lead_end + 1:
                    start = lead
                else:
                    self._other(units, lead, lead_end, None, scope)
                lead = -1
            if rule is not None and rule.tail:
                if units and units[-1].definitions and start <= units[-1].end + 1:
                    units[-1].end = end
                    units[-1].nodes.append(node)
                    continue
                rule = None
            if rule is None and guessed and depth < GUESS_DEPTH and end > row:
                rule = FLAT_RULE
            if rule is None:
                if units:
                    last = units[-1]
                    if not last.definitions and not last.nodes and size(last.row, end + 1) <= TARGET_CHARS:
                        last.end = end  # one more import or statement
                        continue
                self._other(units, start, end, node, scope)
                continue
            if rule.flat and depth < MAX_DEPTH:
                if end == row:
                    self._flat_row(units, start, end, node, scope, inside, local, depth)
                    continue
                if not units or start > units[-1].end:
                    self._other(units, start, row, None, scope)
                self._walk(units, node.named_children, scope, inside, local, depth + 1)
                if units and units[-1].end < end:
                    units[-1].end = end
                continue
            target = node
            if rule.wrap:
                inner = self._unwrap(node)
                if inner is None:
                    self._other(units, start, end, node, scope)
                    continue
                target, rule = inner
                if rule.describe is not None:
                    found = rule.describe(target, source, rule)
            if found is None:
                name = target.child_by_field_id(rule.field)
                if name is None:
                    found = []
                else:
                    text = source[name.start_byte : name.end_byte].decode("utf-8", "replace")
                    found = [(text, rule.kind, name.start_point[0], "", None)]
            if rule.rest:
                self._other(units, start, end, None, scope)
                if found:
                    scope = f"{scope}.{found[0][0]}" if scope else found[0][0]
                continue
            if local and found and found[0][1] in _LOCAL_KINDS:
                found = []
            if not found and guessed and depth < MAX_DEPTH and end > row:
                self._walk(units, node.named_children, scope, inside, local, depth + 1)
                if not units or units[-1].end < end:
                    self._other(units, max(start, units[-1].end + 1 if units else start), end, None, scope)
                continue
            if not rule.box and (not found or not found[0][0]):
                self._other(units, start, end, node, scope)
                continue
            unit = self._unit(start, end, target, rule, found, scope, inside, depth)
            unit.nodes.append(node)
            if units:
                last = units[-1]
                if start <= last.end:
                    _absorb(last, unit)
                    continue
                if merge and unit.symbol == last.symbol and unit.kind == last.kind and unit.symbol:
                    last.end = end
                    last.nodes.extend(unit.nodes)
                    continue
            units.append(unit)
        if lead >= 0:
            self._other(units, lead, lead_end, None, scope)

    def _unwrap(self, node: Any) -> tuple[Any, Rule] | None:
        rules = self.grammar.rules
        for _ in range(8):
            for child in node.named_children:
                rule = rules.get(child.kind_id)
                if rule is not None and not rule.note and not rule.flat:
                    if rule.wrap:
                        node = child
                        break
                    return child, rule
            else:
                return None
        return None

    def _unit(
        self,
        start: int,
        end: int,
        node: Any,
        rule: Rule,
        found: list[Found],
        scope: str,
        inside: str,
        depth: int,
    ) -> Unit:
        unit = Unit(start, end, scope=scope)
        body = None
        for name, kind, row, own_scope, own_body in found:
            if not name:
                continue  # the parser made it up to go on
            if kind == "function" and inside in METHOD_HOLDERS:
                kind = "method"
            elif kind == "variable" and name.isupper() and len(name) > 1:
                kind = "constant"
            name = name if len(name) <= MAX_SYMBOL else name[:MAX_SYMBOL]
            if not unit.definitions:
                unit.kind = kind
                unit.symbol = name
                if own_scope:
                    unit.scope = f"{scope}.{own_scope}" if scope else own_scope
                unit.inner = f"{unit.scope}.{name}" if unit.scope else name
                body = own_body
            unit.definitions.append(Definition(name, kind, row + 1))
        if body is not None or (rule.box and depth < MAX_DEPTH):
            if body is None:
                body = self.grammar.body_of(node)
            if body is not None:
                kids = self.walk(self._members(body), unit.inner, unit.kind or inside, False, depth + 1)
                if any(kid.definitions or kid.kids for kid in kids):
                    unit.kids = kids
        return unit

    def _members(self, body: Any) -> list[Any]:
        """The children of a body, and the comments that some grammars put in front of it."""
        members: list[Any] = body.named_children
        before = body.prev_named_sibling
        while before is not None:
            rule = self.grammar.rules.get(before.kind_id)
            if rule is None or not rule.note:
                break
            members.insert(0, before)
            before = before.prev_named_sibling
        return members

    def _flat_row(
        self,
        units: list[Unit],
        start: int,
        end: int,
        node: Any,
        scope: str,
        inside: str,
        local: bool,
        depth: int,
    ) -> None:
        """A transparent node on one row: its definitions belong to that row."""
        kids = self.walk(node.named_children, scope, inside, local, depth + 1)
        if kids and kids[0].definitions:
            kids[0].row = start
            kids[0].end = end
            if units and start <= units[-1].end:
                _absorb(units[-1], kids[0])
            else:
                units.append(kids[0])
        else:
            self._other(units, start, end, None, scope)

    def _other(self, units: list[Unit], start: int, end: int, node: Any, scope: str) -> None:
        """Rows without a name: imports, statements, free comments."""
        if units:
            last = units[-1]
            if start <= last.end:
                last.end = max(last.end, end)
                if node is not None and last.nodes and last.kids is None:
                    last.nodes.append(node)
                return
            if (
                not last.definitions
                and not last.nodes
                and self.layout.size(last.row, end + 1) <= TARGET_CHARS
            ):
                last.end = end
                return
        unit = Unit(start, end, scope=scope)
        if node is not None and self.layout.size(start, min(end + 1, self.layout.count)) > TARGET_CHARS:
            unit.nodes.append(node)
        units.append(unit)

    def _expand(self, unit: Unit, depth: int) -> list[Unit] | None:
        """The inner units of a large leaf: of its body, however deep that is wrapped."""
        nodes = unit.nodes
        # the name's row: what starts there is the definition itself, wrapped once more
        first = max([unit.row, nodes[0].start_point[0], *(d.line - 1 for d in unit.definitions[:1])])
        for _ in range(MAX_DEPTH):
            kids = [kid for node in nodes for kid in node.named_children if kid.end_point[0] > first]
            if not kids:
                return None
            widest = max(kids, key=_rows)
            if len(nodes) > 1 or _rows(widest) * 5 < sum(map(_rows, nodes)) * 4:
                break
            rule = self.grammar.rules.get(widest.kind_id)
            if rule is not None and (rule.box or rule.kind) and widest.start_point[0] > first:
                break  # another definition around which there is little else
            nodes = [widest]
        if depth >= MAX_DEPTH:
            return None
        kids = [kid for node in nodes for kid in node.named_children]
        units = self.walk(kids, unit.inner, unit.kind, unit.kind in _CALLABLE, depth + 1)
        units = [u for u in units if u.row > first]
        return units or None

    def assemble(self, units: list[Unit], stop: int, owner: Unit | None, depth: int) -> None:
        """Emit the chunks of consecutive units; the last one ends before the row ``stop``."""
        size = self.layout.size
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
                    kids = self._expand(unit, depth)
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
        if main is None:
            if owner is None:
                self.layout.emit(self.out, group[0].row, stop, "block")
            else:
                self.layout.emit(
                    self.out, group[0].row, stop, owner.kind or "block", owner.symbol, owner.scope
                )
            return
        names: list[Definition] = []
        _collect(main, names)
        for unit in group:
            if unit is not main and (unit.definitions or unit.kids):
                _collect(unit, names)
        self.layout.emit(self.out, group[0].row, stop, main.kind, main.symbol, main.scope, tuple(names))


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


NOTE_RULE: Final = Rule(note=True)
FLAT_RULE: Final = Rule(flat=True)


def _rows(node: Any) -> int:
    rows: int = node.end_point[0] - node.start_point[0] + 1
    return rows


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
        _collect(kids[0], head.definitions)
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
        if definition not in kid.definitions:
            kid.definitions.append(definition)
    return [head, *rest]


def _collect(unit: Unit, names: list[Definition]) -> None:
    names.extend(unit.definitions)
    if unit.kids:
        for kid in unit.kids:
            _collect(kid, names)


def _absorb(last: Unit, unit: Unit) -> None:
    """Two units meet on one row: the earlier one takes the later one in."""
    names: list[Definition] = []
    _collect(unit, names)
    if last.kids is not None:
        last.kids[-1].definitions.extend(names)
    elif last.definitions:
        last.definitions.extend(names)
        last.nodes.extend(unit.nodes)
    else:
        last.kind, last.symbol, last.scope, last.inner = unit.kind, unit.symbol, unit.scope, unit.inner
        last.definitions = names
        last.nodes.extend(unit.nodes)
    last.end = max(last.end, unit.end)
