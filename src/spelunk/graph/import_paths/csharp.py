"""C#: a namespace is the files that declare something in it; a static or aliased using names a type."""

from __future__ import annotations

from spelunk.chunk.relation import Import
from spelunk.graph.import_paths.tree import Tree

_BATCH = 500
"""Files whose definitions are read at once."""


def resolve(tree: Tree, path: str, record: Import) -> list[str]:
    """The files of the namespace or of the type."""
    written = record.module.removeprefix("global::").strip()
    if record.name not in ("", "*"):
        written = f"{written}.{record.name}"
    spaces = _namespaces(tree)
    if written in spaces:
        return spaces[written]
    scope, _, name = written.partition("<")[0].rpartition(".")
    found = dict.fromkeys(
        p for p, row in tree.definitions(name) if row.scope == scope and p.endswith((".cs", ".cake", ".csx"))
    )
    return list(found)


def _namespaces(tree: Tree) -> dict[str, list[str]]:
    """The files of each namespace."""

    def read() -> dict[str, list[str]]:
        files = tree.reader.files_at([p for p in tree.paths if p.endswith((".cs", ".csx"))])
        path_of = {row.id: path for path, row in files.items()}
        ids = list(path_of)
        found: dict[str, dict[str, None]] = {}
        for start in range(0, len(ids), _BATCH):
            for file, rows in tree.reader.definitions_in(ids[start : start + _BATCH]).items():
                types = {f"{d.scope}.{d.name}" for d in rows if d.kind != "module"}
                for d in rows:
                    if d.scope and d.scope not in types:
                        found.setdefault(d.scope, {})[path_of[file]] = None
        return {name: sorted(paths) for name, paths in found.items()}

    return tree.keep(("namespaces",), read)
