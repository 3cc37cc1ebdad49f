"""Zig, SQL, CSS, HTML, Dart and Terraform."""

from __future__ import annotations

from typing import Any, Final

from spelunk.chunk.grammars._nodes import NamedNode, called, child_of, field_of, first_of, named, text_of

TABLES: Final = {
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
}

_MAX_SELECTOR: Final = 120
"""Characters of a selector, a media query or a heading that are kept."""

_ZIG_KINDS: Final = {"struct": "struct", "enum": "enum", "union": "union", "opaque": "type", "error": "type"}
_TERRAFORM_KINDS: Final = frozenset({"resource", "variable", "module", "output", "data", "provider"})
_SQL_QUOTES: Final = '"`[]'


def zig_variable(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``const S = struct {...}`` is a struct whose members are looked at; imports are no definitions."""
    name = field_of(node, "variable_type_function")
    if name is None:
        return []
    value = last = node.named_children[-1]
    for _ in range(4):
        if value.type == "ContainerDecl":
            word = text_of(child_of(value, "ContainerDeclType"), source)[:6].split("(")[0].strip()
            return named(name, source, _ZIG_KINDS.get(word, "struct"), "", value)
        if value.type == "ErrorSetDecl":
            return named(name, source, "type")
        if not value.named_child_count or value.type not in ("ErrorUnionExpr", "SuffixExpr"):
            break
        value = value.named_children[0]
    if value.type == "BUILTINIDENTIFIER" and text_of(value, source) == "@import":
        return []
    if text_of(last, source).endswith("." + text_of(name, source)):
        return []  # a local name for another file's definition
    is_constant = source[node.start_byte : node.start_byte + 5] == b"const"
    return named(name, source, "constant" if is_constant else "variable")


def zig_test(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``test "name" {...}``."""
    name = child_of(node, "STRINGLITERALSINGLE", "IDENTIFIER")
    return called(text_of(name, source).strip('"'), name, "function")


def sql_create(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``CREATE ... schema.name``: the schema is the scope."""
    column = field_of(node, "column") if node.type == "create_index" else None
    if column is not None:
        return called(text_of(column, source).strip(_SQL_QUOTES), column, rule.kind)
    reference = child_of(node, "object_reference", "identifier")
    scope, _, name = text_of(reference, source).rpartition(".")
    return called(name.strip(_SQL_QUOTES), reference, rule.kind, scope.replace('"', ""))


def _shortened(text: str) -> str:
    return " ".join(text.split())[:_MAX_SELECTOR]


def css_rule(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """A rule is named by its selectors."""
    selectors = child_of(node, "selectors")
    return called(_shortened(text_of(selectors, source)), selectors, "rule")


def css_at(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``@media (...)``: what stands before the braces."""
    name = _shortened(text_of(node, source)[:400].split("{", 1)[0])
    return called(name, node, "rule") if name else []


def html_element(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """An element with an ``id``, or a heading by its text."""
    start = child_of(node, "start_tag")
    if text_of(child_of(start, "tag_name"), source).lower() in ("h1", "h2", "h3", "title"):
        text = child_of(node, "text")
        title = _shortened(text_of(text, source))
        if text is not None:
            return called(title, text, "section") if title else []
    for attribute in start.named_children if start is not None else ():
        words = text_of(attribute, source) if attribute.type == "attribute" else ""
        if words.startswith("id="):
            return called(words[3:].strip("\"'"), attribute, "element")
    return []


def dart_method(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """Functions, getters, setters and constructors of a class."""
    for child in node.named_children[:3]:
        name = field_of(child, "name") or (first_of(child) if child.type == "constructor_signature" else None)
        if name is not None:
            return named(name, source, "method")
    return []


def terraform_block(node: Any, source: bytes, rule: Any) -> list[NamedNode]:
    """``resource "type" "name"`` is called type.name; ``variable "x"`` is called x."""
    words: list[str] = []
    for child in node.named_children:
        if child.type not in ("identifier", "string_lit"):
            break
        words.append(text_of(child, source).strip('"'))
    if len(words) < 2:
        return []
    return called(".".join(words[1:]), node, words[0] if words[0] in _TERRAFORM_KINDS else "block")
