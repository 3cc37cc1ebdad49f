"""Cut a document into chunks: small enough to read, whole enough to mean something.

The chunks of a document are ordered, do not overlap and together cover every
line that is not blank. Code is cut along its definitions, prose along its
headings, data along its top-level keys, anything else at blank lines.
"""

from __future__ import annotations

from typing import Final

from spelunk.chunk.lines import chunk_lines
from spelunk.chunk.rows import MAX_CHARS, TARGET_CHARS, Layout
from spelunk.config import Options
from spelunk.types import Chunk, Document
from spelunk.versions import CHUNKER_VERSION

__all__ = ["CHUNKER_VERSION", "MAX_CHARS", "TARGET_CHARS", "chunk"]

_PROSE: Final = frozenset(
    {"markdown", "rst", "text", "asciidoc", "org", "latex", "textile", "troff", "wikitext"}
)
_DATA: Final = frozenset({"toml", "yaml", "json", "ini", "properties"})


def chunk(document: Document, options: Options) -> list[Chunk]:
    """The chunks of a document, in order.

    The same document and options give the same chunks on every machine: no
    cut depends on time or memory. A text that its parser cannot make sense of
    is cut by lines; nothing is raised for what a file contains.
    """
    if not document.text or document.text.isspace():
        return []
    language = document.language
    layout = Layout(document)
    if language in _PROSE:
        from spelunk.chunk.prose import chunk_prose

        return chunk_prose(document, layout)
    if language == "notebook" and document.lines is not None:
        from spelunk.chunk.cells import chunk_notebook

        return chunk_notebook(document, layout)
    if language in _DATA:
        from spelunk.chunk.data import chunk_data

        return chunk_data(document, layout)
    from spelunk.chunk.line_patterns import chunk_outline, has_outline

    if has_outline(language):
        return chunk_outline(document, layout)
    if len(document.text) <= options.max_parse_size:
        from spelunk.chunk.code import chunk_code

        chunks = chunk_code(document, layout)
        if chunks is not None:
            return chunks
    return chunk_lines(layout)
