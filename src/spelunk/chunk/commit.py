"""Cut a commit's message: one chunk under its subject, several where it is long."""

from __future__ import annotations

from spelunk.chunk.rows import Piece, TextRows
from spelunk.types import COMMIT, MAX_SYMBOL, Chunk, Definition


def chunk_commit(rows: TextRows) -> list[Chunk]:
    """Chunks whose name is the commit's subject, its first line that is not blank."""
    first = next((n for n, line in enumerate(rows.lines) if line.strip()), 0)
    subject = rows.lines[first].strip()[:MAX_SYMBOL]
    named = (Definition(subject, COMMIT, first + 1),)
    out: list[Chunk] = []
    rows.emit(out, first, rows.count, Piece(COMMIT, subject, definitions=named))
    return out
