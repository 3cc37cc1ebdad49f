"""Cut source code along its definitions: one shallow walk over the syntax tree, one assembly.

The walk looks only at the children of containers (files, classes, modules);
the inside of a function is looked at when the function must be split. All
positions are rows, so nothing converts between bytes and characters.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from spelunk.chunk.assemble import Assembler, Unit, collect
from spelunk.chunk.grammar import METHOD_HOLDERS, NodeRule, Verb
from spelunk.chunk.grammars._nodes import BELONGS_BELOW, NamedNode
from spelunk.chunk.members import add_members
from spelunk.chunk.parsed import Parsed, wrong_bytes
from spelunk.chunk.rows import TARGET_CHARS
from spelunk.types import MAX_SYMBOL, Chunk, Definition

MAX_DEPTH: Final = 40
"""Nested containers looked into; deeper ones are cut by lines."""

MAX_WRAPS: Final = 8
"""Exports, decorators and templates around one definition that are looked through."""

GUESS_DEPTH: Final = 4
"""How deep definitions are looked for below unknown nodes of a grammar without a table."""

ERROR_SHARE: Final = 0.5
"""A parse whose top level is errors for more than this share is not believed."""

_LOCAL_KINDS: Final = frozenset({"variable", "constant", "declaration", "field"})
_CALLABLE: Final = frozenset({"function", "method", "block", ""})

BOX: Final = Verb.BOX
FLAT: Final = Verb.FLAT
NOTE: Final = Verb.NOTE
REST: Final = Verb.REST
TAIL: Final = Verb.TAIL
WRAP: Final = Verb.WRAP
_FLAT_RULE: Final = NodeRule(FLAT)


def chunk_code(parsed: Parsed) -> list[Chunk] | None:
    """Chunks along the definitions of a source file; None where its parse is mostly errors."""
    root = parsed.tree.root_node
    walker = _Walker(parsed)
    units = walker.walk(root.named_children, ("", "", False, 0))
    if not units or (root.has_error and _mostly_errors(root, units, len(parsed.source))):
        return None
    units[0].row = 0
    assembler = Assembler(parsed.rows, walker.expand)
    assembler.assemble(units, parsed.rows.count, None, 0)
    add_members(parsed, assembler.out)
    return assembler.out


def _mostly_errors(root: Any, units: list[Unit], size: int) -> bool:
    if wrong_bytes(root) <= size * ERROR_SHARE:
        return False
    # errors that still show the definitions inside (a macro around a file) are good enough
    named = sum(1 for unit in units if unit.definitions)
    return named * TARGET_CHARS < size


_Context = tuple[str, str, bool, int]
"""Where some sibling nodes stand: scope of the definitions among them; kind of their container; whether
names of values are local, so no definitions; containers around them."""


class _Walker:
    """The walk over one document."""

    __slots__ = ("grammar", "rows", "source")

    def __init__(self, parsed: Parsed) -> None:
        assert parsed.grammar is not None
        self.grammar = parsed.grammar
        self.source = parsed.source
        self.rows = parsed.rows

    def walk(self, nodes: Iterable[Any], context: _Context) -> list[Unit]:
        """The units of some sibling nodes, in order, starting on rising rows."""
        units: list[Unit] = []
        self._walk(units, nodes, context)
        return units

    def _walk(self, units: list[Unit], nodes: Iterable[Any], context: _Context) -> None:
        scope, inside, local, depth = context
        rules = self.grammar.rules
        source = self.source
        size = self.rows.size
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
                    at = name.start_byte
                    symbol = source[at : name.end_byte].decode("utf-8", "replace")
                    kind = rule.kind
                    if kind == "function" and methods:
                        kind = "method"
                    if symbol and not symbol.isspace() and len(symbol) <= MAX_SYMBOL:
                        if merge and units and units[-1].symbol == symbol and units[-1].kind == kind:
                            units[-1].grow(end, node)
                            continue
                        unit = Unit(row, end, kind, symbol, scope)
                        unit.inner = f"{scope}.{symbol}" if scope else symbol
                        unit.nodes.append(node)
                        line = row + 1 + source.count(b"\n", node.start_byte, at)
                        unit.definitions.append(Definition(symbol, kind, line, scope, end + 1))
                        units.append(unit)
                        continue
            names: list[NamedNode] | None = None
            role = None
            if rule is not None:
                role = rule.role
                if rule.describe is not None:
                    names = rule.describe(node, source, rule)
                    if names is BELONGS_BELOW:
                        role = NOTE
                if role is NOTE:
                    if row <= (units[-1].end if units else -1):
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
            if role is TAIL:
                if units and units[-1].definitions and start <= units[-1].end + 1:
                    units[-1].grow(end, node)
                    continue
                rule = role = None
            if rule is None and guessed and depth < GUESS_DEPTH and end > row:
                rule, role = _FLAT_RULE, FLAT
            if rule is None:
                if units:
                    last = units[-1]
                    if not last.definitions and not last.nodes and size(last.row, end + 1) <= TARGET_CHARS:
                        last.end = end  # one more import or statement
                        continue
                self._other(units, start, end, node, scope)
                continue
            if role is FLAT and depth < MAX_DEPTH:
                deeper = (scope, inside, local, depth + 1)
                if end == row:
                    self._flat_row(units, start, end, node, deeper)
                    continue
                if not units or start > units[-1].end:
                    self._other(units, start, row, None, scope)
                self._walk(units, node.named_children, deeper)
                if units and units[-1].end < end:
                    units[-1].end = end
                continue
            target = node
            if role is WRAP:
                inner = self._unwrap(node)
                if inner is None:
                    self._other(units, start, end, node, scope)
                    continue
                target, rule = inner
                role = rule.role
                if rule.describe is not None:
                    names = rule.describe(target, source, rule)
            if names is None:
                name = target.child_by_field_id(rule.field)
                if name is None:
                    names = []
                else:
                    text = source[name.start_byte : name.end_byte].decode("utf-8", "replace")
                    names = [NamedNode(text, rule.kind, name.start_point[0])]
            if role is REST:
                self._other(units, start, end, None, scope)
                if names:
                    scope = f"{scope}.{names[0].name}" if scope else names[0].name
                continue
            if local and names and names[0].kind in _LOCAL_KINDS:
                names = []
            if not names and guessed and depth < MAX_DEPTH and end > row:
                self._walk(units, node.named_children, (scope, inside, local, depth + 1))
                if not units or units[-1].end < end:
                    self._other(units, max(start, units[-1].end + 1 if units else start), end, None, scope)
                continue
            if role is not BOX and (not names or not names[0].name.strip()):
                self._other(units, start, end, node, scope)
                continue
            unit = self._unit(Unit(start, end, scope=scope), target, role is BOX, names, inside, depth)
            unit.nodes.append(node)
            if units:
                last = units[-1]
                if start <= last.end:
                    _absorb(last, unit)
                    continue
                if merge and unit.symbol == last.symbol and unit.kind == last.kind and unit.symbol:
                    last.grow(end, node)
                    continue
            units.append(unit)
        if lead >= 0:
            self._other(units, lead, lead_end, None, scope)

    def _unwrap(self, node: Any) -> tuple[Any, NodeRule] | None:
        """The definition inside a wrapper, and its rule."""
        rules = self.grammar.rules
        for _ in range(MAX_WRAPS):
            for child in node.named_children:
                rule = rules.get(child.kind_id)
                if rule is not None and rule.role is not NOTE and rule.role is not FLAT:
                    if rule.role is WRAP:
                        node = child
                        break
                    return child, rule
            else:
                return None
        return None

    def _unit(
        self, unit: Unit, node: Any, is_box: bool, names: list[NamedNode], inside: str, depth: int
    ) -> Unit:
        """Fill a unit with the names that a node defines, and with its members."""
        outer = unit.scope
        body = None
        for name, kind, row, own_scope, own_body, last_row in names:
            if not name.strip():
                continue  # recovered syntax, or a line separator that a grammar takes for a letter
            if kind == "function" and inside in METHOD_HOLDERS:
                kind = "method"
            elif kind == "variable" and name.isupper() and len(name) > 1:
                kind = "constant"
            name = name if len(name) <= MAX_SYMBOL else name[:MAX_SYMBOL]
            scope = outer
            if own_scope:
                scope = f"{outer}.{own_scope}" if outer else own_scope
            if not unit.definitions:
                unit.kind = kind
                unit.symbol = name
                unit.scope = scope
                unit.inner = f"{scope}.{name}" if scope else name
                body = own_body
            end = max(unit.end if last_row < 0 else min(last_row, unit.end), row)
            unit.definitions.append(Definition(name, kind, row + 1, scope, end + 1))
        if body is not None or (is_box and depth < MAX_DEPTH):
            if body is None:
                body = self.grammar.body_of(node)
            if body is not None:
                context = (unit.inner, unit.kind or inside, False, depth + 1)
                kids = self.walk(self._members(body), context)
                if any(kid.definitions or kid.kids for kid in kids):
                    unit.kids = kids
        return unit

    def _members(self, body: Any) -> list[Any]:
        """The children of a body, and the comments that some grammars put in front of it."""
        members: list[Any] = body.named_children
        before = body.prev_named_sibling
        while before is not None:
            rule = self.grammar.rules.get(before.kind_id)
            if rule is None or rule.role is not NOTE:
                break
            members.insert(0, before)
            before = before.prev_named_sibling
        return members

    def _flat_row(self, units: list[Unit], start: int, end: int, node: Any, context: _Context) -> None:
        """A transparent node on one row: its definitions belong to that row."""
        kids = self.walk(node.named_children, context)
        if kids and kids[0].definitions:
            kids[0].row = start
            kids[0].end = end
            if units and start <= units[-1].end:
                _absorb(units[-1], kids[0])
            else:
                units.append(kids[0])
        else:
            self._other(units, start, end, None, context[0])

    def _other(self, units: list[Unit], start: int, end: int, node: Any, scope: str) -> None:
        """Add rows without a name: imports, statements, free comments."""
        if units:
            last = units[-1]
            if start <= last.end:
                last.end = max(last.end, end)
                if node is not None and last.nodes and last.kids is None:
                    last.nodes.append(node)
                return
            if not last.definitions and not last.nodes and self.rows.size(last.row, end + 1) <= TARGET_CHARS:
                last.end = end
                return
        unit = Unit(start, end, scope=scope)
        if node is not None and self.rows.size(start, min(end + 1, self.rows.count)) > TARGET_CHARS:
            unit.nodes.append(node)
        units.append(unit)

    def expand(self, unit: Unit, depth: int) -> list[Unit] | None:
        """The inner units of a large leaf: of its body, however deep that is wrapped."""
        nodes = unit.nodes
        # the name's row: what starts there is the definition itself, wrapped once more
        first = max([unit.row, nodes[0].start_point[0], *(d.line - 1 for d in unit.definitions[:1])])
        for _ in range(MAX_DEPTH):
            kids = [kid for node in nodes for kid in node.named_children if kid.end_point[0] > first]
            if not kids:
                return None
            widest = max(kids, key=_row_count)
            if len(nodes) > 1 or _row_count(widest) * 5 < sum(map(_row_count, nodes)) * 4:
                break
            rule = self.grammar.rules.get(widest.kind_id)
            if rule is not None and (rule.role is BOX or rule.kind) and widest.start_point[0] > first:
                break  # another definition around which there is little else
            nodes = [widest]
        if depth >= MAX_DEPTH:
            return None
        kids = [kid for node in nodes for kid in node.named_children]
        units = self.walk(kids, (unit.inner, unit.kind, unit.kind in _CALLABLE, depth + 1))
        units = [u for u in units if u.row > first]
        return units or None


def _row_count(node: Any) -> int:
    rows: int = node.end_point[0] - node.start_point[0] + 1
    return rows


def _absorb(last: Unit, unit: Unit) -> None:
    """Join two units that meet on one row: the earlier one takes the later one in."""
    names: list[Definition] = []
    collect(unit, names)
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
