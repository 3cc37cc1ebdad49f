"""Source code along its definitions: one parse, one shallow walk, one assembly.

The walk looks only at the children of containers (files, classes, modules);
the inside of a function is looked at when the function must be split. All
positions are rows, so nothing converts between bytes and characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from spelunk.chunk.assemble import Assembler, Unit, collect
from spelunk.chunk.grammar import METHOD_HOLDERS, NOTE, Found, Grammar, Rule, grammar_for
from spelunk.chunk.rows import TARGET_CHARS, Layout
from spelunk.types import MAX_SYMBOL, Chunk, Definition, Document

MAX_DEPTH: Final = 40
"""Nested containers looked into; deeper ones are cut by lines."""

MAX_LINE: Final = 20_000
"""A file with a longer line is not parsed: it holds data, or it is hostile. Some
grammars take quadratic time on one expression (100 kB of ``a<b(`` in a shell
script: 31 s), and plain parsing cannot be interrupted."""

MAX_UNCLOSED: Final = 1_000
"""A file with more brackets opened than closed, or the reverse, is not parsed, for the same reason."""

MAX_STEPS: Final = 2_000
"""Hundreds of steps, besides one hundred a byte, after which a parse that may never end is given up;
one of well-formed code takes two a byte."""

_QUOTED: Final = re.compile(
    rb"""//[^\n]*|/\*(?:[^*]|\*(?!/))*|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|`(?:[^`\\]|\\.)*`?""",
    re.DOTALL,
)
"""Strings and comments; one that is not closed reaches to its end, so that no text takes quadratic time."""
_NO_BRACKET: Final = re.compile(rb"[^][(){}]+")
_CLOSING: Final = dict(zip(b"([{", b")]}", strict=True))

GUESS_DEPTH: Final = 4
"""How deep definitions are looked for below unknown nodes of a grammar without a table."""

ERROR_SHARE: Final = 0.5
"""A parse whose top level is errors for more than this share is not believed."""

_ASCII: Final = bytes(range(128)) + b"x" * 128
"""Every byte of a character that is not ASCII as a letter: positions stay, names come from the source."""

_ERROR_KIND: Final = 65_535
_LOCAL_KINDS: Final = frozenset({"variable", "constant", "declaration", "field"})
_CALLABLE: Final = frozenset({"function", "method", "block", ""})


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
    # the tree is kept because nodes may not keep it alive
    tree = _parse(grammar, source.translate(_ASCII) if grammar.ascii_only else source)
    if tree is None:
        return None
    root = tree.root_node
    walker = _Walker(grammar, source, layout)
    units = walker.walk(root.named_children, "", "", False, 0)
    if root.has_error and _mostly_errors(root, units, len(source)):
        return None
    if not units:
        return None
    units[0].row = 0
    assembler = Assembler(layout, walker.expand)
    assembler.assemble(units, layout.count, None, 0)
    return assembler.out


def _parse(grammar: Grammar, source: bytes) -> Any:
    """The tree; None where the grammar does not come to an end.

    The limit counts steps of the parser, so the same text always ends the same way.
    """
    # bytes, not callbacks: in 0.26.1 what a read callback returns is never freed, and only
    # with one can a parse be stopped
    if not grammar.endless or _is_nested(source):
        return grammar.parser.parse(source)
    left = MAX_STEPS + len(source)

    def stop(*_: object) -> bool:
        nonlocal left
        left -= 1
        return left < 0

    try:
        return grammar.parser.parse(lambda at, _: source[at:], progress_callback=stop)
    except ValueError:  # stopped
        grammar.parser.reset()
        return None


def _is_nested(source: bytes) -> bool:
    """Does every bracket outside strings and comments close the last one opened?"""
    open_ = bytearray()
    for bracket in _NO_BRACKET.sub(b"", _QUOTED.sub(b"", source)):
        closing = _CLOSING.get(bracket)
        if closing is not None:
            open_.append(closing)
        elif not open_ or open_.pop() != bracket:
            return False
    return not open_


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
    """The walk over one document."""

    __slots__ = ("grammar", "layout", "source")

    def __init__(self, grammar: Grammar, source: bytes, layout: Layout) -> None:
        self.grammar = grammar
        self.source = source
        self.layout = layout

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

    def expand(self, unit: Unit, depth: int) -> list[Unit] | None:
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


NOTE_RULE: Final = Rule(note=True)
FLAT_RULE: Final = Rule(flat=True)


def _rows(node: Any) -> int:
    rows: int = node.end_point[0] - node.start_point[0] + 1
    return rows


def _absorb(last: Unit, unit: Unit) -> None:
    """Two units meet on one row: the earlier one takes the later one in."""
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
