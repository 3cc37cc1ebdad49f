"""What stands before a name: the object itself, a module, a type, a variable whose type is written down."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from spelunk.chunk.relation import Import, Reference, Role
from spelunk.chunk.type_names import SAME_MEMBERS
from spelunk.graph.classes import Classes, Meaning, types_among
from spelunk.graph.contexts import Contexts
from spelunk.graph.imports import Imports
from spelunk.graph.languages import ABOVE, CALLABLE, CLASSES, ON_DEMAND, OWN, VALUES, family_of
from spelunk.graph.receiver_meaning import FOREIGN, NOTHING, SELF_RULE, TYPE_RULE, ReceiverMeaning
from spelunk.graph.signature import signature
from spelunk.graph.spans import last_line
from spelunk.graph.view import GraphView
from spelunk.graph.written_types import (
    BUILT_IN,
    NO_TYPES,
    OWN_TYPES,
    RETURN_WHAT_THEY_GET,
    SAME_VALUE,
    plain_type,
    returned_type,
)
from spelunk.store.relation_reader import DefinitionRow

MOST_NESTED: Final = 8
"""Chains of calls whose types are asked for, each for the next."""

_PARTS: Final = re.compile(r"::|->|\?\.|!!?\.|[.\\#]")
_NOISE: Final = re.compile(r"^(?:await\s+|new\s*|\(|[&*!~@$]+)+")
_HEAD: Final = re.compile(r"[^\W\d][\w$]*")
_EXPRESSION: Final = re.compile(r"^\(|(?:\(\)|\[\]).")
"""A chain of calls, or the value of a field, as bindings give them."""
_EACH: Final = re.compile(r"\.(?:iter|iter_mut|into_iter|values|values_mut|drain|as_slice|to_vec)\(\)\[\]")
"""What gives the elements of a list of Rust one by one."""
_MODULES: Final = frozenset({"self", "super", "crate"})
"""Words of Rust that are a module before ``::``, and an object before a dot."""

ASKED: Final = "~"
"""Begins the type of a variable that is asked for by its place (:data:`spelunk.chunk.contexts.PLACE`)."""

_LITERAL: Final = re.compile(r"[bfru]{0,2}[\"'`\[{(\d]")


class Receivers:
    """The receivers of one generation.

    Attributes:
        is_cut: A type was not told because too many questions were open.
    """

    def __init__(
        self, view: GraphView, imports: Imports, classes: Classes, types: Meaning, meaning: Meaning
    ) -> None:
        self._meaning = meaning
        self._view = view
        self._imports = imports
        self._classes = classes
        self._types = types
        self._open: set[tuple[int, int, str]] = set()
        self._contexts = Contexts(view, classes, self, meaning)
        self.is_cut = False

    def meaning(self, file: int, reference: Reference) -> ReceiverMeaning:
        """What the receiver of a reference means."""
        written = _NOISE.sub("", reference.receiver)
        is_path = written in _MODULES and f"{written}::{reference.name}" in self._view.line(
            file, reference.line
        )
        if not is_path and (written in OWN or written in ABOVE or written.startswith("super(")):
            owner = self._view.class_around(file, reference.line) or self._by_method(file, reference.line)
            above = written not in OWN
            return NOTHING if owner is None else ReceiverMeaning([owner], (), SELF_RULE, above)
        found = self._module(file, written)
        if found is not NOTHING:
            return found
        if (found := self._path(file, written, reference)) is not NOTHING:
            return found
        if _LITERAL.match(written) or self._is_built_in(file, written):
            return FOREIGN
        parts = [part for part in _PARTS.split(written) if part]
        if not parts:
            return NOTHING
        found = self._chain(file, reference.line, parts)
        if found is NOTHING and len(parts) > 1:
            return self._module_then_chain(file, reference.line, written, parts)
        return found

    def local_type(self, file: int, reference: Reference) -> str:
        """The written type of the variable before a name in JavaScript, where callbacks of one function have variables
        of the same name; "" elsewhere."""
        head = _HEAD.match(_NOISE.sub("", reference.receiver))
        if head is None or self._family(file) != "js" or head.group() in OWN | ABOVE:
            return ""
        if self._imports.bound(file, head.group()).imports:
            return ""
        return self._view.bindings(file, reference.line).get(head.group(), "")

    def _path(self, file: int, written: str, reference: Reference) -> ReceiverMeaning:
        """A receiver that is the path of a module, or of a type in one, and is no name of the file itself."""
        family = family_of(self._view.row(file).language)
        if family == "rust":
            separator, head = "::", written.partition("::")[0]
            if "::" in written and head in ("std", "core", "alloc"):
                return FOREIGN
            last = written.rpartition("::")[2]
            is_path = reference.role is Role.TYPE or f"{last}::" in self._view.line(file, reference.line)
            if not last.isidentifier() or not is_path:
                return NOTHING  # a variable or a call
            if "::" not in written:  # a type of the file itself
                own = self._types(file, Reference(written, Role.TYPE, reference.line))
                if own:
                    return ReceiverMeaning(own[:1], (), TYPE_RULE)
        elif family == "python" and "." in written:
            separator, head = ".", written.partition(".")[0]
            if not any(not one.name for one in self._imports.bound(file, head).imports):
                return NOTHING
        else:
            return NOTHING
        if family == "rust" and "::" in written:
            found = self._walk(file, reference.line, written)
            if found is not NOTHING:
                return found
        files = self._imports.files_of(file, Import(written, reference.name, "", reference.line))
        if files and (family == "rust" or separator in written):
            return ReceiverMeaning((), files, "import")
        above, _, last = written.rpartition(separator)
        if above and last.isidentifier():
            behind = self._imports.files_of(file, Import(above, last, "", reference.line))
            types = types_among(self._imports.exported(behind, last)) if behind else []
            if types:
                return ReceiverMeaning(types[:1], (), TYPE_RULE)
        return NOTHING

    def _walk(self, file: int, line: int, written: str) -> ReceiverMeaning:
        """A path of Rust, name by name: modules, names that they offer from elsewhere
        (``pub use grep_cli as cli``), and a type at its end."""
        parts = written.split("::")
        count = next((n for n, part in enumerate(parts) if part != "super"), len(parts)) or 1
        files = self._imports.files_of(file, Import("::".join(parts[:count]), "", "", line))
        files = files or self._imports.bound(file, parts[0]).files
        for n, part in enumerate(parts[count:], count):
            if not files:
                return NOTHING
            here = files[0]
            below = self._imports.files_of(here.id, Import(f"self::{part}", "", "", 1))
            if below and below[0] != here:
                files = below
                continue
            types = types_among(self._imports.exported(files, part))
            if types:
                return ReceiverMeaning(types[:1], (), TYPE_RULE) if n + 1 == len(parts) else NOTHING
            files = self._imports.bound(here.id, part).files
        return ReceiverMeaning((), files, "import") if files else NOTHING

    def type_at(self, file: int, line: int, written: str) -> Sequence[DefinitionRow]:
        """The type that a written one means at a line, also where it is that of the object itself."""
        if written in OWN or written in OWN_TYPES:
            owner = self._view.class_around(file, line) or self._by_method(file, line)
            return [] if owner is None else [owner]
        return self.written_type(file, line, written).types if written else []

    def _is_built_in(self, file: int, written: str) -> bool:
        """Whether a receiver is a value of the language itself, and the index has no definition of its name."""
        head = written.removesuffix("()")
        family = family_of(self._view.row(file).language)
        return head in BUILT_IN.get(family, ()) and not any(r.file == file for r in self._classes.named(head))

    def _is_foreign_type(self, file: int, name: str) -> bool:
        """Whether a name is that of a type which the index has not; Python and JavaScript have local ones."""
        return (
            name[:1].isupper()
            and not name.isupper()
            and family_of(self._view.row(file).language) not in ("python", "js")
            and not types_among(self._classes.named(name))
        )

    def _by_method(self, file: int, line: int) -> DefinitionRow | None:
        """The type of the method around a line, where the method stands outside its type's braces."""
        for row in reversed(self._view.around(file, line)):
            if row.kind == "method" and row.scope:
                name = row.scope.rpartition(".")[2]
                types = types_among(self._classes.named(name))
                near = [r for r in types if r.file == row.file] or types
                return near[0] if near else None
        return None

    def _module(self, file: int, written: str) -> ReceiverMeaning:
        """A receiver that is an imported module or a name taken from one."""
        bound = self._imports.bound(file, written)
        if not bound.imports:
            return NOTHING
        if bound.is_outside:
            return FOREIGN
        types = types_among(bound.rows)
        if types:
            return ReceiverMeaning(types[:1], (), TYPE_RULE)
        if bound.rows:  # a variable or a function
            return self._value(bound.rows[0])
        if self._family(file) == "rust":  # a module that a crate offers under another name
            further = [
                row
                for one in bound.imports
                if one.name
                for f in bound.files
                for row in self._imports.bound(f.id, one.name).files
            ]
            if further:
                return ReceiverMeaning((), further, "import")
        return ReceiverMeaning((), bound.files, "import")

    def _module_then_chain(self, file: int, line: int, written: str, parts: list[str]) -> ReceiverMeaning:
        """``module.Type.name``, ``module.variable.name``: the longest beginning that is a module, then the rest."""
        head = parts[0].removesuffix("()")
        bound = self._imports.bound(file, head)
        if bound.is_outside:
            return FOREIGN
        if not bound.files:
            return NOTHING
        rows = list(bound.rows) or self._imports.exported(bound.files, parts[1].removesuffix("()"))
        rest = parts[1:] if bound.rows else parts[2:]
        if not rows and self._family(file) == "js":  # modules that a module offers under names
            inner, rest = self._imports.module_chain(bound.files, parts[1:])
            if not rest:
                return ReceiverMeaning((), inner, "import")
            rows, rest = self._imports.exported(inner, rest[0]), rest[1:]
        if types := types_among(rows):
            return self._members_of(types[0], rest)
        return self._value(rows[0]) if rows and not rest else NOTHING

    def _chain(self, file: int, line: int, parts: list[str]) -> ReceiverMeaning:
        """A variable, a field, a type or a call, and fields of it."""
        head, rest = parts[0], parts[1:]
        called = "()" in head
        bare = head.replace("()", "").replace("[]", "")
        if bare in OWN:
            if not rest:
                return NOTHING
            for name in (rest[0], rest[0].removesuffix("[]")):
                typed = self._declared(file, line, f"{bare}.{name}", name)
                if typed is not NOTHING:
                    return self._through(typed, rest[1:])
            owner = self._view.class_around(file, line) or self._by_method(file, line)
            return NOTHING if owner is None else self._members_of(owner, rest)
        if not called:
            for count in range(min(len(parts), 2), 0, -1):  # ``s.a`` may be known as such
                typed = self._declared(file, line, ".".join(parts[:count]))
                if typed is not NOTHING:
                    return self._through(typed, parts[count:])
            if head != bare:
                typed = self._declared(file, line, bare)
                if typed is not NOTHING:
                    return self._through(typed, rest)
        if called or bare[:1].isupper() or not rest:
            role = Role.CALL if called else Role.TYPE
            rows = self._types(file, Reference(bare, Role.TYPE, line, ""))
            if rows and (called or bare[:1].isupper() or rows[0].name == bare):
                return self._members_of(rows[0], rest)
            variant = self.variant_of(file, line, bare)
            if variant:
                return self._members_of(variant[0], parts)
            if not called and self._is_foreign_type(file, bare):
                return FOREIGN
            if role is Role.CALL:
                return self._through(self._returned(file, line, bare), rest)
        if not called:  # a variable of another file
            rows = [r for r in self._meaning(file, Reference(bare, Role.USE, line)) if r.kind in VALUES]
            if rows and not rows[0].scope:
                return self._through(self._value(rows[0]), rest)
        return NOTHING

    def variant_of(self, file: int, line: int, name: str) -> list[DefinitionRow]:
        """The enumerations of Rust all whose variants a file imports, and that have one of a name."""
        if self._family(file) != "rust" or not name[:1].isupper():
            return []
        found = []
        for one in self._imports.table(file).wide:
            module, _, last = one.module.rpartition("::")
            if last[:1].isupper():
                types = self._types(
                    file, Reference(last, Role.TYPE, one.line, "" if module == "self" else module)
                )
                found += [t for t in types[:1] if self._classes.fields_of(t, name)]
        return found

    def _family(self, file: int) -> str:
        return family_of(self._view.row(file).language)

    def _declared(self, file: int, line: int, *names: str) -> ReceiverMeaning:
        """The type that is written down for a variable or field, by the first of its names that is known."""
        bindings = self._view.bindings(file, line)
        written = next((bindings[name] for name in names if name in bindings), "")
        return NOTHING if not written else self.written_type(file, line, written)

    def written_type(self, file: int, line: int, written: str, *, is_type: bool = False) -> ReceiverMeaning:
        """The type that a name of a type means in a file; outside where an import says so.

        Args:
            file: Where it is written.
            line: Of a place where it has that meaning.
            written: A type, or an expression as :func:`spelunk.chunk.bindings.bindings` gives it.
            is_type: It is surely a type, and no function that is called.
        """
        if _EXPRESSION.search(written):
            return self.expression(file, line, written)
        if written.startswith(ASKED):
            return self._contexts.types_of(file, written)
        called = written.endswith("()")
        name = plain_type(written)
        if not name or name in NO_TYPES:
            return NOTHING
        separator = "::" if self._family(file) == "rust" and "." not in name else "."
        receiver, _, last = name.replace("::", separator).rpartition(separator)
        rows = self._types(file, Reference(last, Role.TYPE, line, receiver))
        if rows:
            return ReceiverMeaning(rows[:1], (), TYPE_RULE)
        made = None if is_type else self._called(file, Reference(last, Role.CALL, line, receiver))
        if made is not None:
            return made
        head = receiver.partition(separator)[0] or last
        if self._imports.bound(file, head).is_outside:
            return NOTHING if called and last in RETURN_WHAT_THEY_GET else FOREIGN
        return NOTHING if called or types_among(self._classes.named(last)) else FOREIGN

    def expression(self, file: int, line: int, written: str) -> ReceiverMeaning:
        """The type of the value that a chain of names and calls has."""
        key = (file, line, written)
        if key in self._open:  # a variable that holds what is called on itself
            return NOTHING
        if len(self._open) >= MOST_NESTED:
            self.is_cut = True
            return NOTHING
        self._open.add(key)
        try:
            chain = _EACH.sub("[]", written[1:-1] if written.startswith("(") else written)
            parts = [part for part in _PARTS.split(chain) if part]
            found = self._chain(file, line, parts)
            if found is NOTHING and len(parts) > 1:
                found = self._module_then_chain(file, line, chain, parts)
            return found
        finally:
            self._open.discard(key)

    def _called(self, file: int, call: Reference) -> ReceiverMeaning | None:
        """The type that a call returns, where what is called is a function of the index."""
        rows = [row for row in self._meaning(file, call) if row.kind in CALLABLE]
        return self._value(rows[0]) if rows else None

    def _members_of(self, owner: DefinitionRow, rest: Sequence[str]) -> ReceiverMeaning:
        """A type, or the type of a field of it."""
        return self._through(ReceiverMeaning([owner], (), TYPE_RULE), rest)

    def _through(self, meaning: ReceiverMeaning, rest: Sequence[str]) -> ReceiverMeaning:
        """The type behind fields and calls of a type."""
        variant = ""
        for part in rest:
            if not meaning.types:
                return meaning if meaning.outside else NOTHING
            name = part.replace("()", "").replace("[]", "")
            is_value = not part.endswith(("()", "()[]"))
            owner = meaning.types[0]
            members = self._classes.find(owner, variant + name, is_value=is_value).members
            if variant and not members:
                members = self._classes.find(owner, name, is_value=is_value).members
            if members and members[0].row.kind == "variant":
                variant = f"{name}."  # whose values are ``Variant.0``
                continue
            variant = ""
            if not members:
                if name in SAME_VALUE and self._family(owner.file) == "rust":
                    continue
                return NOTHING
            row = members[0].row
            if not is_value and row.kind in VALUES:  # a value that is called
                meaning = self._contexts.value_of(row, called=True)
                continue
            element = self._view.field_type(row, element=True) if part.endswith("[]") else ""
            meaning = self.written_type(row.file, row.line, element) if element else self._value(row)
        return meaning

    def _value(self, row: DefinitionRow) -> ReceiverMeaning:
        """The type of a definition's value: what a function returns, what a field is declared as."""
        if row.kind in CLASSES:
            return ReceiverMeaning([row], (), TYPE_RULE)
        head = signature(
            self._view.lines(row.file), row.line, last_line(row), self._view.row(row.file).language
        )
        if row.kind in CALLABLE:
            written = returned_type(head, self._view.row(row.file).language)
        else:
            written = self._view.field_type(row)
            if not written:
                bindings = self._view.bindings(row.file, last_line(row))
                names = (f"self.{row.name}", f"this.{row.name}", row.name) if row.scope else (row.name,)
                written = next((bindings[name] for name in names if name in bindings), "")
        if written in OWN_TYPES:
            owner = [r for r in self._classes.named(row.scope.rpartition(".")[2]) if r.kind in CLASSES]
            near = [r for r in owner if r.file == row.file] or owner
            return ReceiverMeaning(near[:1], (), TYPE_RULE) if near else NOTHING
        is_type = row.kind in CALLABLE or row.kind in ON_DEMAND
        found = self.written_type(row.file, row.line, written, is_type=is_type) if written else NOTHING
        if found is not NOTHING and written not in SAME_MEMBERS:
            return found
        further = self._contexts.value_of(row, called=row.kind in CALLABLE)
        return found if further is NOTHING else further

    def _returned(self, file: int, line: int, name: str) -> ReceiverMeaning:
        """The type that a function called by name returns."""
        written = self._view.bindings(file, line).get(name, "")
        if written.startswith(ASKED):
            return self._contexts.result_of(file, written)
        bound = self._imports.bound(file, name)
        if bound.is_outside:
            return FOREIGN
        rows = [r for r in self._meaning(file, Reference(name, Role.CALL, line)) if r.kind in CALLABLE]
        return self._value(rows[0]) if rows else NOTHING
