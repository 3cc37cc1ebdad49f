"""Rows of the manifest as named columns; the same records travel from a worker to the writer."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from spelunk.types import Definition, Flag


class ChunkRecord(NamedTuple):
    """A chunk, from the worker that cut it to the search that reads it.

    Attributes:
        id: Chunk id; it changes when the file does. In a packet: the chunk's
            number in its file, from 0.
        file: Id of the file version; 0 in a packet.
        start_line: First line, 1-based.
        end_line: Last line, inclusive.
        start: Offset of the first character in the file's text.
        end: Offset behind the last character.
        kind: ``function``, ``class``, ``section``, ...
        symbol: The main name; "" if none.
        scope: Enclosing names; "" at top level.
        definitions: Every name defined here, the main one first.
    """

    id: int
    file: int
    start_line: int
    end_line: int
    start: int
    end: int
    kind: str
    symbol: str
    scope: str
    definitions: tuple[Definition, ...] = ()


class FieldRecord(NamedTuple):
    """A front-matter field; ``chunk`` as :attr:`ChunkRecord.id`."""

    chunk: int
    key: str
    value: str


class Retained(NamedTuple):
    """A file version that can be shown again.

    Attributes:
        file: Its id.
        size: Bytes of the file.
        digest: Of its content.
    """

    file: int
    size: int
    digest: bytes


class FileColumns(NamedTuple):
    """The columns of the table ``files``, in order; see ``schema.py``."""

    id: int
    path: str | bytes
    size: int
    stamp: bytes
    digest: bytes
    cut_digest: bytes
    language: str
    flags: int
    encoding: str
    first_chunk: int
    chunks: int
    lines: int
    generation: int


class FileContent(NamedTuple):
    """What the table ``contents`` holds of a file, in order, but its id and checksum.

    Attributes:
        text: The text, compressed.
        line_map: The raw line of each line, compressed; None where they are the same.
        imports: The imports, packed; None where there are none.
        reference_rows: Rows that the file has in its reference segment.
    """

    text: bytes
    line_map: bytes | None
    imports: bytes | None = None
    reference_rows: int = 0


class Known(NamedTuple):
    """What is known of an indexed file without reading it."""

    id: int
    stamp: bytes
    digest: bytes
    first_chunk: int
    chunks: int


class FileRow(Struct, frozen=True):
    """An indexed file version.

    Attributes:
        id: A new one for every version of a file.
        path: Relative path.
        size: Raw size in bytes.
        digest: 16 bytes over the raw content.
        language: Canonical language name.
        flags: What ranking weighs.
        first_chunk: Id of its first chunk; the others follow without a gap.
        chunks: Number of chunks.
        lines: Number of lines.
        encoding: The codec that decoded it.
        generation: The generation that added it.
    """

    id: int
    path: str
    size: int
    digest: bytes
    language: str
    flags: Flag
    first_chunk: int
    chunks: int
    lines: int
    encoding: str = ""
    generation: int = 0


class SegmentRow(NamedTuple):
    """A vector segment; ``dead`` of its ``rows`` belong to files that were replaced or removed."""

    name: str
    rows: int
    dead: int
    first_chunk: int
    last_chunk: int


class ReferenceSegmentRow(NamedTuple):
    """A reference segment; ``dead`` of its ``rows`` belong to files that were replaced or removed."""

    name: str
    rows: int
    dead: int
    first_file: int
    last_file: int


class Donor(NamedTuple):
    """An indexed file whose vectors can be copied, by the digest over content and cuts."""

    cut_digest: bytes
    first_chunk: int
    size: int
