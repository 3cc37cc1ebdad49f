"""Definitions by line patterns, for languages without a grammar that can be trusted.

Perl's and COBOL's bundled grammars never return on some short inputs, that of
assembly knows one dialect of many, and the others here have none. Their definitions stand at the start of a line, so one
expression a language finds them; the assembly is that of parsed code.
"""

from __future__ import annotations

import itertools
import re
from typing import Final

from spelunk.chunk.assemble import Assembler, Unit
from spelunk.chunk.rows import Layout
from spelunk.types import MAX_SYMBOL, Chunk, Definition, Document

_PATTERNS: Final = {
    "perl": r"[ \t]*(?:(?P<module>package)|(?P<function>sub|method))[ \t]+(?P<name>[\w:']+)",
    "cobol": r"(?:.{6})?[ \t]{1,5}(?P<name>[A-Z\d][\w-]*)(?:[ \t]+(?P<module>SECTION|DIVISION))?[ \t]*\.[ \t\r]*$",
    "visualbasic": r"(?i)[ \t]*(?:(?:public|private|friend|shared|static|overrides|overloads|protected|partial)[ \t]+)*"
    r"(?:(?P<function>sub|function|property(?:[ \t]+(?:get|let|set))?)|(?P<class>class)|(?P<module>module))"
    r"[ \t]+(?P<name>\w+)",
    "asm": r"(?:TEXT[ \t]+[^\s(,<]*?(?P<name>\w+)(?:<[^>]*>)?\(SB\)|(?:SYM_\w+_START\w*|ENTRY)\((?P<name2>\w+)\)"
    r"|(?P<name3>[A-Za-z_][\w$]*):(?!:))",
    "batch": r":(?P<name>[A-Za-z_]\w*)",
    "m4": r"(?:(?P<macro>m4_define|m4_defun|AC_DEFUN(?:_ONCE)?|AU_DEFUN|define))\(\[?`?(?P<name>\w+)",
    "awk": r"[ \t]*(?:(?P<function>func(?:tion)?))[ \t]+(?P<name>\w+)",
    "coffeescript": r"[ \t]*(?:(?P<class>class)[ \t]+(?P<name>[\w.]+)|(?P<name2>[\w.@]+)[ \t]*[=:][ \t]*(?:\([^)]*\))?[ \t]*[-=]>)",
    "prolog": r"(?P<name>[a-z]\w*)\([^%]*\)[ \t]*:-",
    "diff": r"diff --git a/(?P<name>\S+)",
}  # fmt: skip
_KINDS: Final = ("module", "class", "macro", "function")
_COMMENT: Final = re.compile(r"[ \t]*(?:#|'|%|rem\b|dnl\b|::|//|/\*|\*)", re.IGNORECASE)


def has_outline(language: str) -> bool:
    """Whether the language has a pattern."""
    return language in _PATTERNS


def chunk_outline(document: Document, layout: Layout) -> list[Chunk]:
    """Chunks from one definition to the next; comments directly above belong to it."""
    pattern = re.compile(_PATTERNS[document.language])
    units = [Unit(0, 0)]
    module = ""
    lines = layout.lines
    pod = False
    for row, line in enumerate(lines):
        if document.language == "perl" and line[:1] == "=":
            pod = not line.startswith("=cut")
        if pod or not line:
            continue
        match = pattern.match(line)
        if match is None:
            continue
        groups = match.groupdict()
        name = (groups["name"] or groups.get("name2") or groups.get("name3") or "")[:MAX_SYMBOL]
        kind = next((k for k in _KINDS if groups.get(k)), "function")
        start = row
        while start > units[-1].end + 1 and _COMMENT.match(lines[start - 1]):
            start -= 1
        unit = Unit(start, row, kind, name, "" if kind == "module" else module)
        if kind == "module":
            unit.inner = module = name.replace("::", ".")
        unit.definitions.append(Definition(name, kind, row + 1))
        if units[-1].row == start and not units[-1].definitions:
            units.pop()
        units.append(unit)
    for unit, following in itertools.pairwise(units):
        unit.end = following.row - 1
    units[-1].end = layout.count - 1
    units[0].row = 0
    assembler = Assembler(layout, lambda _unit, _depth: None)
    assembler.assemble(units, layout.count, None, 0)
    return assembler.out
