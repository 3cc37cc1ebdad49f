"""Packets: the results of phase 1 for a piece of a batch, as bytes on their way to the writer.

A packet holds columns and bytes, not object graphs. It is encoded with
marshal, pinned to format version 4, which every Python since 3.4 reads and
writes alike for the types used here (None, int, float, str, bytes, tuple,
list): sender and receiver may run different versions. It costs some 3 µs a
chunk both ways. marshal is not safe against a hostile sender; packets come
from Spelunk's own workers only. Between machines the same columns travel as
MessagePack (:func:`dump_portable`), whose format is specified outside Python.
"""

from __future__ import annotations

import marshal
import os
import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import xxhash

from spelunk.observe.profile import Sums
from spelunk.store.records import ChunkRecord, FieldRecord
from spelunk.types import Definition, Entry

MARSHAL_VERSION: Final = 4


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
    """An indexed file on its way to the writer.

    Attributes:
        item: Number of the file in its batch.
        digest: 16 bytes over the raw content.
        cut_digest: 16 bytes over content, language and where it was cut: files that
            agree in it have the same vectors.
        language: Canonical language name.
        flags: :class:`spelunk.types.Flag` as an integer.
        encoding: The codec that decoded it.
        size: Raw size in bytes.
        lines: Number of lines.
        text: The text, compressed.
        line_map: The raw line of each line, compressed; None where they are the same.
        path_terms: Terms of the path, blank-separated.
        chunks: The chunks, numbered from 0.
        bodies: Terms of each chunk's text, blank-separated.
        names: Terms of the names that each chunk defines, blank-separated.
        fields: Front-matter fields.
        donor: First chunk id and index of the workspace whose vectors are copied; None
            where the vectors are in the packet, or are made later.
        checksum: :func:`row_checksum` over the rest.
        imports: The imports, packed; None where there are none.
        references: The references, packed; empty where there are none
            (:class:`spelunk.store.relation_pack.Packer`).
    """

    item: int
    digest: bytes
    cut_digest: bytes
    language: str
    flags: int
    encoding: str
    size: int
    lines: int
    text: bytes
    line_map: bytes | None
    path_terms: str
    chunks: list[ChunkRecord]
    bodies: list[str]
    names: list[str]
    fields: list[FieldRecord]
    donor: tuple[int, int] | None
    checksum: bytes
    imports: bytes | None = None
    references: bytes = b""


class Packet(NamedTuple):
    """The result of every file in a piece of a batch.

    Attributes:
        files: Files that were read, cut and tokenised.
        same: Numbers of files whose content did not change.
        skipped: (number, reason, detail).
        failed: (number, stage, error).
        source_bytes: Raw bytes of ``files``.
        planes: Sign bits, scales and codes of :class:`spelunk.store.segment.Rows` as
            bytes, for the files without a donor.
        scales: See ``planes``.
        codes: See ``planes``.
        seconds: Time spent on the piece by stage: read, chunk, tokenise, embed.
        profile: Time by stage and language (:data:`spelunk.observe.profile.Sums`), where that is measured.
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
    profile: list[Sums] = []  # noqa: RUF012 - never changed

    @property
    def chunks(self) -> int:
        """Number of chunks in the packet."""
        return sum(len(f.chunks) for f in self.files)


def _marshal(columns: Any) -> bytes:
    return marshal.dumps(columns, MARSHAL_VERSION)


def dump(packet: Packet, encode: Callable[[Any], bytes] = _marshal) -> bytes:
    """Encode a packet; ``encode`` is given tuples and lists of None, int, float, str and bytes."""
    files = [
        (*f[:11], [(*c[:9], [*map(tuple, c.definitions)]) for c in f.chunks], *f[12:14],
         [*map(tuple, f.fields)], *f[15:])
        for f in packet.files
    ]  # fmt: skip
    return encode((files, *packet[1:]))


def load(data: bytes | memoryview, decode: Callable[[Any], Any] = marshal.loads) -> Packet:
    """Decode what :func:`dump` encoded, by the counterpart of its ``encode``."""
    files, *rest = decode(data)
    packets = []
    for file in files:
        packet = FilePacket._make(file)
        chunks = [ChunkRecord(*c[:9], tuple(map(Definition._make, c[9]))) for c in packet.chunks]
        packets.append(packet._replace(chunks=chunks, fields=[*map(FieldRecord._make, packet.fields)]))
    return Packet(packets, *rest)


class FileFacts(NamedTuple):
    """The columns of a file that its checksum covers."""

    path: str
    digest: bytes
    language: str
    flags: int
    encoding: str
    lines: int


def row_checksum(
    file: FileFacts,
    chunks: Sequence[ChunkRecord],
    fields: Sequence[FieldRecord],
    text: bytes,
    line_map: bytes | None,
    imports: bytes | None = None,
    reference_rows: int = 0,
) -> bytes:
    """8 bytes of xxh3-64 over the rows that the manifest holds of a file.

    The hashed bytes are: all numbers as little-endian 64-bit integers, among
    them the length of every string and of every byte string, so that no two
    different rows give the same bytes; then the bytes of the path, the strings in
    UTF-8 and the byte strings. Nothing in it depends on the version of Python.

    Args:
        file: Columns of the file.
        chunks: Its chunks; ids count from 0 and the file's id does not count.
        fields: Its front-matter fields, numbered like the chunks.
        text: The compressed text.
        line_map: The compressed line map.
        imports: The packed imports.
        reference_rows: Rows in the reference segment.

    Raises:
        TypeError, OverflowError, UnicodeError: A value is of another type or out of
            range, as in a damaged row.
    """
    path = os.fsencode(file.path)  # the bytes of a name: its text depends on the locale
    strings = [file.language, file.encoding]
    numbers = [
        file.flags, file.lines, len(file.digest), len(text), -1 if line_map is None else len(line_map),
        -1 if imports is None else len(imports), reference_rows,
        len(chunks), len(fields), len(path), len(file.language), len(file.encoding),
    ]  # fmt: skip
    for c in chunks:
        kind, symbol, scope, definitions = c[6:]
        strings += kind, symbol, scope
        numbers += (c[0], *c[2:6], len(kind), len(symbol), len(scope), len(definitions))
        for name, what, line, inside, end_line in definitions:
            strings += name, what, inside
            numbers += line, end_line, len(name), len(what), len(inside)
    for chunk, key, value in fields:
        strings += key, value
        numbers += chunk, len(key), len(value)
    packed = array("q", numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    hasher = xxhash.xxh3_64(packed.tobytes())
    hasher.update(path)
    hasher.update("".join(strings).encode("utf-8", "surrogatepass"))
    hasher.update(file.digest)
    hasher.update(text)
    hasher.update(line_map or b"")
    hasher.update(imports or b"")
    return hasher.digest()
