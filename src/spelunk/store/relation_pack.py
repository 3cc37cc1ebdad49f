"""Pack the relations of a file: its imports for the manifest, its references for a reference segment."""

from __future__ import annotations

import json
import struct
import sys
from array import array
from typing import Final, NamedTuple

import xxhash
import zstandard

from spelunk.chunk.relation import Import, Relations
from spelunk.errors import IndexCorruptError

MODULE: Final = 255
"""Role in a segment of a row that is no reference: the file imports a module whose last part is the name."""
ROLE_SHIFT: Final = 24
MAX_LINE: Final = (1 << ROLE_SHIFT) - 1
"""Highest line that a row can hold; references behind it are stored with this line."""
BETWEEN: Final = b"\xff"
"""Separates strings in UTF-8, which never has this byte."""
MAX_CACHED_NAMES: Final = 200_000
"""Names whose hash is kept by a packer: some 25 MB."""

_HEAD: Final = struct.Struct("<I")


class PackedRows(NamedTuple):
    """Columns of the rows of one file: its references in their order, then the modules that it imports.

    Attributes:
        hashes: :func:`name_hash` of each name.
        places: Role in the highest 8 bits, line in the others.
        receivers: For each row an index into ``strings``.
        strings: Receivers; the first is "".
    """

    hashes: array[int]
    places: array[int]
    receivers: array[int]
    strings: list[str]


def name_hash(name: str) -> int:
    """The number that stands for a name: xxh3-64 of its UTF-8.

    Two of ten million names share one with a probability of 3 in a million; they would
    then be taken for the same name.
    """
    return int(xxhash.xxh3_64_intdigest(name.encode("utf-8", "surrogatepass")))


def module_names(module: str) -> set[str]:
    """The names under which an import of a module is found: its last part, as module and as file.

    ``a.b.c`` is found as ``c``, ``crate::io`` and ``App\\io`` as ``io``, ``./util.js`` as ``util.js``
    and ``util``, ``<sys/stat.h>`` as ``stat.h`` and ``stat``. Of ``os.path`` and ``util.h`` the
    form alone does not tell which they are: they are found by both parts. ``..`` is not found.
    """
    bare = module.strip("<>\"' ").rstrip("/")
    *folders, tail = bare.replace("\\", "/").replace("::", "/").split("/")
    tail = tail.strip(".") if not folders else tail
    stem, _, last = tail.rpartition(".")
    if folders or bare != module:
        names = {tail, stem} if "::" not in bare and "\\" not in bare else {last}
    else:
        names = {last} if "." in stem else {last, stem}
    return {name for name in names if name.strip(".")}


class Packer:
    """Packs the relations of many files; names that come again are hashed once."""

    def __init__(self) -> None:
        self._hashes: dict[str, int] = {}
        self._zstd = zstandard.ZstdCompressor(level=1, write_checksum=True)

    def imports(self, imports: list[Import]) -> bytes | None:
        """The imports of a file for the manifest; None where there are none."""
        return self._zstd.compress(json.dumps(imports).encode()) if imports else None

    def references(self, relations: Relations) -> bytes:
        """The rows of a file for a segment; empty where there are none."""
        references, imports = relations
        modules = sorted({(name, i.line) for i in imports for name in module_names(i.module)})
        if not references and not modules:
            return b""
        known = self._hashes
        if len(known) > MAX_CACHED_NAMES:
            known.clear()
        hashes: list[int] = []
        for name in [*(r[0] for r in references), *(name for name, _ in modules)]:
            value = known.get(name)
            if value is None:
                value = known[name] = name_hash(name)
            hashes.append(value)
        strings: dict[str, int] = {"": 0}
        receivers = [strings.setdefault(r[3], len(strings)) for r in references]
        places = [r[1] << ROLE_SHIFT | r[2] for r in references if r[2] <= MAX_LINE]
        if len(places) < len(references):
            places = [r[1] << ROLE_SHIFT | min(r[2], MAX_LINE) for r in references]
        places += [MODULE << ROLE_SHIFT | min(line, MAX_LINE) for _, line in modules]
        receivers += [0] * len(modules)
        columns = [array("Q", hashes), array("I", places), array("I", receivers)]
        if sys.byteorder == "big":
            for column in columns:
                column.byteswap()
        return b"".join(
            [
                _HEAD.pack(len(hashes)),
                *(column.tobytes() for column in columns),
                BETWEEN.join(s.encode("utf-8", "surrogatepass") for s in strings),
            ]
        )


def row_count(packed: bytes) -> int:
    """Rows in what :meth:`Packer.references` made."""
    return int(_HEAD.unpack_from(packed)[0]) if packed else 0


def unpack_rows(packed: bytes) -> PackedRows:
    """The inverse of :meth:`Packer.references`."""
    if not packed:
        return PackedRows(array("Q"), array("I"), array("I"), [""])
    count, at = row_count(packed), _HEAD.size
    columns = []
    for code, width in (("Q", 8), ("I", 4), ("I", 4)):
        column = array(code)
        column.frombytes(packed[at : at + width * count])
        if sys.byteorder == "big":
            column.byteswap()
        columns.append(column)
        at += width * count
    strings = [s.decode("utf-8", "surrogatepass") for s in packed[at:].split(BETWEEN)]
    return PackedRows(columns[0], columns[1], columns[2], strings)


def unpack_imports(packed: bytes | None) -> list[Import]:
    """The inverse of :meth:`Packer.imports`.

    Raises:
        IndexCorruptError: It does not decompress, or holds something else.
    """
    if packed is None:
        return []
    try:
        rows = json.loads(zstandard.ZstdDecompressor().decompress(packed))
        return [Import(*row) for row in rows]
    except (zstandard.ZstdError, TypeError, ValueError) as error:
        raise IndexCorruptError(
            f"stored imports are damaged ({error}); run `spelunk check --repair`"
        ) from None
