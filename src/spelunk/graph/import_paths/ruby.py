"""Ruby: ``require`` along the usual load paths, ``require_relative``, constants by the names of their files."""

from __future__ import annotations

import re
from typing import Final

from spelunk.chunk.relation import Import
from spelunk.graph.import_paths.tree import Tree, folder_of, join

_WORD: Final = re.compile(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LOAD_PATHS: Final = ("lib", "ext", "spec", "test", "app", "config", "src", "")


def resolve(tree: Tree, path: str, record: Import) -> list[str]:
    """The required file, or the file of a constant."""
    module = record.module.strip("'\"")
    if "::" in module or module[:1].isupper():
        return of_constant(tree, path, module)
    if not module:
        return of_constant(tree, path, record.name) if record.name else []
    return tree.keep(("ruby", folder_of(path), module), lambda: _required(tree, path, module))


def _required(tree: Tree, path: str, module: str) -> list[str]:
    name = module if module.endswith((".rb", ".rake")) else module + ".rb"
    beside = join(folder_of(path), name)
    if module.startswith("."):
        return [beside] if beside in tree.paths and beside else []
    found = []
    for hit in tree.ending(name):
        root = hit[: len(hit) - len(name)].rstrip("/")
        if root.rpartition("/")[2] in _LOAD_PATHS or "/app/" in f"/{root}/" or root == folder_of(path):
            found.append(hit)
    if beside in found and folder_of(path) not in _roots(found, name):
        # of the load path and beside the file: what is beside it is meant by require_relative
        return [beside]
    return tree.nearest(path, found)


def _roots(found: list[str], name: str) -> set[str]:
    return {hit[: len(hit) - len(name)].rstrip("/") for hit in found}


def of_constant(tree: Tree, path: str, constant: str) -> list[str]:
    """The file that an autoloader gives for ``Foo::BarBaz``: ``foo/bar_baz.rb`` below a root."""
    name = "/".join(_WORD.sub("_", part).lower() for part in constant.strip(":").split("::"))
    return tree.keep(
        ("ruby constant", folder_of(path), name), lambda: tree.nearest(path, tree.ending(name + ".rb"))
    )
