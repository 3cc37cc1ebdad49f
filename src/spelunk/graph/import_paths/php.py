"""PHP: classes by PSR-4 and PSR-0 of ``composer.json``, functions and constants by name, included files by path."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from spelunk.chunk.relation import Import
from spelunk.graph.import_paths.tree import Tree, ancestors, folder_of, join

_HERE: Final = re.compile(r"^\s*(?:__DIR__|dirname\(__FILE__\))\s*\.?\s*")


def resolve(tree: Tree, path: str, record: Import) -> list[str]:
    """The file that defines the name, or the included file."""
    written = record.module.strip()
    if written.endswith((".php", ".inc", ".phtml", ".php'", '.php"')):
        return _included(tree, path, written)
    name = written.strip("\\").removeprefix("function ").removeprefix("const ").strip("\\ ")
    if record.name not in ("", "*"):
        name = f"{name}\\{record.name}" if name else record.name
    return tree.keep(("php", folder_of(path), name), lambda: _of_name(tree, path, name))


def _included(tree: Tree, path: str, written: str) -> list[str]:
    tail = _HERE.sub("", written).strip("'\" ").lstrip("/")
    beside = [join(folder, tail) for folder in ancestors(path)]
    found = tree.first(p for p in beside if p)
    if found:
        return found
    while tail.startswith("../"):
        tail = tail[3:]
    return tree.nearest(path, tree.ending(tail))


def _of_name(tree: Tree, path: str, name: str) -> list[str]:
    found: list[str] = []
    for prefix, folder in _prefixes(tree):
        if name.startswith(prefix):
            rest = name[len(prefix) :].replace("\\", "/")
            found += tree.first([f"{folder}/{rest}.php" if folder else f"{rest}.php"])
    if found:
        return tree.nearest(path, found)
    scope, _, last = name.rpartition("\\")
    dotted = scope.replace("\\", ".")
    found = [p for p, row in tree.definitions(last) if row.scope == dotted and p.endswith((".php", ".inc"))]
    return tree.nearest(path, dict.fromkeys(found))


def _prefixes(tree: Tree) -> list[tuple[str, str]]:
    """Prefixes of names with their folders, the longest first."""

    def read() -> list[tuple[str, str]]:
        found = []
        for config in tree.named("composer.json"):
            try:
                content = json.loads(tree.text(config))
            except (ValueError, RecursionError):
                continue
            if isinstance(content, dict):
                found += _of_config(content, folder_of(config))
        return sorted(found, key=lambda pair: (-len(pair[0]), pair))

    return tree.keep(("composer",), read)


def _of_config(content: dict[str, Any], folder: str) -> list[tuple[str, str]]:
    found = []
    for section in ("autoload", "autoload-dev"):
        table = content.get(section)
        for kind in ("psr-4", "psr-0"):
            entries = table.get(kind) if isinstance(table, dict) else None
            for prefix, folders in (entries if isinstance(entries, dict) else {}).items():
                for one in folders if isinstance(folders, list) else [folders]:
                    place = join(folder, one) if isinstance(one, str) else None
                    if place is not None and kind == "psr-4":
                        found.append((prefix, place))
                    elif place is not None:  # psr-0 keeps the whole name below the folder
                        inner = prefix.strip("\\").replace("\\", "/")
                        found.append((prefix, f"{place}/{inner}".strip("/")))
    return found
