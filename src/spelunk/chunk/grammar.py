"""Parsers of languages, and the rules of their node types.

A row of a table in :mod:`spelunk.chunk.grammars` reads
``verb [kind] type[:field|@function] ...``:

- ``def KIND``: a definition. Its name is in the field (``name`` by default) or
  comes from a function beside the table.
- ``box KIND``: a definition whose members are definitions too.
- ``ask KIND``: a definition if the function returns names.
- ``wrap``: surrounds one definition (an export, a decorator, a template).
- ``flat``: holds definitions without naming them (``#ifdef``, ``extern "C"``).
- ``rest``: names the scope of all that follows (a namespace without a body).
- ``note``: comments and attributes; they belong to the definition below them.
- ``tail``: belongs to the definition directly above (a body torn off by a macro).
- ``body``: where members are, for grammars without a ``body`` field.
- ``merge``: neighbours of the same name and kind are one definition (equations).
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any, Final

METHOD_HOLDERS: Final = frozenset(
    [
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
    ]
)
"""Kinds of container whose functions are methods."""

FAMILIES: Final = {
    "c": "c cpp",
    "javascript": "javascript typescript tsx",
    "python": "python",
    "jvm": "java kotlin scala",
    "go_rust_dotnet": "go rust csharp",
    "ruby_php": "ruby php",
    "apple": "swift",
    "scripting": "lua bash r julia",
    "functional": "haskell ocaml erlang elixir clojure commonlisp elisp scheme racket fennel janet",
    "other": "zig sql css scss html dart terraform",
}
"""Module of :mod:`spelunk.chunk.grammars` -> the languages that it has a table for."""

FAMILY_OF: Final = {language: family for family, row in FAMILIES.items() for language in row.split()}

ALIASES: Final = {
    "less": "scss",
    "crystal": "ruby",
    "hcl": "terraform",
    "arduino": "cpp",
    "cuda": "cpp",
    "luau": "lua",
}
"""Languages that another's grammar parses well enough."""

NO_GRAMMAR: Final = frozenset(
    {"notebook", "text", "comment", "csv", "tsv", "psv", "gosum", "pem", "po", "query", "diff", "objc"}
)
"""Languages whose grammar has no nodes for definitions, or that have none. Objective-C is here because its
grammar does not end on ``a[v<^e`` before a few stray brackets and takes ever more memory (found by
fuzzing)."""

ASCII_ONLY: Final = frozenset({"bash", "d", "v"})
"""Grammars whose scanner reads beyond a table of C's ``ctype.h`` on other characters, and may crash."""

ENDLESS: Final = frozenset({"tsx", "typescript"})
"""Grammars that do not end on some texts with crossed brackets and take ever more memory
(``(a''<{[)[}x (<)]``, found by fuzzing). Such a text is parsed with a limit."""

ERROR_KIND: Final = 65_535
"""Tree-sitter's id of the node type ERROR."""


class Verb(enum.Enum):
    """What a node of a type is for the walk; the names are the verbs of a table."""

    DEF = enum.auto()
    BOX = enum.auto()
    WRAP = enum.auto()
    FLAT = enum.auto()
    REST = enum.auto()
    NOTE = enum.auto()
    TAIL = enum.auto()


class NodeRule:
    """How to treat a node type.

    Attributes:
        role: What a node of the type is.
        kind: Kind of the definition.
        field: Id of the field that holds the name; 0 for none.
        describe: Function ``(node, source, rule)`` that returns the names, or None.
        leaf: The name is in the field and no function has to be called: most definitions.
    """

    __slots__ = ("describe", "field", "kind", "leaf", "role")

    def __init__(
        self,
        role: Verb,
        kind: str = "",
        field: int = 0,
        describe: Callable[[Any, bytes, NodeRule], Any] | None = None,
    ) -> None:
        self.role = role
        self.kind = kind
        self.field = field
        self.describe = describe
        self.leaf = bool(field) and role is Verb.DEF and kind != "variable"


class LanguageGrammar:
    """A parser and the rules of its node types, for one language in one thread.

    Attributes:
        name: Name of the grammar.
        parser: A ``tree_sitter.Parser``.
        rules: Node type id -> rule.
        merge: Neighbours of the same name and kind are one definition.
        guessed: The rules are guessed from the names of the node types.
        functions: The patterns for all functions, where a parser may put one inside another; "" elsewhere.
        members: Expressions for the keywords, and the patterns of definitions that do not cut; None
            where there are none.
    """

    __slots__ = (
        "_bodies", "_body", "_queries", "functions", "guessed", "members", "merge", "name", "parser", "rules",
    )  # fmt: skip

    def __init__(self, name: str, parser: Any, language: Any) -> None:
        self.name = name
        self.parser = parser
        self.rules = {ERROR_KIND: NodeRule(Verb.FLAT)}  # what an error holds may still be right
        self.merge = False
        self.members: tuple[Any, str] | None = None
        self.functions = ""
        self._queries: dict[str, Any] = {}
        self.guessed = name not in FAMILY_OF
        self._bodies: set[int] = set()
        self._body: int = language.field_id_for_name("body") or 0

    def query(self, patterns: str) -> Any:
        """The ``tree_sitter.Query`` of some patterns. To compile one takes milliseconds, so it is done when needed."""
        if patterns not in self._queries:
            self._queries[patterns] = compile_query(self.parser.language, patterns)
        return self._queries[patterns]

    def body_of(self, node: Any) -> Any:
        """The node whose children are the members; the node itself where the table does not say."""
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

    def read_table(self, table: str, functions: ModuleType, language: Any) -> None:
        """Add the rules of a table; ``@name`` is a function of the module ``functions`` or of ``_nodes``."""
        for verb, *words in filter(None, map(str.split, table.split("\n"))):
            self.merge = self.merge or verb == "merge"
            kind = words.pop(0) if verb in ("def", "box", "ask") else ""
            for word in words:
                type_name, _, how = word.partition(":")
                type_id = language.id_for_node_kind(type_name, True)
                if type_id is None:
                    continue
                if verb == "body":
                    self._bodies.add(type_id)
                    continue
                describe, field = None, 0
                if how.startswith("@"):
                    describe = getattr(functions, how[1:], None) or getattr(_nodes(), how[1:])
                elif verb in ("def", "box", "rest"):
                    field = language.field_id_for_name(how or "name") or 0
                    describe = None if field else _nodes().first_identifier
                role = Verb.DEF if verb == "ask" else Verb[verb.upper()]
                self.rules[type_id] = NodeRule(role, kind, field, describe)


class _Loaded(threading.local):
    """The grammars that this thread has used: a parser serves one call at a time. At most one for each language."""

    def __init__(self) -> None:
        self.grammars: dict[str, LanguageGrammar | None] = {}


_loaded: Final = _Loaded()


def grammar_for(language: str) -> LanguageGrammar | None:
    """The grammar of a language, loaded at its first use in this thread; None where there is none."""
    grammars = _loaded.grammars
    if language not in grammars:
        grammars[language] = _load(language)
    return grammars[language]


def _load(language: str) -> LanguageGrammar | None:
    name = ALIASES.get(language, language)
    if name in NO_GRAMMAR:
        return None
    import tree_sitter
    import tree_sitter_language_pack

    try:
        known: Any = tree_sitter_language_pack.get_language(name)  # type: ignore[arg-type, unused-ignore]
    except (LookupError, ImportError, ValueError):
        return None
    grammar = LanguageGrammar(name, tree_sitter.Parser(known), known)
    if grammar.guessed:
        from spelunk.chunk.guess import guess_table

        table = guess_table(known)
        if not ("def " in table or "box " in table):
            return None  # a parse that could find nothing (XML and the like)
        grammar.read_table(table, _nodes(), known)
    else:
        family = import_module(f"spelunk.chunk.grammars.{FAMILY_OF[name]}")
        grammar.read_table(family.TABLES[name], family, known)
        grammar.members = getattr(family, "MEMBERS", {}).get(name)
        grammar.functions = getattr(family, "FUNCTIONS", {}).get(name, "")
    return grammar


def compile_query(language: Any, patterns: str) -> Any:
    """The compiled patterns, without those that another version of the grammar does not know."""
    import tree_sitter

    try:
        return tree_sitter.Query(language, patterns)
    except ValueError:
        known = [p for p in patterns.split("\n\n") if p.strip() and not bad_pattern(language, p)]
        return tree_sitter.Query(language, "\n\n".join(known)) if known else None


def bad_pattern(language: Any, pattern: str) -> str:
    """What is wrong with a pattern in a language; "" where nothing is."""
    import tree_sitter

    try:
        tree_sitter.Query(language, pattern)
    except ValueError as error:
        return str(error) or "invalid"
    return ""


def _nodes() -> ModuleType:
    return import_module("spelunk.chunk.grammars._nodes")
