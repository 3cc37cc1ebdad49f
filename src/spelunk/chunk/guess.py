"""Rules guessed from the node types of a grammar that has no table.

Grammars name their nodes alike (``function_definition``, ``class_declaration``,
``struct_item``); a node that looks like a definition is treated as one if it
has a name.
"""

from __future__ import annotations

import re
from typing import Any, Final

_DEFINITION: Final = re.compile(
    r"(?:^|_)(?P<what>function|func|fn|fun|method|procedure|proc|subroutine|sub|constructor|class|module|namespace|"
    r"package|struct|structure|record|interface|protocol|trait|enum|enumeration|union|type|typedef|macro|constant|"
    r"const|rule|message|service|rpc|object|contract|event|table|view|task|resource|entity|program|def)"
    r"(?:_\w+)?_(?:definition|declaration|item|statement|decl|def|defn|specification|body_definition|block)$"
    r"|^(?P<bare>function|method|procedure|subroutine|class|module|struct|interface|trait|enum|message|service|rpc|"
    r"macro|rule|mixin_statement|contract|entity_declaration|architecture_definition)$"
)
_KINDS: Final = {
    "func": "function", "fn": "function", "fun": "function", "procedure": "function", "proc": "function",
    "subroutine": "function", "sub": "function", "def": "function", "task": "function", "rpc": "method",
    "constructor": "method", "namespace": "module", "package": "module", "program": "module",
    "structure": "struct", "record": "struct", "message": "struct", "protocol": "interface",
    "service": "interface", "enumeration": "enum", "typedef": "type", "const": "constant", "contract": "class",
    "object": "class", "entity": "class", "resource": "class", "event": "type", "view": "table",
}  # fmt: skip
_BOXES: Final = frozenset({"class", "module", "interface", "trait", "object", "contract"})
_FLAT: Final = re.compile(
    r"^(?:\w*(?:declarations|definitions|decls)|top_level\w*|compilation_unit|\w*_body|body|program|source_file|"
    r"section|block|declaration_list|statement|declaration|definition)$"
)


def guess_table(language: Any) -> str:
    """A table, in the notation of :mod:`spelunk.chunk.grammar`, from a grammar's node types."""
    rows: list[str] = []
    for type_id in range(language.node_kind_count):
        if not (language.node_kind_is_named(type_id) and language.node_kind_is_visible(type_id)):
            continue
        name = language.node_kind_for_id(type_id) or ""
        lowered = name.lower()
        if "comment" in lowered:
            rows.append(f"note {name}")
            continue
        match = _DEFINITION.search(lowered)
        if match is not None:
            what = match.group("what") or match.group("bare")
            kind = _KINDS.get(what, what)
            rows.append(f"{'box' if kind in _BOXES else 'def'} {kind} {name}:@first_identifier")
        elif _FLAT.match(lowered):
            rows.append(f"flat {name}")
    return "\n".join(rows)
