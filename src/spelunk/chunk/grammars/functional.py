"""Names in Lisps, R, Erlang, Julia, OCaml, Dart, Objective-C and Terraform.

The same contract as in :mod:`spelunk.chunk.grammars.names`.
"""

from __future__ import annotations

from typing import Any, Final

from spelunk.chunk.grammars.names import Found

_LISP_KINDS: Final = {
    "macro": "macro", "type": "type", "struct": "struct", "record": "struct", "class": "class", "var": "variable",
    "parameter": "variable", "constant": "constant", "const": "constant", "custom": "variable", "protocol": "interface",
    "package": "module", "group": "module", "once": "variable",
}  # fmt: skip


def _text(node: Any, source: bytes) -> str:
    return source[node.start_byte : node.end_byte].decode("utf-8", "replace")


def lisp_form(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``(defn name ...)``, ``(define (name ...) ...)``: any list whose head begins with ``def`` or is ``fn``."""
    children = [c for c in node.named_children[:4] if "comment" not in c.type]
    if children and children[0].type == "defun":
        return lisp_defun(children[0], source, rule)
    if len(children) < 2:
        return []
    head = _text(children[0], source) if children[0].end_byte - children[0].start_byte < 40 else ""
    if head in ("ns", "module"):
        return [(_text(children[1], source)[:200], "module", children[1].start_point[0], "", None)]
    if not (head.startswith(("def", "cl-def")) or head in ("fn", "lambda")):
        return []
    name = children[1]
    if name.named_child_count and not name.type.endswith(("sym_lit", "symbol")):
        inner = name.named_children
        if name.type.endswith(("list", "list_lit", "par_tup_lit")):
            name = inner[0]
    text = _text(name, source).split()[-1] if name.end_byte > name.start_byte else ""
    if not text or text[0] in "([{\"'" or len(text) > 100:
        return []
    word = head.removeprefix("cl-").removeprefix("define").removeprefix("def").lstrip("-").rstrip("-")
    kind = _LISP_KINDS.get(word, "variable" if head == "def" else "function")
    return [(text, kind, name.start_point[0], "", None)]


def lisp_defun(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``(defun name ...)`` as Common Lisp's grammar shapes it."""
    header = next((c for c in node.named_children if c.type == "defun_header"), None)
    name = header.child_by_field_name("function_name") if header is not None else None
    return [(_text(name, source), "function", name.start_point[0], "", None)] if name is not None else []


def r_assignment(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``f <- function(x)``; a plain value only with ``<-`` or ``=`` at the top."""
    left, right = node.child_by_field_name("lhs"), node.child_by_field_name("rhs")
    sign = node.child_by_field_name("operator")
    if left is None or right is None or sign is None or sign.type not in ("<-", "=", "<<-", ":="):
        return []
    if left.type not in ("identifier", "string"):
        return []
    kind = "function" if right.type == "function_definition" else "variable"
    return [(_text(left, source).strip("'\"`"), kind, left.start_point[0], "", None)]


def erlang_function(node: Any, source: bytes, rule: Any) -> list[Found]:
    """A function is named by its first clause."""
    for clause in node.named_children[:2]:
        name = clause.child_by_field_name("name")
        if name is not None:
            return [(_text(name, source), "function", name.start_point[0], "", None)]
    return []


def dart_method(node: Any, source: bytes, rule: Any) -> list[Found]:
    """Functions, getters, setters and constructors of a class."""
    for child in node.named_children[:3]:
        name = child.child_by_field_name("name")
        if name is not None:
            return [(_text(name, source), "method", name.start_point[0], "", None)]
        if child.type == "constructor_signature" and child.named_child_count:
            name = child.named_children[0]
            return [(_text(name, source), "method", name.start_point[0], "", None)]
    return []


def terraform_block(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``resource "type" "name"`` is called type.name; ``variable "x"`` is called x."""
    words = []
    for child in node.named_children:
        if child.type not in ("identifier", "string_lit"):
            break
        words.append(_text(child, source).strip('"'))
    if len(words) < 2:
        return []
    kind = (
        words[0] if words[0] in ("resource", "variable", "module", "output", "data", "provider") else "block"
    )
    return [(".".join(words[1:]), kind, node.start_point[0], "", None)]


def objc_property(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``@property (...) Type *name;``."""
    words = _text(node, source).rstrip("; \n").replace("*", " ").split()
    name = words[-1] if words else ""
    return [(name, "property", node.start_point[0], "", None)] if name.isidentifier() else []


def julia_name(node: Any, source: bytes, rule: Any) -> list[Found]:
    """The first identifier down the left edge of a signature, type head or assignment."""
    for _ in range(8):
        if not node.named_child_count:
            break
        node = node.named_children[0]
        if node.type in ("identifier", "operator"):
            return [(_text(node, source), rule.kind, node.start_point[0], "", None)]
        if node.type in ("field_expression", "scoped_identifier"):
            return [(_text(node, source).rpartition(".")[2], rule.kind, node.start_point[0], "", None)]
    return []


def ocaml_value(node: Any, source: bytes, rule: Any) -> list[Found]:
    """Every binding of ``let f x = ... and g = ...``."""
    found: list[Found] = []
    for binding in node.named_children:
        if binding.type == "let_binding" and binding.named_child_count:
            name = binding.named_children[0]
            if name.type == "value_name":
                kind = (
                    "function" if any(c.type == "parameter" for c in binding.named_children) else "variable"
                )
                found.append((_text(name, source), kind, name.start_point[0], "", None))
    return found


def ocaml_module(node: Any, source: bytes, rule: Any) -> list[Found]:
    """``module M = struct ... end`` with its members, and the names of a type definition."""
    found: list[Found] = []
    for binding in node.named_children:
        if binding.type == "module_binding":
            body = binding.child_by_field_name("body")
            name = binding.named_children[0] if binding.named_child_count else None
            if name is not None:
                found.append((_text(name, source), "module", name.start_point[0], "", body))
        elif binding.type == "type_binding":
            name = binding.child_by_field_name("name")
            if name is not None:
                found.append((_text(name, source), "type", name.start_point[0], "", None))
    return found
