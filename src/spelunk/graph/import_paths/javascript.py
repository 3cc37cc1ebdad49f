"""JavaScript and TypeScript: relative paths, ``paths`` of the compiler's configuration, packages of the workspace."""

from __future__ import annotations

import re
from typing import Final

from spelunk.chunk.relation import Import
from spelunk.graph.import_paths.js_config import (
    NodePackage,
    mapping_for,
    package_above,
    packages,
    read_json,
    split_package,
    targets,
)
from spelunk.graph.import_paths.tree import Tree, folder_of, join

_EXTENSIONS: Final = (
    ".ts",
    ".tsx",
    ".mts",
    ".cts",
    ".d.ts",
    ".js",
    ".jsx",
    ".mjs",
    ".cjs",
    ".vue",
    ".svelte",
    ".astro",
    ".json",
)
_WRITTEN: Final = {
    ".js": (".ts", ".tsx", ".d.ts", ".jsx"),
    ".jsx": (".tsx", ".d.ts"),
    ".mjs": (".mts", ".d.mts"),
    ".cjs": (".cts", ".d.cts"),
}
"""What a file may be called whose compiled name is imported."""
_BUILT: Final = re.compile(r"^(?:dist|lib|build|out|es|esm|cjs|umd)/(?:(?:esm|cjs|es|types|src)/)?")
_ENDING: Final = re.compile(r"(?:\.d)?\.[cm]?[jt]sx?$")


def resolve(tree: Tree, path: str, record: Import) -> list[str]:
    """The file of the module."""
    module = record.module.partition("?")[0]
    if not module:
        return []
    return tree.keep(("js", folder_of(path), module), lambda: _resolve(tree, path, module))


def _resolve(tree: Tree, path: str, module: str) -> list[str]:
    if module.startswith((".", "/")):
        place = join(folder_of(path), module) if module.startswith(".") else module[1:]
        return _file(tree, place) if place is not None else []
    own = package_above(tree, path)
    if module.startswith("#") and own is not None:
        return _entries(tree, own.folder, targets(own.content.get("imports"), module))
    mapping = mapping_for(tree, path)
    if mapping is not None:
        matching = [(p, to) for p, to in mapping.paths if _fits(p, module)]
        for pattern, places in sorted(matching, key=lambda m: -len(m[0].partition("*")[0])):
            start, _, end = pattern.partition("*")
            middle = module[len(start) : len(module) - len(end)] if "*" in pattern else ""
            for place in places:
                found = _file(tree, place.replace("*", middle))
                if found:
                    return found
        if mapping.base is not None:
            found = _file(tree, "/".join(p for p in (mapping.base, module) if p))
            if found:
                return found
    name, rest = split_package(module)
    package = packages(tree).get(name)
    if package is not None:
        return _of_package(tree, package, rest)
    # what bundlers are told in code: an alias for the folder of sources
    start, slash, rest = module.partition("/")
    if slash and start in ("@", "~", "$lib", "src", "app"):
        inner = {"$lib": ("src/lib",), "src": ("src",), "app": ("app",)}.get(start, ("src", "", "app"))
        folder = own.folder if own is not None else ""
        for part in inner:
            found = _file(tree, "/".join(p for p in (folder, part, rest) if p))
            if found:
                return found
    return []


def _fits(pattern: str, module: str) -> bool:
    start, star, end = pattern.partition("*")
    if not star:
        return pattern == module
    return module.startswith(start) and module.endswith(end) and len(module) >= len(start) + len(end)


def _file(tree: Tree, place: str) -> list[str]:
    """The file that a path without or with its extension means, or the index of a folder."""
    if place in tree.paths:
        return [place]
    for written, real in _WRITTEN.items():
        if place.endswith(written):
            found = tree.first(place[: -len(written)] + ending for ending in real)
            if found:
                return found
    found = tree.first(place + ending for ending in _EXTENSIONS) if place else []
    if found or not tree.is_folder(place):
        return found
    folder = f"{place}/" if place else ""
    if f"{folder}package.json" in tree.paths:
        found = _main(tree, NodePackage(place, read_json(tree, f"{folder}package.json")))
    return found or tree.first(f"{folder}index{ending}" for ending in _EXTENSIONS)


def _of_package(tree: Tree, package: NodePackage, rest: str) -> list[str]:
    exports = package.content.get("exports")
    found = _entries(tree, package.folder, targets(exports, f"./{rest}" if rest else "."))
    if found or not rest:
        return found or _main(tree, package)
    for start in ("", "src/"):
        found = _file(tree, "/".join(p for p in (package.folder, start + rest) if p))
        if found:
            return found
    return []


def _main(tree: Tree, package: NodePackage) -> list[str]:
    written = [package.content.get(key) for key in ("source", "types", "typings", "module", "main")]
    found = _entries(tree, package.folder, [w for w in written if isinstance(w, str)])
    if found:
        return found
    start = f"{package.folder}/" if package.folder else ""
    return tree.first(f"{start}{name}{e}" for name in ("src/index", "index", "src/main") for e in _EXTENSIONS)


def _entries(tree: Tree, folder: str, written: list[str]) -> list[str]:
    """The first file that a package names, or the source that a built one was made from."""
    for entry in written:
        place = join(folder, entry)
        if place is None:
            continue
        if place in tree.paths:
            return [place]
        inner = place[len(folder) + 1 :] if folder else place
        stem = _ENDING.sub("", inner)
        cut = _BUILT.sub("", stem)
        for source in dict.fromkeys((stem, f"src/{cut}", cut)):
            start = f"{folder}/{source}" if folder else source
            found = tree.first(start + ending for ending in _EXTENSIONS)
            if not found:
                found = tree.first(f"{start}/index{ending}" for ending in _EXTENSIONS)
            if found:
                return found
    return []
