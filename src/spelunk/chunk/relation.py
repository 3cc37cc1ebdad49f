"""What a source file says about names that are defined elsewhere: references and imports.

Definitions are part of the chunks (:class:`spelunk.types.Definition`). A
reference is a use of a name; which definition it means is decided when a
question is asked (:mod:`spelunk.graph`), never while a file is indexed.
"""

from __future__ import annotations

import enum
import re
from typing import Final, NamedTuple


class Role(enum.IntEnum):
    """How a reference uses its name. The numbers are stored; never give one another meaning."""

    CALL = 1
    """Called, or constructed: ``f()``, ``new F()``, ``F{}`` where the braces construct."""
    TYPE = 2
    """Written as a type: annotations, parameters, fields, casts, type arguments."""
    IMPORT = 3
    """Imported or re-exported by name."""
    INHERIT = 4
    """Named as a base class, an implemented interface or trait, an embedded type."""
    DECORATE = 5
    """Used as a decorator, an annotation or an attribute."""
    MACRO = 6
    """Invoked as a macro, where the syntax tells it from a call."""
    WRITE = 7
    """Assigned to, where the name is not a local variable: fields and module variables."""
    USE = 8
    """Any other use as a value. It is found in the text when it is asked for, and not stored."""


class Reference(NamedTuple):
    """A use of a name.

    Attributes:
        name: The last part of what is written: ``flush`` of ``self.writer.flush()``.
        role: How it is used.
        line: Line of the name in the raw file, 1-based.
        receiver: What stands before the name, as written, without blanks and calls'
            arguments (``self.writer``, ``os.path``, ``Foo``); "" where nothing does.
            At most 80 characters, cut on the left.
    """

    name: str
    role: Role
    line: int
    receiver: str = ""


class Import(NamedTuple):
    """A name or a file that a source file brings into its scope.

    Attributes:
        module: As written, in the language's own form: ``a.b``, ``..x``, ``./util``,
            ``crate::io``, ``"net/http"`` without quotes, ``<stdio.h>`` with its brackets.
        name: The name taken from it; "" for the module itself, ``*`` for all names.
        alias: The name that it has in this file; "" where that is ``name``, or the
            module's last part.
        line: 1-based line in the raw file.
        exported: This file offers the name to others (a re-export).
    """

    module: str
    name: str
    alias: str
    line: int
    exported: bool = False


class Relations(NamedTuple):
    """References and imports of a file, both in the order of their lines."""

    references: list[Reference]
    imports: list[Import]


NO_RELATIONS = Relations([], [])


class RelationColumns(NamedTuple):
    """References of a file column by column, in the order of their lines, and its imports: for storing.

    Attributes:
        names: Of each reference.
        roles: Its role.
        lines: Its line.
        receivers: Its receiver.
        imports: The imports.
    """

    names: list[str]
    roles: list[Role]
    lines: list[int]
    receivers: list[str]
    imports: list[Import]

    @classmethod
    def of(cls, relations: Relations) -> RelationColumns:
        """The columns of rows."""
        references, imports = relations
        if not references:
            return cls([], [], [], [], imports)
        names, roles, lines, receivers = zip(*references, strict=True)
        return cls([*names], [*roles], [*lines], [*receivers], imports)


NO_COLUMNS = RelationColumns([], [], [], [], [])

_PART: Final = re.compile(r"[/.\\:]+")
_EXTENSION: Final = re.compile(
    r"(?<=[^./])\.(?:h|hh|hpp|hxx|inc|inl|php|zig)$"
    r"|(?<=/)([^/]+?)\.(?:d\.ts|[cm]?[jt]sx?|vue|svelte|json|css|py|rb|lua|go|rs|c|cc|cpp)$"
)
"""Of any module, and of one that is a path: ``flask.json`` is none."""


def last_part(module: str) -> str:
    """The last name of an import's module, without extension, quotes and brackets.

    ``b`` of ``a.b``, ``util`` of ``./util.js``, ``io`` of ``crate::io``, ``http`` of ``net/http``,
    ``stdio`` of ``<stdio.h>``; "" where the module is only dots. The index of imports is by this name.
    """
    parts = _PART.split(_EXTENSION.sub(r"\1", module.strip("<>\"' ")))
    return next((part for part in reversed(parts) if part), "")
