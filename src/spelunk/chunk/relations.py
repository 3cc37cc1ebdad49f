"""Extract references and imports from a parsed file, with one query over its syntax tree.

A query runs in C and returns the nodes of interest; from each node only its
two byte offsets are read. A walk over the nodes in Python costs several times the
parse. What a language's captures mean is written in
:mod:`spelunk.chunk.relation_tables`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any, Final

from spelunk.chunk.extractor import MATCH_LIMIT as MATCH_LIMIT
from spelunk.chunk.extractor import Extractor, Mark
from spelunk.chunk.extractor import extractor_for as extractor_for
from spelunk.chunk.parsed import Parsed, line_starts
from spelunk.chunk.receivers import CLOSING, MAX_READ, MAX_RECEIVER, Splitter
from spelunk.chunk.relation import NO_COLUMNS, Import, Reference, RelationColumns, Relations, Role
from spelunk.chunk.relation_tables._table import Load
from spelunk.types import MAX_SYMBOL

MAX_REFERENCES: Final = 200_000
"""References kept of one file, the first ones; likewise imports. The largest hand-written files of the Linux
kernel have about 10,000."""

MAX_STATEMENT: Final = 20_000
"""Bytes of an import statement or of a macro's body that are read."""

MAX_KNOWN: Final = 8_192
"""Texts remembered for each role: about 2 MB for a language."""

MAX_KNOWN_TEXT: Final = 60
"""Bytes of a text that is remembered; a longer one seldom comes again."""

_ROLES: Final = (
    ("decorate", Role.DECORATE),
    ("inherit", Role.INHERIT),
    ("macro", Role.MACRO),
    ("call", Role.CALL),
    ("element", Role.CALL),
    ("write", Role.WRITE),
    ("type", Role.TYPE),
)
"""Captures in the order in which an earlier one wins at the same place."""

_WORDS_IN_QUOTES: Final = re.compile(rb"[A-Za-z_][\w.]*")
_TEXT_IN_CODE: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\\n]|\\.)\'|//[^\n]*|/\*.*?\*/', re.DOTALL)
_CALL_IN_CODE: Final = re.compile(rb"\b([A-Za-z_]\w*)(!?)[ \t]*\(")
_BEFORE_CALL: Final = re.compile(rb"((?:\w+(?:\.|->|::))*\w+)(?:\.|->|::)$")
_STATEMENTS: Final = frozenset(b"if for while switch return sizeof match catch defined".split())
_SEPARATING: Final = frozenset(b".:>")
_new: Final = tuple.__new__

Part = tuple[int, str, str, str, bool]
"""Byte offset, module, name, alias, exported of an import."""


_ReadLoad = Callable[[str, str, str], Iterable[Load]]


def relations(parsed: Parsed) -> Relations:
    """The references and imports of a file, in the order of their lines; none where it has no tree.

    The same file gives the same relations on every machine. Nothing is raised
    for what a file contains.
    """
    names, roles, lines, receivers, imports = relation_columns(parsed)
    references = [_new(Reference, row) for row in zip(names, roles, lines, receivers, strict=True)]
    return Relations(references, imports)


def relation_columns(parsed: Parsed) -> RelationColumns:
    """What :func:`relations` returns, column by column."""
    extractor = extractor_for(parsed)
    if extractor is None:
        return NO_COLUMNS
    marks, parts = extract(parsed, extractor)
    if not marks and not parts:
        return NO_COLUMNS
    starts = line_starts(parsed)
    raw_line = parsed.rows.raw_line
    places = sorted(marks)[:MAX_REFERENCES]
    lines = [*map(bisect_right, repeat(starts), places)]
    if parsed.document.lines is not None:
        lines = [raw_line(row - 1) for row in lines]
    found = [*map(marks.__getitem__, places)]
    imports: list[Import] = []
    for at, module, name, alias, exported in parts[:MAX_REFERENCES]:
        line = raw_line(bisect_right(starts, at) - 1)
        imports.append(Import(module, name, alias, line, exported))
    return RelationColumns(
        [mark[0] for mark in found], [mark[1] for mark in found], lines, [mark[2] for mark in found], imports
    )


def references_within(parsed: Parsed, first: int, last: int) -> list[Reference]:
    """The references on some lines, as :func:`relations` gives them; only those lines are read where that is enough."""
    extractor = extractor_for(parsed)
    if extractor is None:
        return []
    if parsed.captured or parsed.document.lines is not None or extractor.table.reads_whole_files:
        return [r for r in relations(parsed).references if first <= r.line <= last]
    import tree_sitter

    cursor = tree_sitter.QueryCursor(extractor.query(parsed.source), match_limit=MATCH_LIMIT)
    cursor.set_point_range((first - 1, 0), (last, 0))
    marks, _ = _read(cursor.captures(parsed.tree.root_node), parsed.source, extractor)
    starts = line_starts(parsed)
    found = ((bisect_right(starts, at), mark) for at, mark in sorted(marks.items()))
    return [
        Reference(name, role, line, receiver)
        for line, (name, role, receiver) in found
        if first <= line <= last
    ]


def extract(parsed: Parsed, extractor: Extractor) -> tuple[dict[int, Mark], list[Part]]:
    """References by the byte offset of the last byte of their name, and imports in order."""
    import tree_sitter

    source = parsed.source
    found = parsed.captured
    if not found:
        # captures by name, not matches: the roles stay apart, and no match object is made
        cursor = tree_sitter.QueryCursor(extractor.query(source), match_limit=MATCH_LIMIT)
        found = cursor.captures(parsed.tree.root_node)
    return _read(found, source, extractor)


def _read(
    found: dict[str, list[Any]], source: bytes, extractor: Extractor
) -> tuple[dict[int, Mark], list[Part]]:
    """What captured nodes refer to and import."""
    table, splitter = extractor.table, extractor.splitter
    marks: dict[int, Mark] = {}
    parts: list[Part] = []
    if table.imports is not None:
        for node in found.get("import", ()):
            _add_imports(marks, parts, node, source, table.imports)
    for capture, role in _ROLES:
        nodes = found.get(capture)
        if nodes is not None:
            _add_marks(marks, nodes, role, source, extractor)
            if capture == "element":
                _drop_elements(marks, nodes)
    if "method" in found:
        _add_methods(marks, found["method"], source, splitter)
    if "bare" in found and "global" in found:
        _add_bare(marks, found["bare"], found["global"], source)
    if "maybe" in found:
        _add_bare_calls(marks, found, source)
    if "quoted" in found:
        _add_quoted(marks, found["quoted"], source)
    if "fragment" in found:
        _add_fragments(marks, found["fragment"], source)
    if table.loads is not None:
        names, read = table.loads
        calls = [(at + 1 - len(mark[0]), at + 1) for at, mark in marks.items() if mark[0] in names]
        calls += [(node.start_byte, node.end_byte) for node in found.get("load", ())]
        _add_loads(parts, calls, source, read)
    for node in found.get("skip", ()):
        marks.pop(node.end_byte - 1, None)
    if "region" in found:
        _retype(marks, found["region"])
    if "parameter" in found:
        _drop_parameters(marks, found["parameter"], source)
    parts.sort()
    return marks, parts


def _add_marks(
    marks: dict[int, Mark], nodes: list[Any], role: Role, source: bytes, extractor: Extractor
) -> None:
    """References whose node holds the receiver and the name."""
    known = extractor.known.setdefault(role, {})
    if len(known) > MAX_KNOWN:
        known.clear()
    read = extractor.splitter.read
    for node in nodes:
        start, end = node.start_byte, node.end_byte
        if end - start > MAX_READ:
            start = end - MAX_READ
        written = source[start:end]
        entry = known.get(written)
        if entry is None:
            name, receiver, trailing = read(written)
            entry = ((name, role, receiver), trailing + 1)
            if end - start <= MAX_KNOWN_TEXT:
                known[written] = entry
        mark, trailing = entry
        if mark[0]:
            old = marks.setdefault(end - trailing, mark)
            if old is not mark and old[1] is role and len(old[2]) < len(mark[2]):
                marks[end - trailing] = mark


def _drop_elements(marks: dict[int, Mark], nodes: list[Any]) -> None:
    """Forget the elements of HTML, which begin with a small letter."""
    for node in nodes:
        mark = marks.get(node.end_byte - 1)
        if mark is not None and not mark[2] and mark[0][:1].islower():
            del marks[node.end_byte - 1]


def _add_methods(marks: dict[int, Mark], nodes: list[Any], source: bytes, splitter: Splitter) -> None:
    """Calls whose node is the name alone: the receiver is read backwards from it."""
    backwards = source[::-1]
    size = len(source)
    before = splitter.before.match
    known: dict[bytes, Mark] = {}
    for node in nodes:
        start, end = node.start_byte, node.end_byte
        if end - start > MAX_READ:
            continue
        match = before(backwards, size - start)
        window = False
        if match is not None:
            last = match.end()
            start = size - last
            window = last < size and backwards[last] in CLOSING
            if window or end - start > MAX_READ:
                start = max(0, end - MAX_READ)
        written = source[start:end]
        mark = known.get(written)
        if mark is None:
            name, receiver, _ = splitter.read(written, window=window)
            mark = known[written] = (name, Role.CALL, receiver)
        if mark[0]:
            marks.setdefault(end - 1, mark)


def _add_bare(marks: dict[int, Mark], nodes: list[Any], shared: list[Any], source: bytes) -> None:
    """Assignments to names that the file says are variables of a module or fields."""
    names = {source[n.start_byte : n.end_byte] for n in shared}
    for node in nodes:
        name = source[node.start_byte : node.end_byte]
        if name in names and len(name) <= MAX_SYMBOL:
            marks.setdefault(node.end_byte - 1, (name.decode("utf-8", "replace"), Role.WRITE, ""))


def _add_bare_calls(marks: dict[int, Mark], found: dict[str, list[Any]], source: bytes) -> None:
    """Names alone that no variable of the file has: they are calls without arguments (Ruby)."""
    local = {source[n.start_byte : n.end_byte] for n in found.get("local", ())}
    taken = {node.end_byte - 1 for node in found.get("skip", ())}
    known: dict[bytes, Mark] = {}
    for node in found["maybe"]:
        end = node.end_byte
        name = source[node.start_byte : end]
        if not name:
            continue  # a missing operand
        if name in local or end - 1 in taken or len(name) > MAX_SYMBOL:
            continue
        mark = known.get(name)
        if mark is None:
            mark = known[name] = (name.decode("utf-8", "replace"), Role.CALL, "")
        marks.setdefault(end - 1, mark)


def _add_quoted(marks: dict[int, Mark], nodes: list[Any], source: bytes) -> None:
    """Names in a type that stands in quotes."""
    for node in nodes:
        start, end = node.start_byte, node.end_byte
        if end - start <= MAX_READ:
            for match in _WORDS_IN_QUOTES.finditer(source, start, end):
                receiver, _, name = match.group().decode("utf-8", "replace").rpartition(".")
                if name:
                    marks.setdefault(match.end() - 1, (name, Role.TYPE, receiver[-MAX_RECEIVER:]))


def _add_fragments(marks: dict[int, Mark], nodes: list[Any], source: bytes) -> None:
    """Calls in code that the grammar does not parse: the bodies and the arguments of macros."""
    for node in nodes:
        start = node.start_byte
        code = source[start : min(node.end_byte, start + MAX_STATEMENT)]
        if b"(" not in code:
            continue
        code = _TEXT_IN_CODE.sub(lambda m: b" " * len(m.group()), code)
        for match in _CALL_IN_CODE.finditer(code):
            name, bang = match.groups()
            if name in _STATEMENTS or len(name) > MAX_SYMBOL:
                continue
            receiver = ""
            at = match.start()
            if at and code[at - 1] in _SEPARATING:
                before = _BEFORE_CALL.search(code, max(0, at - MAX_RECEIVER), at)
                if before is not None:
                    receiver = before.group(1).decode("utf-8", "replace")
            role = Role.MACRO if bang else Role.CALL
            marks.setdefault(start + match.end(1) - 1, (name.decode("utf-8", "replace"), role, receiver))


def _retype(marks: dict[int, Mark], regions: list[Any]) -> None:
    """What looks like a call inside a declaration of types is a type."""
    spans = sorted((node.start_byte, node.end_byte) for node in regions)
    starts = [start for start, _ in spans]
    for at, (name, role, receiver) in marks.items():
        if role is Role.CALL:
            n = bisect_right(starts, at) - 1
            if n >= 0 and at < spans[n][1]:
                marks[at] = (name, Role.TYPE, receiver)


def _drop_parameters(marks: dict[int, Mark], nodes: list[Any], source: bytes) -> None:
    """Forget types that are the type parameters of a definition in the file."""
    names = {source[n.start_byte : n.end_byte].decode("utf-8", "replace") for n in nodes}
    for at in [at for at, mark in marks.items() if mark[1] is Role.TYPE and not mark[2] and mark[0] in names]:
        del marks[at]


def _add_imports(marks: dict[int, Mark], parts: list[Part], node: Any, source: bytes, imports: Any) -> None:
    """The imports of one statement, and a reference for each name that it takes."""
    start = node.start_byte
    text = source[start : min(node.end_byte, start + MAX_STATEMENT)].decode("utf-8", "replace")
    plain = text.isascii()
    for module, name, alias, offset, exported in imports(text):
        at = start + (offset if plain else len(text[:offset].encode("utf-8", "replace")))
        if (not module and not name) or len(name) > MAX_SYMBOL:
            continue
        parts.append((at, module, name, alias[:MAX_SYMBOL], exported))
        shown = alias if name == "default" else name
        if shown and shown != "*":
            last = at + len(shown.encode("utf-8", "replace")) - 1
            marks[last] = (shown, Role.IMPORT, module[-MAX_RECEIVER:])


def _add_loads(parts: list[Part], calls: list[tuple[int, int]], source: bytes, read: _ReadLoad) -> None:
    """The imports that calls make; each is the range of the called name, which is ASCII."""
    for start, end in calls:
        before = source[max(0, start - MAX_READ) : start].decode("utf-8", "replace")
        after = source[end : end + MAX_READ].decode("utf-8", "replace")
        for module, name, alias in read(before, source[start:end].decode("utf-8", "replace"), after):
            parts.append((end - 1, module, name[:MAX_SYMBOL], alias[:MAX_SYMBOL], False))
