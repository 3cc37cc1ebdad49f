"""Find the files that an import means, by the rules of its language, and follow re-exports.

The rules know paths and configuration files of the index alone: nothing is
executed, and an import of something outside the index has no files.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final, NamedTuple

from spelunk.chunk.relation import Import, last_part
from spelunk.graph.import_paths import go
from spelunk.graph.import_paths.tree import Tree, tree_of
from spelunk.store.relation_pack import module_names
from spelunk.store.relation_reader import RelationReader

__all__ = ["NameOrigin", "imported_as", "reexported", "resolve_import", "root_package_names"]

_RULES: Final = {
    language: rule
    for rule, languages in {
        "python.resolve": "python starlark",
        "javascript.resolve": "javascript typescript tsx vue svelte astro coffeescript flow",
        "go.resolve": "go",
        "rust.resolve": "rust",
        "jvm.resolve": "java kotlin scala groovy",
        "c.resolve": "c cpp objc cuda arduino",
        "csharp.resolve": "csharp",
        "ruby.resolve": "ruby",
        "php.resolve": "php hack",
        "by_name.swift": "swift",
        "by_name.lua": "lua luau",
        "by_name.elixir": "elixir",
        "by_name.haskell": "haskell",
        "by_name.zig": "zig",
    }.items()
    for language in languages.split()
}
"""The function of this package that resolves a language's imports."""

MAX_DEPTH: Final = 8
"""Files in a chain of re-exports; ``__init__`` files of large packages make chains of 3 or 4."""

MAX_VISITED: Final = 200
"""Files looked at for one name."""

_ALL_NAMES: Final = frozenset({"python"})
"""Languages in which every name that a file imports can be imported from it."""


class NameOrigin(NamedTuple):
    """Where a name comes from.

    Attributes:
        path: A file.
        name: The name there; "" for the file itself as a module.
    """

    path: str
    name: str


def resolve_import(reader: RelationReader, path: str, language: str, record: Import) -> list[str]:
    """The indexed files that an import of a file means.

    Args:
        reader: The index; what is learnt of it is kept for as long as it lives.
        path: The file that imports.
        language: Its language.
        record: The import as written there.

    Returns:
        Paths. One for a module that is a file; all files of a package or a namespace; [] where
        the import is outside the index or its language has no rules. Several for a module that is
        a file mean that the rules do not decide, or that a package has a submodule and a name alike.
    """
    return _resolve(tree_of(reader), path, language, record)


def imported_as(reader: RelationReader, path: str, language: str) -> set[str]:
    """The last parts of the modules by which other files may import a file, as the index of imports has them."""
    folder, _, name = path.rpartition("/")
    parts = {last_part("./" + name), name.partition(".")[0], folder.rpartition("/")[2]}
    if language == "go":
        for module in go.modules_in(tree_of(reader), folder):
            parts |= module_names(module)
    return parts - {""}


def root_package_names(reader: RelationReader, path: str, language: str) -> tuple[str, ...]:
    """The names of a file's package where it is at the root of a module of Go, whose folder has another name or none.

    () everywhere else.
    """
    if language != "go":
        return ()
    modules = go.modules_in(tree_of(reader), path.rpartition("/")[0])
    return tuple(name for module in modules for name in go.package_names(module))


def _resolve(tree: Tree, path: str, language: str, record: Import) -> list[str]:
    rule = _RULES.get(language)
    if rule is None:
        return []
    module, _, function = rule.partition(".")
    resolve: Callable[[Tree, str, Import], list[str]]
    resolve = getattr(import_module(f"{__name__}.{module}"), function)
    return resolve(tree, path, record)


def reexported(reader: RelationReader, path: str, name: str) -> list[NameOrigin]:
    """Where a name that a file offers is defined: the file itself, or those that it takes the name from.

    Follows ``from .x import name`` of ``__init__.py``, ``export … from``, ``pub use`` and the
    like, through at most :data:`MAX_DEPTH` files. A circle ends the search, not the answer. A
    name that is bound to a whole module gives that module's files with the name "".
    """
    tree = tree_of(reader)
    return tree.keep(("reexported", path, name), lambda: _origins(tree, path, name))


def _origins(tree: Tree, path: str, name: str) -> list[NameOrigin]:
    seen = {(path, name)}
    level = [(path, name)]
    found: dict[NameOrigin, None] = {}
    for _ in range(MAX_DEPTH + 1):
        following: list[tuple[str, str]] = []
        for file, wanted in level:
            if wanted == "" or tree.defines(file, wanted):
                found[NameOrigin(file, wanted)] = None
                continue
            for step in _steps(tree, file, wanted):
                if step not in seen and len(seen) < MAX_VISITED:
                    seen.add(step)
                    following.append(step)
        if not following:
            break
        level = following
    return list(found)


def _steps(tree: Tree, path: str, wanted: str) -> list[tuple[str, str]]:
    """The files that a file takes a name from, and the name there; those that name it before ``*``."""
    language = tree.language(path)
    named: list[tuple[str, str]] = []
    starred: list[tuple[str, str]] = []
    for record in tree.imports(path):
        if not record.exported and language not in _ALL_NAMES:
            continue
        if record.name == "*" and not record.alias:
            starred += [
                (target, wanted) for target in _resolve(tree, path, language, record) if target != path
            ]
        elif wanted == (record.alias or record.name or record.module.rpartition(".")[2]):
            # what the module itself is not, is a submodule of that name
            own = _resolve(tree, path, language, record._replace(name="")) if language == "python" else None
            for target in _resolve(tree, path, language, record):
                whole = record.name in ("", "*") or (own is not None and target not in own)
                named.append((target, "" if whole else record.name))
    return named or starred
