"""C and C++: quoted includes beside the file, then any header of the tree that ends in what is written."""

from __future__ import annotations

from typing import Final

from spelunk.chunk.relation import Import
from spelunk.graph.import_paths.tree import MAX_GUESSES, Tree, ancestors, folder_of, join, shared_folders

_STANDARD: Final = frozenset(
    f"{name}.h"
    for name in [
        "assert",
        "complex",
        "ctype",
        "errno",
        "fenv",
        "float",
        "inttypes",
        "iso646",
        "limits",
        "locale",
        "math",
        "setjmp",
        "signal",
        "stdalign",
        "stdarg",
        "stdatomic",
        "stdbool",
        "stddef",
        "stdint",
        "stdio",
        "stdlib",
        "stdnoreturn",
        "string",
        "tgmath",
        "threads",
        "time",
        "uchar",
        "wchar",
        "wctype",
        "unistd",
        "fcntl",
        "pthread",
        "dirent",
        "poll",
        "netdb",
        "termios",
        "syslog",
        "strings",
        "getopt",
    ]
)
_INCLUDE_FOLDERS: Final = ("include", "src", "inc", "lib")


def resolve(tree: Tree, path: str, record: Import) -> list[str]:
    """The header; several where the compiler's include folders would decide."""
    module = record.module
    system = module.startswith("<")
    name = module.strip('<>"').strip()
    if not name or name.startswith("/"):
        return []
    folder = folder_of(path)
    if not system:
        beside = join(folder, name)
        if beside in tree.paths:
            return [beside] if beside else []
    return tree.keep(("c", folder, system, name), lambda: _found(tree, path, name, system))


def _found(tree: Tree, path: str, name: str, system: bool) -> list[str]:
    tail = name
    while tail.startswith(("../", "./")):
        tail = tail.partition("/")[2]
    found = tree.ending(tail)
    if system and name in _STANDARD:
        # a C library's own
        found = [p for p in found if folder_of(p) in ("include", "libc/include", "src/include")]
    if len(found) < 2:
        return found
    roots = tree.keep(("c roots", folder_of(path)), lambda: _roots(path))
    direct = [p for p in found if p[: -len(tail)].rstrip("/") in roots]
    if direct:
        return [max(direct, key=lambda p: (shared_folders(path, p), -len(p)))]
    most = max(shared_folders(path, p) for p in found)
    near = [p for p in found if shared_folders(path, p) == most]
    in_include = [p for p in near if "include/" in p]
    return (in_include or near)[:MAX_GUESSES]


def _roots(path: str) -> frozenset[str]:
    """The folders of headers above a file, and include folders there."""
    return frozenset(
        "/".join(p for p in (up, inner) if p) for up in ancestors(path) for inner in ("", *_INCLUDE_FOLDERS)
    )
