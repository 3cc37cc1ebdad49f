"""Cut any text by lines: the chunker of last resort, which never fails."""

from __future__ import annotations

from spelunk.chunk.rows import TARGET_CHARS, Piece, TextRows
from spelunk.types import Chunk, Fields


def chunk_lines(rows: TextRows, kind: str = "block", fields: Fields = ()) -> list[Chunk]:
    """Blocks of about the target size that end at blank lines where there are any."""
    out: list[Chunk] = []
    for first, stop in join_blocks(rows, 0, rows.count):
        rows.emit(out, first, stop, Piece(kind, fields=fields))
    return out


def join_blocks(rows: TextRows, first: int, stop: int) -> list[tuple[int, int]]:
    """Join the blank-line-separated blocks of some rows up to the target size.

    Returns:
        Row ranges ``[first, stop)`` that partition the rows given; a block
        larger than the target stands alone.
    """
    ranges: list[tuple[int, int]] = []
    lines = rows.lines
    start = first
    last_gap = 0
    blank = True
    for row in range(first, stop):
        if not lines[row].strip():
            blank = True
            continue
        if blank:
            # a block begins here; [start, row) is what was gathered so far
            if last_gap > start and rows.size(start, row) > TARGET_CHARS:
                ranges.append((start, last_gap))
                start = last_gap
            last_gap = row
            blank = False
    if last_gap > start and rows.size(start, stop) > TARGET_CHARS:
        ranges.append((start, last_gap))
        start = last_gap
    if start < stop:
        ranges.append((start, stop))
    return ranges
