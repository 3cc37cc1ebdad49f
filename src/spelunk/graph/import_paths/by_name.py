"""Languages whose modules are files of their names or targets: Swift, Lua, Elixir, Haskell, Zig."""

from __future__ import annotations

import re
from typing import Final

from spelunk.chunk.relation import Import
from spelunk.graph.import_paths.tree import MAX_GUESSES, Tree, folder_of, join

_TARGET: Final = re.compile(
    r"\.(?:executableTarget|testTarget|target|macro|systemLibrary)\s*\(\s*name:\s*\"([^\"]+)\"([^\n]*(?:\n(?!\s*\.(?:\w*[tT]arget|macro))[^\n]*)*)"
)
_PATH: Final = re.compile(r"\bpath:\s*\"([^\"]+)\"")
_ZIG_MODULE: Final = re.compile(
    r"(?:addModule|addImport|createModule)\(\s*\"([^\"]+)\"[^;]*?root_source_file\s*=\s*[^;]*?\"([^\"]+\.zig)\"",
    re.DOTALL,
)
_WORD: Final = re.compile(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def swift(tree: Tree, path: str, record: Import) -> list[str]:
    """The files of a target; ``import struct Target.Name`` gives those that define the name."""
    target = record.module.partition(".")[0]
    files = tree.keep(("swift", target), lambda: _target(tree, target))
    name = record.name if record.name not in ("", "*") else record.module.partition(".")[2]
    defining = [p for p, _ in tree.definitions(name)] if name else []
    return [p for p in files if p in defining] or files


def _target(tree: Tree, name: str) -> list[str]:
    for package in tree.named("Package.swift"):
        start = folder_of(package)
        for target, rest in _TARGET.findall(tree.text(package)):
            if target != name:
                continue
            written = _PATH.search(rest)
            places = (
                [written[1]]
                if written
                else [f"Sources/{name}", f"Source/{name}", f"src/{name}", f"Tests/{name}"]
            )
            for place in places:
                folder = join(start, place)
                found = tree.below(folder, (".swift",)) if folder is not None else []
                if found:
                    return found
    return tree.below(f"Sources/{name}", (".swift",))


def lua(tree: Tree, path: str, record: Import) -> list[str]:
    """The file of a required module: dots are folders, ``init.lua`` stands for one."""
    module = record.module.removesuffix(".lua").strip("./").replace(".", "/")
    if not module:
        return []

    def find() -> list[str]:
        beside = f"{folder_of(path)}/{module}".strip("/")
        found = tree.first(f"{beside}{ending}" for ending in (".lua", "/init.lua", ".luau"))
        for ending in (".lua", "/init.lua", ".luau", "/init.luau"):
            found = found or tree.nearest(path, tree.ending(module + ending))
        return found

    return tree.keep(("lua", folder_of(path), module), find)


def elixir(tree: Tree, path: str, record: Import) -> list[str]:
    """The files that define a module, else the file of its name."""
    module = record.module
    if record.name not in ("", "*") and record.name[:1].isupper():
        module = f"{module}.{record.name}"

    def find() -> list[str]:
        outer, _, last = module.rpartition(".")
        found = [p for p, row in tree.definitions(module) if row.kind == "module" and not row.scope]
        if outer:  # written inside the outer module
            found += [p for p, row in tree.definitions(last) if row.kind == "module" and row.scope == outer]
        if found:
            return tree.nearest(path, [p for p in dict.fromkeys(found) if p.endswith((".ex", ".exs"))])
        name = "/".join(_WORD.sub("_", part).lower() for part in module.split("."))
        return tree.nearest(path, tree.ending(name + ".ex")) if "/" in name else []

    return tree.keep(("elixir", folder_of(path), module), find)


def haskell(tree: Tree, path: str, record: Import) -> list[str]:
    """The file of a module."""
    name = record.module.replace(".", "/")
    return tree.keep(
        ("haskell", folder_of(path), name),
        lambda: tree.nearest(path, [p for e in (".hs", ".lhs", ".hsc") for p in tree.ending(name + e)]),
    )


def zig(tree: Tree, path: str, record: Import) -> list[str]:
    """A file beside this one, the standard library where it is in the tree, or a module of a ``build.zig``."""
    module = record.module.strip('"')
    if module.endswith((".zig", ".zon")):
        place = join(folder_of(path), module)
        return [place] if place and place in tree.paths else []
    if module in ("std", "builtin"):
        return tree.first(("lib/std/std.zig",)) if module == "std" else []
    if module == "root":
        return tree.nearest(path, tree.ending("src/main.zig"))

    def read() -> list[str]:
        found = []
        for build in tree.named("build.zig"):
            for name, root in _ZIG_MODULE.findall(tree.text(build)):
                place = join(folder_of(build), root) if name == module else None
                if place in tree.paths and place:
                    found.append(place)
        return (found or tree.ending(f"{module}/src/{module}.zig") or tree.ending(f"src/{module}.zig"))[
            :MAX_GUESSES
        ]

    return tree.keep(("zig", module), read)
