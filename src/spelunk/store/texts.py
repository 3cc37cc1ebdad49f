"""Texts of files as stored in the manifest: compressed once, cut by chunk offsets."""

from __future__ import annotations

import array
from collections.abc import Sequence
from functools import cached_property

import zstandard
from msgspec import Struct

from spelunk.errors import IndexCorruptError
from spelunk.store.frames import decompress
from spelunk.store.records import ChunkRecord


class Text(Struct, frozen=True, dict=True):
    """The text of one file version.

    Attributes:
        text: As decoded when it was indexed.
        line_map: Raw line of each line of ``text`` where the format wraps its
            text, else None.
    """

    text: str
    line_map: Sequence[int] | None = None

    def of(self, chunk: ChunkRecord) -> str:
        """Return a chunk's text."""
        return self.text[chunk.start : chunk.end]

    @cached_property
    def starts(self) -> list[int]:
        """Offset of the start of each line, the first being 0."""
        out = [0]
        find = self.text.find
        at = find("\n")
        while at >= 0:
            out.append(at + 1)
            at = find("\n", at + 1)
        return out

    def with_context(self, chunk: ChunkRecord, before: int, after: int) -> tuple[str, int, int]:
        """Return a chunk's text with lines around it: (text, first line, last line).

        A wrapped format has no lines around a chunk that people could cite, so
        there the chunk alone is given.
        """
        if self.line_map is not None or not (before or after):
            return self.of(chunk), chunk.start_line, chunk.end_line
        starts = self.starts
        count = len(starts) - (1 if starts[-1] == len(self.text) and len(starts) > 1 else 0)
        first = max(1, chunk.start_line - before)
        last = min(count, chunk.end_line + after)
        end = starts[last] if last < len(starts) else len(self.text)
        return self.text[starts[first - 1] : end], first, last


def unpack(text: bytes, lines: bytes | None) -> Text:
    """Decompress the content of a file as the manifest stores it.

    Raises:
        IndexCorruptError: It does not decompress.
    """
    try:
        plain = decompress(text).decode("utf-8", "surrogatepass")
        line_map = None
        if lines is not None:
            line_map = array.array("Q")
            line_map.frombytes(decompress(lines))
    except (zstandard.ZstdError, TypeError, ValueError) as error:  # TypeError: NULL after a changed byte
        raise IndexCorruptError(f"a stored text is damaged ({error}); run `spelunk check --repair`") from None
    return Text(plain, line_map)
