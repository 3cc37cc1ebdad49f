"""Configuration of JavaScript projects: ``tsconfig.json``, ``jsconfig.json`` and ``package.json``."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

from spelunk.graph.import_paths.tree import Tree, ancestors, folder_of, join

_COMMENT: Final = re.compile(r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_COMMA: Final = re.compile(r'("(?:[^"\\\n]|\\.)*")|,(?=\s*[}\]])')

MAX_EXTENDS: Final = 8
"""Configurations that extend one another."""


class Mapping(NamedTuple):
    """Where modules that are not relative may be: ``baseUrl`` and ``paths``.

    Attributes:
        base: Folder of ``baseUrl``; None where it is not set.
        paths: Pattern, with at most one ``*``, and its targets as paths from the root.
    """

    base: str | None
    paths: tuple[tuple[str, tuple[str, ...]], ...]


class NodePackage(NamedTuple):
    """A ``package.json``: its folder and its content."""

    folder: str
    content: dict[str, Any]


def read_json(tree: Tree, path: str) -> dict[str, Any]:
    """A JSON file with comments and trailing commas; {} where it is none."""

    def read() -> dict[str, Any]:
        text = _COMMA.sub(lambda m: m[1] or "", _COMMENT.sub(lambda m: m[1] or " ", tree.text(path)))
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    return tree.keep(("json", path), read)


def mapping_for(tree: Tree, path: str) -> Mapping | None:
    """The mapping of the nearest configuration above a file that has one."""
    return tree.keep(("js mapping", folder_of(path)), lambda: _mapping_for(tree, path))


def _mapping_for(tree: Tree, path: str) -> Mapping | None:
    for folder in ancestors(path):
        for name in ("tsconfig.json", "jsconfig.json", "tsconfig.app.json", "tsconfig.base.json"):
            config = f"{folder}/{name}" if folder else name
            if config in tree.paths:
                found = _mapping(tree, config, 0)
                if found.base is not None or found.paths:
                    return found
    return None


def _mapping(tree: Tree, config: str, depth: int) -> Mapping:
    content = read_json(tree, config)
    options = content.get("compilerOptions")
    options = options if isinstance(options, dict) else {}
    folder = folder_of(config)
    base_url = options.get("baseUrl")
    base = join(folder, base_url) if isinstance(base_url, str) else None
    paths = options.get("paths")
    inherited = Mapping(None, ())
    if (base is None or not isinstance(paths, dict)) and depth < MAX_EXTENDS:
        above = content.get("extends")
        for parent in [above] if isinstance(above, str) else above if isinstance(above, list) else []:
            file = _extended(tree, folder, parent) if isinstance(parent, str) else None
            if file is not None:
                got = _mapping(tree, file, depth + 1)
                inherited = Mapping(
                    got.base if got.base is not None else inherited.base, got.paths or inherited.paths
                )
    if base is None:
        base = inherited.base
    if not isinstance(paths, dict):
        return Mapping(base, inherited.paths)
    start = base if base is not None else folder
    mapped = []
    for pattern, targets in paths.items():
        places = [join(start, t) for t in targets if isinstance(t, str)] if isinstance(targets, list) else []
        mapped.append((pattern, tuple(p for p in places if p is not None)))
    return Mapping(base, tuple(mapped))


def _extended(tree: Tree, folder: str, parent: str) -> str | None:
    if parent.startswith("."):
        path = join(folder, parent)
    else:
        name, rest = split_package(parent)
        package = packages(tree).get(name)
        path = join(package.folder, rest or "tsconfig.json") if package else None
    if path is None:
        return None
    found = tree.first([path, path + ".json", path + "/tsconfig.json"])
    return found[0] if found else None


def split_package(module: str) -> tuple[str, str]:
    """The name of a package and the path inside it: ``@a/b/c`` gives ``@a/b`` and ``c``."""
    parts = module.split("/")
    n = 2 if module.startswith("@") else 1
    return "/".join(parts[:n]), "/".join(parts[n:])


def packages(tree: Tree) -> dict[str, NodePackage]:
    """The packages of the tree by name; of equal names the least deep."""

    def read() -> dict[str, NodePackage]:
        found: dict[str, NodePackage] = {}
        for path in sorted(tree.named("package.json"), key=lambda p: (p.count("/"), p)):
            content = read_json(tree, path)
            name = content.get("name")
            if isinstance(name, str):
                found.setdefault(name, NodePackage(folder_of(path), content))
        return found

    return tree.keep(("packages",), read)


def package_above(tree: Tree, path: str) -> NodePackage | None:
    """The package that a file belongs to."""
    for folder in ancestors(path):
        config = f"{folder}/package.json" if folder else "package.json"
        if config in tree.paths:
            return NodePackage(folder, read_json(tree, config))
    return None


def targets(entry: Any, rest: str) -> list[str]:
    """Every file that a map of ``exports`` or ``imports`` may give for a subpath, sources first."""
    if isinstance(entry, str):
        return [entry]
    if isinstance(entry, list):
        return [t for one in entry for t in targets(one, rest)]
    if not isinstance(entry, dict):
        return []
    if not any(key.startswith((".", "#")) for key in entry):  # conditions
        order = sorted(entry, key=lambda key: key not in ("source", "development", "import"))
        return [t for key in order for t in targets(entry[key], rest)]
    if rest in entry:
        return targets(entry[rest], rest)
    best = ""
    for pattern in entry:
        start, star, end = pattern.partition("*")
        if star and rest.startswith(start) and rest.endswith(end) and len(pattern) > len(best):
            best = pattern
    if not best:
        return []
    start, _, end = best.partition("*")
    middle = rest[len(start) : len(rest) - len(end)]
    return [t.replace("*", middle) for t in targets(entry[best], rest)]
