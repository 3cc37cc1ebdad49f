"""What the manifest knows of definitions, imports and the order of files: one statement for each question.

Ids and names travel to SQLite as JSON, so that a statement is the same however many there are.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Final

from spelunk.store.definition_spans import LINE_BITS
from spelunk.store.manifest import Manifest
from spelunk.store.relation_reader import DefinitionRow, Place
from spelunk.store.schema import decode_path

_DEFINITION: Final = "d.name, d.kind, d.scope, d.line, d.end_line"


def all_paths(manifest: Manifest) -> list[str]:
    """Paths of all indexed files, in order."""
    return [decode_path(path) for (path,) in manifest.all("SELECT path FROM files ORDER BY path")]


def files_by_path(manifest: Manifest) -> list[int]:
    """Ids of all indexed files, in the order of their paths."""
    return [file for (file,) in manifest.all("SELECT id FROM files ORDER BY path")]


def in_order_of_paths(manifest: Manifest, files: Collection[int]) -> list[int]:
    """Those of the files that are indexed, in the order of their paths."""
    rows = manifest.all(
        "SELECT f.id FROM json_each(?) n CROSS JOIN files f ON f.id = n.value ORDER BY f.path",
        (json.dumps([*files]),),
    )
    return [file for (file,) in rows]


def definitions_named(manifest: Manifest, names: Collection[str], limit: int) -> list[DefinitionRow]:
    """Definitions with one of these names, ordered by path and line."""
    rows = manifest.all(
        f"SELECT c.file, {_DEFINITION} FROM json_each(?) n CROSS JOIN definitions d ON d.name = n.value"
        " JOIN chunks c ON c.id = d.chunk JOIN files f ON f.id = c.file"
        " ORDER BY f.path, d.line, d.chunk, d.number LIMIT ?",
        (json.dumps(sorted(set(names))), limit),
    )
    return [*map(DefinitionRow._make, rows)]


def definitions_in(manifest: Manifest, files: Collection[int]) -> dict[int, list[DefinitionRow]]:
    """Definitions of files, each list ordered by line; files without any are left out."""
    rows = manifest.all(
        f"SELECT f.id, {_DEFINITION} FROM json_each(?) n CROSS JOIN files f ON f.id = n.value"
        " CROSS JOIN definitions d ON d.chunk >= f.first_chunk AND d.chunk < f.first_chunk + f.chunks"
        " ORDER BY f.id, d.line, d.chunk, d.number",
        (json.dumps(sorted(set(files))),),
    )
    out: dict[int, list[DefinitionRow]] = {}
    for row in map(DefinitionRow._make, rows):
        out.setdefault(row.file, []).append(row)
    return out


def spans_of(manifest: Manifest, files: Collection[int], kinds: Collection[str]) -> dict[int, list[int]]:
    """First and last line, packed, of the definitions of some kinds in files, in the order of chunks.

    As :class:`~spelunk.store.definition_spans.DefinitionSpans` takes them; files without any are left out.
    """
    rows = manifest.all(
        f"SELECT f.id, (SELECT group_concat(s.span) FROM (SELECT d.line << {LINE_BITS} | d.end_line AS span"
        " FROM definitions d WHERE d.chunk >= f.first_chunk AND d.chunk < f.first_chunk + f.chunks"
        f" AND d.kind IN ({','.join('?' * len(kinds))}) ORDER BY d.chunk, d.number) s)"
        " FROM json_each(?) n CROSS JOIN files f ON f.id = n.value",
        (*sorted(kinds), json.dumps(sorted(set(files)))),
    )
    return {file: [*map(int, spans.split(","))] for file, spans in rows if spans}


def definitions_around(manifest: Manifest, places: Collection[Place]) -> dict[Place, list[DefinitionRow]]:
    """Definitions whose lines hold a place, each list ordered by first line; places without any are left out."""
    rows = manifest.all(
        f"SELECT s.line, f.id, {_DEFINITION} FROM (SELECT json_extract(value, '$[0]') AS file,"
        " json_extract(value, '$[1]') AS line FROM json_each(?)) s CROSS JOIN files f ON f.id = s.file"
        " CROSS JOIN definitions d ON d.chunk >= f.first_chunk AND d.chunk <= (SELECT c.id FROM chunks c"
        " WHERE c.id >= f.first_chunk AND c.id < f.first_chunk + f.chunks AND c.start_line <= s.line"
        " ORDER BY c.id DESC LIMIT 1) WHERE d.line <= s.line AND (d.end_line >= s.line OR d.line = s.line)"
        " ORDER BY d.line, d.chunk, d.number",
        (json.dumps([*set(places)]),),
    )
    out: dict[Place, list[DefinitionRow]] = {}
    for line, *row in rows:
        out.setdefault((row[0], line), []).append(DefinitionRow._make(row))
    return out


def innermost(
    manifest: Manifest, places: Collection[Place], kinds: Sequence[Collection[str]]
) -> dict[Place, DefinitionRow]:
    """The innermost definition around each place, of the first kinds that any has; others are left out.

    A file's definitions are read from its end: what begins last and holds a line is the innermost.
    """
    names = [sorted(some) for some in kinds]
    parts = [
        "(SELECT d.chunk * 16777216 + d.number FROM definitions d WHERE d.chunk >= f.first_chunk"
        " AND d.chunk < f.first_chunk + f.chunks AND d.line <= s.line AND (d.end_line >= s.line OR d.line = s.line)"
        f" AND d.kind IN ({','.join('?' * len(some))}) ORDER BY d.chunk DESC, d.number DESC LIMIT 1)"
        for some in names
    ]
    rows = manifest.all(
        f"SELECT a.line, a.file, {_DEFINITION} FROM (SELECT s.file, s.line, coalesce({', '.join(parts)}, -1) AS at"
        " FROM (SELECT json_extract(value, '$[0]') AS file, json_extract(value, '$[1]') AS line"
        " FROM json_each(?)) s CROSS JOIN files f ON f.id = s.file) a"
        " CROSS JOIN definitions d ON d.chunk = a.at / 16777216 AND d.number = a.at % 16777216 WHERE a.at >= 0",
        (*(kind for some in names for kind in some), json.dumps([*set(places)])),
    )
    return {(row[1], row[0]): DefinitionRow._make(row[1:]) for row in rows}


def packed_imports(manifest: Manifest, files: Collection[int]) -> dict[int, bytes]:
    """The imports of files as they are stored; files without any are left out."""
    return dict(
        manifest.all(
            "SELECT c.file, c.imports FROM json_each(?) n CROSS JOIN contents c ON c.file = n.value"
            " WHERE c.imports IS NOT NULL ORDER BY c.file",
            (json.dumps(sorted(set(files))),),
        )
    )


def reference_rows(manifest: Manifest) -> dict[int, int]:
    """How many rows each file must have in its reference segment; files without any are left out."""
    return dict(manifest.all("SELECT file, reference_rows FROM contents WHERE reference_rows != 0"))


def files_with_content(manifest: Manifest) -> set[int]:
    """Files that have a row in ``contents``."""
    return {file for (file,) in manifest.all("SELECT file FROM contents")}
