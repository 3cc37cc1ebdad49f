"""Pack the relations of a file: its imports for the manifest, its references for a reference segment."""

from __future__ import annotations

import json
import struct
import sys
from array import array
from collections.abc import Collection
from typing import Final, NamedTuple, TypeVar

import xxhash
import zstandard

from spelunk.chunk.relation import Import, RelationColumns, Relations
from spelunk.errors import IndexCorruptError
from spelunk.store.frames import decompress

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
_S = TypeVar("_S", str, bytes)


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


class _Hashes(dict[str, int]):
    """Names with their hashes; a name that is asked for is added."""

    def __missing__(self, name: str) -> int:
        value = self[name] = name_hash(name)
        return value


class Numbering(dict[_S, int]):
    """Strings, or their bytes, numbered in the order in which they are asked for."""

    def __missing__(self, string: _S) -> int:
        value = self[string] = len(self)
        return value


class Packer:
    """Packs the relations of many files; names that come again are hashed once."""

    def __init__(self) -> None:
        self._hashes = _Hashes()
        self._zstd = zstandard.ZstdCompressor(level=1, write_checksum=True)

    def imports(self, imports: list[Import]) -> bytes | None:
        """The imports of a file for the manifest; None where there are none."""
        return self._zstd.compress(json.dumps(imports).encode()) if imports else None

    def references(self, relations: Relations) -> bytes:
        """The rows of a file for a segment; empty where there are none."""
        return self.columns(RelationColumns.of(relations))

    def columns(self, relations: RelationColumns) -> bytes:
        """See :meth:`references`."""
        names, roles, lines, of_names, imports = relations
        modules = sorted({(name, i.line) for i in imports for name in module_names(i.module)})
        if not names and not modules:
            return b""
        known = self._hashes
        if len(known) > MAX_CACHED_NAMES:
            known.clear()
        hashes = [*map(known.__getitem__, names)]
        strings = Numbering({"": 0})
        receivers = [*map(strings.__getitem__, of_names)]
        if max(lines, default=0) > MAX_LINE:
            lines = [min(line, MAX_LINE) for line in lines]
        places = [role << ROLE_SHIFT | line for role, line in zip(roles, lines, strict=True)]
        hashes += [known[name] for name, _ in modules]
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


def raw_columns(packed: bytes) -> tuple[bytes, bytes, bytes]:
    """Hashes (8 bytes), places and receivers (4 bytes each, all little-endian) of what :meth:`Packer.references` made."""
    count, at = row_count(packed), _HEAD.size
    return (
        packed[at : at + 8 * count],
        packed[at + 8 * count : at + 12 * count],
        packed[at + 12 * count : at + 16 * count],
    )


def receivers_of(packed: bytes) -> list[bytes]:
    """The receivers of what :meth:`Packer.references` made, in UTF-8; the first is empty."""
    return packed[_HEAD.size + 16 * row_count(packed) :].split(BETWEEN)


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


def unpack_imports(packed: bytes | None, names: Collection[str] = ()) -> list[Import]:
    """The inverse of :meth:`Packer.imports`; only the imports that take one of some names where any are given.

    Raises:
        IndexCorruptError: It does not decompress, or holds something else.
    """
    return NamedImports(names).read(packed)


class NamedImports:
    """Reads packed imports of many files; only the imports that take one of some names where any are given."""

    def __init__(self, names: Collection[str] = ()) -> None:
        """Read these names."""
        self._names = names
        self._raw = [json.dumps(name).encode() for name in names]

    def read(self, packed: bytes | None) -> list[Import]:
        """The inverse of :meth:`Packer.imports`.

        Raises:
            IndexCorruptError: It does not decompress, or holds something else.
        """
        if packed is None:
            return []
        names = self._names
        try:
            data = decompress(packed)
            if names and not any(raw in data for raw in self._raw):
                return []
            imports = [Import(*row) for row in json.loads(data)]
            return [one for one in imports if one.name in names] if names else imports
        except (zstandard.ZstdError, TypeError, ValueError) as error:
            raise _damaged(error) from None


def modules_of(packed: bytes) -> list[str]:
    """The modules of packed imports as they are written, in order.

    Raises:
        IndexCorruptError: It does not decompress, or holds something else.
    """
    try:
        return [str(row[0]) for row in json.loads(decompress(packed))]
    except (zstandard.ZstdError, TypeError, ValueError, LookupError) as error:
        raise _damaged(error) from None


def _damaged(error: Exception) -> IndexCorruptError:
    return IndexCorruptError(f"stored imports are damaged ({error}); run `spelunk check --repair`")


def included_name(module: str) -> str:
    """The last component of what an include names."""
    return module.strip('<>"').strip().rpartition("/")[2]
