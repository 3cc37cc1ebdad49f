"""Which node types of which grammar are definitions, containers and comments.

A table row reads ``verb [kind] type[:field|@function] ...``:

- ``def KIND``: a definition; its name is in the field (``name`` by default)
  or comes from a function of :mod:`spelunk.chunk.grammars.names`.
- ``box KIND``: a definition whose members are definitions too.
- ``ask KIND``: may be a definition; the function tells.
- ``wrap``: stands around one definition (an export, a decorator, a template).
- ``flat``: holds definitions without naming them (``#ifdef``, ``extern "C"``).
- ``rest``: names the scope of all that follows (a namespace without a body).
- ``note``: comments and attributes; they belong to the definition below them.
- ``tail``: belongs to the definition directly above (a body torn off by a macro).
- ``body``: where members are, for grammars without a ``body`` field.
- ``merge``: neighbours of the same name and kind are one definition (equations).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from spelunk.chunk.grammars import dialects, functional, names
from spelunk.chunk.grammars.names import NOTE, Found

__all__ = ["METHOD_HOLDERS", "NOTE", "Found", "Grammar", "Rule", "grammar_for"]

METHOD_HOLDERS: Final = frozenset(
    {
        "class",
        "interface",
        "trait",
        "impl",
        "struct",
        "enum",
        "object",
        "record",
        "protocol",
        "extension",
        "union",
    }
)
"""Kinds of container whose functions are methods."""


class Rule:
    """What to do with a node type; slots are read for every node met."""

    __slots__ = ("box", "describe", "field", "flat", "kind", "leaf", "note", "rest", "tail", "wrap")

    def __init__(
        self,
        kind: str = "",
        *,
        field: int = 0,
        describe: Callable[[Any, bytes, Rule], Any] | None = None,
        box: bool = False,
        wrap: bool = False,
        flat: bool = False,
        rest: bool = False,
        note: bool = False,
        tail: bool = False,
    ) -> None:
        self.kind = kind
        self.field = field
        self.describe = describe
        self.box = box
        self.wrap = wrap
        self.flat = flat
        self.rest = rest
        self.note = note
        self.tail = tail
        self.leaf = bool(field) and not (box or rest) and kind != "variable"


class Grammar:
    """A parser and the rules of its node types, for one language in one process."""

    __slots__ = ("_bodies", "_body", "ascii_only", "endless", "guessed", "merge", "parser", "rules")

    def __init__(
        self, parser: Any, rules: dict[int, Rule], bodies: frozenset[int], body: int, merge: bool
    ) -> None:
        self.parser = parser
        self.ascii_only = False
        self.endless = False
        self.guessed = False
        self.rules = rules
        self.merge = merge
        self._bodies = bodies
        self._body = body

    def body_of(self, node: Any) -> Any:
        """The node whose children are the members; the node itself where nothing else is known."""
        if self._body:
            body = node.child_by_field_id(self._body)
            if body is not None:
                return body
        if self._bodies:
            for child in node.named_children:
                if child.kind_id in self._bodies:
                    return child
            return None
        return node


_LOADED: dict[str, Grammar | None] = {}


def grammar_for(language: str) -> Grammar | None:
    """The grammar of a language, loaded at its first use in this process; None where there is none."""
    try:
        return _LOADED[language]
    except KeyError:
        _LOADED[language] = grammar = _load(language)
        return grammar


def _load(language: str) -> Grammar | None:
    import tree_sitter

    from spelunk.chunk.grammars.tables import ALIASES, ASCII_ONLY, ENDLESS, NO_GRAMMAR, TABLES

    name = ALIASES.get(language, language)
    if name in NO_GRAMMAR:
        return None
    import tree_sitter_language_pack

    try:
        known: Any = tree_sitter_language_pack.get_language(name)  # type: ignore[arg-type, unused-ignore]
    except (LookupError, ImportError, ValueError):
        return None
    parser = tree_sitter.Parser(known)
    table = TABLES.get(name)
    if table is None:
        from spelunk.chunk.guess import guess_table

        table = guess_table(known)
        if not ("def " in table or "box " in table):
            return None  # a parse that could find nothing (XML and the like)
    grammar = _compile(parser, known, table)
    grammar.ascii_only = name in ASCII_ONLY
    grammar.endless = name in ENDLESS
    grammar.guessed = name not in TABLES
    return grammar


def _compile(parser: Any, language: Any, table: str) -> Grammar:
    rules: dict[int, Rule] = {65_535: Rule(flat=True)}  # ERROR: what it holds may still be fine
    bodies: set[int] = set()
    merge = False
    for row in table.split("\n"):
        verb, *words = row.split() or [""]
        if verb in ("def", "box", "ask"):
            kind = words.pop(0)
        else:
            kind = ""
        if verb == "merge":
            merge = True
        for word in words:
            type_name, colon, how = word.partition(":")
            type_id = language.id_for_node_kind(type_name, True)
            if type_id is None:
                continue
            if verb == "body":
                bodies.add(type_id)
                continue
            describe = None
            if how.startswith("@"):
                describe = next(
                    getattr(m, how[1:]) for m in (names, dialects, functional) if hasattr(m, how[1:])
                )
            field = 0
            if describe is None and verb in ("def", "box", "rest"):
                field = language.field_id_for_name(how if colon else "name") or 0
                if not field:
                    describe = names.first_identifier
            rules[type_id] = Rule(
                kind,
                field=field,
                describe=describe,
                box=verb == "box",
                wrap=verb == "wrap",
                flat=verb == "flat",
                rest=verb == "rest",
                note=verb == "note",
                tail=verb == "tail",
            )
    return Grammar(parser, rules, frozenset(bodies), language.field_id_for_name("body") or 0, merge)
