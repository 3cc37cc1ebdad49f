"""Find the functions and types inside functions, on demand: for questions, not for indexing.

The walk of :mod:`spelunk.chunk.code` does not look into functions, callbacks and
objects without a name. A query finds the nodes that the language's table has a
rule for, wherever they stand.
"""

from __future__ import annotations

from typing import Any, Final

from spelunk.chunk import chunk
from spelunk.chunk.grammar import METHOD_HOLDERS, LanguageGrammar, NodeRule, Verb
from spelunk.chunk.grammars._nodes import BELONGS_BELOW, NamedNode
from spelunk.chunk.nodes import short_text
from spelunk.chunk.parse import Parsed
from spelunk.types import MAX_SYMBOL, Definition

MAX_NODES: Final = 100_000
"""Nodes of one file that may define something."""
_NO_DEFINITIONS: Final = frozenset({"pair"})
"""Nodes that a question asks about as what they stand for: the key of an object is a property of its type."""
_KINDS: Final = frozenset(
    ["function", "method", "constructor", "macro", "class", "interface", "trait", "struct", "enum", "object", "record",
     "protocol", "type", "module", "union"]
)  # fmt: skip
"""Kinds of the definitions that are given; variables inside functions are none."""


def local_definitions(parsed: Parsed) -> list[Definition]:
    """The functions and types of a file that its chunks do not list, by line, with the scopes around them."""
    grammar = parsed.grammar
    if grammar is None or parsed.tree is None or grammar.guessed:
        return []
    import tree_sitter

    query = grammar.query(_patterns(grammar))
    if query is None:
        return []
    found = tree_sitter.QueryCursor(query).captures(parsed.tree.root_node).get("d", ())
    nodes = sorted(found, key=lambda node: (node.start_byte, -node.end_byte))[:MAX_NODES]
    stored = [d for piece in chunk(parsed) for d in piece.definitions]
    known = {(d.name, d.line) for d in stored}
    merged = {(d.name, d.scope): d for d in stored if d.end_line > d.line}  # several signatures are one
    out: list[Definition] = []
    around: list[tuple[int, str, str]] = []  # end, scope and kind of the definitions around a node
    for node in nodes:
        while around and around[-1][0] <= node.start_byte:
            around.pop()
        inside = around[-1] if around else (0, "", "")
        rule = grammar.rules[node.kind_id]
        for one in _names(node, parsed.source, rule):
            name, kind = one.name.strip()[:MAX_SYMBOL], one.kind
            if not name or kind not in _KINDS:
                continue
            if kind == "function" and inside[2] in METHOD_HOLDERS:
                kind = "method"
            line = parsed.rows.raw_line(one.row)
            scope = ".".join(filter(None, (inside[1], one.scope)))
            around.append((node.end_byte, ".".join(filter(None, (scope, name))), kind))
            whole = merged.get((name, scope))
            if (name, line) not in known and not (whole and whole.line < line <= whole.end_line):
                known.add((name, line))
                last = node.end_point[0] - (
                    node.end_point[1] == 0 and node.end_point[0] > node.start_point[0]
                )
                out.append(Definition(name, kind, line, scope, parsed.rows.raw_line(last)))
    return out


def _patterns(grammar: LanguageGrammar) -> str:
    """A query for every node type that defines something."""
    language = grammar.parser.language
    names = sorted(
        {
            language.node_kind_for_id(kind)
            for kind, rule in grammar.rules.items()
            if rule.role in (Verb.DEF, Verb.BOX) and language.node_kind_is_named(kind)
        }
        - _NO_DEFINITIONS
    )
    return f"[{' '.join(f'({name})' for name in names)}] @d" if names else ""


def _names(node: Any, source: bytes, rule: NodeRule) -> list[NamedNode]:
    """What a node defines."""
    if rule.describe is not None:
        found = rule.describe(node, source, rule)
        return [] if found is BELONGS_BELOW else list(found)
    name = node.child_by_field_id(rule.field) if rule.field else None
    if name is None:
        return []
    text = short_text(name, source, 4 * MAX_SYMBOL)
    return [NamedNode(text, rule.kind, name.start_point[0])] if text else []
