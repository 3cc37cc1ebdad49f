"""Types of JavaScript and TypeScript that only their surroundings tell: what a callback is called with.

The declared type of a parameter is followed through aliases, unions, generic
arguments, properties and results until it names types of the index
(:mod:`spelunk.chunk.contexts`, :mod:`spelunk.chunk.type_shapes`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from spelunk.chunk.relation import Reference, Role
from spelunk.graph.classes import Classes, Meaning
from spelunk.graph.languages import CLASSES, family_of
from spelunk.graph.receiver_meaning import FOREIGN, NOTHING, TYPE_RULE, ReceiverMeaning
from spelunk.graph.view import GraphView
from spelunk.store.relation_reader import DefinitionRow

if TYPE_CHECKING:
    from spelunk.chunk.contexts import TypeOrigin

MOST_DEPTH: Final = 24
"""Names, alternatives and steps that are followed, one after the other."""
MOST_FOLLOWED: Final = 400
"""Types that are followed for one variable."""
MOST_OPEN: Final = 8
"""Variables whose types are asked for, each for the next."""
MOST_TYPES: Final = 8
"""Types that a variable may have."""

_FIRST_IS_ELEMENT: Final = (
    "map", "forEach", "filter", "find", "findLast", "findIndex", "some", "every", "flatMap", "sort", "toSorted",
)  # fmt: skip
_SECOND_IS_ELEMENT: Final = ("sort", "toSorted", "reduce", "reduceRight")
_ELEMENTS: Final = frozenset(
    {*((name, "(0") for name in _FIRST_IS_ELEMENT), *((name, "(1") for name in _SECOND_IS_ELEMENT)}
)
"""Functions of lists, and the parameter of their argument that is an element."""
_TAKE_RESULTS: Final = frozenset({"then"})


class Values(Protocol):
    """Gives the types of expressions, of written types and of receivers."""

    is_cut: bool

    def expression(self, file: int, line: int, written: str) -> ReceiverMeaning:
        """The type of the value that a chain of names and calls has."""

    def written_type(self, file: int, line: int, written: str, *, is_type: bool = False) -> ReceiverMeaning:
        """The type that a name of a type means in a file."""

    def meaning(self, file: int, reference: Reference) -> ReceiverMeaning:
        """What the receiver of a reference means."""


class _Typed(NamedTuple):
    """A type, or an expression that has it, in a file.

    Attributes:
        file: The file.
        node: Its syntax node.
        known: What type parameters mean; None where nothing tells it.
        row: The class or the interface that it is, if any.
    """

    file: int
    node: Any
    known: Mapping[str, _Typed | None] = MappingProxyType({})
    row: DefinitionRow | None = None


class Contexts:
    """Types that are told by their surroundings, in one generation."""

    def __init__(self, view: GraphView, classes: Classes, values: Values, meaning: Meaning) -> None:
        self._view = view
        self._classes = classes
        self._values = values
        self._meaning = meaning
        self._open: set[Hashable] = set()
        self._left = 0

    def types_of(self, file: int, written: str) -> ReceiverMeaning:
        """The types of the variable that :func:`spelunk.chunk.bindings.bindings` gives a place for."""
        return self._ask((file, written, ""), lambda: self._told(file, written))

    def result_of(self, file: int, written: str) -> ReceiverMeaning:
        """The types that a call of such a variable returns."""
        return self._ask((file, written, ")"), lambda: self._after(self._told(file, written), [")"]))

    def value_of(self, row: DefinitionRow, *, called: bool) -> ReceiverMeaning:
        """The types of a definition's value; of what it returns, where it is called."""
        if family_of(self._view.row(row.file).language) != "js":
            return NOTHING
        steps = [")"] if called else []
        return self._ask((row, called), lambda: self._after(self._declared(row), steps))

    def _ask(self, key: Hashable, ask: Callable[[], Iterator[_Typed]]) -> ReceiverMeaning:
        """The types of an answer; nothing where the question is open already, or too many are."""
        if key in self._open:
            return NOTHING
        if len(self._open) >= MOST_OPEN:
            self._values.is_cut = True
            return NOTHING
        outer, self._left = self._left, MOST_FOLLOWED
        self._open.add(key)
        try:
            return self._means(ask())
        finally:
            self._open.discard(key)
            self._left = outer

    def _means(self, found: Iterator[_Typed]) -> ReceiverMeaning:
        """The types of the index among some types; outside where it is known that they are elsewhere."""
        rows: dict[DefinitionRow, None] = {}
        outside = False
        for typed in found:
            for meant in self._resolved(typed, MOST_DEPTH):
                rows.update(dict.fromkeys(meant.types))
                outside = outside or meant.outside
            if len(rows) >= MOST_TYPES:
                break
        if rows:
            return ReceiverMeaning(list(rows)[:MOST_TYPES], (), TYPE_RULE)
        return FOREIGN if outside else NOTHING

    def _resolved(self, typed: _Typed, depth: int) -> Iterator[ReceiverMeaning]:
        """What a type means at last: types of the index, or of elsewhere."""
        from spelunk.chunk.type_shapes import type_name

        if typed.row is not None:
            yield ReceiverMeaning([typed.row], (), TYPE_RULE)
            return
        if depth <= 0:
            return
        parts = _parts(typed)
        for part in parts:
            yield from self._resolved(part, depth - 1)
        if parts:
            return
        if type_name(typed.node, self._source(typed.file)) is None:
            yield self._expression(typed)
            return
        further = self._behind(typed, depth)
        if further is None:
            yield FOREIGN
        for one in further or ():
            yield from self._resolved(one, depth - 1)

    def _told(self, file: int, written: str) -> Iterator[_Typed]:
        """The types of a variable, by what tells it."""
        from spelunk.chunk.contexts import ELEMENT, PLACE, origin_at

        place, parsed = PLACE.fullmatch(written), self._view.parsed(file)
        if place is None or parsed is None or parsed.tree is None:
            return iter(())
        origin = origin_at(parsed, int(place.group(1)), int(place.group(2)))
        if origin is None:
            return iter(())
        if origin.type is not None:
            return self._after([_Typed(file, origin.type)], origin.steps)
        line = parsed.rows.raw_line(origin.row)
        if origin.argument >= 0:
            taken = self._taken(file, line, origin)
            if taken is not None:
                return self._after(taken, origin.steps)
            chain = _given_by_list(origin)
        else:
            chain = f"({origin.chain}[])" if origin.steps[:1] == (ELEMENT,) else f"({origin.chain})"
        first = 1 if origin.argument >= 0 or origin.steps[:1] == (ELEMENT,) else 0
        rows = self._values.expression(file, line, chain).types if chain else ()
        return self._after(self._of_rows(rows), origin.steps[first:])

    def _taken(self, file: int, line: int, origin: TypeOrigin) -> Iterator[_Typed] | None:
        """The types of an argument that a function takes; None where the function is not known."""
        from spelunk.chunk.type_shapes import parameter_type, takes

        rows = self._callees(file, line, origin.chain)
        if not rows:
            return None
        found = [one for typed in self._of_rows(rows) for one in self._signatures(typed, MOST_DEPTH)]
        fitting = [one for one in found if takes(one.node, origin.arguments)] or found
        types = ((one, parameter_type(one.node, origin.argument)) for one in fitting)
        return (one._replace(node=node) for one, node in types if node is not None)

    def _callees(self, file: int, line: int, chain: str) -> Sequence[DefinitionRow]:
        """The definitions that a chain calls."""
        receiver, _, name = chain.rpartition(".")
        if not receiver:
            return self._meaning(file, Reference(name, Role.CALL, line))
        if name == "constructor":
            owners = self._values.expression(file, line, f"({receiver}())").types
            return [m.row for owner in owners[:1] for m in self._classes.find(owner, name).members]
        found = self._values.meaning(file, Reference(name, Role.CALL, line, receiver))
        for owner in found.types:
            members = self._classes.find(owner, name, own=not found.above).members
            if members:
                return [member.row for member in members]
        return self._meaning(file, Reference(name, Role.CALL, line, receiver)) if found.modules else []

    def _of_rows(self, rows: Iterable[DefinitionRow]) -> Iterator[_Typed]:
        for row in rows:
            yield from self._declared(row)

    def _declared(self, row: DefinitionRow) -> Iterator[_Typed]:
        """What a definition declares: the type of its value, the functions that it is, the type itself."""
        yield from self._declarations(row, ())

    def _declarations(self, row: DefinitionRow, arguments: Sequence[_Typed]) -> Iterator[_Typed]:
        """The same, of a type with arguments."""
        from spelunk.chunk.type_shapes import declarations, inner, is_getter, is_object, is_type, results

        parsed = self._view.parsed(row.file)
        if parsed is None or parsed.tree is None:
            return
        for node in declarations(parsed, row.name, row.line):
            known = self._parameters(node, row.file, arguments, {})
            if is_type(node):
                yield _Typed(row.file, node, known, row)
                continue
            if is_getter(node):
                yield from (_Typed(row.file, result, known) for result in results(node))
                continue
            value = inner(node)
            value = node if value is None else value
            own = row if row.kind in CLASSES and is_object(value) else None
            yield _Typed(row.file, value, known, own)

    def _parameters(
        self, node: Any, file: int, arguments: Sequence[_Typed], outer: Mapping[str, _Typed | None]
    ) -> dict[str, _Typed | None]:
        """What the type parameters of a declaration mean: what is given for them, else their bounds."""
        from spelunk.chunk.type_shapes import type_parameters

        known = dict(outer)
        for n, (name, told) in enumerate(type_parameters(node, self._source(file))):
            bound = None if told is None else _Typed(file, told, outer)
            known[name] = arguments[n] if n < len(arguments) else bound
        return known

    def _after(self, found: Iterable[_Typed], steps: Iterable[str]) -> Iterator[_Typed]:
        """The types that steps lead to."""
        types = iter(found)
        for step in steps:
            types = self._step(types, step)
        return types

    def _step(self, found: Iterator[_Typed], step: str) -> Iterator[_Typed]:
        for typed in found:
            yield from self._follow(typed, step, MOST_DEPTH)

    def _is_spent(self, depth: int) -> bool:
        self._left -= 1
        return depth <= 0 or self._left <= 0

    def _follow(self, typed: _Typed, step: str, depth: int) -> Iterator[_Typed]:
        """The types that one step leads to from a type."""
        from spelunk.chunk.type_shapes import parameter_type, results

        if self._is_spent(depth):
            return
        parts = _parts(typed)
        for part in parts:
            yield from self._follow(part, step, depth - 1)
        if parts:
            return
        mark, rest = step[:1], step[1:]
        if mark == ".":
            yield from self._member(typed, rest, depth)
        elif mark == "[":
            yield from self._element(typed, int(rest or 0), depth)
        else:
            for one in self._signatures(typed, depth):
                told = [parameter_type(one.node, int(rest))] if mark == "(" else results(one.node)
                yield from (one._replace(node=node) for node in told if node is not None)

    def _member(self, typed: _Typed, name: str, depth: int) -> Iterator[_Typed]:
        """The types of a member."""
        from spelunk.chunk.type_shapes import inner, members

        if typed.row is not None:
            for member in self._classes.find(typed.row, name).members:
                for one in self._declared(member.row):
                    yield one._replace(known={**typed.known, **one.known})
            return
        for node in members(typed.node, name, self._source(typed.file)):
            yield typed._replace(node=inner(node) or node)
        for one in self._further(typed, depth):
            yield from self._follow(one, f".{name}", depth - 1)

    def _element(self, typed: _Typed, number: int, depth: int) -> Iterator[_Typed]:
        """The types of an element of a list."""
        from spelunk.chunk.type_names import LISTS
        from spelunk.chunk.type_shapes import elements, type_name

        found = elements(typed.node, number)
        yield from (typed._replace(node=node) for node in found)
        if found or typed.row is not None:
            return
        name = type_name(typed.node, self._source(typed.file))
        if name is not None and name.name in LISTS and name.arguments:
            yield typed._replace(node=name.arguments[0])
            return
        for one in self._further(typed, depth):
            yield from self._follow(one, f"[{number}", depth - 1)

    def _signatures(self, typed: _Typed, depth: int) -> Iterator[_Typed]:
        """The functions as which a value of a type can be called."""
        from spelunk.chunk.type_shapes import signatures

        if self._is_spent(depth):
            return
        parts = _parts(typed)
        for part in parts:
            yield from self._signatures(part, depth - 1)
        if parts:
            return
        found = signatures(typed.node)
        for node in found:
            yield _Typed(typed.file, node, self._parameters(node, typed.file, (), typed.known))
        if not found and typed.row is None:
            for one in self._further(typed, depth):
                yield from self._signatures(one, depth - 1)

    def _further(self, typed: _Typed, depth: int) -> list[_Typed]:
        """What the name of a type, or an expression, stands for."""
        from spelunk.chunk.type_shapes import type_name

        if type_name(typed.node, self._source(typed.file)) is not None:
            return self._behind(typed, depth) or []
        return list(self._of_rows(self._expression(typed).types))

    def _behind(self, typed: _Typed, depth: int) -> list[_Typed] | None:
        """What the name of a type stands for; None where it comes from outside the index."""
        from spelunk.chunk.type_names import LISTS, SAME_MEMBERS
        from spelunk.chunk.type_shapes import type_name

        name = type_name(typed.node, self._source(typed.file))
        if name is None or self._is_spent(depth):
            return []
        if not name.receiver and name.name in typed.known:
            told = typed.known[name.name]
            return [] if told is None else [told]
        if name.name in SAME_MEMBERS and name.arguments:
            return [typed._replace(node=name.arguments[0])]
        line = self._line(typed)
        if name.name == "this":
            owner = self._view.class_around(typed.file, line)
            return [] if owner is None else list(self._declared(owner))
        written = f"{name.receiver}.{name.name}" if name.receiver else name.name
        meant = self._values.written_type(typed.file, line, written, is_type=True)
        given = [typed._replace(node=node) for node in name.arguments]
        found = [one for row in meant.types for one in self._declarations(row, given)]
        return None if meant.outside and name.name not in LISTS else found

    def _expression(self, typed: _Typed) -> ReceiverMeaning:
        """The types that the value of an expression has."""
        from spelunk.chunk.chains import chain_of
        from spelunk.chunk.type_shapes import is_expression

        if not is_expression(typed.node):
            return NOTHING
        chain = chain_of(typed.node, self._source(typed.file))
        if not chain:
            return NOTHING
        line = self._line(typed, at_end=True)
        if chain == "this":
            owner = self._view.class_around(typed.file, line)
            return NOTHING if owner is None else ReceiverMeaning([owner], (), TYPE_RULE)
        return self._values.expression(typed.file, line, f"({chain})")

    def _line(self, typed: _Typed, *, at_end: bool = False) -> int:
        parsed = self._view.parsed(typed.file)
        row: int = (typed.node.end_point if at_end else typed.node.start_point)[0]
        return row + 1 if parsed is None else parsed.rows.raw_line(row)

    def _source(self, file: int) -> bytes:
        parsed = self._view.parsed(file)
        return b"" if parsed is None else parsed.source


def _parts(typed: _Typed) -> list[_Typed]:
    """The types of which a value of a type is one, or all; none where it is no union."""
    from spelunk.chunk.type_shapes import alternatives

    return [typed._replace(node=node) for node in alternatives(typed.node)]


def _given_by_list(origin: TypeOrigin) -> str:
    """The expression that a function of a list calls its argument with; "" of any other function."""
    receiver, _, name = origin.chain.rpartition(".")
    if not receiver or origin.argument != 0 or not origin.steps:
        return ""
    if name in _TAKE_RESULTS and origin.steps[0] == "(0":
        return f"({receiver})"
    is_element = (name, origin.steps[0]) in _ELEMENTS
    return f"({receiver}[])" if is_element else ""
