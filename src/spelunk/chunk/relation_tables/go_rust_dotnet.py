"""Go, Rust and C#."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from spelunk.chunk.relation_tables._table import SLASHES, ImportPart, RelationTable, without_comments

_GO: Final = """
(call_expression function: [(identifier) (selector_expression)] @call)

(call_expression function: (type_instantiation_expression type: (_) @call))

(composite_literal type: [(type_identifier) (qualified_type) (generic_type)] @call)

(type_conversion_expression type: [(type_identifier) (qualified_type) (generic_type)] @call)

(type_identifier) @type

(qualified_type) @type

(type_spec name: (type_identifier) @skip)

(type_alias name: (type_identifier) @skip)

(type_parameter_declaration name: (identifier) @parameter)

(field_declaration !name type: [(type_identifier) (qualified_type) (generic_type)] @inherit)

(interface_type (type_elem . [(type_identifier) (qualified_type) (generic_type)] @inherit .))

(assignment_statement left: (expression_list [(selector_expression) @write (identifier) @bare]))

(inc_statement [(selector_expression) @write (identifier) @bare])

(dec_statement [(selector_expression) @write (identifier) @bare])

(keyed_element key: (literal_element (identifier) @write))

(source_file (var_declaration (var_spec name: (identifier) @global)))

(source_file (var_declaration (var_spec_list (var_spec name: (identifier) @global))))

(import_spec) @import
"""

_RUST: Final = """
(call_expression function: [(identifier) (field_expression) (scoped_identifier)] @call)

(call_expression function: (generic_function function: [(identifier) (field_expression) (scoped_identifier)] @call))

(struct_expression name: [(type_identifier) (scoped_type_identifier) (generic_type_with_turbofish)] @call)

(macro_invocation macro: [(identifier) (scoped_identifier)] @macro)

(macro_invocation (token_tree) @fragment)

(macro_rule right: (token_tree) @fragment)

(attribute [(identifier) (scoped_identifier)] @decorate)

((attribute (identifier) @_derive arguments: (token_tree (identifier) @decorate)) (#eq? @_derive "derive"))

(type_identifier) @type

(scoped_type_identifier) @type

(struct_item name: (type_identifier) @skip)

(enum_item name: (type_identifier) @skip)

(union_item name: (type_identifier) @skip)

(trait_item name: (type_identifier) @skip)

(type_item name: (type_identifier) @skip)

(associated_type name: (type_identifier) @skip)

(type_parameter name: (type_identifier) @parameter)

(impl_item trait: [(type_identifier) (scoped_type_identifier) (generic_type)] @inherit)

(trait_item bounds: (trait_bounds [(type_identifier) (scoped_type_identifier) (generic_type)] @inherit))

(tuple_struct_pattern type: [(identifier) (scoped_identifier)] @type)

(assignment_expression left: [(field_expression) @write (identifier) @bare])

(compound_assignment_expr left: [(field_expression) @write (identifier) @bare])

(field_initializer field: (field_identifier) @write)

(static_item name: (identifier) @global)

(use_declaration) @import

(extern_crate_declaration) @import

(mod_item !body) @import
"""

_CSHARP: Final = """
(invocation_expression function: [(identifier) (member_access_expression) (generic_name) (conditional_access_expression)] @call)

(object_creation_expression type: [(identifier) (qualified_name) (generic_name)] @call)

(_ type: [(identifier) (qualified_name) (generic_name) (alias_qualified_name)] @type)

(_ returns: [(identifier) (qualified_name) (generic_name)] @type)

(nullable_type [(identifier) (qualified_name) (generic_name)] @type)

(array_type [(identifier) (qualified_name) (generic_name)] @type)

(type_argument_list [(identifier) (qualified_name) (generic_name)] @type)

(as_expression right: [(identifier) (qualified_name) (generic_name)] @type)

(is_expression right: [(identifier) (qualified_name) (generic_name)] @type)

(constant_pattern (identifier) @type)

(attribute name: [(identifier) (qualified_name) (generic_name)] @decorate)

(base_list [(identifier) (qualified_name) (generic_name)] @inherit)

(base_list (primary_constructor_base_type [(identifier) (qualified_name) (generic_name)] @inherit))

(assignment_expression left: [(member_access_expression) @write (identifier) @bare])

(postfix_unary_expression [(member_access_expression) @write (identifier) @bare])

(prefix_unary_expression [(member_access_expression) @write (identifier) @bare])

(initializer_expression (assignment_expression left: (identifier) @write))

(field_declaration (variable_declaration (variable_declarator name: (identifier) @global)))

(property_declaration name: (identifier) @global)

(type_parameter name: (identifier) @parameter)

(using_directive) @import
"""

_GO_SPEC: Final = re.compile(r"""(?:([\w.]+)\s+)?["`]([^"`\n]*)["`]""")


def go_imports(text: str) -> Iterator[ImportPart]:
    """``import alias "path"``; ``.`` takes all names, ``_`` none."""
    found = _GO_SPEC.match(text)
    if found is not None:
        alias = found.group(1) or ""
        yield (
            found.group(2),
            "*" if alias == "." else "",
            "" if alias == "." else alias,
            found.start(2),
            False,
        )


_RUST_HEAD: Final = re.compile(r"(pub(?:\s*\([^)]*\))?\s+)?(use|extern\s+crate|mod)\s+(?:::)?")
_RUST_WORD: Final = re.compile(r"(?:r#)?[\w$]+")
_RUST_LEAF: Final = re.compile(r"((?:(?:r#)?[\w$]+\s*::\s*)*)((?:r#)?\w+|\*)(?:\s+as\s+(\w+))?|[{},]|::")
_MAX_GROUPS: Final = 100


def rust_imports(text: str) -> Iterator[ImportPart]:
    """``use a::{b, c::d as e, f::*}``; ``mod m;`` is the module ``self::m``; ``pub`` offers them to others."""
    text = without_comments(text, SLASHES)
    head = _RUST_HEAD.search(text)
    if head is None:
        return
    exported = bool(head.group(1))
    if head.group(2) != "use":
        leaf = _RUST_LEAF.match(text, head.end())
        if leaf is not None and leaf.group(2):
            prefix = "self::" if head.group(2) == "mod" else ""
            yield prefix + leaf.group(2), "", leaf.group(3) or "", leaf.start(2), exported
        return
    groups = [""]
    pending = ""
    for leaf in _RUST_LEAF.finditer(text, head.end()):
        sign = leaf.group()
        if sign == "{":
            if len(groups) > _MAX_GROUPS:
                return
            groups.append(groups[-1] + pending)
            pending = ""
        elif sign == "}":
            if len(groups) > 1:
                groups.pop()
            pending = ""
        elif sign == ",":
            pending = ""
        elif sign == "::":
            continue
        else:
            path, name, alias = "".join((leaf.group(1) or "").split()), leaf.group(2), leaf.group(3) or ""
            if text[leaf.end() : leaf.end() + 3].lstrip().startswith("::"):  # a group follows
                pending = f"{path}{name}::"
                continue
            module = (groups[-1] + path).removesuffix("::")
            if name == "self" and module:
                outer, _, last = module.rpartition("::")
                yield outer or module, last if outer else "", alias, leaf.start(2), exported
            elif module:
                yield module, name, "" if alias == "_" else alias, leaf.start(2), exported
            else:
                yield name, "", alias, leaf.start(2), exported
            pending = ""


_USING: Final = re.compile(
    r"(global\s+)?using\s+(static\s+)?(?:(\w+)\s*=\s*)?(?:global::)?([\w.\s]+?)\s*(<[^;]*>)?\s*;?\s*$"
)


def csharp_imports(text: str) -> Iterator[ImportPart]:
    """``using A.B`` and ``using static A.B`` take all names, ``using X = A.B.C`` takes C as X."""
    found = _USING.match(without_comments(text, SLASHES).rstrip())
    if found is None:
        return
    path = "".join(found.group(4).split())
    exported = bool(found.group(1))
    if found.group(3) is None:
        yield path, "*", "", found.start(4), exported
        return
    module, _, name = path.rpartition(".")
    if module:
        yield module, name, found.group(3), found.end(4) - len(name), exported
    else:
        yield name, "", found.group(3), found.start(4), exported


TABLES: Final = {
    "go": RelationTable(_GO, go_imports),
    "rust": RelationTable(_RUST, rust_imports, separators=(".", "::"), word=r"(?:r#)?[^\W\d]\w*"),
    "csharp": RelationTable(_CSHARP, csharp_imports, separators=(".", "::"), word=r"@?[^\W\d]\w*"),
}
