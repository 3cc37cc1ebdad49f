"""C headers that are tables of macros: cut without a parse, with the definitions that a parse gives."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from spelunk.chunk import chunk, parse
from spelunk.chunk.code import chunk_code
from spelunk.chunk.grammar import grammar_for
from spelunk.chunk.macro_table import LEAST_MACROS, macros_of_table
from spelunk.chunk.parsed import Parsed
from spelunk.chunk.relations import relation_columns
from spelunk.chunk.rows import MAX_CHARS, TextRows
from spelunk.config import Options
from spelunk.types import Definition, Document

HEAD = '/*\n * Copyright, "as is"\n * #define not at the start\n */\n#ifndef REGS_H\n#define REGS_H\n\n'


def document_of(text: str) -> Document:
    return Document("regs.h", text, b"", "c")


def table(*extra: str, macros: int = 300) -> Document:
    lines = [
        f"{'// block ' + str(n) + chr(10) if n % 7 == 0 else ''}#define mmREG{n}_CNTL__FIELD_MASK   0x{n:08X}L"
        for n in range(macros)
    ]
    return document_of(HEAD + "\n".join([*lines, *extra]) + "\n\n#endif\n")


def definitions(document: Document) -> list[Definition]:
    return sorted(d for c in chunk(parse(document, Options())) for d in c.definitions)


def by_tree(document: Document) -> list[Definition]:
    grammar = grammar_for("c")
    assert grammar is not None
    source = document.text.encode()
    parsed = Parsed(document, TextRows(document), grammar, grammar.parser.parse(source), source, {})
    found = chunk_code(parsed)
    assert found is not None
    assert not any(len(column) for column in relation_columns(parsed))
    return sorted(d for c in found for d in c.definitions)


@pytest.mark.parametrize(
    "extra",
    [
        (),
        ("#define EMPTY", "# define SPACED  (REG1 << 2)", "#define LAST 1 | 2 "),
        ("#ifdef MORE", "#define TWICE 1", "#else", "#define TWICE 2", "#endif"),
        ("/* two", "   lines */", "", "#define A_NAME OTHER_NAME", "// a comment"),
    ],
)
def test_definitions_are_those_of_a_parse(extra: tuple[str, ...]) -> None:
    document = table(*extra)
    parsed = parse(document, Options())
    assert parsed.tree is None and parsed.macros is not None
    assert definitions(document) == by_tree(document)


@pytest.mark.parametrize(
    "line",
    [
        "#define CALL(x) x",
        "#define CALLS other(1)",
        '#define TEXT "a"',
        "#define LETTER 'a'",
        "#define LONG 1 \\\n  + 2",
        "#define NOTED 1 /* why */",
        "#include <linux/types.h>",
        "int x;",
        "/* open\n#define NONE 1\n*/",
    ],
)
def test_a_header_with_anything_else_is_parsed(line: str) -> None:
    parsed = parse(table(line), Options())
    assert parsed.macros is None and parsed.tree is not None


def test_a_short_header_and_another_language_are_parsed() -> None:
    assert parse(table(macros=LEAST_MACROS - 3), Options()).macros is None
    assert parse(replace(table(), language="python"), Options()).macros is None


def test_chunks_are_whole_lines_that_cover_the_file_and_begin_at_comments() -> None:
    document = table()
    chunks = chunk(parse(document, Options()))
    lines = document.text.split("\n")
    assert "\n".join(document.text[c.start : c.end] for c in chunks).split() == document.text.split()
    assert all(c.end - c.start <= MAX_CHARS for c in chunks)
    assert len(chunks) < len(document.text) / MAX_CHARS * 1.4
    assert all(lines[c.start_line - 1].startswith("// block") for c in chunks[1:])
    assert all(c.kind == "macro" and c.symbol == c.definitions[0].name for c in chunks)
    for c in chunks:
        assert all(c.start_line <= d.line <= c.end_line for d in c.definitions)


def test_what_is_looked_for_takes_time_linear_in_a_line() -> None:
    # no limit of time: a pattern that gives back takes longer than any test run on this line
    long = "#define A " + "x " * 50_000 + "("
    assert macros_of_table(TextRows(table(long))) is None
