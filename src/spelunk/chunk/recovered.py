"""Find the functions of C that a parser takes for the inside of another one.

Where ``#if`` and ``#else`` open a brace twice, the parser closes it once, and
the function seems to reach to the end of the file. What follows is inside it:
as function definitions, or in a wrong shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from spelunk.chunk.grammars.c import c_function
from spelunk.chunk.parse import Parsed
from spelunk.types import Definition

_AT_MARGIN: Final = re.compile(
    rb"^(?!typedef\b|return\b|else\b|case\b|goto\b)[A-Za-z_][\w \t*]{0,200}?[ \t*]([A-Za-z_]\w{0,200})[ \t]*"
    rb"\((?:[^;{}()]|\([^;{}()]{0,200}\)){0,2000}\)\s{0,100}\{",
    re.MULTILINE,
)
"""A type, a name, parameters and a brace, from the first column on: nobody writes a statement so."""

_NO_NAMES: Final = frozenset(["if", "for", "while", "switch", "return", "sizeof", "else", "do", "defined"])


def recovered(parsed: Parsed, known: dict[tuple[str, int], Definition]) -> Iterator[Definition]:
    """The functions inside functions, in no order, those with the scope of the outer one among the known ones too.

    Args:
        known: The definitions found by the walk, by name and line.
    """
    if not _may_be_nested(parsed, known):
        return
    outer, nested = _nested(parsed)
    raw_line = parsed.rows.raw_line
    inner: dict[tuple[str, int], Definition] = {}
    for node in nested:
        for name, kind, row, scope, _, _ in c_function(node, parsed.source, None):
            inner[name, row] = Definition(name, kind, raw_line(row), scope, raw_line(node.end_point[0]))
    for node in outer:
        for name, row, last in _at_margin(parsed.source, node):
            found = Definition(name, "function", raw_line(row), "", raw_line(last))
            inner.setdefault((name, row), found)
    outside = {name for node in outer for name, *_ in c_function(node, parsed.source, None)}
    for definition in inner.values():
        if definition.name not in _NO_NAMES:
            old = known.get((definition.name, definition.line))
            if old is None or old.scope.rpartition(".")[2] in outside:
                yield definition


def _may_be_nested(parsed: Parsed, known: dict[tuple[str, int], Definition]) -> bool:
    """Whether a function at the margin is unknown, or known with a scope: most files with errors have none."""
    row = at = 0
    source = parsed.source
    for match in _AT_MARGIN.finditer(source):
        row += source.count(b"\n", at, match.start(1))
        at = match.start(1)
        name = match.group(1).decode("utf-8", "replace")
        old = known.get((name, parsed.rows.raw_line(row)))
        if (old is None or old.scope) and name not in _NO_NAMES:
            return True
    return False


def _nested(parsed: Parsed) -> tuple[list[Any], list[Any]]:
    """The outermost functions with errors inside, and the functions inside them; not methods of local classes."""
    import tree_sitter

    assert parsed.grammar is not None
    root = parsed.tree.root_node
    nodes = tree_sitter.QueryCursor(parsed.grammar.functions).captures(root).get("function", ())
    outer: list[Any] = []
    inner: list[Any] = []
    end = 0
    for node in sorted(nodes, key=lambda n: int(n.start_byte)):
        if node.start_byte >= end:
            end = node.end_byte
            if node.has_error:
                outer.append(node)
        elif outer and node.end_byte <= outer[-1].end_byte:
            around = node.parent
            if around is not None and around.type != "field_declaration_list":
                inner.append(node)
    return outer, inner


def _at_margin(source: bytes, node: Any) -> Iterator[tuple[str, int, int]]:
    """Name, row and last row of what looks like a function behind the first row of another."""
    row, at = node.start_point[0], node.start_byte
    start = source.find(b"{", at, node.end_byte)
    if start < 0:
        return
    for match in _AT_MARGIN.finditer(source, start, node.end_byte):
        row += source.count(b"\n", at, match.start(1))
        at = match.start(1)
        line_end = source.find(b"\n", match.end())
        end = line_end if source[match.end() : line_end].rstrip().endswith(b"}") else -1
        if end < 0:
            end = source.find(b"\n}", match.end()) + 1
        last = row + source.count(b"\n", at, end) if end > 0 else node.end_point[0]
        yield match.group(1).decode("utf-8", "replace"), row, last
