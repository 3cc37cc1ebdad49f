"""Mend what a grammar misreads: the same text with some bytes changed, so that all positions stay.

The grammar of TypeScript joins a member of an interface that ends without a semicolon with a call
signature that begins with type parameters on the next line (``a: B`` and ``<T>(x: T): C``), and
takes the rest of the file for an error. A semicolon in place of a blank before the ``<`` parts them.

C and C++: branches of an ``#if`` that each open a brace (``int f(int a) {`` / ``#else`` /
``int g(int b) {`` / ``#endif``) share the text that closes it. Such directives become blanks, and
the later branches open nothing: their braces become semicolons.
"""

from __future__ import annotations

import re
from typing import Final

PREPROCESSED: Final = frozenset({"c", "cpp", "objc", "cuda", "arduino"})
"""Grammars of C and what grew out of it."""

MENDABLE: Final = frozenset({"typescript"}) | PREPROCESSED
"""Grammars whose texts are mended where their tree has errors. Not TSX, where ``<`` begins an element."""

MAX_ABOVE: Final = 60
"""Lines of comments between two members."""

_SIGNATURE: Final = re.compile(rb"^[ \t]+(?=<[\w\s$])", re.MULTILINE)
_COMMENT: Final = re.compile(rb"^\s*(?://|/?\*)|^\s*$")
_ENDED: Final = re.compile(rb"[\w>)\]}'\"]\s*$")
"""The end of a line whose member is complete; none behind an operator or an opening bracket."""


_HIDDEN: Final = re.compile(
    rb"/\*.*?(?:\*/|\Z)|//[^\n]*|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'", re.DOTALL
)
"""Comments and literals, whose braces do not count."""
_DIRECTIVE: Final = re.compile(
    rb"^[ \t]*#[ \t]*(if|ifdef|ifndef|elif|elifdef|elifndef|else|endif)\b[^\n]*(?:(?<=\\)\n[^\n]*)*",
    re.MULTILINE,
)
"""What begins, parts and ends the branches, with the lines that a backslash joins."""
_NOT_NEWLINE: Final = re.compile(rb"[^\n]")
_BRACE: Final = re.compile(rb"[{}]")


def mended(source: bytes, grammar: str) -> bytes:
    """A text that a grammar of :data:`MENDABLE` reads better; the same object where nothing is to be mended.

    Args:
        source: UTF-8.
        grammar: Its name.

    Returns:
        As many bytes, with every newline where it was.
    """
    return _balanced(source) if grammar in PREPROCESSED else _with_semicolons(source)


_Brace = tuple[int, bool]
"""The offset of a brace, and whether it opens."""


class _Group:
    """One ``#if`` with its branches: the spans of its directives, and the braces that each branch leaves unmatched."""

    __slots__ = ("branches", "directives")

    def __init__(self, span: tuple[int, int]) -> None:
        self.directives = [span]
        self.branches: list[list[_Brace]] = [[]]

    def add(self, offset: int, opens: bool) -> None:
        """Take a brace into the last branch; one that closes takes away the one that it closes."""
        branch = self.branches[-1]
        if not opens and branch and branch[-1][1]:
            branch.pop()
        else:
            branch.append((offset, opens))

    def splits(self) -> bool:
        """Whether there are several branches, and all leave the same braces unmatched."""
        first, *others = ([opens for _, opens in branch] for branch in self.branches)
        return bool(first and others) and all(other == first for other in others)


def _balanced(source: bytes) -> bytes:
    """A text of C in which no ``#if`` opens or closes a brace once for each branch; the first branch does."""
    plain = _HIDDEN.sub(lambda m: _NOT_NEWLINE.sub(b" ", m[0]), source)
    events = [(m.start(), m) for pattern in (_DIRECTIVE, _BRACE) for m in pattern.finditer(plain)]
    events.sort(key=lambda event: event[0])
    out: bytearray | None = None
    groups: list[_Group] = []
    behind = 0  # the last directive
    for offset, match in events:
        if match.re is _BRACE:
            if groups and offset >= behind:
                groups[-1].add(offset, match[0] == b"{")
            continue
        behind = match.end()
        if match[1].startswith(b"if"):
            groups.append(_Group(match.span()))
            continue
        if not groups:
            continue
        groups[-1].directives.append(match.span())
        if match[1] != b"endif":
            groups[-1].branches.append([])
            continue
        group = groups.pop()
        if groups:
            for brace in group.branches[0]:
                groups[-1].add(*brace)
        if group.splits():
            out = bytearray(source) if out is None else out
            for start, end in group.directives:
                out[start:end] = _NOT_NEWLINE.sub(b" ", source[start:end])
            for branch in group.branches[1:]:
                for at, opens in branch:
                    out[at] = ord(";" if opens else " ")
    return source if out is None else bytes(out)


def _with_semicolons(source: bytes) -> bytes:
    """A text of TypeScript with semicolons before call signatures; the same object where nothing is to be mended."""
    out: bytearray | None = None
    for match in _SIGNATURE.finditer(source):
        if _ENDED.search(_line_above(source, match.start())):
            out = bytearray(source) if out is None else out
            out[match.end() - 1] = ord(";")
    return source if out is None else bytes(out)


def _line_above(source: bytes, start: int) -> bytes:
    """The nearest line above one that begins at an offset, and that is neither blank nor a comment."""
    for _ in range(MAX_ABOVE):
        if start <= 0:
            break
        end = start - 1
        start = source.rfind(b"\n", 0, end) + 1
        line = source[start:end]
        if not _COMMENT.search(line):
            return line.partition(b" //")[0]
    return b""
