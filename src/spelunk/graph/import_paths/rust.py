"""Rust: crates of the workspace by name, ``crate``, ``self`` and ``super``, modules as files."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final, NamedTuple

from spelunk.chunk.relation import Import
from spelunk.graph.import_paths.tree import Tree, ancestors, folder_of, join

_OUTSIDE: Final = frozenset({"std", "core", "alloc", "proc_macro", "test"})
_ROOT_NAMES: Final = ("lib.rs", "main.rs")


class Crate(NamedTuple):
    """A package: its folder, its crate's name as code writes it, the root file of its library, its other roots."""

    folder: str
    name: str
    library: str
    roots: tuple[str, ...]


def resolve(tree: Tree, path: str, record: Import) -> list[str]:
    """The file of the name where that is a module, else the deepest module file on the way to it."""
    parts = [p.removeprefix("r#") for p in record.module.split("::") if p]
    if record.name not in ("", "*", "self"):
        parts.append(record.name.removeprefix("r#"))
    if not parts:
        return []
    inside = 0
    if "super" in parts:  # of a module that is written inside the file
        inside = sum(line < record.line <= end for line, end in _inner_modules(tree, path))
    return tree.keep(("rust", path, inside, *parts), lambda: _resolve(tree, path, parts, inside))


def _inner_modules(tree: Tree, path: str) -> list[tuple[int, int]]:
    """First and last lines of the modules that are written inside a file."""

    def read() -> list[tuple[int, int]]:
        return [(row.line, row.end_line) for row in tree.rows(path) if row.kind in ("module", "mod")]

    return tree.keep(("rust modules", path), read)


def _resolve(tree: Tree, path: str, parts: list[str], inside: int) -> list[str]:
    root = _root_of(tree, path)
    first, rest = parts[0], parts[1:]
    if first == "crate" or first == "$crate":
        return _walk(tree, root, root, rest)
    if first in ("self", "super"):
        module = path
        ups = 0
        parts = list(parts)
        while parts and parts[0] in ("self", "super"):
            ups += parts.pop(0) == "super"
        ups = max(0, ups - inside)
        for n in range(ups):
            parent = _parent(tree, module, root)
            if parent is None:
                # super of a module inside the file is the file itself
                return _walk(tree, module, root, parts) if n == 0 else []
            module = parent
        return _walk(tree, module, root, parts)
    child = _child(tree, path, root, first)
    if child is not None:
        return _walk(tree, child, root, rest)
    if first in _OUTSIDE:
        return []
    package = _packages(tree).get(first)
    if package is not None:
        return _walk(tree, package.library, package.library, rest)
    if tree.defines(path, first):  # an enum or a module inside this file
        return [path]
    child = _child(tree, root, root, first)  # the 2015 edition starts at the crate
    return _walk(tree, child, root, rest) if child is not None and rest else []


def _walk(tree: Tree, module: str, root: str, parts: list[str]) -> list[str]:
    for part in parts:
        child = _child(tree, module, root, part)
        if child is None:
            break
        module = child
    return [module] if module in tree.paths else []


def _home(module: str, root: str) -> str:
    """The folder of the files of a module's children."""
    if (
        module == root
        or module.endswith(("/mod.rs", "/lib.rs", "/main.rs"))
        or module in ("mod.rs", *_ROOT_NAMES)
    ):
        return folder_of(module)
    return module.removesuffix(".rs")


def _child(tree: Tree, module: str, root: str, name: str) -> str | None:
    home = _home(module, root)
    start = f"{home}/" if home else ""
    found = tree.first((f"{start}{name}.rs", f"{start}{name}/mod.rs"))
    return found[0] if found and found[0] != module else None


def _parent(tree: Tree, module: str, root: str) -> str | None:
    if module == root:
        return None
    folder = folder_of(module)
    if module.endswith("/mod.rs"):
        folder = folder_of(folder)
    if folder == folder_of(root):
        return root
    found = tree.first((f"{folder}/mod.rs", f"{folder}.rs", f"{folder}/lib.rs", f"{folder}/main.rs"))
    return found[0] if found else None


def _root_of(tree: Tree, path: str) -> str:
    """The root file of the crate that a file belongs to; the file itself where none is above it."""
    return tree.keep(("rust root", path), lambda: _find_root(tree, path))


def _find_root(tree: Tree, path: str) -> str:
    known = {root for package in _packages(tree).values() for root in package.roots}
    if path in known:
        return path
    for folder in ancestors(path):
        start = f"{folder}/" if folder else ""
        here = [root for root in known if folder_of(root) == folder]
        here += [p for p in (start + name for name in _ROOT_NAMES) if p in tree.paths and p not in here]
        if path in here:
            return path
        if here:
            return _declaring(tree, here, path[len(start) :].partition("/")[0].removesuffix(".rs"))
        if f"{start}Cargo.toml" in tree.paths:
            break
    return path


def _declaring(tree: Tree, roots: list[str], module: str) -> str:
    """Of several roots in one folder the one that has the module; a library before a program."""
    ordered = sorted(
        roots, key=lambda root: (not root.endswith("lib.rs"), not root.endswith("main.rs"), root)
    )
    if len(ordered) > 1:
        pattern = re.compile(
            rf"^\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(?:r#)?{re.escape(module)}\s*;", re.MULTILINE
        )
        for root in ordered:
            if pattern.search(tree.text(root)):
                return root
    return ordered[0]


def _packages(tree: Tree) -> dict[str, Crate]:
    return tree.keep(("cargo",), lambda: _read_packages(tree))


def _read_packages(tree: Tree) -> dict[str, Crate]:
    found: dict[str, Crate] = {}
    for config in sorted(tree.named("Cargo.toml"), key=lambda p: (p.count("/"), p)):
        try:
            content = tomllib.loads(tree.text(config))
        except (tomllib.TOMLDecodeError, RecursionError):
            continue
        package = _package(tree, folder_of(config), content)
        if package is not None:
            found.setdefault(package.name, package)
    return found


def _package(tree: Tree, folder: str, content: dict[str, Any]) -> Crate | None:
    table = content.get("package")
    name = table.get("name") if isinstance(table, dict) else None
    if not isinstance(table, dict) or not isinstance(name, str):
        return None
    library = content.get("lib")
    library = library if isinstance(library, dict) else {}
    lib_name, lib_path = library.get("name"), library.get("path")
    place = join(folder, lib_path if isinstance(lib_path, str) else "src/lib.rs") or ""
    roots = [place] if place in tree.paths else []
    for kind in ("bin", "test", "example", "bench"):
        entries = content.get(kind)
        for entry in entries if isinstance(entries, list) else []:
            written = entry.get("path") if isinstance(entry, dict) else None
            root = join(folder, written) if isinstance(written, str) else None
            if root is not None and root in tree.paths:
                roots.append(root)
    start = f"{folder}/" if folder else ""
    found_by_itself = {
        "src/bin": "autobins",
        "tests": "autotests",
        "examples": "autoexamples",
        "benches": "autobenches",
    }
    for inner in ("src", *(f for f, key in found_by_itself.items() if table.get(key) is not False)):
        sources = [path for path in tree.folder(start + inner) if path.endswith(".rs")]
        roots += [path for path in sources if inner != "src" or path.endswith("/main.rs")]
    crate = lib_name if isinstance(lib_name, str) else name.replace("-", "_")
    return Crate(folder, crate, place, tuple(dict.fromkeys(roots)))
