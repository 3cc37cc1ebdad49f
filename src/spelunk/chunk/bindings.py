"""Read the types of variables that a file writes down, on demand: for questions, not for indexing."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from spelunk.chunk.binding_tables import QUERIES
from spelunk.chunk.chains import chain_of, row_of
from spelunk.chunk.contexts import place_of
from spelunk.chunk.generics import bounds_at_row
from spelunk.chunk.grammar import compile_query
from spelunk.chunk.nodes import short_text
from spelunk.chunk.parsed import Parsed
from spelunk.chunk.receivers import MAX_READ
from spelunk.chunk.relations import MATCH_LIMIT, extractor_for
from spelunk.chunk.scopes import ancestors, local_scope
from spelunk.chunk.type_names import NO_NAMES, PATH, SAME_MEMBERS, clean_type, element_type

MAX_BINDINGS: Final = 50_000
"""Variables of one file that are looked at."""

KEPT_FILES: Final = 64
"""Files whose bindings are kept in memory: some 0.1 MB each."""

MAX_SAME: Final = 50
"""Bindings of one name that are compared with an assignment of it to a field."""

_OWNERS: Final = re.compile(
    r"^(?:(?:abstract_)?class_(?:declaration|definition|specifier)|class|struct_(?:declaration|item|specifier)|"
    r"impl_item|trait_item|trait_definition|trait_declaration|object_(?:declaration|definition)|"
    r"interface_declaration|record_declaration|enum_declaration|enum_item|module|type_spec|mixin_declaration|"
    r"extension_declaration|record_struct_declaration)$"
)
_THIS: Final = {
    "python": "self.",
    "ruby": "self.",
    "rust": "self.",
    "swift": "self.",
    "cpp": "this->",
    "php": "$this->",
}
_CALLS_CONSTRUCT: Final = frozenset({"python", "kotlin", "scala", "swift", "cpp", "rust"})
"""Languages where ``Foo(x)`` makes a Foo, if the name begins with a capital letter."""

_NAMED_TYPES: Final = frozenset(
    {"type_identifier", "nested_type_identifier", "predefined_type", "array_type", "literal_type"}
)
"""Node types of TypeScript whose text tells the type of a variable, or that of its elements."""

_GENERIC: Final = frozenset({"rust", "typescript", "tsx", "java", "go"})
"""Languages whose type parameters have bounds that say which members their values have."""


class _Queries(threading.local):
    def __init__(self) -> None:
        self.known: dict[str, Any] = {}


_queries: Final = _Queries()


class _Kept(threading.local):
    """The bindings of the files asked for lately in this thread: the references of one name alternate between files."""

    def __init__(self) -> None:
        self.found: OrderedDict[tuple[str, bytes], list[_Binding]] = OrderedDict()

    def keep(self, key: tuple[str, bytes], found: list[_Binding]) -> None:
        """Keep those of a language and a text, and let go those kept longest."""
        self.found[key] = found
        while len(self.found) > KEPT_FILES:
            self.found.popitem(last=False)


_kept: Final = _Kept()


def _found(parsed: Parsed, query: Any, language: str) -> list[_Binding]:
    """Every binding of a file, in order."""
    import tree_sitter

    key = (language, parsed.source)
    known = _kept.found.get(key)
    if known is not None:
        return known
    cursor = tree_sitter.QueryCursor(query, match_limit=MATCH_LIMIT)
    found: list[_Binding] = []
    for n, (_, captures) in enumerate(cursor.matches(parsed.tree.root_node)):
        if n == MAX_BINDINGS:
            break
        found.extend(_read(captures, parsed.source, language))
    found.sort(key=lambda b: (b.place, b.rank))
    _follow(found)
    found = [binding for binding in found if not binding.written.startswith("=")]
    _kept.keep(key, found)
    return found


def bindings(parsed: Parsed, line: int) -> dict[str, str]:
    """The types of the variables that are known at a 1-based line, as far as the file writes them down.

    Returns:
        Variable -> type as written, without what surrounds it (``Foo``,
        ``pkg.Foo``), ``f()`` for a variable that holds what f returns, ``A::new().f()``
        where that is called on another value, ``(self.x)`` for one with the value of a field,
        ``~12:4`` for one whose surroundings tell its type: its row and column.
        ``x[]`` has the type of the elements of x, where x is a list whose type says that.
        Fields of the class around the line are there as they are written
        inside it: ``self.x``, ``this.x``, and ``x`` where the language allows it. What is bound last before the line counts;
        scopes are functions, and blocks where the language has them.
    """
    extractor = extractor_for(parsed)
    if extractor is None or parsed.grammar is None:
        return {}
    language = parsed.grammar.name
    if language not in QUERIES:
        return {}
    known = _queries.known
    if language not in known:
        known[language] = compile_query(parsed.grammar.parser.language, QUERIES[language])
    if known[language] is None:
        return {}
    found = _found(parsed, known[language], language)
    row = row_of(parsed, line)
    owners = _owners_at(parsed, row, language)
    types: dict[str, str] = {}
    for binding in found:  # what is shared first: what is local hides it
        if binding.owners:
            for variable in _members(binding, owners, language):
                types[variable] = binding.written
        elif binding.scope is None:
            types[binding.variable] = binding.written
    for binding in found:
        if not binding.owners and binding.scope is not None:
            start, end = binding.scope
            if start <= row <= end and binding.row <= row:
                types[binding.variable] = binding.written
    if language in _GENERIC:
        bounds = bounds_at_row(parsed, row)
        for variable in [v for v, written in types.items() if written in bounds]:
            types[variable] = clean_type(bounds[types[variable]])
            if not types[variable]:
                del types[variable]
    return types


class _Binding(NamedTuple):
    """A variable and its type.

    Attributes:
        place: Byte offset.
        rank: How much the type is worth against another one at the same place.
        row: Row.
        variable: As written.
        written: The type; ``=x`` for that of another variable.
        scope: First and last row where it is known; None at the file's top level.
        owners: Names of the class whose field it is.
    """

    place: int
    rank: int
    row: int
    variable: str
    written: str
    scope: tuple[int, int] | None
    owners: frozenset[str]


_RANKS: Final = {
    "surrounded": 0,
    "same": 0,
    "payload": 1,
    "shape": 1,
    "each": 1,
    "expression": 1,
    "value": 1,
    "new": 2,
    "type": 3,
}
_BEHIND: Final = {"expression": "", "each": "[]", "payload": ".0", "shape": ".?"}
"""What stands behind the expression whose value a variable has; ``?`` for the variable's own name."""
_OF_OBJECT: Final = ("self.", "this.", "$this->", "this->", "@")


def _read(captures: dict[str, list[Any]], source: bytes, language: str) -> Iterator[_Binding]:
    """What one match binds."""
    written, rank = _written(captures, source, language)
    element = element_type(_text(captures["type"][0], source)) if "type" in captures else ""
    if not written and not element:
        return
    is_field = "field" in captures
    for node in captures.get("variable") or captures.get("field") or ():
        name = _text(node, source)
        if name in NO_NAMES:
            continue
        chain = ancestors(node)
        owners: frozenset[str] = frozenset()
        if is_field or name.startswith(_OF_OBJECT):
            owner = next((n for n in chain if _OWNERS.match(n.type)), None)
            if owner is None:
                continue
            owners = frozenset(_names(owner, source))
            if is_field:
                name = f".{name.lstrip('$')}"
        scope = local_scope(chain[1:], language)
        rows = None if scope is None else (scope.start_point[0], scope.end_point[0])
        known = written.replace("?", name) if written.startswith("(") else written
        one = _Binding(node.start_byte, rank, node.start_point[0], name, known, rows, owners)
        if written:
            yield one
        if element:
            yield one._replace(variable=f"{name}[]", written=element)


def _follow(found: list[_Binding]) -> None:
    """Give ``self.x = x`` the type of the parameter or variable."""
    by_name: dict[str, list[_Binding]] = {}
    for n, binding in enumerate(found):
        if binding.written.startswith("="):
            row = binding.row
            for other in reversed(by_name.get(binding.written[1:], [])[-MAX_SAME:]):
                if other.scope is not None and other.scope[0] <= row <= other.scope[1]:
                    found[n] = binding._replace(written=other.written)
                    break
        else:
            by_name.setdefault(binding.variable, []).append(binding)


def _members(binding: _Binding, owners: set[str], language: str) -> list[str]:
    """How a field is written inside its class."""
    if not binding.owners.intersection(owners):
        return []
    if not binding.variable.startswith("."):
        return [binding.variable]
    name = binding.variable[1:]
    if language == "go":
        return [f"{owner[1:]}.{name}" for owner in sorted(owners) if owner.startswith("=")]
    full = _THIS.get(language, "this.") + name
    return (
        [full] if language in ("php", "javascript", "typescript", "tsx", "python", "rust") else [name, full]
    )


def _written(captures: dict[str, list[Any]], source: bytes, language: str) -> tuple[str, int]:
    """The type that a match gives and its rank; "" where it gives none."""
    for role, rank in _RANKS.items():
        nodes = captures.get(role)
        if not nodes:
            continue
        node = nodes[0]
        text = _text(node, source)
        if role == "surrounded" or (role == "type" and _must_be_asked(node, source, language)):
            variable = captures.get("variable")
            return (place_of(variable[0]) if variable else clean_type(text)), rank
        if role == "same":
            return "=" + text, rank
        if role == "value":
            return _constructed(
                chain_of(node, source) if "(" in text or "[" in text else text, language
            ), rank
        if role in _BEHIND:
            chain = chain_of(node, source)
            return (f"({chain}{_BEHIND[role]})" if chain else ""), rank
        return clean_type(text), rank
    return "", 0


def _must_be_asked(node: Any, source: bytes, language: str) -> bool:
    """Whether a written type is more than a name with arguments, or one that stands for its argument."""
    if language not in ("typescript", "tsx"):
        return False
    if node.type == "generic_type":
        return short_text(node.child_by_field_name("name"), source, MAX_READ) in SAME_MEMBERS
    if node.type == "union_type":  # of one type and null
        parts = (_text(part, source) for part in node.named_children)
        return sum(part not in NO_NAMES for part in parts) != 1
    return node.type not in _NAMED_TYPES


def _text(node: Any, source: bytes) -> str:
    """The text of a node, or its beginning."""
    return source[node.start_byte : min(node.end_byte, node.start_byte + MAX_READ)].decode("utf-8", "replace")


def _constructed(function: str, language: str) -> str:
    """The type, where the function's name is one (``Foo()``, ``Foo::new()``), else ``function()``."""
    text = "".join(function.split())
    if "(" in text or "[" in text:  # a chain of calls
        return f"{text}()"
    if not text or "{" in text:
        return ""
    text = text.split("<", 1)[0].removesuffix("::") if "<" in text else text
    head, separator, last = text.rpartition("::")
    if (
        separator
        and head[:1].isalpha()
        and head.rpartition("::")[2][:1].isupper()
        and last in ("new", "default")
    ):
        return head
    name = re.split(r"\.|::|->", text)[-1]
    if language in _CALLS_CONSTRUCT and name[:1].isupper() and not name.isupper():
        return text
    return f"{text}()"


def _owners_at(parsed: Parsed, row: int, language: str) -> set[str]:
    """Names of the classes around a row; of Go's receiver the type, and its variable as ``=s``."""
    root = parsed.tree.root_node
    lines = parsed.rows.lines
    column = len(lines[row]) - len(lines[row].lstrip()) if row < len(lines) else 0
    node = root.descendant_for_point_range((row, column), (row, column))
    names: set[str] = set()
    for around in ancestors(node):
        if _OWNERS.match(around.type):
            names.update(_names(around, parsed.source))
        elif language == "go" and around.type == "method_declaration":
            receiver = around.child_by_field_name("receiver")
            text = (
                parsed.source[receiver.start_byte : receiver.end_byte].decode("utf-8", "replace")
                if receiver
                else ""
            )
            words = text.strip("()").replace("*", " ").split("[", 1)[0].split()
            if len(words) == 2:
                names.update((words[1], "=" + words[0]))
        elif language == "cpp" and around.type == "function_definition":
            declarator = around.child_by_field_name("declarator")
            text = (
                parsed.source[declarator.start_byte : declarator.end_byte].decode("utf-8", "replace")
                if declarator
                else ""
            )
            head = text.split("(", 1)[0].rpartition("::")[0]
            if head:
                names.add(head.rpartition("::")[2].split("<", 1)[0].strip("*& "))
    return names


def _names(owner: Any, source: bytes) -> set[str]:
    """The name of a class, or of the type that an ``impl`` is for."""
    node = owner.child_by_field_name("name") or owner.child_by_field_name("type")
    if node is None:
        node = next((c for c in owner.named_children if "identifier" in c.type), None)
    if node is None:
        return set()
    text = source[node.start_byte : node.end_byte].decode("utf-8", "replace")
    path = PATH.match(text)
    return {re.split(r"\.|::|\\", path.group())[-1]} if path is not None else set()
