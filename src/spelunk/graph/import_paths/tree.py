"""Paths and texts of an index as the rules of imports ask for them, kept for as long as their reader lives."""

from __future__ import annotations

import posixpath
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from spelunk.chunk.relation import Import
from spelunk.store.relation_reader import DefinitionRow, RelationReader

T = TypeVar("T")

MAX_GUESSES: Final = 10
"""Files given for an import that fits several equally well."""

MAX_CONFIG: Final = 1_000_000
"""Characters; a longer configuration file is not read."""

MAX_KEPT: Final = 100_000
"""Answers kept for one reader; then all are forgotten."""

_MEMBERS: Final = frozenset({"method", "field", "property", "constructor"})


class Tree:
    """The files of one generation.

    Attributes:
        reader: Where they come from.
        paths: All paths, with their number in the order of paths.
    """

    def __init__(self, reader: RelationReader) -> None:
        """List the files."""
        # not the reader itself: the tree is kept by its reader, which must be free to go
        self._reader = weakref.ref(reader)
        all_paths = reader.all_paths()
        self.paths: dict[str, int] = {path: n for n, path in enumerate(all_paths)}
        self._named: dict[str, list[str]] | None = None
        self._folders: dict[str, list[str]] | None = None
        self._parents: frozenset[str] | None = None
        self._kept: dict[tuple[Any, ...], Any] = {}

    @property
    def reader(self) -> RelationReader:
        """The reader."""
        reader = self._reader()
        if reader is None:
            raise ReferenceError("the reader of these files is gone")
        return reader

    def keep(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What ``make`` returns, made once for a key."""
        if key not in self._kept:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[key] = make()
        return self._kept[key]  # type: ignore[no-any-return]

    def named(self, name: str) -> list[str]:
        """Paths of files of this name, in order."""
        if self._named is None:
            self._named = _grouped(self.paths, lambda path: path[path.rfind("/") + 1 :])
        return self._named.get(name, [])

    def folder(self, folder: str) -> list[str]:
        """Paths of files directly in a folder, in order; "" is the root."""
        if self._folders is None:
            self._folders = _grouped(self.paths, lambda path: path[: max(path.rfind("/"), 0)])
        return self._folders.get(folder, [])

    def is_folder(self, folder: str) -> bool:
        """Whether there are files below a folder."""
        if self._parents is None:
            self.folder("")
            found: set[str] = set()
            for path in self._folders or ():
                while path not in found:
                    found.add(path)
                    path = path[: max(path.rfind("/"), 0)]
            self._parents = frozenset(found)
        return folder in self._parents

    def below(self, folder: str, extensions: tuple[str, ...]) -> list[str]:
        """Paths of files anywhere below a folder that end in one of these, in order."""
        start = folder + "/" if folder else ""
        return self.keep(
            ("below", folder, extensions),
            lambda: [p for p in self.paths if p.startswith(start) and p.endswith(extensions)],
        )

    def ending(self, ending: str) -> list[str]:
        """Paths that are this or end in ``/`` and this, in order."""
        tail = "/" + ending
        name = ending[ending.rfind("/") + 1 :]
        return [path for path in self.named(name) if path == ending or path.endswith(tail)]

    def first(self, candidates: Iterable[str]) -> list[str]:
        """The first of these that exists, alone; [] where none does."""
        for path in candidates:
            if path in self.paths:
                return [path]
        return []

    def nearest(self, path: str, candidates: Iterable[str]) -> list[str]:
        """Those of the candidates that share the most folders with a path; of these the least deep."""
        best: list[str] = []
        best_rank = (-1, 0)
        for candidate in candidates:
            rank = (shared_folders(path, candidate), -candidate.count("/"))
            if rank > best_rank:
                best, best_rank = [candidate], rank
            elif rank == best_rank and candidate not in best:
                best.append(candidate)
        return best[:MAX_GUESSES]

    def text(self, path: str) -> str:
        """The text of a file, "" where there is none or it is too long for a configuration."""
        row = self.reader.files_at([path]).get(path)
        if row is None or row.size > MAX_CONFIG:
            return ""
        return self.reader.text_of_file(row.id)

    def imports(self, path: str) -> list[Import]:
        """The imports of a file."""

        def read() -> list[Import]:
            row = self.reader.files_at([path]).get(path)
            return self.reader.imports_of([row.id]).get(row.id, []) if row else []

        return self.keep(("imports", path), read)

    def language(self, path: str) -> str:
        """The language of a file, "" where it is not indexed."""

        def read() -> str:
            row = self.reader.files_at([path]).get(path)
            return row.language if row else ""

        return self.keep(("language", path), read)

    def defines(self, path: str, name: str) -> bool:
        """Whether a file has a definition of this name that is no member of a type."""
        return name in self.keep(("defines", path), lambda: frozenset(self._defined(path)))

    def _defined(self, path: str) -> list[str]:
        return [row.name for row in self.rows(path) if row.kind not in _MEMBERS]

    def rows(self, path: str) -> list[DefinitionRow]:
        """The definitions of a file."""
        row = self.reader.files_at([path]).get(path)
        return self.reader.definitions_in([row.id]).get(row.id, []) if row else []

    def definitions(self, name: str) -> list[tuple[str, DefinitionRow]]:
        """Definitions of a name with the paths of their files."""

        def read() -> list[tuple[str, DefinitionRow]]:
            rows = self.reader.definitions_named([name])
            files = self.reader.file_rows({row.file for row in rows})
            return [(files[row.file].path, row) for row in rows if row.file in files]

        return self.keep(("definitions", name), read)


def shared_folders(one: str, other: str) -> int:
    """How many folders two paths have in common from the root on."""
    shared = posixpath.commonprefix([one, other])
    return shared.count("/")


def folder_of(path: str) -> str:
    """The folder of a path, "" for the root."""
    return path[: max(path.rfind("/"), 0)]


def ancestors(path: str) -> list[str]:
    """The folders above a path, the nearest first, the root ("") last."""
    found = []
    while path:
        path = folder_of(path)
        found.append(path)
    return found


def join(folder: str, relative: str) -> str | None:
    """A normal path from a folder and a relative path; None where that leaves the root."""
    path = posixpath.normpath(posixpath.join(folder, relative))
    if path == ".":
        return ""
    return None if path == ".." or path.startswith(("../", "/")) else path


def _grouped(paths: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for path in paths:
        groups.setdefault(key(path), []).append(path)
    return groups


_TREES: Final[weakref.WeakKeyDictionary[Any, Tree]] = weakref.WeakKeyDictionary()


def tree_of(reader: RelationReader) -> Tree:
    """The tree of a reader, made once."""
    tree = _TREES.get(reader)
    if tree is None:
        tree = _TREES[reader] = Tree(reader)
    return tree
