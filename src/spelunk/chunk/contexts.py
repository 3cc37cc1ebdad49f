"""Find where the type of a variable of JavaScript or TypeScript is told, on demand: for questions, not for indexing.

A parameter of a function literal has the type that its surroundings ask for:
``app.get('/', (c) => c.text(''))`` tells that c is what the second parameter of ``get``
is called with. A name in a pattern has the type of a property.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from spelunk.chunk.chains import chain_of
from spelunk.chunk.nodes import short_text
from spelunk.chunk.parsed import Parsed
from spelunk.chunk.type_shapes import MAX_NAME, annotated

MAX_CLIMB: Final = 60
"""Nodes between a variable and what tells its type."""

CALLED: Final = "("
"""Step from a function type to that of a parameter, whose number follows."""
RESULT: Final = ")"
"""Step from a function type to that of the result."""
MEMBER: Final = "."
"""Step from an object type to that of a property, whose name follows."""
ELEMENT: Final = "["
"""Step from a list to an element, whose number follows."""

PLACE: Final = re.compile(r"~(\d+):(\d+)")
"""How :func:`spelunk.chunk.bindings.bindings` writes the type of a variable that must be asked for here."""

_LITERALS: Final = frozenset({"arrow_function", "function_expression", "function", "generator_function"})
_FUNCTIONS: Final = _LITERALS | {
    "method_definition",
    "function_declaration",
    "generator_function_declaration",
}
_PARAMETERS: Final = frozenset({"required_parameter", "optional_parameter"})
_SAME: Final = frozenset({"parenthesized_expression", "ternary_expression", "binary_expression"})
"""Expressions whose surroundings are those of a part."""
_TYPED: Final = frozenset({"as_expression", "satisfies_expression"})


class TypeOrigin(NamedTuple):
    """What tells the type of a variable.

    Attributes:
        steps: From the type that is told to the one of the variable.
        type: The node of a written type; None where it is told otherwise.
        chain: The expression that has the type, or the function that is called.
        argument: The number of the argument that has the type; -1 where the expression itself has it.
        arguments: How many there are.
        row: Row of the chain.
    """

    steps: tuple[str, ...]
    type: Any = None
    chain: str = ""
    argument: int = -1
    arguments: int = 0
    row: int = 0


def place_of(variable: Any) -> str:
    """The place of a variable's name, as :data:`PLACE` reads it."""
    row, column = variable.start_point
    return f"~{row}:{column}"


def origin_at(parsed: Parsed, row: int, column: int) -> TypeOrigin | None:
    """What tells the type of the variable whose name begins at a row and a byte column; None where nothing does."""
    root = parsed.tree.root_node
    node = root.descendant_for_point_range((row, column), (row, column + 1))
    steps: list[str] = []
    for _ in range(MAX_CLIMB):
        if node is None or node.parent is None:
            return None
        parent, kind = node.parent, node.parent.type
        if kind == "object_pattern":
            if node.type == "rest_pattern":
                return None
            if node.type == "shorthand_property_identifier_pattern":
                steps.append(MEMBER + short_text(node, parsed.source, MAX_NAME))
            elif node.type == "object_assignment_pattern":
                steps.append(MEMBER + short_text(node.named_child(0), parsed.source, MAX_NAME))
        elif kind == "pair_pattern":
            steps.append(MEMBER + short_text(parent.child_by_field_name("key"), parsed.source, MAX_NAME))
        elif kind == "array_pattern":
            steps.append(f"{ELEMENT}{_number(parent, node)}")
        elif kind in _PARAMETERS:
            written = annotated(parent)
            if written is not None:
                return TypeOrigin(tuple(reversed(steps)), written)
            return _of_parameter(parent, steps, parsed.source)
        elif kind == "formal_parameters" or (
            kind == "arrow_function" and parent.child_by_field_name("parameter") == node
        ):
            return _of_parameter(node, steps, parsed.source)
        elif kind == "variable_declarator":
            written = annotated(parent)
            if written is not None:
                return TypeOrigin(tuple(reversed(steps)), written)
            return _of_value(parent.child_by_field_name("value"), steps, parsed.source)
        elif kind == "for_in_statement":
            return _of_value(parent.child_by_field_name("right"), [*steps, ELEMENT], parsed.source)
        elif kind not in ("object_assignment_pattern", "assignment_pattern"):
            return None
        node = parent
    return None


def _of_value(value: Any, steps: list[str], source: bytes) -> TypeOrigin | None:
    """The type of an expression that a pattern takes apart."""
    chain = "" if value is None else chain_of(value, source)
    return TypeOrigin(tuple(reversed(steps)), None, chain, row=value.start_point[0]) if chain else None


def _of_parameter(parameter: Any, steps: list[str], source: bytes) -> TypeOrigin | None:
    """The type of a parameter without a written one: its function's surroundings tell it."""
    holder = parameter.parent
    function = holder if holder.type in _FUNCTIONS else holder.parent
    if function is None or function.type not in _LITERALS | {"method_definition"}:
        return None
    number = 0 if holder is function or holder == function else _number(holder, parameter)
    return _around(function, [*steps, f"{CALLED}{number}"], source)


def _around(node: Any, steps: list[str], source: bytes) -> TypeOrigin | None:
    """The type that the surroundings of an expression ask of it."""
    for _ in range(MAX_CLIMB):
        parent = node.parent
        if parent is None:
            return None
        kind = parent.type
        if kind in _TYPED:
            return TypeOrigin(tuple(reversed(steps)), parent.named_child(1))
        if kind == "arguments":
            return _of_argument(parent, node, steps, source)
        if kind in ("variable_declarator", "public_field_definition", "required_parameter"):
            written = annotated(parent)
            return None if written is None else TypeOrigin(tuple(reversed(steps)), written)
        if kind == "assignment_expression":
            left = parent.child_by_field_name("left")
            return None if left == node else _of_value(left, steps, source)
        if kind == "pair":
            steps = [
                *steps,
                MEMBER + short_text(parent.child_by_field_name("key"), source, MAX_NAME).strip("'\""),
            ]
            node = parent.parent
        elif kind == "object" and node.type == "method_definition":
            steps = [*steps, MEMBER + short_text(node.child_by_field_name("name"), source, MAX_NAME)]
            node = parent
        elif kind == "array":
            steps, node = [*steps, f"{ELEMENT}{_number(parent, node)}"], parent
        elif kind == "return_statement" or kind in _LITERALS:
            function = _function_around(parent)
            if function is None:
                return None
            written = annotated(function, "return_type")
            if written is not None:
                return TypeOrigin(tuple(reversed(steps)), written)
            steps, node = [*steps, RESULT], function
        elif kind == "jsx_expression" and parent.parent is not None and parent.parent.type == "jsx_attribute":
            return _of_attribute(parent.parent, steps, source)
        elif kind in _SAME:
            node = parent
        else:
            return None
    return None


def _of_argument(arguments: Any, node: Any, steps: list[str], source: bytes) -> TypeOrigin | None:
    call = arguments.parent
    function = call.child_by_field_name("function") or call.child_by_field_name("constructor")
    chain = "" if function is None else chain_of(function, source)
    if not chain:
        return None
    given = [child for child in arguments.named_children if child.type != "comment"]
    number = next((n for n, child in enumerate(given) if child == node), -1)
    if number < 0 or any(child.type == "spread_element" for child in given[:number]):
        return None
    if call.type == "new_expression":
        chain += ".constructor"
    # the name stands at the end of the function: a chain may go over many lines
    return TypeOrigin(tuple(reversed(steps)), None, chain, number, len(given), function.end_point[0])


def _of_attribute(attribute: Any, steps: list[str], source: bytes) -> TypeOrigin | None:
    """An attribute of an element in JSX is a property of what its component is called with."""
    element = attribute.parent
    name = None if element is None else element.child_by_field_name("name")
    if name is None:
        return None
    component, key = (
        short_text(name, source, MAX_NAME),
        short_text(attribute.named_child(0), source, MAX_NAME),
    )
    if not component[:1].isupper() or not key:
        return None
    steps = [*steps, MEMBER + key]
    return TypeOrigin(tuple(reversed(steps)), None, component, 0, 1, name.start_point[0])


def _function_around(node: Any) -> Any:
    for _ in range(MAX_CLIMB):
        if node is None or node.type in _FUNCTIONS:
            return node
        node = node.parent
    return None


def _number(holder: Any, node: Any) -> int:
    """The position of a child among those that count; those without a value count in a pattern."""
    number = 0
    for child in holder.children:
        if child == node:
            return number
        number += child.type == ","
    return number
