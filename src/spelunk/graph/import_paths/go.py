"""Go: module paths of ``go.mod`` with local replacements, vendored packages, a package as the files of a folder."""

from __future__ import annotations

import re
from typing import Final

from spelunk.chunk.relation import Import
from spelunk.graph.import_paths.tree import Tree, folder_of, join, shared_folders

_MODULE: Final = re.compile(r"^\s*module\s+\"?([^\s\"]+)", re.MULTILINE)
_VERSION: Final = re.compile(r"v\d+")
_ENDING: Final = re.compile(r"\.v\d+$")
_REPLACE: Final = re.compile(r"^\s*(?:replace\s+)?(\S+)(?:\s+v\S+)?\s+=>\s+(\.\.?/\S*|\.)\s*$", re.MULTILINE)


def package_names(module: str) -> tuple[str, ...]:
    """The names that a package may have by its import path, the likeliest first; its files decide, and are not read.

    ``caddy`` and ``v2`` of ``…/caddy/v2``, ``yaml`` of ``gopkg.in/yaml.v3``, ``redis`` of ``…/go-redis``.
    """
    parts = module.split("/")
    ends = parts[-2:] if _VERSION.fullmatch(parts[-1]) else parts[-1:]
    bare = [_ENDING.sub("", end) for end in ends]
    plain = [name.removeprefix("go-").removesuffix("-go").removesuffix(".go") for name in bare]
    return tuple(dict.fromkeys([*plain, *bare]))


def modules_in(tree: Tree, folder: str) -> list[str]:
    """The paths of the modules whose root is a folder."""
    return [name for name, root in _modules(tree) if root == folder]


def resolve(tree: Tree, path: str, record: Import) -> list[str]:
    """The files of the package, without its tests."""
    module = record.module
    return tree.keep(("go", folder_of(path), module), lambda: _package(tree, path, module))


def _package(tree: Tree, path: str, module: str) -> list[str]:
    if module.startswith("."):
        folder = join(folder_of(path), module)
        return _files(tree, folder) if folder is not None else []
    best = max(
        (
            (shared_folders(path, f"{root}/x"), len(name), root, name)
            for name, root in _modules(tree)
            if module == name or module.startswith(name + "/")
        ),
        key=lambda fit: fit[1::-1],
        default=None,
    )
    if best is not None:
        folder = "/".join(p for p in (best[2], module[len(best[3]) + 1 :]) if p)
        found = _files(tree, folder)
        if found:
            return found
    vendored = [f for f in _folders_ending(tree, f"vendor/{module}") if _files(tree, f)]
    if not vendored and "." not in module.split("/")[0]:
        # the standard library, but in its own repository
        vendored = [f for f in (f"src/{module}",) if tree.paths.get("src/runtime/proc.go") is not None]
    if not vendored and not _modules(tree) and module.count("/") >= 2:
        vendored = _folders_ending(tree, "/".join(module.split("/")[-2:]))
    return _files(tree, max(vendored, key=lambda f: shared_folders(path, f + "/x"))) if vendored else []


def _folders_ending(tree: Tree, ending: str) -> list[str]:
    tail = "/" + ending
    return [f for f in _go_folders(tree) if f == ending or f.endswith(tail)]


def _go_folders(tree: Tree) -> list[str]:
    return tree.keep(
        ("go folders",), lambda: list(dict.fromkeys(folder_of(p) for p in tree.paths if p.endswith(".go")))
    )


def _files(tree: Tree, folder: str) -> list[str]:
    return [p for p in tree.folder(folder) if p.endswith(".go") and not p.endswith("_test.go")]


def _modules(tree: Tree) -> list[tuple[str, str]]:
    """Module paths and their folders."""

    def read() -> list[tuple[str, str]]:
        found = []
        for config in tree.named("go.mod"):
            text, folder = tree.text(config), folder_of(config)
            named = _MODULE.search(text)
            if named:
                found.append((named[1], folder))
            for name, to in _REPLACE.findall(text):
                target = join(folder, to)
                if target is not None:
                    found.append((name, target))
        return found

    return tree.keep(("go.mod",), read)
