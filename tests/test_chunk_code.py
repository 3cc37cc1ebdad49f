"""Definitions of every language with a table, against reviewed expectations.

``tests/fixtures/chunk/golden.txt`` holds one line a chunk when every definition
is a chunk of its own: lines, kind, qualified symbol, and what else it defines.
"""

from pathlib import Path

import pytest

from spelunk.chunk import chunk, code, layout
from spelunk.config import Options
from spelunk.languages import language_of
from spelunk.types import Document

FIXTURES = Path(__file__).parent / "fixtures" / "chunk"
OPTIONS = Options()


def sources():
    return sorted(p for p in FIXTURES.iterdir() if p.suffix != ".txt" and p.is_file())


def document(text, language):
    return Document("a", text, b"", language)


def render(text, language):
    rows = []
    for c in chunk(document(text, language), OPTIONS):
        name = f"{c.scope}.{c.symbol}" if c.scope else c.symbol
        others = " ".join(f"{d.name}:{d.kind}:{d.line}" for d in c.definitions)
        rows.append(f"{c.start_line}-{c.end_line} {c.kind} {name} | {others}".rstrip())
    return rows


def golden():
    sections, current = {}, []
    for line in (FIXTURES / "golden.txt").read_text().split("\n"):
        if line.startswith("== "):
            current = sections[line[3:]] = []
        elif line:
            current.append(line)
    return sections


@pytest.fixture
def fine(monkeypatch):
    """Join nothing: each definition becomes visible as a chunk."""
    for module, name, value in (
        (code, "TARGET_CHARS", 1),
        (code, "SMALL_CHARS", 0),
        (code, "TINY_CHARS", 0),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.mark.parametrize("path", sources(), ids=lambda p: p.stem)
def test_definitions_match_the_golden_file(path, fine):
    assert render(path.read_text(), language_of(path.name)) == golden()[path.name]


def test_the_golden_file_has_no_section_without_a_source():
    assert set(golden()) == {p.name for p in sources()}
