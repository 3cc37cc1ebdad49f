"""Find the functions and types inside functions, on demand: for questions, not for indexing.

The walk of :mod:`spelunk.chunk.code` does not look into functions, callbacks and
objects without a name. A query finds the nodes that the language's table has a
rule for, wherever they stand.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any, Final

from spelunk.chunk import chunk
from spelunk.chunk.grammar import METHOD_HOLDERS, LanguageGrammar, NodeRule, Verb
from spelunk.chunk.grammars._nodes import BELONGS_BELOW, NamedNode
from spelunk.chunk.nodes import short_text
from spelunk.chunk.parsed import Parsed, line_starts
from spelunk.types import MAX_SYMBOL, Definition

_MACRO: Final = re.compile(rb"^[ \t]*#[ \t]*define[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
_TYPE_HEAD: Final = (
    rb"[ \t]+(?:[A-Z][A-Z0-9_]{2,}(?:\([^()\n]*\))?[ \t]+)*([A-Za-z_]\w*)[ \t]*"
    rb"(?:<[^;\n]*>?[ \t]*)?(?:final\b[ \t]*)?(?::[^;\n]*|\{[^\n]*)?$"
)
"""Behind ``class`` or ``struct``: macros that are attributes, the name, arguments of a template, bases."""
_FUNCTION_HEAD: Final = re.compile(
    rb"^[ \t]*(?:[\w:<>,&*~\[\] \t]{0,200}[ \t&*>])?(?!(?:if|for|while|switch|catch|return|else|sizeof)\b|[A-Z0-9_]+\()"
    rb"(~?[A-Za-z_]\w*)\([^;{}\n]{0,200}\)[^;{}\n]{0,200}\{",
    re.MULTILINE,
)
"""A function of C++ whose body begins on its line; no macro, whose names are in capitals."""
_LINES: Final = {
    "bash": [
        (
            "function",
            re.compile(
                rb"^[ \t]*(?:function[ \t]+)?([\w:.+@-]*[A-Za-z_][\w:.+@-]*)[ \t]*\(\)[ \t]*\{", re.MULTILINE
            ),
        )
    ],
    "c": [("macro", _MACRO)],
    "cpp": [
        ("macro", _MACRO),
        ("class", re.compile(rb"^[ \t]*class" + _TYPE_HEAD, re.MULTILINE)),
        ("struct", re.compile(rb"^[ \t]*struct" + _TYPE_HEAD, re.MULTILINE)),
        ("enum", re.compile(rb"^[ \t]*enum(?:[ \t]+class|[ \t]+struct)?" + _TYPE_HEAD, re.MULTILINE)),
        ("function", _FUNCTION_HEAD),
        ("type", re.compile(rb"^[ \t]*using[ \t]+([A-Za-z_]\w*)[ \t]*=", re.MULTILINE)),
        (
            "module",
            re.compile(
                rb"^[ \t]*(?:inline[ \t]+)?namespace[ \t]+([A-Za-z_]\w*)[ \t]*(?:\{.*)?$", re.MULTILINE
            ),
        ),
    ],
}
"""What is found line by line where the tree has errors: functions of Zsh, macros behind a brace that is open, and
types and namespaces of C++ behind macros that the grammar cannot know."""
_PROCEDURE: Final = re.compile(r"^[ \t]*proc[ \t]+(?:::)?((?:\w+::)*)([^\s:{}]+)[ \t]", re.MULTILINE)
"""A procedure of Tcl, with its namespaces."""
_FURTHER: Final = dict.fromkeys(("javascript", "typescript", "tsx"), " (function_expression name: (_))")
"""Nodes that define something where they have a name, and that no table has a rule for."""
MAX_NODES: Final = 100_000
"""Nodes of one file that may define something."""
_NO_DEFINITIONS: Final = frozenset({"pair"})
"""Nodes that a question asks about as what they stand for: the key of an object is a property of its type."""
_KINDS: Final = frozenset(
    ["function", "method", "constructor", "macro", "class", "interface", "trait", "struct", "enum", "object", "record",
     "protocol", "type", "module", "union"]
)  # fmt: skip
"""Kinds of the definitions that are given; variables inside functions are none."""


_UNNAMED: Final = {
    "function_expression": "function",
    "generator_function": "function",
    "arrow_function": "function",
    "class": "class",
}
"""Nodes that a module exports as its default without a name for them."""
_NAMED: Final = NodeRule(Verb.DEF, "function")
_TEXT: Final = re.compile("string|comment|heredoc|raw")


def local_definitions(parsed: Parsed) -> list[Definition]:
    """The functions and types of a file that its chunks do not list, by line, with the scopes around them."""
    grammar = parsed.grammar
    if parsed.document.language == "tcl":
        return _procedures(parsed)
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
        rule = grammar.rules.get(node.kind_id) or _NAMED
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
    return sorted([*out, *_by_line(parsed, known), *_default(parsed)], key=lambda d: d.line)


def _default(parsed: Parsed) -> list[Definition]:
    """What a module of JavaScript exports without a name; importers call it ``default``."""
    if parsed.grammar is None or parsed.grammar.name not in _FURTHER:
        return []
    for statement in parsed.tree.root_node.children:
        value = statement.child_by_field_name("value") if statement.type == "export_statement" else None
        if value is None or value.child_by_field_name("name") is not None:
            continue
        kind = _UNNAMED.get(value.type)
        if kind is not None:
            first, last = statement.start_point[0], value.end_point[0]
            return [Definition("default", kind, parsed.rows.raw_line(first), "", parsed.rows.raw_line(last))]
    return []


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
    further = _FURTHER.get(grammar.name, "")
    return f"[{' '.join(f'({name})' for name in names)}{further}] @d" if names else ""


def _by_line(parsed: Parsed, known: set[tuple[str, int]]) -> list[Definition]:
    """What lines of a tree with errors define, outside comments and strings."""
    grammar = parsed.grammar
    root = parsed.tree.root_node
    if grammar is None or not root.has_error:
        return []
    found = []
    starts = line_starts(parsed)
    matches = [(kind, m) for kind, how in _LINES.get(grammar.name, ()) for m in how.finditer(parsed.source)]
    for kind, match in matches:
        at = match.start(1)
        line, name = parsed.rows.raw_line(bisect_right(starts, at) - 1), match.group(1).decode()
        if (name, line) in known or len(name) > MAX_SYMBOL:
            continue
        node = root.descendant_for_byte_range(at, match.end(1))
        if node is not None and not _TEXT.search(node.type):
            found.append(Definition(name, kind, line, "", line))
    return found


def _procedures(parsed: Parsed) -> list[Definition]:
    """Procedures of Tcl, whose grammar is guessed and gives none behind what it cannot parse, by their bare names."""
    text = parsed.document.text
    known = {(d.name, d.line) for piece in chunk(parsed) for d in piece.definitions}
    found = []
    line, at = 1, 0
    for match in _PROCEDURE.finditer(text):
        line, at = line + text.count("\n", at, match.start(2)), match.start(2)
        name, scope = match.group(2), ".".join(filter(None, match.group(1).split("::")))
        if len(name) <= MAX_SYMBOL and (name, line) not in known:
            found.append(Definition(name, "function", line, scope, line))
    return found


def _names(node: Any, source: bytes, rule: NodeRule) -> list[NamedNode]:
    """What a node defines."""
    if rule.describe is not None:
        found = rule.describe(node, source, rule)
        return [] if found is BELONGS_BELOW else list(found)
    name = node.child_by_field_id(rule.field) if rule.field else node.child_by_field_name("name")
    if name is None:
        return []
    text = short_text(name, source, 4 * MAX_SYMBOL)
    return [NamedNode(text, rule.kind, name.start_point[0])] if text else []
