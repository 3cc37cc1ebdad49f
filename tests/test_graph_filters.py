"""Searches narrowed by relation: ``calls:``, ``called-by:``, ``uses:``, ``implements:``."""

from __future__ import annotations

import pytest

from spelunk.search.corpus import SearchTarget
from spelunk.search.engine import SearchResult, search
from spelunk.search.query import parse
from spelunk.search.request import SearchRequest
from spelunk.testing import MemoryEmbedder, MemoryReader

PAD = "".join(f"    step_{n} = 'a line that makes this function a chunk of its own'\n" for n in range(24))
FILES = {
    "store.py": (
        f"class Store:\n    def flush(self):\n{PAD.replace('    step', '        step')}        encode()\n\n\n"
        f"class MemoryStore(Store):\n    def flush(self):\n{PAD.replace('    step', '        step')}        return 1\n\n\n"
        f"def encode():\n{PAD}    return 2\n\n\n"
        f"def other():\n{PAD}    return 3\n"
    ),
    "main.py": f"from store import Store, encode\n\n\ndef main():\n{PAD}    encode()\n\n\ndef typed(store: Store):\n{PAD}    return 4\n",
    "notes.md": "# Encode\n\nHow a line is encoded and flushed.\n",
}


def ask(query: str, *, mode: str = "lexical") -> SearchResult:
    embedder = MemoryEmbedder([])
    reader = MemoryReader.of_files(FILES, embedder=embedder)
    request = SearchRequest(query, mode=mode)
    return search([SearchTarget(reader, lambda: embedder)], parse(query), request)


def found(query: str, *, mode: str = "lexical") -> set[str]:
    return {f"{hit.path}:{hit.scope}.{hit.symbol}".replace(":.", ":") for hit in ask(query, mode=mode).hits}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("calls:encode", {"store.py:Store.flush", "main.py:main"}),
        ("calls:encode path:main", {"main.py:main"}),
        ("line calls:encode", {"store.py:Store.flush", "main.py:main"}),
        ("called-by:main", {"store.py:encode"}),
        ("implements:Store.flush", {"store.py:MemoryStore.flush"}),
        ("uses:Store kind:function", {"main.py:typed"}),
        ("calls:encode -called-by:nothing", {"store.py:Store.flush", "main.py:main"}),
        ("line -calls:encode path:main", {"main.py:typed"}),
        ("calls:nothing_at_all", set()),
        ("calls:encode calls:other", {"store.py:Store.flush", "main.py:main"}),
    ],
)
def test_filters_keep_the_chunks_of_the_definitions(query: str, names: set[str]) -> None:
    assert found(query) == names


def test_the_filters_hold_in_every_mode() -> None:
    assert found("line calls:encode", mode="semantic") <= {"store.py:Store.flush", "main.py:main"}
    assert found("/step_1/ calls:encode") == {"store.py:Store.flush", "main.py:main"}


def test_a_filter_that_nothing_passes_is_told() -> None:
    assert "no definition passes `calls:nothing_at_all`" in ask("calls:nothing_at_all").findings.notes[0]
