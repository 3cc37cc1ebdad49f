"""Cut code by line patterns, for languages without a grammar that can be trusted.

The grammars of Perl and COBOL do not end on some short inputs, that of assembly
knows one dialect of many, and the other languages here have none. Their
definitions stand at the start of a line, so one expression for each language
finds them. The units are assembled like those of parsed code.
"""

from __future__ import annotations

import itertools
import re
from typing import Final

from spelunk.chunk.assemble import Assembler, Unit
from spelunk.chunk.rows import TextRows
from spelunk.types import MAX_SYMBOL, Chunk, Definition

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


def has_pattern(language: str) -> bool:
    """Whether the definitions of a language are found by a pattern."""
    return language in _PATTERNS


def chunk_by_pattern(language: str, rows: TextRows) -> list[Chunk]:
    """Chunks from one definition to the next; comments directly above belong to the one below them.

    A definition is taken to end before the next one begins.
    """
    pattern = re.compile(_PATTERNS[language])
    units = [Unit(0, 0)]
    name_rows = [0]
    module = ""
    lines = rows.lines
    in_documentation = False  # between =pod and =cut
    for row, line in enumerate(lines):
        if language == "perl" and line[:1] == "=":
            in_documentation = not line.startswith("=cut")
        if in_documentation or not line:
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
        if units[-1].row == start and not units[-1].kind:
            units.pop()
            name_rows.pop()
        units.append(unit)
        name_rows.append(row)
    for unit, following in itertools.pairwise([*units, Unit(rows.count, rows.count)]):
        unit.end = following.row - 1
    for unit, row in zip(units, name_rows, strict=True):
        if unit.kind:
            end_line = rows.end_line(row, unit.end + 1)
            unit.definitions.append(Definition(unit.symbol, unit.kind, row + 1, unit.scope, end_line))
    units[0].row = 0
    assembler = Assembler(rows, lambda _unit, _depth: None)
    assembler.assemble(units, rows.count, None, 0)
    return assembler.out
