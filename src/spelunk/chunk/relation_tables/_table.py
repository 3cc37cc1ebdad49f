"""The shape of a table, and helpers for reading import statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

ImportPart = tuple[str, str, str, int, bool]
"""Module, name, alias, offset in the statement's text, exported; see :class:`spelunk.chunk.relation.Import`."""

Load = tuple[str, str, str]
"""Module, name, alias of an import made by a call."""

WORD: Final = r"[^\W\d]\w*"
"""A name in most languages."""


class RelationTable(NamedTuple):
    """The queries and rules of one language.

    Attributes:
        query: Patterns, separated by blank lines. One that the installed grammar does not know is dropped.
        imports: Reads the imports of a statement's text.
        loads: Names whose call loads a module (``require("x")``), and a function that reads its imports
            from the text before the name, the name, and the text after it.
        separators: What may stand between a receiver and a name, the commonest first.
        word: Expression for a name.
        safe: Expression for what may precede a separator and says nothing (``?`` of ``a?.b``).
        not_names: Words that the grammar takes for names (``self``).
        sharing: What stands in every file that has a ``@global``; where it is missing no ``@bare`` is
            looked for, and of many files most are such.
    """

    query: str
    imports: Callable[[str], Iterable[ImportPart]] | None = None
    loads: tuple[frozenset[str], Callable[[str, str, str], Iterable[Load]]] | None = None
    separators: tuple[str, ...] = (".",)
    word: str = WORD
    safe: str = "[?!]+"
    not_names: frozenset[str] = frozenset()
    sharing: bytes = b""

    @property
    def reads_whole_files(self) -> bool:
        """Whether what one line refers to depends on names elsewhere in its file."""
        return any(capture in self.query for capture in ("@global", "@local", "@parameter"))


def without_comments(text: str, pattern: re.Pattern[str]) -> str:
    """The text with its comments blanked, so that offsets stay."""
    return pattern.sub(lambda m: " " * len(m.group()), text)


SLASHES: Final = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
"""Comments of the languages that look like C."""
