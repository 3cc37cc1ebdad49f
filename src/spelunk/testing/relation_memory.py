"""The symbol graph's view of a generation in memory, built from texts by the real parser."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import xxhash

from spelunk.chunk import Parsed, chunk, parse
from spelunk.chunk.relation import NO_RELATIONS, Import, Relations, Role, last_part
from spelunk.config import DEFAULTS
from spelunk.files.languages import refine
from spelunk.files.path_rules import path_flags
from spelunk.store.records import FileRow
from spelunk.store.relation_reader import DefinitionRow, NameUse, Site, Sites
from spelunk.types import Document


class GivenRelations:
    """Implements :class:`spelunk.store.relation_reader.RelationReader`.

    Files get their ids in the order of their paths, from 1. References with the
    role ``USE`` are left out, as an index leaves them out.
    """

    def __init__(
        self, texts: Mapping[str, str], relations: Callable[[Parsed], Relations] | None = None
    ) -> None:
        """Parse every text.

        Args:
            texts: Text by relative path.
            relations: Gives the references and imports of a parsed file; none by default.
        """
        self._rows: dict[int, FileRow] = {}
        self._texts: dict[int, str] = {}
        self._ids: dict[str, int] = {}
        self._definitions: dict[int, list[DefinitionRow]] = {}
        self._relations: dict[int, Relations] = {}
        self._named: dict[str, list[DefinitionRow]] = {}
        extract = relations or (lambda _: NO_RELATIONS)
        first_chunk = 1
        for file, (path, text) in enumerate(sorted(texts.items()), 1):
            raw = text.encode("utf-8", "surrogateescape")
            document = Document(
                path, text, xxhash.xxh3_128_digest(raw), refine(path, text[:4_096]), size=len(raw)
            )
            parsed = parse(document, DEFAULTS)
            chunks = chunk(parsed)
            self._ids[path] = file
            self._texts[file] = text
            self._rows[file] = FileRow(
                file,
                path,
                len(raw),
                document.digest,
                document.language,
                path_flags(path),
                first_chunk,
                len(chunks),
                text.count("\n") + 1,
                "utf-8",
                1,
            )
            first_chunk += len(chunks)
            rows = [
                DefinitionRow(file, d.name, d.kind, d.scope, d.line, d.end_line)
                for c in chunks
                for d in c.definitions
            ]
            self._definitions[file] = sorted(rows, key=lambda row: row.line)
            for row in self._definitions[file]:
                self._named.setdefault(row.name, []).append(row)
            found = extract(parsed)
            stored = [r for r in found.references if r.role is not Role.USE]
            self._relations[file] = Relations(stored, found.imports)

    def files_at(self, paths: Collection[str]) -> dict[str, FileRow]:
        """As the protocol says."""
        return {path: self._rows[self._ids[path]] for path in paths if path in self._ids}

    def file_rows(self, ids: Collection[int]) -> dict[int, FileRow]:
        """As the protocol says."""
        return {file: self._rows[file] for file in ids if file in self._rows}

    def paths_ending(self, endings: Sequence[str], limit: int = 1_000) -> list[str]:
        """As the protocol says."""
        found = [p for p in self._ids if any(p == e or p.endswith("/" + e) for e in endings)]
        return found[:limit]

    def all_paths(self) -> list[str]:
        """As the protocol says."""
        return list(self._ids)

    def text_of_file(self, file: int) -> str:
        """As the protocol says."""
        return self._texts[file]

    def definitions_named(self, names: Collection[str], limit: int = 10_000) -> list[DefinitionRow]:
        """As the protocol says."""
        found = [row for name in names for row in self._named.get(name, ())]
        return sorted(found, key=lambda row: (row.file, row.line))[:limit]

    def definitions_in(self, files: Collection[int]) -> dict[int, list[DefinitionRow]]:
        """As the protocol says."""
        return {file: self._definitions[file] for file in files if file in self._definitions}

    def references_to(self, name: str, roles: Collection[Role] = (), limit: int = 10_000) -> Sites:
        """As the protocol says."""
        sites = [
            Site(file, r.role, r.line, r.receiver)
            for file, found in self._relations.items()
            for r in sorted(found.references, key=lambda r: r.line)
            if r.name == name and (not roles or r.role in roles)
        ]
        return Sites(sites[:limit], len(sites))

    def imports_of(self, files: Collection[int]) -> dict[int, list[Import]]:
        """As the protocol says."""
        return {file: self._relations[file].imports for file in files if file in self._relations}

    def importing(self, modules: Collection[str], limit: int = 10_000) -> dict[int, list[Import]]:
        """As the protocol says."""
        found: dict[int, list[Import]] = {}
        for file, relations in self._relations.items():
            matching = [i for i in relations.imports if last_part(i.module) in modules]
            if matching and len(found) < limit:
                found[file] = matching
        return found

    def name_uses(self, roles: Collection[Role]) -> Iterator[NameUse]:
        """As the protocol says."""
        for file, found in self._relations.items():
            counts = Counter(r.name for r in found.references if r.role in roles)
            for name, uses in counts.items():
                yield NameUse(self.name_hash(name), file, uses)

    def name_hash(self, name: str) -> int:
        """As the protocol says."""
        return xxhash.xxh3_64_intdigest(name.encode("utf-8", "surrogatepass"))
