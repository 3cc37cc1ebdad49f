"""Add the definitions that do not cut: interface methods, enumerators, macros, functions in recovered code.

The walk of :mod:`spelunk.chunk.code` looks only at what may begin a chunk.
The keywords of declarations that may have members are found in the text, a query
finds the members in the tree, and each goes to the list of the chunk that holds
its line. Chunks keep their lines, kinds and names.

A family of grammars has in ``MEMBERS`` expressions for the keywords, whose node
must be in one of :data:`_HOLDERS`, and the query. Captures:

- ``@method``, ``@constant``: the name of a member. It belongs to the
  definition around it (:data:`_OWNERS`); without one it is left out, but a
  constant of C is known outside its enumeration.
- ``@macro``: the name of a macro, at any depth.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any, Final

from spelunk.chunk.extractor import capture_with_members
from spelunk.chunk.parsed import Parsed, line_starts
from spelunk.types import MAX_SYMBOL, Chunk, Definition

_OWNERS: Final = frozenset([
    "interface_declaration", "type_alias_declaration", "enum_declaration", "type_spec", "enum_specifier",
])  # fmt: skip
_BETWEEN: Final = frozenset([
    "method_elem", "interface_type", "method_signature", "interface_body", "object_type", "intersection_type",
    "union_type", "parenthesized_type", "enum_body", "enum_assignment",
    "enumerator", "enumerator_list",
])  # fmt: skip
"""Node types between a member and its owner. Any other makes the member one of a type without a name."""

_HOLDERS: Final = frozenset([
    "interface_declaration", "type_alias_declaration", "enum_declaration", "interface_type", "enum_specifier", "preproc_def", "preproc_function_def",
])  # fmt: skip
"""Node types that a keyword begins."""

MAX_PLACES: Final = 64
"""Keywords of a file that are looked up one by one. A look-up reads the nodes beside it, so that many of them
take longer than a query over the whole tree. That takes a quarter of the time of the parse, less where it is
the query for the references as well."""

MAX_CLIMB: Final = 40
"""Nodes between a member and its owner."""


def add_members(parsed: Parsed, chunks: list[Chunk]) -> None:
    """Add the definitions of a code file that its chunks do not list yet, in the order of their lines."""
    grammar = parsed.grammar
    if grammar is None or grammar.members is None:
        return
    import tree_sitter

    root = parsed.tree.root_node
    recover = bool(grammar.functions) and (root.has_error or parsed.is_mended)
    keywords, patterns = grammar.members
    places = [match.span() for keyword in keywords for match in keyword.finditer(parsed.source)]
    if not places and not recover:
        return
    adding = _Adding(parsed, chunks)
    found: dict[str, list[Any]] = {}
    places = [p for p in places if not adding.has_macro(p[0])]
    if len(places) > MAX_PLACES:
        captured = capture_with_members(parsed, patterns)
        found = (
            tree_sitter.QueryCursor(grammar.query(patterns)).captures(root) if captured is None else captured
        )
    elif places:
        cursor = tree_sitter.QueryCursor(grammar.query(patterns))
        for start, end in places:
            token = root.descendant_for_byte_range(start, end)
            holder = None if token is None else token.parent
            if holder is not None and holder.type in _HOLDERS:
                for kind, nodes in cursor.captures(holder).items():
                    found.setdefault(kind, []).extend(nodes)
    for kind in ("method", "constant", "macro"):
        for node in sorted(found.get(kind, ()), key=_start):
            adding.add_named(node, kind)
    if recover:
        adding.add_recovered()
    adding.finish()


def _start(node: Any) -> int:
    start: int = node.start_byte
    return start


class _Adding:
    """The additions to the chunks of one file."""

    __slots__ = ("added", "chunks", "ends", "known", "lines", "parsed", "starts", "wrong")

    def __init__(self, parsed: Parsed, chunks: list[Chunk]) -> None:
        self.parsed = parsed
        self.chunks = chunks
        self.ends = [c.end_line for c in chunks]
        self.known = {(d.name, d.line): d for c in chunks for d in c.definitions}
        self.lines = {line for _, line in self.known}
        self.starts: list[int] = []
        self.added: dict[int, list[Definition]] = {}
        self.wrong: dict[Definition, Definition] = {}

    def has_macro(self, at: int) -> bool:
        """Whether a ``#define`` at a byte offset stands on the line of a known definition."""
        source = self.parsed.source
        if source[at : at + 1] != b"#":
            return False
        if not self.starts:
            self.starts = line_starts(self.parsed)
        return self.parsed.rows.raw_line(bisect_right(self.starts, at) - 1) in self.lines

    def add_named(self, node: Any, kind: str) -> None:
        """Add the definition whose name is a node."""
        line = self.parsed.rows.raw_line(node.start_point[0])
        if kind == "macro" and line in self.lines:
            return  # nothing else stands on the line of a macro
        name = self._text(node).strip("'\"")
        if (name, line) in self.known:
            return
        scope = ""
        if kind != "macro":
            owner = self._owner(node)
            if owner is not None:
                scope = f"{owner.scope}.{owner.name}" if owner.scope else owner.name
            elif kind == "method" or self.parsed.document.language not in ("c", "cpp"):
                return
        self._add(Definition(name, kind, line, scope, self._end(node if kind == "constant" else node.parent)))

    def add_recovered(self) -> None:
        """Add the functions that the parser takes for the inside of others."""
        from spelunk.chunk.recovered import recovered

        for definition in recovered(self.parsed, self.known):
            old = self.known.get((definition.name, definition.line))
            if old is None:
                self._add(definition)
            else:
                self.wrong[old] = definition

    def finish(self) -> None:
        """Give the chunks their additions and corrections."""
        if self.wrong:
            for n, chunk in enumerate(self.chunks):
                right = tuple(self.wrong.get(d, d) for d in chunk.definitions)
                self.chunks[n] = chunk._replace(definitions=right)
        for n, definitions in self.added.items():
            chunk = self.chunks[n]
            definitions.sort(key=lambda d: d.line)
            self.chunks[n] = chunk._replace(definitions=(*chunk.definitions, *definitions))

    def _add(self, new: Definition) -> None:
        if not new.name.strip() or len(new.name) > MAX_SYMBOL:
            return
        n = bisect_left(self.ends, new.line)
        if n == len(self.chunks) or self.chunks[n].start_line > new.line:
            return
        self.known[new.name, new.line] = new
        here = self.added.setdefault(n, [])
        last = here[-1] if here else None
        if new.kind == "method" and last is not None and (last.name, last.scope) == (new.name, new.scope):
            here[-1] = last._replace(end_line=new.end_line)  # one more signature
        else:
            here.append(new)

    def _owner(self, node: Any) -> Definition | None:
        """The definition that a member belongs to."""
        for _ in range(MAX_CLIMB):
            node = node.parent
            if node is None:
                return None
            if node.type in _OWNERS:
                name = node.child_by_field_name("name")
                if name is None:
                    return None
                return self.known.get((self._text(name), self.parsed.rows.raw_line(name.start_point[0])))
            if node.type not in _BETWEEN:
                return None
        return None

    def _end(self, node: Any) -> int:
        row, column = node.end_point
        first = node.start_point[0]
        if column == 0 and row > first:
            row -= 1
        return self.parsed.rows.raw_line(row)

    def _text(self, node: Any) -> str:
        return self.parsed.source[node.start_byte : node.end_byte].decode("utf-8", "replace")
