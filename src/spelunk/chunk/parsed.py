"""Parse a document once: its rows, its grammar and its syntax tree.

Plain parsing cannot be interrupted, and some grammars take quadratic time or
never end on hostile texts. Such texts are recognised before they are parsed, or
parsed with a limit that counts steps, so that the same text always gives the
same result.
"""

from __future__ import annotations

import re
from itertools import accumulate, count
from operator import add
from typing import Any, Final, NamedTuple

from spelunk.chunk.grammar import ASCII_ONLY, ENDLESS, ERROR_KIND, LanguageGrammar, grammar_for
from spelunk.chunk.macro_table import LANGUAGES as TABLES_IN
from spelunk.chunk.macro_table import Macro, macros_of_table
from spelunk.chunk.mended import MENDABLE, mended
from spelunk.chunk.rows import TextRows
from spelunk.types import Document

MAX_LINE: Final = 20_000
"""Characters. A file with a longer line is not parsed: it holds data, or it is hostile. Some grammars
take quadratic time on one expression (100 kB of ``a<b(`` in a shell script: 31 s)."""

MAX_UNCLOSED: Final = 1_000
"""A file with more brackets opened than closed, or the reverse, is not parsed, for the same reason."""

MAX_STEPS: Final = 2_000
"""Hundreds of parser steps, besides one hundred for each byte, after which a parse is given up.
Well-formed code takes two steps a byte."""

_QUOTED: Final = re.compile(
    rb"""//[^\n]*|/\*[^*]*(?:\*(?!/)[^*]*)*|"[^"\\\n]*(?:\\.[^"\\\n]*)*"?|'[^'\\\n]*(?:\\.[^'\\\n]*)*'?"""
    rb"""|`[^`\\]*(?:\\.[^`\\]*)*`?""",
    re.DOTALL,
)
"""Strings and comments. One that is not closed reaches to the end, so that no text takes quadratic time. Runs of
ordinary characters are one step each: an alternative for every character takes ten times as long."""
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"()[]{}"))
_MAX_PASSES: Final = 100
"""Times that empty pairs of brackets are taken out; code is nested some ten deep."""
_CLOSING: Final = dict(zip(b"([{", b")]}", strict=True))

_ASCII: Final = bytes(range(128)) + b"x" * 128
"""Every byte of a character outside ASCII as a letter: positions stay, and names are read from the source."""


class Parsed(NamedTuple):
    """A document with its syntax tree, made once and shared by all that read the tree.

    Attributes:
        document: What was parsed.
        rows: Its rows.
        grammar: The grammar of its language; None where the text was not parsed.
        tree: The ``tree_sitter.Tree``; None where the text was not parsed. Nodes do not keep it alive.
        source: The UTF-8 bytes that the tree's positions refer to.
        captured: The nodes that one query has found, by capture, for other readers of the tree that ask
            for the same; filled by the first. None where there is no tree.
        macros: What a table of macros defines, which needs no tree; None of any other file.
        is_mended: Whether the tree is that of a changed text (:mod:`spelunk.chunk.mended`).
    """

    document: Document
    rows: TextRows
    grammar: LanguageGrammar | None = None
    tree: Any = None
    source: bytes = b""
    captured: dict[str, list[Any]] | None = None
    macros: list[Macro] | None = None
    is_mended: bool = False


def line_starts(parsed: Parsed) -> list[int]:
    """The byte offset in the source of each row, and one beyond the end."""
    source = parsed.source
    if len(source) == len(parsed.rows.text):  # every character is a byte
        return parsed.rows.starts()
    lengths = map(len, source.split(b"\n"))
    return list(map(add, accumulate(lengths, initial=0), count()))  # every step runs in C


def parse_code(document: Document) -> Parsed:
    """Parse a source file; without a tree where the language has no grammar or the text is not fit for it."""
    rows = TextRows(document)
    grammar = grammar_for(document.language)
    if grammar is None or is_hostile(rows):
        return Parsed(document, rows)
    if document.language in TABLES_IN:
        macros = macros_of_table(rows)
        if macros is not None:
            return Parsed(document, rows, macros=macros)
    source = document.text.encode("utf-8", "replace")
    tree = _tree(grammar, source.translate(_ASCII) if grammar.name in ASCII_ONLY else source)
    if tree is None:
        return Parsed(document, rows)
    better = _mended(grammar, source, tree) if grammar.name in MENDABLE and tree.root_node.has_error else tree
    return Parsed(document, rows, grammar, better, source, {}, is_mended=better is not tree)


def _tree(grammar: LanguageGrammar, source: bytes) -> Any:
    """The tree; None where the parse was given up."""
    # bytes, not callbacks: in 0.26.1 what a read callback returns is never freed, and only
    # with one can a parse be stopped
    if grammar.name not in ENDLESS or _is_nested(source):
        return grammar.parser.parse(source)
    left = MAX_STEPS + len(source)

    def stop(*_: object) -> bool:
        nonlocal left
        left -= 1
        return left < 0

    try:
        return grammar.parser.parse(lambda at, _: source[at:], progress_callback=stop)
    except ValueError:  # stopped
        grammar.parser.reset()
        return None


def _mended(grammar: LanguageGrammar, source: bytes, tree: Any) -> Any:
    """The tree of the mended text, where fewer bytes of it are errors."""
    wrong = wrong_bytes(tree.root_node)
    changed = mended(source, grammar.name) if wrong else source
    other = None if changed is source else _tree(grammar, changed)
    return tree if other is None or wrong_bytes(other.root_node) >= wrong else other


def wrong_bytes(root: Any) -> int:
    """The bytes at the top level of a tree that are errors."""
    if root.kind_id == ERROR_KIND:
        return int(root.end_byte - root.start_byte)
    return sum(node.end_byte - node.start_byte for node in root.children if node.kind_id == ERROR_KIND)


def _is_nested(source: bytes) -> bool:
    """Whether every bracket outside strings and comments closes the last one opened."""
    brackets = _QUOTED.sub(b"", source).translate(None, _NO_BRACKETS)
    for _ in range(_MAX_PASSES):
        fewer = brackets.replace(b"()", b"").replace(b"[]", b"").replace(b"{}", b"")
        if not fewer:
            return True
        if len(fewer) == len(brackets):
            return False
        brackets = fewer
    open_ = bytearray()
    for bracket in brackets:
        closing = _CLOSING.get(bracket)
        if closing is not None:
            open_.append(closing)
        elif not open_ or open_.pop() != bracket:
            return False
    return not open_


def is_hostile(rows: TextRows) -> bool:
    """Whether a parser could take quadratic time on the text."""
    text = rows.text
    if len(text) > MAX_LINE and max(map(len, rows.lines)) > MAX_LINE:
        return True
    return any(abs(text.count(a) - text.count(b)) > MAX_UNCLOSED for a, b in ("()", "[]", "{}"))
