"""The tree of folders and files of the served workspaces, with the matches of a query, for a treemap."""

from __future__ import annotations

import heapq
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from spelunk.adapters.http.problems import ApiError
from spelunk.adapters.http.views import clean
from spelunk.adapters.http.workspaces import ServedWorkspace, Workspaces
from spelunk.search.answer import Facets

CANDIDATES: Final = 2_000
"""Best chunks for a query that are counted; more are hardly worth a look."""
KEPT_TREES: Final = 4

Matches = Mapping[str, int]
"""Matching chunks by path within a workspace."""


class _File(NamedTuple):
    name: str
    lines: int
    size: int
    language: str


class Folder:
    """A folder of an index with the sums over all that is below it."""

    __slots__ = ("files", "folders", "languages", "lines", "members", "name", "size")

    def __init__(self, name: str) -> None:
        self.name = name
        self.folders: dict[str, Folder] = {}
        self.members: list[_File] = []
        self.files = self.lines = self.size = 0
        self.languages: dict[str, int] = {}

    def add(self, parts: Sequence[str], file: _File) -> None:
        """Add a file below; ``parts`` are the folders on the way to it."""
        folder = self
        folder._count(file)
        for part in parts:
            folder = folder.folders.setdefault(part, Folder(part))
            folder._count(file)
        folder.members.append(file)

    def _count(self, file: _File) -> None:
        self.files += 1
        self.lines += file.lines
        self.size += file.size
        self.languages[file.language] = self.languages.get(file.language, 0) + file.size

    @property
    def language(self) -> str:
        """The language of most bytes; "" for no files."""
        return min(self.languages, key=lambda name: (-self.languages[name], name), default="")

    def at(self, path: str) -> Folder | None:
        """The folder at a path; None where there is none."""
        folder: Folder | None = self
        for part in path.split("/") if path else ():
            folder = folder.folders.get(part) if folder is not None else None
        return folder


class CorpusMap:
    """Makes the answers of ``/api/map``; keeps the trees of the newest generations."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces
        self._guard = threading.Lock()
        self._trees: OrderedDict[tuple[str, int], Folder] = OrderedDict()

    def _tree(self, workspace: ServedWorkspace) -> Folder:
        index = workspace.index()
        with index.snapshot() as reader:
            key = (index.directory, reader.generation)
            with self._guard:
                known = self._trees.get(key)
            if known is not None:
                return known
            tree = Folder(workspace.repo)
            for row in reader.all_files():
                *parts, name = row.path.split("/")
                tree.add(parts, _File(name, row.lines, row.size, row.language))
        with self._guard:
            for old in [k for k in self._trees if k[0] == key[0]]:
                del self._trees[old]
            self._trees[key] = tree
            while len(self._trees) > KEPT_TREES:
                self._trees.popitem(last=False)
        return tree

    def answer(self, args: dict[str, Any], facets: Facets | None) -> dict[str, Any]:
        """The answer; ``facets`` has the matches, if there is a query."""
        matches: dict[str, dict[str, int]] = {}
        for (root, path), count in (facets.by_file if facets is not None else {}).items():
            matches.setdefault(self._workspaces.of_root(root).repo, {})[path] = count
        roots = self._roots(args["path"].strip("/"), args["repo"])
        sums_of = {w.repo: _sums(matches.get(w.repo, {})) for w, _, _ in roots}
        nodes = [_node(f, path, sums_of[w.repo], path[len(w.prefix) :]) for w, f, path in roots]
        # The largest nodes are opened first, until there are as many as were asked for.
        budget = args["nodes"] - len(nodes)
        several = len(nodes) > 1 or (self._workspaces.several and not args["path"] and not args["repo"])
        heap: list[tuple[int, int, int, dict[str, Any], Folder, ServedWorkspace]] = []
        for n, ((w, folder, _), node) in enumerate(zip(roots, nodes, strict=True)):
            level = 1 if several else 0
            heapq.heappush(heap, (-folder.size, n, level, node, folder, w))
        n = len(heap)
        while heap:
            _, _, level, node, folder, w = heapq.heappop(heap)
            if level >= args["depth"]:
                continue
            inner = node["path"][len(w.prefix) :]
            children = _children(folder, node["path"], inner, sums_of[w.repo])
            kept, rest = children[: max(0, budget)], children[max(0, budget) :]
            budget -= len(kept)
            node["children"] = [child for child, _ in kept]
            if rest:
                node["rest"] = _rest([child for child, _ in rest])
            for child, below in kept:
                if below is not None:
                    n += 1
                    heapq.heappush(heap, (-below.size, n, level + 1, child, below, w))
        tree = _together(nodes) if several else nodes[0]
        return {
            "query": args["q"] or "",
            "mode": args["mode"],
            "candidates": facets.hits if facets is not None else 0,
            "complete": facets.complete if facets is not None else True,
            "tree": tree,
        }

    def _roots(self, path: str, repo: str | None) -> list[tuple[ServedWorkspace, Folder, str]]:
        found = []
        for w in self._workspaces.chosen(repo):
            inner = None
            if repo is not None or not w.prefix:
                inner = path
            elif not path or path == w.repo:
                inner = ""
            elif path.startswith(w.prefix):
                inner = path[len(w.prefix) :]
            folder = self._tree(w).at(inner) if inner is not None else None
            if folder is not None:
                found.append((w, folder, f"{w.prefix}{inner}".rstrip("/")))
        if not found:
            raise ApiError(
                404, "not_indexed", "no indexed folder has this path", "give one as an answer gives it"
            )
        return found


def _sums(matches: Matches) -> dict[str, tuple[int, int]]:
    """Matching chunks and files by path of a file or folder; "" for all."""
    sums: dict[str, tuple[int, int]] = {}
    for path, count in matches.items():
        end = len(path)
        while True:
            chunks, files = sums.get(path[:end], (0, 0))
            sums[path[:end]] = (chunks + count, files + 1)
            if not end:
                break
            end = max(0, path.rfind("/", 0, end))
    return sums


def _values(name: str, path: str, kind: str, counts: tuple[int, int, int], language: str) -> dict[str, Any]:
    files, lines, size = counts
    return {
        "name": clean(name),
        "path": clean(path),
        "type": kind,
        "files": files,
        "lines": lines,
        "bytes": size,
        "language": language,
    }


def _node(folder: Folder, path: str, sums: Mapping[str, tuple[int, int]], inner: str) -> dict[str, Any]:
    chunks, files = sums.get(inner, (0, 0))
    counts = (folder.files, folder.lines, folder.size)
    values = _values(folder.name, path, "folder", counts, folder.language)
    return values | {"matches": chunks, "matched_files": files}


def _children(
    folder: Folder, path: str, inner: str, sums: Mapping[str, tuple[int, int]]
) -> list[tuple[dict[str, Any], Folder | None]]:
    """The nodes directly below a folder, largest first, each with its folder if it is one."""
    before, within = (p + "/" if p else "" for p in (path, inner))
    out: list[tuple[dict[str, Any], Folder | None]] = [
        (_node(f, before + f.name, sums, within + f.name), f) for f in folder.folders.values()
    ]
    for f in folder.members:
        chunks, files = sums.get(within + f.name, (0, 0))
        values = _values(f.name, before + f.name, "file", (1, f.lines, f.size), f.language)
        out.append((values | {"matches": chunks, "matched_files": files}, None))
    return sorted(out, key=lambda child: (-child[0]["bytes"], child[0]["name"]))


_SUMMED: Final = ("files", "lines", "bytes", "matches", "matched_files")


def _rest(children: Sequence[dict[str, Any]]) -> dict[str, int]:
    return {key: sum(child[key] for child in children) for key in _SUMMED}


def _together(nodes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A root above the workspaces."""
    values = _values("", "", "folder", (0, 0, 0), "") | _rest(nodes)
    largest = max(nodes, key=lambda node: node["bytes"])
    return values | {"language": largest["language"], "children": sorted(nodes, key=lambda n: -n["bytes"])}
