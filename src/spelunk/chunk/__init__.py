"""Cut documents into chunks: small enough to read, large enough to mean something.

The chunks of a document are ordered, do not overlap and together cover every
line that is not blank. Code is cut along its definitions, prose along its
headings, data along its top-level keys, anything else at blank lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spelunk.types import COMMIT
from spelunk.versions import CHUNKER_VERSION

if TYPE_CHECKING:  # a search imports the roles of references from this package, and cuts nothing
    from spelunk.chunk.parsed import Parsed
    from spelunk.config import Options
    from spelunk.types import Chunk, Document

__all__ = ["CHUNKER_VERSION", "chunk", "parse"]

_PROSE: Final = frozenset(
    {"markdown", "rst", "text", "asciidoc", "org", "latex", "textile", "troff", "wikitext"}
)
_DATA: Final = frozenset({"toml", "yaml", "json", "ini", "properties"})


def parse(document: Document, options: Options) -> Parsed:
    """Parse a document once, for :func:`chunk` and other readers of its tree.

    Prose, data, texts beyond ``max_parse_size`` and texts that no grammar can
    be trusted with have no tree. Nothing is raised for what a file contains.
    """
    from spelunk.chunk.line_patterns import has_pattern
    from spelunk.chunk.parsed import Parsed, parse_code
    from spelunk.chunk.rows import TextRows

    language = document.language
    if (
        language in _PROSE
        or language in _DATA
        or language == COMMIT
        or has_pattern(language)
        or len(document.text) > options.max_parse_size
        or not document.text
        or document.text.isspace()
    ):
        return Parsed(document, TextRows(document))
    return parse_code(document)


def chunk(parsed: Parsed) -> list[Chunk]:
    """The chunks of a document, in order.

    The same document and options give the same chunks on every machine: no
    cut depends on time or memory. A text that its parser cannot make sense of
    is cut by lines.
    """
    document, rows = parsed.document, parsed.rows
    if not document.text or document.text.isspace():
        return []
    language = document.language
    if language in _PROSE:
        from spelunk.chunk.prose import chunk_prose

        return chunk_prose(document, rows)
    if language == COMMIT:
        from spelunk.chunk.commit import chunk_commit

        return chunk_commit(rows)
    if language == "notebook" and document.lines is not None:
        from spelunk.chunk.cells import chunk_notebook

        return chunk_notebook(rows)
    if language in _DATA:
        from spelunk.chunk.data import chunk_data

        return chunk_data(language, rows)
    if parsed.macros is not None:
        from spelunk.chunk.macro_table import chunk_macros

        return chunk_macros(rows, parsed.macros)

    from spelunk.chunk.lines import chunk_lines

    if parsed.tree is not None:
        from spelunk.chunk.code import chunk_code

        return chunk_code(parsed) or chunk_lines(rows)
    from spelunk.chunk.line_patterns import chunk_by_pattern, has_pattern

    return chunk_by_pattern(language, rows) if has_pattern(language) else chunk_lines(rows)
