"""Find every use of one name in a parsed file, on demand: for questions, not for indexing."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from typing import Any, Final

from spelunk.chunk import chunk
from spelunk.chunk.extractor import Mark, extractor_for
from spelunk.chunk.parsed import Parsed, line_starts
from spelunk.chunk.relation import Reference, Role
from spelunk.chunk.relations import extract
from spelunk.chunk.scopes import PARAMETER, ancestors, binds, local_scope, names_member

MAX_PLACES: Final = 20_000
"""Occurrences of a name looked at in one file."""

_NOT_CODE: Final = re.compile(
    r"string|comment|char|regex|heredoc|text|template_lit|escape|content|prompt", re.I
)
_WORDLIKE: Final = re.compile(r"\w")
_MEMBER: Final = re.compile(rb"(?:\.|->|::|\\)[ \t]*$")
_SHARED: Final = frozenset({"global_statement", "nonlocal_statement"})


def uses(parsed: Parsed, name: str) -> list[Reference]:
    """Every use of a name in code, in order: with its role, :attr:`Role.USE` where no other applies.

    Left out are comments, strings, the names of definitions, of declared
    properties and fields, the keys of keyed literals, the names of keyword
    arguments, and the parameters and local variables of that name with all that
    they shadow.
    Scopes are functions, and blocks where the language has them.
    """
    extractor = extractor_for(parsed)
    if extractor is None or not name:
        return []
    source = parsed.source
    marks, _ = extract(parsed, extractor)
    language = parsed.grammar.name if parsed.grammar is not None else ""
    word = name.encode("utf-8", "replace")
    places = _places(parsed, name, marks)
    declared: set[int] = set()
    hidden: list[tuple[int, int]] = []
    shared: list[tuple[int, int]] = []
    for at, node in places:
        chain = ancestors(node)
        if any(n.type in _SHARED for n in chain[1:3]):
            scope = local_scope(chain, language)
            if scope is not None:
                shared.append((scope.start_byte, scope.end_byte))
            continue
        if at + len(word) - 1 not in marks and names_member(chain):
            declared.add(at)
            continue
        bound = binds(chain, language) if not _is_member(source, at) else ""
        if bound:
            scope = local_scope(chain, language)
            if scope is not None:
                hidden.append((scope.start_byte, scope.end_byte))
            elif bound == PARAMETER:  # of a declaration without a body
                hidden.append((node.start_byte, node.end_byte))
    hidden = [span for span in hidden if span not in shared]
    defined = Counter(
        definition.line
        for piece in chunk(parsed)
        for definition in piece.definitions
        if definition.name == name
    )
    starts = line_starts(parsed)
    found: list[Reference] = []
    for at, _node in places:
        mark = marks.get(at + len(word) - 1)
        line = parsed.rows.raw_line(bisect_right(starts, at) - 1)
        member = _is_member(source, at)
        if mark is not None and mark[0] != name:
            mark = None
        if (mark is None or (mark[1] is Role.WRITE and not mark[2])) and defined[line] > 0 and not member:
            defined[line] -= 1
            continue
        if at in declared:
            continue
        receiver = mark[2] if mark is not None else ""
        if not receiver and not member and any(start <= at < end for start, end in hidden):
            continue
        if mark is None and member:
            receiver = extractor.splitter.receiver(source, at, at + len(word))
        found.append(Reference(name, Role.USE if mark is None else mark[1], line, receiver))
    return found


def _places(parsed: Parsed, name: str, marks: dict[int, Mark]) -> list[tuple[int, Any]]:
    """Byte offset and node of each occurrence in code."""
    word = name.encode("utf-8", "replace")
    before = rb"(?<![\w\x80-\xff])" if _WORDLIKE.match(name) else b""
    after = rb"(?![\w\x80-\xff])" if _WORDLIKE.match(name[-1]) else b""
    root = parsed.tree.root_node
    places: list[tuple[int, Any]] = []
    for match in re.finditer(before + re.escape(word) + after, parsed.source):
        at, end = match.span()
        node = root.descendant_for_byte_range(at, end)
        if node is None:
            continue
        mark = marks.get(end - 1)
        known = mark is not None and mark[0] == name
        if not known and (node.child_count or _NOT_CODE.search(node.type)):
            continue
        if not known and (node.start_byte != at or node.end_byte != end):
            continue
        places.append((at, node))
        if len(places) == MAX_PLACES:
            break
    return places


def _is_member(source: bytes, at: int) -> bool:
    """Whether a name stands behind a dot, and so is no variable."""
    return _MEMBER.search(source, max(0, at - 8), at) is not None
