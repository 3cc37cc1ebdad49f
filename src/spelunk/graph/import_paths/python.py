"""Python: absolute modules from any root that contains them, relative ones, packages and their submodules."""

from __future__ import annotations

import sys
from typing import Final

from spelunk.chunk.relation import Import
from spelunk.graph.import_paths.tree import Tree, ancestors, folder_of

_ENDINGS: Final = (".py", "/__init__.py", ".pyi", "/__init__.pyi", ".pyx", ".pxd")
_INITS: Final = ("__init__.py", "__init__.pyi")


def resolve(tree: Tree, path: str, record: Import) -> list[str]:
    """The file of the name where that is a module, else the file of the module.

    A package that binds a name which is also a submodule gives both files.
    """
    module = record.module
    dots = len(module) - len(module.lstrip("."))
    parts = [part for part in module.split(".") if part]
    if dots:
        folders = ancestors(path)
        if dots > len(folders):
            return []
        bases = ["/".join(p for p in (folders[dots - 1], *parts) if p)]
    elif not parts:
        return []
    else:
        bases = _roots(tree, path, parts, record.name)
    for base in bases:
        found = _module(tree, base, record.name)
        if found:
            return found
    return []


def _module(tree: Tree, base: str, name: str) -> list[str]:
    own = tree.first(base + ending if base else ending.lstrip("/") for ending in _ENDINGS)
    if name in ("", "*"):
        return own
    sub = tree.first(f"{base}/{name}{ending}" if base else name + ending for ending in _ENDINGS)
    if sub and own and tree.defines(own[0], name):
        return own + sub
    return sub or own


def _roots(tree: Tree, path: str, parts: list[str], name: str) -> list[str]:
    """The places that an absolute module may be at, best first."""
    top = parts[0]
    return tree.keep(
        ("python", folder_of(path), *parts, name if len(parts) == 1 else ""),
        lambda: _find_roots(tree, path, parts, top, name),
    )


def _find_roots(tree: Tree, path: str, parts: list[str], top: str, name: str) -> list[str]:
    relative = "/".join(parts)
    found = [hit[: len(hit) - len(ending)] for ending in _ENDINGS for hit in tree.ending(relative + ending)]
    if not found and name not in ("", "*"):  # a namespace package: a folder without __init__
        found = [
            hit[: len(hit) - len(f"/{name}{ending}")]
            for ending in _ENDINGS
            for hit in tree.ending(f"{relative}/{name}{ending}")
        ]
    standard = top in sys.stdlib_module_names
    above = set(ancestors(path))
    fit = []
    for base in dict.fromkeys(found):
        root = base[: len(base) - len(relative)].rstrip("/")
        if standard and root.rpartition("/")[2] != "Lib":
            continue
        if root and any(f"{root}/{init}" in tree.paths for init in _INITS):
            continue  # inside a package: its full name begins further up
        if len(parts) == 1 and root not in above and root.count("/") > 1 and root.rpartition("/")[2] != "src":
            continue
        fit.append(base)
    return tree.nearest(path, fit)
