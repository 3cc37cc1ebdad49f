"""The tables of :mod:`spelunk.chunk.grammar`, one a grammar."""

from __future__ import annotations

from typing import Final

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
"""Languages whose grammar knows no definitions, or that have none; and Objective-C, whose grammar never
comes back from ``a[v<^e`` before a few stray brackets and takes ever more memory (fuzzing found it)."""

ASCII_ONLY: Final = frozenset({"bash", "d", "v"})
"""Grammars whose scanner reads beyond a table of C's ``ctype.h`` on other characters, and may crash."""

ENDLESS: Final = frozenset({"tsx", "typescript"})
"""Grammars that never come back from some texts with crossed brackets and take ever more memory
(``(a''<{[)[}x (<)]``; fuzzing found it): such a text is parsed with a limit."""

_LISP: Final = """
ask function list:@lisp_form
note comment
"""

_C: Final = """
def function function_definition:@c_function
ask macro preproc_def:@c_macro
def macro preproc_function_def
def struct struct_specifier:@c_type
def union union_specifier:@c_type
box enum enum_specifier:@c_type
def constant enumerator
def type type_definition:@c_typedef
ask variable declaration:@c_declaration
ask function expression_statement:@c_macro_call
tail compound_statement
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
    "csharp": """
box class class_declaration record_declaration
box struct struct_declaration record_struct_declaration
box interface interface_declaration
box enum enum_declaration
box module namespace_declaration
rest file_scoped_namespace_declaration
def method method_declaration constructor_declaration destructor_declaration
def method operator_declaration:@csharp_operator indexer_declaration:@csharp_operator
def method conversion_operator_declaration:@csharp_operator
def function local_function_statement
def type delegate_declaration
def constant enum_member_declaration
def property property_declaration event_declaration
ask variable field_declaration:@declarators event_field_declaration:@declarators
flat preproc_if preproc_else preproc_elif preproc_region
note comment attribute_list
""",
    "ruby": """
box module module
box class class
flat singleton_class body_statement if unless else then begin
def method method singleton_method
ask constant assignment:@ruby_assignment
ask method call:@ruby_call
note comment
""",
    "php": """
box class class_declaration
box interface interface_declaration
box trait trait_declaration
box enum enum_declaration
rest namespace_definition:@php_namespace
def method method_declaration
def function function_definition
def constant enum_case
ask constant const_declaration:@php_constants property_declaration:@php_constants
ask constant expression_statement:@php_define
flat if_statement compound_statement
note comment attribute_list
""",
    "kotlin": """
box class class_declaration:@kotlin_class object_declaration:@kotlin_class companion_object:@kotlin_class
def function function_declaration:@kotlin_function
def method secondary_constructor:@kotlin_function
ask variable property_declaration:@kotlin_property
def constant enum_entry:@first_identifier
def type type_alias:@first_identifier
body class_body enum_class_body
note line_comment multiline_comment
""",
    "swift": """
box class class_declaration:@swift_type
box interface protocol_declaration
def function function_declaration protocol_function_declaration
def method init_declaration:@swift_member deinit_declaration:@swift_member subscript_declaration:@swift_member
ask variable property_declaration:@swift_property protocol_property_declaration:@swift_property
def constant enum_entry
def type typealias_declaration associatedtype_declaration
note comment multiline_comment
""",
    "scala": """
box class class_definition
box object object_definition package_object
box trait trait_definition
box enum enum_definition
def function function_definition function_declaration
def type type_definition
def variable given_definition
def constant simple_enum_case full_enum_case
ask variable val_definition:@scala_value var_definition:@scala_value
ask variable val_declaration:@scala_value var_declaration:@scala_value
flat extension_definition enum_case_definitions
note comment block_comment
""",
    "lua": """
def function function_declaration:@lua_function
ask variable variable_declaration:@lua_assignment assignment_statement:@lua_assignment
ask variable field:@lua_field
note comment
""",
    "bash": """
def function function_definition
ask variable variable_assignment:@bash_variable declaration_command:@bash_variable
note comment
""",
    "elixir": """
merge
ask function call:@elixir_call
ask type unary_operator:@elixir_attribute
note comment
""",
    "haskell": """
merge
flat declarations class_declarations instance_declarations class_declaration instance_declaration
def function signature:@haskell_function function:@haskell_function bind:@haskell_function
def type data_type newtype type_synomym type_family data_family
box class class
box impl instance
def constant pattern_synonym
body class_declarations instance_declarations
note comment haddock
""",
    "zig": """
wrap Decl
def function FnProto:function
box variable VarDecl:@zig_variable
def function TestDecl:@zig_test
note line_comment doc_comment container_doc_comment
""",
    "sql": """
wrap statement
def table create_table:@sql_create
def view create_view:@sql_create create_materialized_view:@sql_create
def function create_function:@sql_create create_procedure:@sql_create
def index create_index:@sql_create
def type create_type:@sql_create
def trigger create_trigger:@sql_create
def module create_schema:@sql_create create_database:@sql_create
def variable create_sequence:@sql_create
note comment marginalia
""",
    "css": """
def rule rule_set:@css_rule
box rule media_statement:@css_at supports_statement:@css_at at_rule:@css_at
def rule keyframes_statement:@css_at
body block
note comment
""",
    "scss": """
def rule rule_set:@css_rule
def macro mixin_statement
def function function_statement
box rule media_statement:@css_at supports_statement:@css_at at_rule:@css_at
def rule keyframes_statement:@css_at
body block
note comment
""",
    "html": """
box element element:@html_element
note comment
""",
    "r": """
ask function binary_operator:@r_assignment
note comment
""",
    "clojure": _LISP.replace("list:", "list_lit:"),
    "commonlisp": _LISP.replace("list:", "list_lit:") + "def function defun:@lisp_defun",
    "elisp": _LISP + "def function function_definition\ndef macro macro_definition",
    "scheme": _LISP,
    "racket": _LISP,
    "fennel": _LISP,
    "janet": _LISP.replace("list:", "par_tup_lit:"),
    "erlang": """
merge
def function fun_decl:@erlang_function
ask struct record_decl:@first_identifier
note comment
""",
    "dart": """
box class class_definition mixin_declaration extension_declaration
def enum enum_declaration
def type type_alias:@first_identifier
def function function_signature method_signature:@dart_method
tail function_body
note comment documentation_comment annotation
""",
    "terraform": """
ask resource block:@terraform_block
flat body
note comment
""",
    "objc": _C
    + """
box class class_interface:@first_identifier class_implementation:@first_identifier
box class category_interface:@first_identifier category_implementation:@first_identifier
box interface protocol_declaration:@first_identifier
def method method_definition:@first_identifier method_declaration:@first_identifier
def property property_declaration:@objc_property
flat implementation_definition
""",
    "julia": """
box module module_definition
def struct struct_definition:@julia_name
def function function_definition:@julia_name
def macro macro_definition:@julia_name
def constant const_statement:@julia_name
flat block
note line_comment block_comment
""",
    "ocaml": """
def function value_definition:@ocaml_value
box module module_definition:@ocaml_module
def type type_definition:@ocaml_module
def function external:@first_identifier
def type exception_definition:@first_identifier
note comment
""",
}
