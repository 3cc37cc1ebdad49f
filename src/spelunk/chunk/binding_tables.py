"""Queries for the types of variables that a file writes down, one for each language.

``variable`` (or ``field``, which belongs to the class around it) is a name.
``type`` is its written type, ``new`` the type of an object that is constructed,
``value`` the function whose result it holds, ``expression`` the field whose value
it has, ``surrounded`` the variable itself, whose surroundings tell its type, ``each`` the list whose elements it has in turn, ``payload`` the variant whose only value it has, ``shape`` the type whose field of its name it has, ``same`` a variable with
the same value.
"""

from __future__ import annotations

from typing import Final

_PYTHON: Final = """
(typed_parameter . (identifier) @variable type: (type) @type)

(typed_default_parameter name: (identifier) @variable type: (type) @type)

(assignment left: [(identifier) (attribute)] @variable type: (type) @type)

(class_definition body: (block (assignment left: (identifier) @field type: (type) @type)))

(assignment left: [(identifier) (attribute)] @variable !type right: (call function: [(identifier) (attribute)] @value))

(assignment left: [(identifier) (attribute)] @variable !type right: (await (call function: [(identifier) (attribute)] @value)))

(assignment left: (attribute) @variable !type right: (identifier) @same)

(as_pattern (call function: [(identifier) (attribute)] @value) alias: (as_pattern_target (identifier) @variable))

(except_clause (as_pattern [(identifier) (attribute)] @type alias: (as_pattern_target (identifier) @variable)))

(named_expression name: (identifier) @variable value: (call function: [(identifier) (attribute)] @value))

(assignment left: (identifier) @variable !type right: (attribute) @expression)

(for_statement left: (identifier) @variable right: (_) @each)

(for_in_clause left: (identifier) @variable right: (_) @each)
"""

_JAVASCRIPT: Final = """
(variable_declarator name: (identifier) @variable value: (new_expression constructor: [(identifier) (member_expression)] @new))

(variable_declarator name: (identifier) @variable value: (call_expression function: [(identifier) (member_expression)] @value))

(variable_declarator name: (identifier) @variable value: (await_expression (call_expression function: [(identifier) (member_expression)] @value)))

(assignment_expression left: [(identifier) (member_expression)] @variable right: (new_expression constructor: [(identifier) (member_expression)] @new))

(assignment_expression left: (member_expression) @variable right: (identifier) @same)

(variable_declarator name: (identifier) @variable value: (member_expression) @expression)

(for_in_statement left: (identifier) @variable "of" right: (_) @each)

(object_pattern [(shorthand_property_identifier_pattern) @variable @surrounded (object_assignment_pattern left: (shorthand_property_identifier_pattern) @variable @surrounded)])

(pair_pattern value: (identifier) @variable @surrounded)

(array_pattern [(identifier) @variable @surrounded (assignment_pattern left: (identifier) @variable @surrounded)])

(arrow_function parameter: (identifier) @variable @surrounded)
"""

_UNTYPED: Final = """
(arrow_function parameters: (formal_parameters (identifier) @variable @surrounded))

(function_expression parameters: (formal_parameters (identifier) @variable @surrounded))
"""

_FIELDS: Final = """
(field_definition property: (property_identifier) @field value: (new_expression constructor: [(identifier) (member_expression)] @new))
"""

_TYPESCRIPT: Final = (
    _JAVASCRIPT
    + """
(arrow_function parameters: (formal_parameters (required_parameter pattern: (identifier) @variable @surrounded !type)))

(function_expression parameters: (formal_parameters (required_parameter pattern: (identifier) @variable @surrounded !type)))

(object (method_definition parameters: (formal_parameters (required_parameter pattern: (identifier) @variable @surrounded !type))))

(required_parameter pattern: (identifier) @variable type: (type_annotation (_) @type))

(optional_parameter pattern: (identifier) @variable type: (type_annotation (_) @type))

(required_parameter (accessibility_modifier) pattern: (identifier) @field type: (type_annotation (_) @type))

(required_parameter "readonly" pattern: (identifier) @field type: (type_annotation (_) @type))

(variable_declarator name: (identifier) @variable type: (type_annotation (_) @type))

(public_field_definition name: (property_identifier) @field type: (type_annotation (_) @type))

(public_field_definition name: (property_identifier) @field value: (new_expression constructor: [(identifier) (member_expression)] @new))
"""
)

_C: Final = """
(parameter_declaration type: (_) @type declarator: [
  (identifier) @variable
  (pointer_declarator declarator: (identifier) @variable)
  (pointer_declarator declarator: (pointer_declarator declarator: (identifier) @variable))])

(declaration type: (_) @type declarator: [
  (identifier) @variable
  (pointer_declarator declarator: (identifier) @variable)
  (init_declarator declarator: (identifier) @variable)
  (init_declarator declarator: (pointer_declarator declarator: (identifier) @variable))])

(field_declaration type: (_) @type declarator: [
  (field_identifier) @field
  (pointer_declarator declarator: (field_identifier) @field)])
"""

_CPP: Final = (
    _C
    + """
(parameter_declaration type: (_) @type declarator: (reference_declarator (identifier) @variable))

(declaration type: (_) @type declarator: [
  (reference_declarator (identifier) @variable)
  (init_declarator declarator: (reference_declarator (identifier) @variable))])

(for_range_loop type: (_) @type declarator: [(identifier) @variable (reference_declarator (identifier) @variable)])

(init_declarator declarator: (identifier) @variable value: (new_expression type: (_) @new))

(init_declarator declarator: (identifier) @variable value: (call_expression function: (_) @value))
"""
)

_JAVA: Final = """
(formal_parameter type: (_) @type name: (identifier) @variable)

(local_variable_declaration type: (_) @type declarator: (variable_declarator name: (identifier) @variable))

(field_declaration type: (_) @type declarator: (variable_declarator name: (identifier) @field))

(enhanced_for_statement type: (_) @type name: (identifier) @variable)

(resource type: (_) @type name: (identifier) @variable)

(catch_formal_parameter (catch_type . (_) @type) name: (identifier) @variable)

(instanceof_expression right: (type_identifier) @type name: (identifier) @variable)

(variable_declarator name: (identifier) @variable value: (object_creation_expression type: (_) @new))

(record_declaration parameters: (formal_parameters (formal_parameter type: (_) @type name: (identifier) @field)))
"""

_KOTLIN: Final = """
(parameter (simple_identifier) @variable [(user_type) (nullable_type)] @type)

(class_parameter (simple_identifier) @field [(user_type) (nullable_type)] @type)

(property_declaration (variable_declaration (simple_identifier) @variable [(user_type) (nullable_type)] @type))

(class_body (property_declaration (variable_declaration (simple_identifier) @field [(user_type) (nullable_type)] @type)))

(property_declaration (variable_declaration . (simple_identifier) @variable .) (call_expression . [(simple_identifier) (navigation_expression)] @value))

(class_body (property_declaration (variable_declaration . (simple_identifier) @field .) (call_expression . [(simple_identifier) (navigation_expression)] @value)))
"""

_SCALA: Final = """
(parameter name: (identifier) @variable type: (_) @type)

(class_parameter name: (identifier) @field type: (_) @type)

(val_definition pattern: (identifier) @variable type: (_) @type)

(var_definition pattern: (identifier) @variable type: (_) @type)

(template_body (val_definition pattern: (identifier) @field type: (_) @type))

(template_body (var_definition pattern: (identifier) @field type: (_) @type))

(val_definition pattern: (identifier) @variable value: (instance_expression . (_) @new))

(template_body (val_definition pattern: (identifier) @field value: (instance_expression . (_) @new)))

(val_definition pattern: (identifier) @variable value: (call_expression function: [(identifier) (field_expression)] @value))
"""

_GO: Final = """
(parameter_declaration name: (identifier) @variable type: (_) @type)

(var_spec name: (identifier) @variable type: (_) @type)

(var_spec name: (identifier) @variable value: (expression_list . (composite_literal type: (_) @new)))

(field_declaration name: (field_identifier) @field type: (_) @type)

(short_var_declaration left: (expression_list . (identifier) @variable) right: (expression_list . (composite_literal type: (_) @new)))

(short_var_declaration left: (expression_list . (identifier) @variable) right: (expression_list . (unary_expression operand: (composite_literal type: (_) @new))))

(short_var_declaration left: (expression_list . (identifier) @variable) right: (expression_list . (call_expression function: [(identifier) (selector_expression)] @value)))

(short_var_declaration left: (expression_list . (identifier) @variable) right: (expression_list . (type_assertion_expression type: (_) @new)))

(short_var_declaration left: (expression_list . (identifier) @variable) right: (expression_list . (selector_expression) @expression))

(range_clause left: (expression_list (_) . (identifier) @variable) right: (_) @each)
"""

_RUST: Final = """
(parameter pattern: (identifier) @variable type: (_) @type)

(let_declaration pattern: (identifier) @variable type: (_) @type)

(let_declaration pattern: (identifier) @variable !type value: (struct_expression name: (_) @new))

(let_declaration pattern: (identifier) @variable !type value: (call_expression function: [(identifier) (scoped_identifier) (field_expression) (generic_function)] @value))

(let_declaration pattern: (identifier) @variable !type value: (try_expression (call_expression function: [(identifier) (scoped_identifier) (field_expression) (generic_function)] @value)))

(let_declaration pattern: (identifier) @variable !type value: (await_expression (call_expression function: [(identifier) (scoped_identifier) (field_expression) (generic_function)] @value)))

(let_declaration pattern: (identifier) @variable !type value: (try_expression (await_expression (call_expression function: [(identifier) (scoped_identifier) (field_expression) (generic_function)] @value))))

(let_declaration pattern: (tuple_pattern . (identifier) @variable) !type value: (call_expression function: [(identifier) (scoped_identifier) (field_expression) (generic_function)] @value))

(let_declaration pattern: (tuple_pattern . (identifier) @variable) !type value: (try_expression (call_expression function: [(identifier) (scoped_identifier) (field_expression) (generic_function)] @value)))

(let_declaration pattern: (tuple_pattern . (identifier) @variable) !type value: (await_expression (call_expression function: [(identifier) (scoped_identifier) (field_expression) (generic_function)] @value)))

(let_declaration pattern: (tuple_pattern . (identifier) @variable) !type value: (try_expression (await_expression (call_expression function: [(identifier) (scoped_identifier) (field_expression) (generic_function)] @value))))

((let_declaration pattern: (tuple_struct_pattern type: (identifier) @_some . (identifier) @variable .) value: (call_expression function: [(identifier) (scoped_identifier) (field_expression) (generic_function)] @value)) (#any-of? @_some "Some" "Ok"))

((let_declaration pattern: (tuple_struct_pattern type: (identifier) @_some . (identifier) @variable .) value: (try_expression (call_expression function: [(identifier) (scoped_identifier) (field_expression) (generic_function)] @value))) (#any-of? @_some "Some" "Ok"))

((let_declaration pattern: (tuple_struct_pattern type: (identifier) @_some . [(identifier) @variable (ref_pattern (identifier) @variable)] .) value: [(field_expression) @expression (reference_expression value: (field_expression) @expression)]) (#any-of? @_some "Some" "Ok"))

((let_condition pattern: (tuple_struct_pattern type: (identifier) @_some . (identifier) @variable .) value: (call_expression function: [(identifier) (scoped_identifier) (field_expression) (generic_function)] @value)) (#any-of? @_some "Some" "Ok"))

((let_condition pattern: (tuple_struct_pattern type: (identifier) @_some . (identifier) @variable .) value: (try_expression (call_expression function: [(identifier) (scoped_identifier) (field_expression) (generic_function)] @value))) (#any-of? @_some "Some" "Ok"))

((let_condition pattern: (tuple_struct_pattern type: (identifier) @_some . [(identifier) @variable (ref_pattern (identifier) @variable)] .) value: [(field_expression) @expression (reference_expression value: (field_expression) @expression)]) (#any-of? @_some "Some" "Ok"))

(let_declaration pattern: (identifier) @variable !type value: [(field_expression) @expression (reference_expression value: (field_expression) @expression)])

(struct_pattern type: [(type_identifier) (scoped_type_identifier)] @shape (field_pattern name: (shorthand_field_identifier) @variable))

(tuple_struct_pattern type: (scoped_identifier) @payload . [
  (identifier) @variable
  (ref_pattern (identifier) @variable)
  (ref_pattern (mut_pattern (identifier) @variable))
  (mut_pattern (identifier) @variable)] .)

(for_expression pattern: [(identifier) @variable (reference_pattern (identifier) @variable)] value: (_) @each)

(field_declaration name: (field_identifier) @field type: (_) @type)

(static_item name: (identifier) @variable type: (_) @type)
"""

_CSHARP: Final = """
(parameter type: (_) @type name: (identifier) @variable)

(variable_declaration type: (_) @type (variable_declarator name: (identifier) @variable))

(field_declaration (variable_declaration type: (_) @type (variable_declarator name: (identifier) @field)))

(property_declaration type: (_) @type name: (identifier) @field)

(variable_declarator name: (identifier) @variable (object_creation_expression type: (_) @new))

(variable_declarator name: (identifier) @variable (invocation_expression function: [(identifier) (member_access_expression)] @value))

(foreach_statement type: (_) @type left: (identifier) @variable)

(catch_declaration type: (_) @type name: (identifier) @variable)

(declaration_pattern type: (_) @type name: (identifier) @variable)
"""

_RUBY: Final = """
((assignment left: [(identifier) (instance_variable) (constant)] @variable right: (call receiver: [(constant) (scope_resolution)] @new method: (identifier) @_new)) (#eq? @_new "new"))

((operator_assignment left: (instance_variable) @variable right: (call receiver: [(constant) (scope_resolution)] @new method: (identifier) @_new)) (#eq? @_new "new"))
"""

_PHP: Final = """
(simple_parameter type: (_) @type name: (variable_name) @variable)

(property_promotion_parameter type: (_) @type name: (variable_name) @field)

(property_promotion_parameter type: (_) @type name: (variable_name) @variable)

(property_declaration type: (_) @type (property_element name: (variable_name) @field))

(assignment_expression left: [(variable_name) (member_access_expression)] @variable right: (object_creation_expression . [(name) (qualified_name)] @new))

(assignment_expression left: (member_access_expression) @variable right: (variable_name) @same)

(catch_clause type: (type_list . (_) @type) name: (variable_name) @variable)
"""

_SWIFT: Final = """
(parameter (simple_identifier) @variable . [(user_type) (optional_type)] @type)

(property_declaration name: (pattern bound_identifier: (simple_identifier) @variable) (type_annotation (_) @type))

(class_body (property_declaration name: (pattern bound_identifier: (simple_identifier) @field) (type_annotation (_) @type)))

(property_declaration name: (pattern bound_identifier: (simple_identifier) @variable) value: (call_expression . [(simple_identifier) (navigation_expression)] @value))

(class_body (property_declaration name: (pattern bound_identifier: (simple_identifier) @field) value: (call_expression . [(simple_identifier) (navigation_expression)] @value)))
"""

_ZIG: Final = """
(ParamDecl parameter: (IDENTIFIER) @variable (ParamType (ErrorUnionExpr (SuffixExpr variable_type_function: (IDENTIFIER)) @type)))

(VarDecl variable_type_function: (IDENTIFIER) @variable (ErrorUnionExpr (SuffixExpr variable_type_function: (IDENTIFIER)) @new) (InitList))
"""

_DART: Final = """
(formal_parameter (type_identifier) @type name: (identifier) @variable)

(initialized_variable_definition (type_identifier) @type name: (identifier) @variable)

(declaration (type_identifier) @type (initialized_identifier_list (initialized_identifier (identifier) @field)))
"""

QUERIES: Final = {
    "python": _PYTHON,
    "javascript": _JAVASCRIPT + _UNTYPED + _FIELDS,
    "typescript": _TYPESCRIPT,
    "tsx": _TYPESCRIPT,
    "c": _C,
    "cpp": _CPP,
    "java": _JAVA,
    "kotlin": _KOTLIN,
    "scala": _SCALA,
    "go": _GO,
    "rust": _RUST,
    "csharp": _CSHARP,
    "ruby": _RUBY,
    "php": _PHP,
    "swift": _SWIFT,
    "zig": _ZIG,
    "dart": _DART,
}
