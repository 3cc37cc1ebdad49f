"""Find the functions of C that a parser missed, or takes for the inside of another one.

Where ``#if`` and ``#else`` open a brace twice, the parser closes it once, and
the function seems to reach to the end of the file. What follows is inside it:
as function definitions, or in a wrong shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from spelunk.chunk.grammars.c import c_function
from spelunk.chunk.parsed import Parsed
from spelunk.types import Definition

_AT_MARGIN: Final = re.compile(
    rb"^(?!typedef\b|return\b|else\b|case\b|goto\b)[A-Za-z_][\w \t*]{0,200}?[ \t*]([A-Za-z_]\w{0,200})[ \t]*"
    rb"\((?:[^;{}()]|\([^;{}()]{0,200}\)){0,2000}\)\s{0,100}\{",
    re.MULTILINE,
)
"""A type, a name, parameters and a brace, from the first column on: nobody writes a statement so."""

_NO_NAMES: Final = frozenset(["if", "for", "while", "switch", "return", "sizeof", "else", "do", "defined"])


def recovered(parsed: Parsed, known: dict[tuple[str, int], Definition]) -> Iterator[Definition]:
    """The functions that the walk missed, and those to which it gave the scope of another function, in no order.

    Args:
        known: The definitions found by the walk, by name and line.
    """
    raw_line = parsed.rows.raw_line
    found = {
        (name, raw_line(row)): Definition(name, "function", raw_line(row), "", raw_line(last))
        for name, row, last in _at_margin(parsed)
    }
    missed = [key for key in found if key not in known or known[key].scope]
    if not missed:
        return  # so it is in most files with errors
    outer, inner = _nested(parsed)
    for node in inner:
        for name, kind, row, scope, _, _ in c_function(node, parsed.source, None):
            line = raw_line(row)
            found[name, line] = Definition(name, kind, line, scope, raw_line(node.end_point[0]))
    outside = {name for node in outer for name, *_ in c_function(node, parsed.source, None)}
    for key, definition in found.items():
        if definition.name not in _NO_NAMES:
            old = known.get(key)
            if old is None or old.scope.rpartition(".")[2] in outside:
                yield definition


def _nested(parsed: Parsed) -> tuple[list[Any], list[Any]]:
    """The outermost functions with errors inside, and the functions inside them; not methods of local classes."""
    import tree_sitter

    assert parsed.grammar is not None
    root = parsed.tree.root_node
    functions = parsed.grammar.query(parsed.grammar.functions)
    nodes = tree_sitter.QueryCursor(functions).captures(root).get("function", ())
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


def _at_margin(parsed: Parsed) -> Iterator[tuple[str, int, int]]:
    """Name, row and last row of what looks like a function from the first column on."""
    source = parsed.source
    root = parsed.tree.root_node
    row = at = 0
    for match in _AT_MARGIN.finditer(source):
        row += source.count(b"\n", at, match.start(1))
        at = match.start(1)
        node = root.descendant_for_byte_range(*match.span(1))
        if node is None or "identifier" not in node.type:
            continue  # in a comment
        line_end = source.find(b"\n", match.end())
        end = line_end if source[match.end() : line_end].rstrip().endswith(b"}") else -1
        if end < 0:
            end = source.find(b"\n}", match.end()) + 1
        last = row + source.count(b"\n", at, end) if end > 0 else row
        yield match.group(1).decode("utf-8", "replace"), row, last
