"""Definitions, references and imports of one generation of the local stores."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final

from spelunk.chunk.relation import Import, Role
from spelunk.errors import IndexCorruptError
from spelunk.store import relation_queries
from spelunk.store.definition_spans import DefinitionSpans
from spelunk.store.kept import kept_of
from spelunk.store.manifest import Manifest
from spelunk.store.manifest_references import unpack_files
from spelunk.store.records import FileRow
from spelunk.store.reference_segment import NameRows, ReferenceSegment
from spelunk.store.relation_pack import (
    MAX_LINE,
    MODULE,
    ROLE_SHIFT,
    NamedImports,
    included_name,
    module_names,
    modules_of,
    name_hash,
    unpack_imports,
)
from spelunk.store.relation_reader import DefinitionRow, NameUse, Place, RelationReader, Site, Sites
from spelunk.store.schema import path_order
from spelunk.store.texts import Text

FEW_FILES: Final = 500
"""Up to so many files are ordered by reading their paths; more by the order of all files."""

MAX_KEPT_FILES: Final = 20_000
"""Rows of files that are kept for the next question: some 12 MB."""
MAX_KEPT_ROWS: Final = 2_000
"""References of a name up to which their rows are kept."""
MAX_WRITTEN: Final = 100_000
"""Modules as they are written that are kept once: some 10 MB at most."""

_ROLES: Final = {int(role): role for role in Role}
_new: Final = tuple.__new__


class SnapshotRelations:
    """Implements :class:`spelunk.store.relation_reader.RelationReader` for a snapshot, which owns it.

    Nothing is read before it is asked for.
    """

    def __init__(
        self,
        manifest: Manifest,
        segments: Sequence[ReferenceSegment | IndexCorruptError],
        text: Callable[[int], Text],
        opened: Hashable,
    ) -> None:
        """Answer from a generation that is held open.

        Args:
            manifest: Inside a read transaction.
            segments: Its reference segments, mapped, in the manifest's order; the error of one that
                is damaged is raised when references are asked for.
            text: Gives the text of a file.
            opened: Tells what is open from another state of the same generation.
        """
        self._manifest = manifest
        self._mapped = segments
        self._text = text
        self._files: dict[int, FileRow] = {}
        self._older: dict[int, FileRow] = {}
        self.kept = kept_of(os.path.join(manifest.directory, manifest.name), (manifest.generation, opened))

    # Files

    def files_at(self, paths: Collection[str]) -> dict[str, FileRow]:
        """See :class:`~spelunk.store.relation_reader.RelationReader`."""
        found = ((path, self._manifest.file(path)) for path in paths)
        return {path: row for path, row in found if row is not None}

    def file_rows(self, ids: Collection[int]) -> dict[int, FileRow]:
        """See :class:`~spelunk.store.relation_reader.RelationReader`."""
        kept, older = self._files, self._older
        lacking = [file for file in ids if file not in kept]
        if lacking:
            found = {file: older[file] for file in lacking if file in older}
            if len(found) < len(lacking):
                found.update(self._manifest.files([file for file in lacking if file not in found]))
            if len(kept) > MAX_KEPT_FILES // 2:
                self._files, self._older = kept, older = {}, kept
            kept.update(found)
            return {file: row for file in ids if (row := kept.get(file) or older.get(file)) is not None}
        return {file: kept[file] for file in ids}

    def paths_ending(self, endings: Sequence[str], limit: int = 1_000) -> list[str]:
        """See :class:`~spelunk.store.relation_reader.RelationReader`."""
        found = {
            path
            for ending in endings
            for path in self._by_name.get(ending.rpartition("/")[2], ())
            if path == ending or path.endswith("/" + ending)
        }
        return sorted(found, key=path_order)[:limit]

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """Paths by their last component; of 79,000 files made in some 0.1 s, once for a generation."""
        by_name: dict[str, list[str]] = {}
        for path in self.all_paths():
            by_name.setdefault(path.rpartition("/")[2], []).append(path)
        return by_name

    def all_paths(self) -> list[str]:
        """See :class:`~spelunk.store.relation_reader.RelationReader`."""
        return relation_queries.all_paths(self._manifest)

    def text_of_file(self, file: int) -> str:
        """See :class:`~spelunk.store.relation_reader.RelationReader`."""
        return self._text(file).text

    # Definitions

    def definitions_named(self, names: Collection[str], limit: int = 10_000) -> list[DefinitionRow]:
        """See :class:`~spelunk.store.relation_reader.RelationReader`."""
        return relation_queries.definitions_named(self._manifest, names, limit)

    def definitions_in(self, files: Collection[int]) -> dict[int, list[DefinitionRow]]:
        """See :class:`~spelunk.store.relation_reader.RelationReader`."""
        return relation_queries.definitions_in(self._manifest, files)

    def definitions_around(self, places: Collection[Place]) -> dict[Place, list[DefinitionRow]]:
        """See :class:`~spelunk.store.relation_reader.RelationReader`."""
        return relation_queries.definitions_around(self._manifest, places)

    def innermost(
        self, places: Collection[Place], kinds: Sequence[Collection[str]]
    ) -> dict[Place, DefinitionRow]:
        """See :class:`~spelunk.store.relation_reader.RelationReader`."""
        return relation_queries.innermost(self._manifest, places, kinds)

    def definition_spans(self, files: Collection[int], kinds: Collection[str]) -> dict[int, DefinitionSpans]:
        """See :class:`~spelunk.store.relation_reader.RelationReader`."""
        kind = f"spans {sorted(kinds)}"
        found = self.kept.get_all(kind, files)
        lacking = [file for file in files if file not in found]
        if lacking:
            spans = relation_queries.spans_of(self._manifest, lacking, kinds)
            made = {file: DefinitionSpans(spans.get(file, ())) for file in lacking}
            self.kept.put_all(kind, {file: (one, one.size) for file, one in made.items()})
            found.update(made)
        return found

    # References

    @cached_property
    def segments(self) -> list[tuple[ReferenceSegment, frozenset[int]]]:
        """The reference segments, each with its dead files."""
        dead = self._manifest.dead_references()
        out = []
        for row, segment in zip(self._manifest.reference_segments(), self._mapped, strict=True):
            if isinstance(segment, IndexCorruptError):
                raise segment
            out.append((segment, unpack_files(dead.get(row.name))))
        return out

    def references_to(self, name: str, roles: Collection[Role] = (), limit: int = 10_000) -> Sites:
        """See :class:`~spelunk.store.relation_reader.RelationReader`.

        Raises:
            IndexCorruptError: A reference segment is damaged.
        """
        wanted = frozenset(map(int, roles or Role))
        found: dict[int, list[tuple[int, int, ReferenceSegment]]] = {}
        total = 0
        for segment, dead, part in self._rows_of(name_hash(name)):
            before = -1
            rows: list[tuple[int, int, ReferenceSegment]] = []
            for file, place, receiver in zip(*part, strict=True):
                if place >> ROLE_SHIFT in wanted and file not in dead:
                    if file != before:
                        rows, before = found.setdefault(file, []), file
                    rows.append((place, receiver, segment))
                    total += 1
        sites: list[Site] = []
        for file in self._ordered(found):
            rows = found[file]
            if len(rows) > 1:
                rows.sort(key=_line)
            for place, receiver, segment in rows[: limit - len(sites)]:
                written = segment.receiver(receiver) if receiver else ""
                sites.append(_new(Site, (file, _ROLES[place >> ROLE_SHIFT], place & MAX_LINE, written)))
            if len(sites) >= limit:
                break
        return Sites(sites, total)

    def _rows_of(self, value: int) -> Iterator[tuple[ReferenceSegment, frozenset[int], NameRows]]:
        """The rows of a name, part by part, with their segments and the files that are dead in those."""
        parts: list[tuple[int, NameRows]] | None = self.kept.get(("rows", value))
        if parts is None:
            parts = [(n, part) for n, (one, _) in enumerate(self.segments) for part in one.find(value)]
            rows = sum(len(part.files) for _, part in parts)
            if rows <= MAX_KEPT_ROWS:
                self.kept.put(("rows", value), parts, 400 * len(parts) + 50 * rows)
        for n, part in parts:
            yield *self.segments[n], part

    def _ordered(self, files: Collection[int]) -> list[int]:
        """Files in the order of their paths."""
        if len(files) < 2:
            return [*files]
        if len(files) > FEW_FILES:
            return sorted(files, key=self._order.__getitem__)
        return relation_queries.in_order_of_paths(self._manifest, files)

    @cached_property
    def _order(self) -> dict[int, int]:
        """The place of each file in the order of paths."""
        return {file: n for n, file in enumerate(relation_queries.files_by_path(self._manifest))}

    def name_uses(self, roles: Collection[Role]) -> Iterator[NameUse]:
        """See :class:`~spelunk.store.relation_reader.RelationReader`.

        Raises:
            IndexCorruptError: A reference segment is damaged.
        """
        from spelunk.store.reference_writer import count_uses

        for segment, dead in self.segments:
            for columns in count_uses(segment, dead, roles):
                yield from map(NameUse, *columns)

    def name_hash(self, name: str) -> int:
        """See :class:`~spelunk.store.relation_reader.RelationReader`."""
        return name_hash(name)

    # Imports

    def imports_of(self, files: Collection[int]) -> dict[int, list[Import]]:
        """See :class:`~spelunk.store.relation_reader.RelationReader`.

        Raises:
            IndexCorruptError: Stored imports are damaged.
        """
        packed = relation_queries.packed_imports(self._manifest, files)
        return {file: unpack_imports(data) for file, data in packed.items()}

    def including(self, files: Collection[int], names: Collection[str]) -> dict[int, list[str]]:
        """See :class:`~spelunk.store.relation_reader.RelationReader`.

        Raises:
            IndexCorruptError: Stored imports are damaged.
        """
        kind = f"including {sorted(names)}"
        found: dict[int, tuple[str, ...]] = self.kept.get_all(kind, files)
        lacking = [file for file in files if file not in found]
        if lacking:
            ends: dict[str, bool] = {}
            made: dict[int, tuple[str, ...]] = {}
            for file, written in self._modules(lacking).items():
                some = []
                for module in written:
                    is_one = ends.get(module)
                    if is_one is None:
                        is_one = ends[module] = included_name(module) in names
                    if is_one:
                        some.append(module)
                made[file] = tuple(some)
            self.kept.put_all(kind, {file: (one, 8 * len(one)) for file, one in made.items()})
            found.update(made)
        return {file: [*modules] for file in files if (modules := found[file])}

    def _modules(self, files: Collection[int]) -> dict[int, tuple[str, ...]]:
        """The modules of the imports of files, as they are written."""
        found: dict[int, tuple[str, ...]] = self.kept.get_all("modules", files)
        lacking = [file for file in files if file not in found]
        if lacking:
            packed = relation_queries.packed_imports(self._manifest, lacking)
            same = self._written
            if len(same) > MAX_WRITTEN:
                same.clear()
            made: dict[int, tuple[str, ...]] = {}
            for file in lacking:
                modules = modules_of(packed[file]) if file in packed else ()
                made[file] = tuple([same.setdefault(module, module) for module in modules])
            self.kept.put_all("modules", {file: (one, 56 + 8 * len(one)) for file, one in made.items()})
            found.update(made)
        return found

    @cached_property
    def _written(self) -> dict[str, str]:
        """Modules as they are written: thousands of files write the same one."""
        return {}

    def importers(self, modules: Collection[str]) -> set[int]:
        """See :class:`~spelunk.store.relation_reader.RelationReader`.

        Raises:
            IndexCorruptError: A reference segment is damaged.
        """
        found: set[int] = set()
        for name in set(modules):
            files: array[int] | None = self.kept.get(("importers", name))
            if files is None:
                files = array("Q", sorted(self._importers(name)))
                self.kept.put(("importers", name), files, 8 * len(files))
            found.update(files)
        return found

    def _importers(self, name: str) -> set[int]:
        first = MODULE << ROLE_SHIFT  # the highest of the roles
        value = name_hash(name)
        return {
            file
            for segment, dead in self.segments
            for part in segment.find(value)
            for file, place in zip(part.files, part.places, strict=True)
            if place >= first and file not in dead
        }

    def importing(
        self, modules: Collection[str], limit: int = 10_000, names: Collection[str] = ()
    ) -> dict[int, list[Import]]:
        """See :class:`~spelunk.store.relation_reader.RelationReader`.

        Raises:
            IndexCorruptError: Imports or a reference segment are damaged.
        """
        wanted = set(modules)
        ordered = self._ordered(self.importers(wanted))[:limit]
        packed = relation_queries.packed_imports(self._manifest, ordered)
        read = NamedImports(names).read
        imports = {file: read(data) for file, data in packed.items()}
        found = {
            file: [i for i in imports.get(file, ()) if not wanted.isdisjoint(module_names(i.module))]
            for file in ordered
        }
        return {file: rows for file, rows in found.items() if rows} if names else found


def _line(row: tuple[int, int, Any]) -> int:
    return row[0] & MAX_LINE


_: type[RelationReader] = SnapshotRelations
