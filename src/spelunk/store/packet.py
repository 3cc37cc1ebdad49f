"""What travels from phase 1 to the writer: every file's result, packed.

A packet is columns and bytes, not objects: marshalled, it costs some 3 µs a
chunk both ways.
"""

from __future__ import annotations

import marshal
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import xxhash

from spelunk.types import Definition, Entry


class Item(NamedTuple):
    """A file to index.

    Attributes:
        candidate: The file as the walk met it.
        known_digest: Its digest in the index; None where it is not indexed.
        reusable: Vectors in this or another index that may serve again, those of
            files of the same size: by cut digest (first chunk id, number of the
            index). None where there are none.
    """

    candidate: Entry
    known_digest: bytes | None
    reusable: Mapping[bytes, tuple[int, int]] | None = None


class FilePacket(NamedTuple):
    """An indexed file as it travels to the writer; see ``schema.py`` for the columns.

    ``rows`` holds one tuple a chunk: start_line, end_line, start, end, kind,
    symbol, scope, definitions. ``layout`` is a digest over the content and where it
    was cut: files that agree in it have the same vectors. ``donor`` is the first
    chunk id and the index of the workspace whose vectors serve again, or None where
    they are in the packet. ``seal`` is :func:`seal` over the rest.
    """

    item: int
    digest: bytes
    layout: bytes
    language: str
    flags: int
    encoding: str
    size: int
    lines: int
    text: bytes
    line_map: bytes | None
    path_terms: str
    rows: list[tuple[Any, ...]]
    bodies: list[str]
    names: list[str]
    fields: list[tuple[int, str, str]]
    donor: tuple[int, int] | None
    seal: bytes


class Packet(NamedTuple):
    """What became of a piece of a batch: a result for every file in it.

    ``planes``, ``scales`` and ``codes`` are the columns of
    :class:`spelunk.store.scan.Rows` as bytes, for the files without a donor.
    ``seconds`` is the time spent on the piece by stage: read, chunk, tokenise, embed.
    """

    files: list[FilePacket]
    same: list[int]
    skipped: list[tuple[int, str, str]]
    failed: list[tuple[int, str, str]]
    source_bytes: int
    planes: bytes
    scales: bytes
    codes: bytes
    seconds: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)

    @property
    def chunks(self) -> int:
        """Chunks in the packet."""
        return sum(len(f.rows) for f in self.files)


def dump(packet: Packet) -> bytes:
    """A packet as bytes; only for a process of the same interpreter."""
    return marshal.dumps((list(map(tuple, packet.files)), *packet[1:]))


def load(data: bytes | memoryview) -> Packet:
    """The inverse of :func:`dump`."""
    files, *rest = marshal.loads(data)
    return Packet([FilePacket._make(f) for f in files], *rest)


def seal(
    about: tuple[Any, ...],
    rows: Sequence[tuple[Any, ...]],
    fields: Sequence[tuple[int, str, str]],
    text: bytes,
    line_map: bytes | None,
) -> bytes:
    """8 bytes over what the manifest says of a file; a check holds the manifest's rows against it.

    Args:
        about: path, digest, language, flags, encoding, lines.
        rows: As in :class:`FilePacket`.
        fields: As in :class:`FilePacket`.
        text: The compressed text.
        line_map: The compressed line map.
    """
    written = repr((about, rows, fields, line_map)).encode("utf-8", "backslashreplace")
    return xxhash.xxh3_64_digest(text, xxhash.xxh3_64_intdigest(written))


def pack_definitions(definitions: Sequence[Definition]) -> str | None:
    """Definitions as one column: name TAB kind TAB line, one a row; None if there are none."""
    if not definitions:
        return None
    return "\n".join(f"{' '.join(d.name.split())}\t{d.kind}\t{d.line}" for d in definitions)


def unpack_definitions(text: str | None) -> tuple[Definition, ...]:
    """The inverse of :func:`pack_definitions`."""
    if not text:
        return ()
    rows = (row.split("\t") for row in text.split("\n"))
    return tuple(Definition(name, kind, int(line)) for name, kind, line in rows)
