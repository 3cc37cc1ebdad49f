"""The tables of :mod:`spelunk.chunk.registry`, one a grammar."""

from __future__ import annotations

from typing import Final

ALIASES: Final = {"shell": "bash", "jsx": "javascript", "c++": "cpp", "c_sharp": "csharp", "less": "scss"}
"""Languages that another's grammar parses well enough."""

NO_GRAMMAR: Final = frozenset(
    {"notebook", "text", "comment", "csv", "tsv", "psv", "gosum", "pem", "po", "query", "diff"}
)
"""Languages whose grammar knows no definitions, or that have none."""

_C: Final = """
def function function_definition:@c_function
def macro preproc_def preproc_function_def
def struct struct_specifier:@c_type
def union union_specifier:@c_type
box enum enum_specifier:@c_type
def constant enumerator
def type type_definition:@c_typedef
ask variable declaration:@c_declaration
flat preproc_ifdef preproc_if preproc_else preproc_elif linkage_specification declaration_list
note comment
"""

_JAVASCRIPT: Final = """
def function function_declaration generator_function_declaration
box class class_declaration class
def method method_definition
ask variable lexical_declaration:@js_variables variable_declaration:@js_variables
ask variable expression_statement:@js_expression
ask variable field_definition:@js_field public_field_definition:@js_field pair:@js_field
wrap export_statement
note comment decorator
"""

_TYPESCRIPT: Final = (
    _JAVASCRIPT
    + """
merge
def function function_signature
box class abstract_class_declaration
def interface interface_declaration
def type type_alias_declaration
def enum enum_declaration
def method method_signature abstract_method_signature
box module internal_module:@js_module module:@js_module
wrap ambient_declaration
"""
)

TABLES: Final = {
    "python": """
def function function_definition
box class class_definition
def type type_alias_statement:left
ask variable assignment:@python_assignment
wrap decorated_definition
flat if_statement else_clause elif_clause try_statement except_clause finally_clause block
note comment
""",
    "javascript": _JAVASCRIPT,
    "typescript": _TYPESCRIPT,
    "tsx": _TYPESCRIPT,
    "c": _C,
    "cpp": _C
    + """
box class class_specifier:@c_type
box struct struct_specifier:@c_type
box union union_specifier:@c_type
box module namespace_definition:@cpp_namespace
def type alias_declaration concept_definition
ask field field_declaration:@c_declaration
wrap template_declaration
""",
    "go": """
def function function_declaration
def method method_declaration:@go_method
ask constant const_declaration:@go_specs
ask variable var_declaration:@go_specs
ask type type_declaration:@go_specs
note comment
""",
    "rust": """
def function function_item function_signature_item
def struct struct_item
def enum enum_item
def union union_item
box trait trait_item
box impl impl_item:@rust_impl
box module mod_item
def macro macro_definition
def constant const_item
def variable static_item
def type type_item associated_type
flat foreign_mod_item declaration_list
note line_comment block_comment attribute_item
""",
    "java": """
box class class_declaration record_declaration
box interface interface_declaration annotation_type_declaration
box enum enum_declaration
def method method_declaration constructor_declaration compact_constructor_declaration
def method annotation_type_element_declaration
def constant enum_constant
ask variable field_declaration:@declarators constant_declaration:@declarators
flat enum_body_declarations
note line_comment block_comment
""",
}
