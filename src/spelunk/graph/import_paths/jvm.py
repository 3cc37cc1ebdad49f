"""Java, Kotlin, Scala and Groovy: a package's folder below any source root, or the files that declare the package."""

from __future__ import annotations

import re
from typing import Final

from spelunk.chunk.relation import Import
from spelunk.graph.import_paths.tree import Tree, folder_of

_EXTENSIONS: Final = (".java", ".kt", ".scala", ".groovy", ".kts", ".sc")
_PACKAGE: Final = re.compile(r"^\s*package\s+([\w.`]+)", re.MULTILINE)
_HEAD: Final = 20_000
"""Characters in which the package is declared; licences stand before it."""


def resolve(tree: Tree, path: str, record: Import) -> list[str]:
    """The file that defines the type, function or constant; of a whole package all its files."""
    written = record.module.strip().replace("`", "").removesuffix("._").removesuffix(".*")
    name = "" if record.name in ("*", "_", "given") else record.name
    if name:
        written = f"{written}.{name}" if written else name
    parts = [part for part in written.split(".") if part and part != "_root_"]
    if not parts:
        return []
    whole = record.name in ("*", "_", "given")
    return tree.keep(("jvm", folder_of(path), whole, *parts), lambda: _resolve(tree, path, parts, whole))


def _resolve(tree: Tree, path: str, parts: list[str], whole: bool) -> list[str]:
    # a member's import ends in names that are no files: they are dropped from the right
    for end in range(len(parts), 0, -1):
        inner = "/".join(parts[:end])
        found = [hit for extension in _EXTENSIONS for hit in tree.ending(inner + extension)]
        if end == 1:
            found = [hit for hit in found if hit.rpartition("/")[2] == hit or _package(tree, hit) == ""]
        if found:
            return tree.nearest(path, found)
        if end > 1:
            found = _declared(tree, parts[end - 1], ".".join(parts[: end - 1]))
            if found:
                return tree.nearest(path, found)
        if end == len(parts) and whole:
            found = _of_package(tree, path, parts)
            if found:
                return found
        if len(parts) - end >= 2:
            break
    return []


def _declared(tree: Tree, name: str, package: str) -> list[str]:
    """Files of a package that define a name, whatever they are called."""
    paths = dict.fromkeys(p for p, row in tree.definitions(name)[:200] if p.endswith(_EXTENSIONS))
    return [p for p in paths if _package(tree, p) == package]


def _package(tree: Tree, path: str) -> str:
    """The package that a file declares."""

    def read() -> str:
        # Scala may write a package in several clauses
        return ".".join(_PACKAGE.findall(tree.text(path)[:_HEAD])).replace("`", "")

    return tree.keep(("package", path), read)


def _of_package(tree: Tree, path: str, parts: list[str]) -> list[str]:
    package = ".".join(parts)
    for start in range(min(len(parts), 5)):  # Kotlin may leave out what all packages share
        tail = "/" + "/".join(parts[start:])
        found = [
            file
            for folder in _folders(tree)
            if ("/" + folder).endswith(tail)
            for file in tree.folder(folder)
            if file.endswith(_EXTENSIONS)
        ]
        found = [file for file in found if _package(tree, file) == package]
        if found:
            return found
    return []


def _folders(tree: Tree) -> list[str]:
    return tree.keep(
        ("jvm folders",),
        lambda: list(dict.fromkeys(folder_of(p) for p in tree.paths if p.endswith(_EXTENSIONS))),
    )
