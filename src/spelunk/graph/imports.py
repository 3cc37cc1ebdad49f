"""The imports of a file: the names that they bind, and the definitions behind those names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from spelunk.chunk.relation import Import
from spelunk.graph.import_paths import go
from spelunk.graph.languages import CLASSES, FOLDER_PACKAGES, WITH_IMPORT_RULES, family_of
from spelunk.graph.view import GraphView, qualified
from spelunk.store.records import FileRow
from spelunk.store.relation_pack import included_name
from spelunk.store.relation_reader import DefinitionRow

MOST_HOPS: Final = 6
"""Re-exports that are followed, one after the other."""
MOST_VISITED: Final = 2_000
"""Files looked at for one name that is re-exported."""
MOST_HEADERS: Final = 50
"""Headers whose includes are looked up by their names; of more the includes of each file are read."""
MOST_FILES: Final = 400
"""Files of one imported module that are looked at."""

_EXPORTS: Final = re.compile(r"\bexport\s*\{([^{}]*)\}(?!\s*from\b)")
"""Names that a module of JavaScript offers from its own scope."""
_UNNAMED: Final = re.compile(
    r"export\s+default\s+(?:async\s+)?(?:function\s*\*?\s*[(<]|class\s*(?:\{|extends\b)|[(<]|\w+\s*=>)"
)
"""The begin of a default export without a name."""
_PARTS: Final = re.compile(r"::|[./\\:]+")
_INCLUDED: Final = re.compile(r"[<\"].*|.*\.(?:h|hh|hpp|hxx|inc|inl)[>\"]?")


class Bound(NamedTuple):
    """What the imports of a file say of a name.

    Attributes:
        imports: Those that bind it.
        files: The files that they lead to.
        rows: The definitions of the name there, re-exports followed.
        is_outside: Whether the name comes from a module that is not in the index.
    """

    imports: tuple[Import, ...] = ()
    files: tuple[FileRow, ...] = ()
    rows: tuple[DefinitionRow, ...] = ()
    is_outside: bool = False


NOT_BOUND: Final = Bound()


class ImportTable(NamedTuple):
    """The imports of a file by the name that each binds, and those that bring all names of a module."""

    by_name: dict[str, list[Import]]
    wide: list[Import]


class Imports:
    """The imports of one generation."""

    def __init__(self, view: GraphView) -> None:
        self._view = view
        self._tables: dict[int, ImportTable] = {}
        self._files: dict[tuple[int, str, str], tuple[FileRow, ...]] = {}
        self._bound: dict[tuple[int, str], Bound] = {}
        self._reach: dict[int, frozenset[int]] = {}
        self._included: dict[frozenset[int], tuple[set[str], set[int] | None]] = {}
        self._wide: dict[int, tuple[FileRow, ...]] = {}
        self._clauses: dict[int, list[str]] = {}
        self._without_name: dict[int, list[DefinitionRow]] = {}
        self._headers: dict[tuple[str, str], tuple[FileRow, ...]] = {}

    def table(self, file: int) -> ImportTable:
        """The imports of a file, sorted by what they bind."""
        found = self._tables.get(file)
        if found is None:
            found = self._tables[file] = ImportTable({}, [])
            family = family_of(self._view.row(file).language)
            for one in self._view.imports(file):
                if is_wide(one, family):
                    found.wide.append(one)
                else:
                    for name in bound_names(one, family):
                        found.by_name.setdefault(name, []).append(one)
        return found

    def files_of(self, file: int, one: Import) -> tuple[FileRow, ...]:
        """The files that an import of a file leads to; none where it leads out of the index."""
        key = (file, one.module, one.name)
        found = self._files.get(key)
        if found is None:
            from spelunk.graph.import_paths import resolve_import

            row = self._view.row(file)
            paths = resolve_import(self._view.reader, row.path, row.language, one)[:MOST_FILES]
            found = self._files[key] = tuple(
                r for r in self._view.rows_at(paths) if r.id != file or row.language == "rust"
            )  # Rust's ``use super::x`` in a module of the file
        return found

    def wide_files(self, file: int) -> tuple[FileRow, ...]:
        """The files whose every name a file imports: star imports and includes."""
        found = self._wide.get(file)
        if found is None:
            rows = {r.id: r for one in self.table(file).wide for r in self.files_of(file, one)}
            found = self._wide[file] = tuple(rows.values())
        return found

    def included_among(self, files: Collection[int], wanted: frozenset[int]) -> dict[int, frozenset[int]]:
        """What :meth:`wide_among` gives for many files of C, none of them among the wanted; left out where it is nothing."""
        names, importers = self._names_of_headers(wanted)
        if importers is None:
            each = ((file, self.wide_among(file, wanted)) for file in files)
            return {file: wide for file, wide in each if wide}
        found: dict[int, frozenset[int]] = {}
        known: dict[tuple[str, tuple[str, ...]], frozenset[int]] = {}
        including = self._view.reader.including([file for file in files if file in importers], names)
        for file, modules in including.items():
            key = (self._view.row(file).path.rpartition("/")[0], tuple(modules))
            wide = known.get(key)
            if wide is None:
                behind = (
                    number for module in modules for number in self._behind_header(file, key[0], module)
                )
                wide = known[key] = frozenset(number for number in behind if number in wanted)
            if wide:
                found[file] = wide
        return found

    def wide_among(self, file: int, wanted: frozenset[int]) -> frozenset[int]:
        """Those of some files that a file of C or C++ includes; other includes are not followed.

        An include leads to files of the name that it ends in alone.
        """
        names, importers = self._names_of_headers(wanted)
        if importers is not None and file not in importers:
            return frozenset()
        modules = [one.module for one in self.table(file).wide]
        includes = [module for module in modules if included_name(module) in names]
        return frozenset(
            row.id
            for module in includes
            for row in self._header(file, module)
            if row.id in wanted and row.id != file
        )

    def _behind_header(self, file: int, folder: str, module: str) -> tuple[int, ...]:
        """The ids of the files that :meth:`_header` gives for a file of C."""
        kept = self._view.reader.kept
        found: tuple[int, ...] | None = kept.get(("header", folder, module))
        if found is None:
            found = tuple([row.id for row in self._header(file, module)])
            kept.put(("header", folder, module), found, 150)
        return found

    def _header(self, file: int, module: str) -> tuple[FileRow, ...]:
        """The files that an include leads to: the same for all files of a folder."""
        row = self._view.row(file)
        one = Import(module, "", "", 1)
        if row.language != "c":
            return self.files_of(file, one)
        key = (row.path.rpartition("/")[0], module)
        found = self._headers.get(key)
        if found is None:
            from spelunk.graph.import_paths import resolve_import

            paths = resolve_import(self._view.reader, row.path, row.language, one)[:MOST_FILES]
            found = self._headers[key] = tuple(self._view.rows_at(paths))
        return found

    def _names_of_headers(self, wanted: frozenset[int]) -> tuple[set[str], set[int] | None]:
        """The names of some files, and who may include them; None where that is not told by an index."""
        known = self._included.get(wanted)
        if known is None:
            names = {self._view.row(w).path.rpartition("/")[2] for w in wanted}
            is_told = len(names) <= MOST_HEADERS and all(  # by what is before the dot
                name.count(".") == 1 and name[0] != "." for name in names
            )
            stems = {name.partition(".")[0] for name in names}
            known = names, self._view.reader.importers(stems) if is_told else None
            self._included[wanted] = known
        return known

    def reach(self, file: int) -> frozenset[int]:
        """The files that a file imports, that they re-export names from, and the file itself."""
        found = self._reach.get(file)
        if found is None:
            rows = {row.id: row for one in self._view.imports(file) for row in self.files_of(file, one)}
            for name, imports in self.table(file).by_name.items():
                if any(one.name for one in imports):
                    rows.update((row.file, self._view.row(row.file)) for row in self.bound(file, name).rows)
            found = self._reach[file] = frozenset((file, *rows))
        return found

    def bound(self, file: int, name: str) -> Bound:
        """What the imports of a file say of a name."""
        if self._view.row(file).language == "c":  # whose includes bind no name
            return NOT_BOUND
        key = (file, name)
        found = self._bound.get(key)
        if found is None:
            imports = self.table(file).by_name.get(name, ())
            files: dict[int, FileRow] = {}
            rows: list[DefinitionRow] = []
            for one in imports:
                behind = self.files_of(file, one)
                files.update((row.id, row) for row in behind)
                rows += self._behind(behind, one, name)
            family = family_of(self._view.row(file).language)
            found = self._bound[key] = Bound(
                tuple(imports),
                tuple(files.values()),
                tuple(dict.fromkeys(rows)),
                bool(imports) and not files and family in WITH_IMPORT_RULES,
            )
        return found

    def _behind(self, files: Sequence[FileRow], one: Import, local: str) -> list[DefinitionRow]:
        """The definitions that an import of one name means in the files that it leads to."""
        if not one.name:
            return []
        if one.name == "default":
            named = self.exported(files, local)
            named = named or self.exported(files, one.name)
            return named or [r for f in files[:1] for r in self._only_definition(f)]
        return self.exported(files, one.name)

    def _unnamed(self, file: FileRow) -> list[DefinitionRow]:
        """What a module of JavaScript exports as its default without a name; it is read from its text."""
        found = self._without_name.get(file.id)
        if found is None:
            found = []
            if family_of(file.language) == "js" and any(map(_UNNAMED.match, self._view.lines(file.id))):
                inner = self._view.locals(file.id)
                found = [row for row in inner if row.name == "default" and not row.scope]
            self._without_name[file.id] = found
        return found

    def module_chain(self, files: Sequence[FileRow], names: list[str]) -> tuple[Sequence[FileRow], list[str]]:
        """Follow names as :meth:`modules` for as long as they are modules: the last ones, and the names that are left."""
        while names and (further := self.modules(files, names[0])):
            files, names = further, names[1:]
        return files, names

    def modules(self, files: Iterable[FileRow], name: str) -> list[FileRow]:
        """The files of a module that other modules of JavaScript offer under a name: ``export * as coerce from``."""
        for level in self._levels(files, name):
            found = [
                row
                for file, wanted in level
                for one in self.table(file.id).by_name.get(wanted, ())
                if one.alias and one.name in ("", "*")
                for row in self.files_of(file.id, one)
            ]
            if found:
                return found
        return []

    def _levels(self, files: Iterable[FileRow], name: str) -> Iterator[list[tuple[FileRow, str]]]:
        """Files and the name that each has for what is looked for, level by level through re-exports.

        Each pair comes once: modules that re-export each other end. At most ``MOST_HOPS + 1`` levels, and none after
        more than ``MOST_VISITED`` pairs.
        """
        level = [(file, name) for file in files]
        seen: set[tuple[int, str]] = set()
        for _ in range(MOST_HOPS + 1):
            once = {(file.id, wanted): (file, wanted) for file, wanted in level}
            level = [one for key, one in once.items() if key not in seen]
            seen.update(once)
            if not level:
                return
            yield level
            if len(seen) > MOST_VISITED:
                return
            level = [one for file, wanted in level for one in self._offered(file.id, wanted)]

    def _only_definition(self, file: FileRow) -> list[DefinitionRow]:
        """The definition of a file that has one function or type at its top."""
        top = [r for r in self._view.definitions(file.id) if not r.scope]
        return top if len(top) == 1 else []

    def exported(self, files: Iterable[FileRow], name: str) -> list[DefinitionRow]:
        """The definitions at the top of files that have a name; else the nearest ones through re-exports."""
        visited = 0
        for level in self._levels(files, name):
            visited += len(level)
            self._view.load(file.id for file, _ in level)
            found = [row for file, wanted in level for row in self._top(file.id, wanted)]
            if not found:
                found = [
                    row
                    for f, wanted in level
                    for inner in self._exported_as(f, wanted)
                    for row in self._top(f.id, inner)
                ] or [row for f, wanted in level if wanted == "default" for row in self._unnamed(f)]
            if found:
                return list(dict.fromkeys(found))
        if visited > MOST_VISITED:
            self._view.told.add(f"re-exports of `{name}` were followed through {MOST_VISITED:,} files")
        return []

    def _offered(self, file: int, name: str) -> list[tuple[FileRow, str]]:
        """The files that a file takes a name from to offer it, and the name there: by name, else by a star."""
        table = self.table(file)
        named = [
            (row, one.name)
            for one in table.by_name.get(name, ())
            if one.name
            for row in self.files_of(file, one)
        ]
        return named or [
            (row, name) for one in table.wide if one.name == "*" for row in self.files_of(file, one)
        ]

    def _exported_as(self, file: FileRow, name: str) -> list[str]:
        """The name in a module of JavaScript of what it offers under another one: ``export { a as b }``."""
        if family_of(file.language) != "js":
            return []
        clauses = self._clauses.get(file.id)
        if clauses is None:
            text = "\n".join(self._view.lines(file.id))
            clauses = self._clauses[file.id] = _EXPORTS.findall(text) if "export" in text else []
        pattern = re.compile(rf"\b(\w+)\s+as\s+{re.escape(name)}\b")
        return [m.group(1) for clause in clauses for m in pattern.finditer(clause)][:1]

    def _top(self, file: int, name: str) -> list[DefinitionRow]:
        """Definitions of a name that a file offers: those at its top, and in its modules, not in its types."""
        rows = self._view.named_in(file, name)
        top = [row for row in rows if not row.scope]
        return top or [row for row in rows if not self.is_member(row)]

    def is_member(self, row: DefinitionRow) -> bool:
        """Whether a definition is a member of a type, and not of a module or a namespace."""
        if not row.scope:
            return False
        if row.kind in ("method", "field", "variant"):
            return True
        owners = self._view.named_in(row.file, row.scope.rpartition(".")[2])
        return any(d.kind in CLASSES and qualified(d) == row.scope for d in owners)


def is_wide(one: Import, family: str) -> bool:
    """Whether an import brings all names of what it leads to."""
    if one.name == "*":
        return not one.alias
    if one.name or one.alias:
        return False
    return family in (
        "c",
        "ruby",
        "php",
        "lua",
        "bash",
        "haskell",
        "julia",
        "r",
        "beam",
        "swift",
        "csharp",
    ) or (family not in FOLDER_PACKAGES and bool(_INCLUDED.fullmatch(one.module)))


def bound_names(one: Import, family: str = "") -> tuple[str, ...]:
    """The names that an import binds in its file, and the module as it is written before a name."""
    if one.alias:
        return (one.alias,)
    if one.name and one.name != "*":
        return (one.name,)
    if family == "go":
        return (*go.package_names(one.module), one.module)
    parts = [part for part in _PARTS.split(one.module.strip("<>\"'")) if part]
    if not parts:
        return ()
    own = parts[0] if family == "python" else parts[-1]  # Python's ``import a.b`` binds ``a``
    return tuple(dict.fromkeys((own, one.module)))
