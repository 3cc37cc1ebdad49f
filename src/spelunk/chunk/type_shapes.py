"""Take types of TypeScript apart, on demand: parameters, results, members and elements, as they are written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from spelunk.chunk.chains import nodes_at
from spelunk.chunk.nodes import short_text
from spelunk.chunk.parsed import Parsed

MAX_NAME: Final = 200
"""Bytes of a name."""
MAX_MEMBERS: Final = 400
"""Members of one type, and statements of one block, that are looked at."""
MAX_SIGNATURES: Final = 60
"""Signatures of one function."""
MAX_RETURNS: Final = 8
"""Results of one function body that are looked at."""
MAX_CLIMB: Final = 6
"""Nodes between a name and its declaration."""

_ALTERNATIVES: Final = frozenset(
    {"union_type", "intersection_type", "parenthesized_type", "readonly_type", "optional_type", "rest_type"}
)
_SIGNATURES: Final = frozenset(
    ["function_type", "call_signature", "method_signature", "abstract_method_signature", "function_signature",
     "method_definition", "function_declaration", "generator_function_declaration", "arrow_function",
     "function_expression"]
)  # fmt: skip
_BODIES: Final = frozenset({"object_type", "interface_body"})
_TYPES: Final = frozenset(
    {"interface_declaration", "class_declaration", "abstract_class_declaration", "class"}
)
_DECLARED: Final = _SIGNATURES | _TYPES | {
    "property_signature", "public_field_definition", "variable_declarator", "type_alias_declaration",
    "required_parameter", "optional_parameter",
}  # fmt: skip
_NESTED: Final = _SIGNATURES | _TYPES
_PLAIN: Final = frozenset({"identifier", "this"})


class TypeName(NamedTuple):
    """A type that is given by its name.

    Attributes:
        receiver: What stands before the name; "" where nothing does.
        name: The name.
        arguments: The nodes of its arguments.
    """

    receiver: str
    name: str
    arguments: list[Any]


def annotated(node: Any, field: str = "type") -> Any:
    """The type that a field of a node writes, without the annotation around it; None where it has none."""
    written = node.child_by_field_name(field)
    if written is None or not written.type.endswith("_annotation"):
        return written
    return written.named_child(0)


def alternatives(node: Any) -> list[Any]:
    """The types of which a value is one, or all; none where the type is no union."""
    if node.type in _ALTERNATIVES:
        return list(node.named_children[:MAX_MEMBERS])
    if node.type == "conditional_type":
        parts = [node.child_by_field_name(field) for field in ("consequence", "alternative")]
        return [part for part in parts if part is not None]
    return []


def type_name(node: Any, source: bytes) -> TypeName | None:
    """A type that is given by its name; None for any other."""
    arguments: list[Any] = []
    if node.type == "generic_type":
        given = node.child_by_field_name("type_arguments")
        arguments = [] if given is None else list(given.named_children)
        node = node.child_by_field_name("name") or node.named_child(0)
    if node.type not in (
        "type_identifier",
        "identifier",
        "nested_type_identifier",
        "nested_identifier",
        "this_type",
    ):
        return None
    receiver, _, name = short_text(node, source, MAX_NAME).rpartition(".")
    return TypeName(receiver, name, arguments) if name else None


def declarations(parsed: Parsed, name: str, line: int) -> list[Any]:
    """The nodes that declare a name at a line, the other signatures of a function among them."""
    for node in nodes_at(parsed, name, line):
        declared = node.parent
        for _ in range(MAX_CLIMB):
            if declared is None or declared.type in _DECLARED:
                break
            declared = declared.parent
        if declared is None or declared.type not in _DECLARED:
            continue
        named = declared.child_by_field_name("name") or declared.child_by_field_name("pattern")
        if named is None or not (named.start_byte <= node.start_byte and node.end_byte <= named.end_byte):
            continue
        return _signatures_beside(declared, name, parsed.source)
    return []


def _signatures_beside(declared: Any, name: str, source: bytes) -> list[Any]:
    """All signatures of a function: that of its body says the least, and is the last."""
    if declared.type not in _SIGNATURES:
        return [declared]
    exported = declared.parent is not None and declared.parent.type == "export_statement"
    holder = declared.parent.parent if exported else declared.parent
    if holder is None:
        return [declared]
    found = []
    for child in holder.named_children:
        inner = (
            child.named_child(0) if child.type == "export_statement" and child.named_child_count else child
        )
        if (
            inner.type in _SIGNATURES
            and short_text(inner.child_by_field_name("name"), source, MAX_NAME) == name
        ):
            found.append(inner)
        if len(found) == MAX_SIGNATURES:
            break
    found.sort(key=lambda node: node.child_by_field_name("body") is not None)
    return found or [declared]


def is_type(node: Any) -> bool:
    """Whether a node is that of a class or an interface."""
    return node.type in _TYPES


def is_getter(node: Any) -> bool:
    """Whether a method is read and not called."""
    return any(child.type == "get" for child in node.children[:4])


def is_object(node: Any) -> bool:
    """Whether a type is written as its members."""
    return node.type in _BODIES


def is_expression(node: Any) -> bool:
    """Whether a node is an expression that may be a chain of names and calls."""
    kind: str = node.type
    return kind.endswith("_expression") or kind in _PLAIN


def inner(node: Any) -> Any:
    """What a declaration says of its value: the written type, a function, or the expression; None where nothing."""
    if node.type == "type_alias_declaration":
        return node.child_by_field_name("value")
    if node.type in ("property_signature", "public_field_definition", "variable_declarator", "required_parameter",
                     "optional_parameter"):  # fmt: skip
        written = annotated(node)
        return node.child_by_field_name("value") if written is None else written
    return None


def type_parameters(node: Any, source: bytes) -> list[tuple[str, Any]]:
    """The type parameters of a declaration, each with its default, else its bound; None where it has neither."""
    given = node.child_by_field_name("type_parameters")
    found = []
    for one in () if given is None else given.named_children[:MAX_MEMBERS]:
        name = short_text(one.child_by_field_name("name"), source, MAX_NAME)
        told = [one.child_by_field_name("constraint"), one.child_by_field_name("value")]
        known = next((part.named_child(0) for part in told if part is not None), None)
        if name:
            found.append((name, known))
    return found


def signatures(node: Any) -> list[Any]:
    """The signatures by which a value of a type is called."""
    if node.type in _SIGNATURES:
        return [node]
    if node.type == "interface_declaration":
        node = node.child_by_field_name("body")
    if node is not None and node.type in _BODIES:
        return [child for child in node.named_children if child.type == "call_signature"][:MAX_SIGNATURES]
    return []


def members(node: Any, key: str, source: bytes) -> list[Any]:
    """The members of an object type that have a name."""
    if node.type not in _BODIES:
        return []
    return [
        child
        for child in node.named_children[:MAX_MEMBERS]
        if child.type in ("property_signature", "method_signature")
        and short_text(child.child_by_field_name("name"), source, MAX_NAME).strip("'\"") == key
    ]


def takes(signature: Any, count: int) -> bool:
    """Whether a function may be called with so many arguments."""
    least = most = 0
    for parameter in _parameters(signature):
        pattern = parameter.child_by_field_name("pattern")
        if pattern is not None and pattern.type == "rest_pattern":
            tuple_type = annotated(parameter)
            if tuple_type is None or tuple_type.type != "tuple_type":
                return count >= least
            least, most = least + tuple_type.named_child_count, most + tuple_type.named_child_count
            continue
        if _is_this(parameter):
            continue
        most += 1
        least += parameter.type == "required_parameter" and parameter.child_by_field_name("value") is None
    return least <= count <= most


def parameter_type(signature: Any, number: int) -> Any:
    """The written type of a parameter of a function, of one argument where it takes the rest; None where none is."""
    parameters = [p for p in _parameters(signature) if not _is_this(p)]
    for n, parameter in enumerate(parameters):
        pattern = parameter.child_by_field_name("pattern")
        written = annotated(parameter)
        if pattern is not None and pattern.type == "rest_pattern":
            return None if written is None else next(iter(elements(written, number - n)), None)
        if n == number:
            return written
    return None


def elements(node: Any, number: int) -> list[Any]:
    """The types that an element of a list may have, where it is written as one; ``number`` counts in a tuple."""
    if node.type == "array_type":
        return [node.named_child(0)]
    if node.type == "tuple_type":
        parts = node.named_children
        if not parts:
            return []
        part = parts[min(max(number, 0), len(parts) - 1)]
        if part.type in (
            "required_parameter",
            "optional_parameter",
            "tuple_parameter",
            "optional_tuple_parameter",
        ):
            part = annotated(part) or part
        if part.type == "rest_type" and part.named_child_count:
            return elements(part.named_child(0), 0)
        return [part]
    if node.type in ("readonly_type", "parenthesized_type") and node.named_child_count:
        return elements(node.named_child(0), number)
    return []


def results(signature: Any) -> list[Any]:
    """The type that a function says it returns; else the expressions that its body returns."""
    if signature.child_by_field_name("return_type") is not None:
        written = annotated(signature, "return_type")
        return [] if written is None else [written]
    body = signature.child_by_field_name("body")
    if body is None:
        return []
    if body.type != "statement_block":
        return [body]
    return [node.named_child(0) for node in _returns(body) if node.named_child_count]


def _returns(body: Any) -> Iterator[Any]:
    """The return statements of a body, not those of the functions in it."""
    todo, left, found = [body], MAX_MEMBERS, 0
    while todo and left and found < MAX_RETURNS:
        node = todo.pop()
        left -= 1
        if node.type == "return_statement":
            found += 1
            yield node
        elif node.type not in _NESTED:
            todo += reversed(node.named_children)


def _parameters(signature: Any) -> list[Any]:
    given = signature.child_by_field_name("parameters")
    return [] if given is None else [c for c in given.named_children if c.type != "comment"]


def _is_this(parameter: Any) -> bool:
    pattern = parameter.child_by_field_name("pattern")
    return pattern is not None and pattern.type == "this"
