"""Scopes in a syntax tree: which node limits where a local name is known."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

FUNCTIONS: Final = frozenset([
    "accessor_declaration", "anonymous_fun", "anonymous_function", "anonymous_function_creation_expression",
    "anonymous_method_expression", "arrow_function", "arrow_function_expression", "bind", "closure_expression",
    "compact_constructor_declaration", "constructor_declaration", "conversion_operator_declaration",
    "deinit_declaration", "destructor_declaration", "do_block", "fn", "fun_clause", "fun_expression",
    "func_literal", "function", "function_clause", "function_declaration", "function_definition",
    "function_expression", "function_item", "generator_function", "generator_function_declaration",
    "init_declaration", "lambda", "lambda_expression", "lambda_literal", "let_binding",
    "local_function_statement", "method", "method_declaration", "method_definition", "operator_declaration",
    "preproc_function_def", "secondary_constructor", "short_function_definition", "singleton_method",
    "stab_clause", "subscript_declaration", "Decl", "TestDecl",
])  # fmt: skip
"""Node types of all grammars that hold parameters and local variables."""

_BLOCKS: Final = {
    "c": "compound_statement",
    "cpp": "compound_statement",
    "java": "block",
    "csharp": "block",
    "go": "block",
    "rust": "block",
    "ruby": "block",
    "lua": "block",
    "swift": "statements",
    "kotlin": "statements",
    "scala": "block",
    "zig": "Block",
    "dart": "block",
}
"""Node types that are scopes of their own, in languages whose local variables belong to a block."""

MAX_CLIMB: Final = 400
"""Ancestors looked at."""


def ancestors(node: Any) -> list[Any]:
    """The nodes around a node, innermost first, itself included."""
    found: list[Any] = []
    while node is not None and len(found) < MAX_CLIMB:
        found.append(node)
        node = node.parent
    return found


def local_scope(chain: list[Any], language: str) -> Any:
    """The innermost node of a chain of ancestors that limits a local name; None at the file's top level."""
    block = _BLOCKS.get(language, "")
    for node in chain:
        if node.type in FUNCTIONS or node.type == block:
            return node
    return None


_BINDERS: Final = frozenset([
    "variable_declarator", "init_declarator", "let_declaration", "variable_declaration", "var_spec",
    "short_var_declaration", "range_clause", "val_definition", "var_definition", "property_declaration",
    "pattern", "as_pattern_target", "for_statement", "for_in_statement", "for_in_clause", "for_expression",
    "foreach_statement", "enhanced_for_statement", "resource", "named_expression", "catch_clause",
    "catch_declaration", "exception_variable", "local_variable_declaration", "declaration_pattern", "VarDecl",
    "initialized_variable_definition", "declaration", "variable_list", "let_condition", "match_pattern",
    "tuple_pattern", "captured_pattern", "if_let_binding", "value_pattern", "let_binding", "capture_pattern",
])  # fmt: skip
_ASSIGNMENTS: Final = frozenset({"assignment", "binary_operator", "left_assignment_list"})
_ASSIGNING: Final = frozenset({"python", "ruby", "julia", "r"})
_NOT_NAMES: Final = frozenset([
    "type", "value", "default", "default_value", "right", "rhs", "body", "annotation", "return_type", "bounds",
])  # fmt: skip
_THROUGH: Final = frozenset([
    "expression_list", "pattern_list", "tuple_pattern", "pointer_declarator", "reference_declarator",
    "array_declarator", "object_pattern", "array_pattern", "list_splat_pattern", "dictionary_splat_pattern",
    "rest_pattern", "assignment_pattern", "variable_name", "mut_pattern", "ref_pattern", "reference_pattern",
    "left_assignment_list", "destructured_parameter", "value_pattern", "typed_pattern", "as_pattern_target",
    "pair_pattern",
])  # fmt: skip


_DECLARED: Final = {
    "property_signature": ("name",),
    "method_signature": ("name",),
    "public_field_definition": ("name",),
    "field_definition": ("property",),
    "field_declaration": ("name", "declarator"),
    "method_elem": ("name",),
    "keyword_argument": ("name",),
    "enum_variant": ("name",),
    "enumerator": ("name",),
    "field_initializer": ("field",),
    "labeled_statement": ("label",),
    "goto_statement": ("label",),
    "enum_assignment": ("name",),
    "enum_body": ("name",),
    "pair": ("key",),
}
"""Node type and fields that hold the name of a property, a field, an argument or a label: no use of what has
that name in the file's scope."""

_PROPERTY_NAMES: Final = frozenset(
    {
        "property_identifier",
        "private_property_identifier",
        "field_identifier",
        "identifier",
        "statement_identifier",
        "label_name",
    }
)


def names_member(chain: list[Any]) -> bool:
    """Whether the first node of a chain of ancestors is the name in the declaration of a property or a
    field, the key of a keyed literal, or the name of a keyword argument."""
    node = chain[0]
    if node.type not in _PROPERTY_NAMES:
        return False
    for child, parent in pairwise(chain):
        kind = parent.type
        if kind in (
            "pointer_declarator",
            "array_declarator",
            "parenthesized_declarator",
            "function_declarator",
        ):
            if _field(parent, child) not in (None, "declarator"):
                return False
            continue
        fields = _DECLARED.get(kind)
        if fields is None or (kind == "pair" and node.type != "property_identifier"):
            return False  # the key of a dictionary in Python is an expression
        return _field(parent, child) in fields
    return False


PARAMETER: Final = "parameter"
VARIABLE: Final = "variable"


def binds(chain: list[Any], language: str) -> str:
    """Whether the first node of a chain of ancestors names a parameter or a variable; "" where it does not.

    A variable at the top level of a file is one too.
    """
    for child, parent in pairwise(chain):
        kind = parent.type
        if kind in _THROUGH:
            continue
        field = _field(parent, child)
        if "parameter" in kind.lower() or kind in ("ParamDecl", "patterns", "expr_args"):
            if "type_parameter" in kind or "argument" in kind or field in _NOT_NAMES:
                return ""
            return PARAMETER if kind != "expr_args" or parent.parent.type == "function_clause" else ""
        if kind in _BINDERS:
            return VARIABLE if field not in _NOT_NAMES and "type" not in child.type else ""
        if kind in _ASSIGNMENTS and language in _ASSIGNING:
            left = field in ("left", "lhs") or (field is None and child.start_byte == parent.start_byte)
            return VARIABLE if left else ""
        return ""
    return ""


def _field(parent: Any, child: Any) -> str | None:
    for n in range(min(parent.child_count, MAX_CLIMB)):
        if parent.child(n) == child:
            name: str | None = parent.field_name_for_child(n)
            return name
    return None
