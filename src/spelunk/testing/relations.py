"""Definitions, references and imports of files in memory: looks at every file for every question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from spelunk.chunk.relation import Import, Role
from spelunk.store.definition_spans import LINE_BITS, DefinitionSpans
from spelunk.store.kept import Kept
from spelunk.store.records import ChunkRecord, FileRow
from spelunk.store.relation_pack import (
    MAX_LINE,
    MODULE,
    ROLE_SHIFT,
    PackedRows,
    included_name,
    module_names,
    name_hash,
)
from spelunk.store.relation_reader import DefinitionRow, NameUse, Place, RelationReader, Site, Sites
from spelunk.store.schema import path_order


class MemoryFile(NamedTuple):
    """A file and what it says about names.

    Attributes:
        row: The file.
        text: Its text.
        chunks: Its chunks, in order.
        rows: Its references, as unpacked from its packet.
        imports: Its imports.
    """

    row: FileRow
    text: str
    chunks: Sequence[ChunkRecord]
    rows: PackedRows
    imports: Sequence[Import]


class MemoryRelations:
    """Implements :class:`spelunk.store.relation_reader.RelationReader`."""

    def __init__(self, files: Mapping[int, MemoryFile]) -> None:
        """Answer from files by id."""
        self.kept = Kept()
        self._files = dict(sorted(files.items(), key=lambda item: path_order(item[1].row.path)))

    def with_imports(self, imports: Mapping[str, Sequence[Import]]) -> MemoryRelations:
        """The same files, those at some paths with these imports instead of their own."""
        return MemoryRelations(
            {
                i: file._replace(imports=imports.get(file.row.path, file.imports))
                for i, file in self._files.items()
            }
        )

    def files_at(self, paths: Collection[str]) -> dict[str, FileRow]:
        """See the protocol."""
        return {file.row.path: file.row for file in self._files.values() if file.row.path in paths}

    def file_rows(self, ids: Collection[int]) -> dict[int, FileRow]:
        """See the protocol."""
        return {i: self._files[i].row for i in ids if i in self._files}

    def paths_ending(self, endings: Sequence[str], limit: int = 1_000) -> list[str]:
        """See the protocol."""
        return [p for p in self.all_paths() if any(f"/{p}".endswith(f"/{end}") for end in endings)][:limit]

    def all_paths(self) -> list[str]:
        """See the protocol."""
        return [file.row.path for file in self._files.values()]

    def text_of_file(self, file: int) -> str:
        """See the protocol."""
        return self._files[file].text

    def definitions_named(self, names: Collection[str], limit: int = 10_000) -> list[DefinitionRow]:
        """See the protocol."""
        return [d for i in self._files for d in self._definitions(i) if d.name in names][:limit]

    def definitions_in(self, files: Collection[int]) -> dict[int, list[DefinitionRow]]:
        """See the protocol."""
        found = {i: self._definitions(i) for i in sorted(files) if i in self._files}
        return {i: definitions for i, definitions in found.items() if definitions}

    def definitions_around(self, places: Collection[Place]) -> dict[Place, list[DefinitionRow]]:
        """See the protocol."""
        found = {
            (file, line): [d for d in self._definitions(file) if d.line <= line <= max(d.line, d.end_line)]
            for file, line in places
            if file in self._files
        }
        return {place: definitions for place, definitions in found.items() if definitions}

    def innermost(
        self, places: Collection[Place], kinds: Sequence[Collection[str]]
    ) -> dict[Place, DefinitionRow]:
        """See the protocol."""
        found: dict[Place, DefinitionRow] = {}
        for place, around in self.definitions_around(places).items():
            for some in kinds:
                inner = [d for d in around if d.kind in some]
                if inner:
                    found[place] = min(inner, key=lambda d: (d.end_line, -d.line))
                    break
        return found

    def definition_spans(self, files: Collection[int], kinds: Collection[str]) -> dict[int, DefinitionSpans]:
        """See the protocol."""
        rows = {file: self._definitions(file) if file in self._files else [] for file in files}
        return {
            file: DefinitionSpans([d.line << LINE_BITS | d.end_line for d in some if d.kind in kinds])
            for file, some in rows.items()
        }

    def _definitions(self, file: int) -> list[DefinitionRow]:
        found = [
            DefinitionRow(file, d.name, d.kind, d.scope, d.line, d.end_line)
            for chunk in self._files[file].chunks
            for d in chunk.definitions
        ]
        return sorted(found, key=lambda d: d.line)

    def references_to(self, name: str, roles: Collection[Role] = (), limit: int = 10_000) -> Sites:
        """See the protocol."""
        wanted, value = roles or [*Role], name_hash(name)
        found = [
            Site(i, Role(place >> ROLE_SHIFT), place & MAX_LINE, file.rows.strings[receiver])
            for i, file in self._files.items()
            for hashed, place, receiver in sorted(_rows(file), key=lambda row: row[1] & MAX_LINE)
            if hashed == value and place >> ROLE_SHIFT in wanted
        ]
        return Sites(found[:limit], len(found))

    def imports_of(self, files: Collection[int]) -> dict[int, list[Import]]:
        """See the protocol."""
        found = {i: [*self._files[i].imports] for i in sorted(files) if i in self._files}
        return {i: imports for i, imports in found.items() if imports}

    def including(self, files: Collection[int], names: Collection[str]) -> dict[int, list[str]]:
        """See the protocol."""
        found = {
            i: [made.module for made in imports if included_name(made.module) in names]
            for i, imports in self.imports_of(files).items()
        }
        return {i: modules for i, modules in found.items() if modules}

    def importers(self, modules: Collection[str]) -> set[int]:
        """See the protocol."""
        return {*self.importing(modules, len(self._files))}

    def importing(
        self, modules: Collection[str], limit: int = 10_000, names: Collection[str] = ()
    ) -> dict[int, list[Import]]:
        """See the protocol."""
        wanted = set(modules)
        found = {
            i: [made for made in file.imports if not wanted.isdisjoint(module_names(made.module))]
            for i, file in self._files.items()
        }
        first = dict([(i, imports) for i, imports in found.items() if imports][:limit])
        taken = {
            i: [made for made in imports if not names or made.name in names] for i, imports in first.items()
        }
        return {i: imports for i, imports in taken.items() if imports}

    def name_uses(self, roles: Collection[Role]) -> Iterator[NameUse]:
        """See the protocol."""
        for i, file in self._files.items():
            counts = Counter(value for value, place, _ in _rows(file) if place >> ROLE_SHIFT in roles)
            yield from (NameUse(value, i, uses) for value, uses in counts.items())

    def name_hash(self, name: str) -> int:
        """See the protocol."""
        return name_hash(name)


def _rows(file: MemoryFile) -> Iterator[tuple[int, int, int]]:
    rows = file.rows
    for row in zip(rows.hashes, rows.places, rows.receivers, strict=True):
        if row[1] >> ROLE_SHIFT != MODULE:
            yield row


_: type[RelationReader] = MemoryRelations
