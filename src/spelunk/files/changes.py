"""Walk only the folders in which something changed, and bring the fence of the last walk up to date.

A changed file has its folder listed; a changed folder is walked with all that
is below it. The rules of the folders above are read again. Where they changed,
or where a folder is new, more is walked than was named: what the new fence says
was seen, was seen. A change that nobody named still shows in the fence.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable
from operator import itemgetter
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from spelunk.config import Options
from spelunk.errors import UsageError
from spelunk.files import fence as fences
from spelunk.files.directory import INDEX_FILES, Directory, decide_folder, load_rules, start
from spelunk.files.ignore import IGNORE_FILES
from spelunk.files.source import Walk
from spelunk.files.walk import Gathered, list_directory, open_directory

MARKERS: Final = frozenset(
    (".git", "CACHEDIR.TAG", "pyvenv.cfg", *INDEX_FILES, *(name for name, _ in IGNORE_FILES))
)
"""Names that decide on everything in their folder."""

PASS, LIST, TREE = range(3)
"""What is done with a folder: go through it, list it, walk it with all below it."""


class PartialWalk(Struct, frozen=True):
    """What was found in a part of a folder.

    Attributes:
        walk: The files of that part, and the fence of the whole.
        folders: Folders whose own files are all in it; ``""`` is the root.
        trees: Folders that were walked with everything below them, or are gone.
    """

    walk: Walk
    folders: frozenset[str]
    trees: frozenset[str]


def below(path: str, folder: str) -> bool:
    """Whether a relative path is below a folder; every path is below the root ``""``."""
    return not folder or path.startswith(folder + "/")


def parent(path: str) -> str:
    """The folder of a relative path; ``""`` for a name in the root."""
    return path.rpartition("/")[0]


def relative_to(root: str, path: str) -> str:
    """A path relative to the root, from an absolute one or one that is already; it need not exist.

    Raises:
        UsageError: It is outside.
    """
    here = root.rstrip("/") + "/"
    full = os.path.normpath(os.path.join(root, path))
    if full != root and not full.startswith(here):
        full = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))
    if full != root and not full.startswith(here):
        raise UsageError(f"{path}: not in {root}")
    return full[len(here) :]


def relative_paths(root: str, paths: Iterable[str | os.PathLike[str]], rebuild: bool) -> tuple[str, ...]:
    """The paths of an update, relative to the root.

    Raises:
        UsageError: One is outside; or the update rebuilds, which reads every file.
    """
    if rebuild:
        raise UsageError("changed and rebuild exclude each other: a rebuild reads every file")
    return tuple(relative_to(root, os.fspath(path)) for path in paths)


def walk_changed(root: str, options: Options, fence: bytes, changed: Iterable[str]) -> PartialWalk | None:
    """Walk the folders in which paths changed.

    Args:
        root: The workspace's folder, without symbolic links.
        options: As of the walk that made the fence.
        fence: Of the last walk.
        changed: Relative paths of files and folders that changed, appeared or vanished.

    Returns:
        None where everything has to be walked: the root itself was named, or a rule
        outside the folders named has changed.
    """
    folders, rules = fences.parse(fence)
    if "" not in folders:
        return None
    modes = _modes(root, changed)
    if modes.get("") == TREE:
        return None
    now = time.time_ns()
    first, outer = start(root, options, now)
    here = root.rstrip("/") + "/"
    inside = {path for path, _ in outer if path.startswith(here)}
    if any(not stamp or rules.get(path) != stamp for path, stamp in outer):
        return None
    if {path for path in rules if not path.startswith(here)} != dict(outer).keys() - inside:
        return None  # there are more or fewer of them
    part = _Part(first, options, modes, folders, rules, now)
    part.gathered.rule_files += outer
    try:
        part.gathered.device = os.stat(root).st_dev
        part.visit(first)
    except OSError:
        return None  # the whole walk says what is wrong
    return None if "" in part.trees else part.result()


def _modes(root: str, changed: Iterable[str]) -> dict[str, int]:
    """Which folders to list, and which to walk with everything below them."""
    modes: dict[str, int] = {}
    for path in changed:
        names = path.split("/") if path else []
        marker = next((n for n, name in enumerate(names) if name in MARKERS), None)
        if not names or marker is not None:
            modes["/".join(names[:marker])] = TREE
            continue
        modes.setdefault(parent(path), LIST)
        try:
            if stat.S_ISDIR(os.lstat(os.path.join(root, path)).st_mode):
                modes[path] = TREE
        except (OSError, ValueError):
            pass  # gone: its folder shows that
    return modes


class _Part:
    """A walk of some folders under way."""

    def __init__(
        self,
        first: Directory,
        options: Options,
        modes: dict[str, int],
        folders: dict[str, bytes],
        rules: dict[str, bytes],
        now: int,
    ) -> None:
        self.root = first.path
        self.options = options
        self.modes = modes
        self.old_folders, self.old_rules = folders, rules
        self.children: dict[str, set[str]] = {}
        for folder in folders:
            if folder:
                self.children.setdefault(parent(folder), set()).add(folder)
        self.through: set[str] = set()
        for folder in modes:
            while folder:
                folder = parent(folder)
                self.through.add(folder)
        self.gathered = Gathered(options, first, [], now)
        self.gathered.pending.clear()
        self.folders: set[str] = set()
        self.trees: set[str] = set()

    def visit(self, first: Directory) -> None:
        """List or walk the folders that need it, from the root downwards."""
        waiting = [first]
        while waiting:
            directory = waiting.pop()
            folder = directory.relative[:-1]
            # A folder that the last walk did not see is new.
            mode = self.modes.get(folder, PASS) if folder in self.old_folders else TREE
            if mode == PASS:
                mode, ahead = self._pass(directory)
                waiting += ahead
            if mode == LIST:
                waiting += self._list(directory)
            elif mode == TREE:
                self._tree([directory])

    def _pass(self, directory: Directory) -> tuple[int, list[Directory]]:
        """Find the folders on the way to those that are wanted.

        Returns:
            What has to be done with the directory itself, which is not changed; and those folders.
        """
        copy = replace(directory)
        fd = open_directory(copy, self.gathered)
        try:
            with os.scandir(fd) as entries:
                names = {entry.name: entry for entry in entries}
        finally:
            os.close(fd)
        reason, seen = load_rules(copy, names, self.gathered.now)
        if reason is not None or self._rules_changed(directory, seen):
            return TREE, []
        ahead: list[Directory] = []
        for folder in self._wanted_in(directory.relative):
            name = folder.rpartition("/")[2]
            entry = names.get(name)
            inner = (
                decide_folder(copy, name, self.options)
                if entry is not None and entry.is_dir(follow_symlinks=False)
                else None
            )
            if entry is not None and isinstance(inner, Directory):
                inner.inode = entry.inode()
                ahead.append(inner)
            elif entry is None or folder in self.old_folders:
                return LIST, []
        self.gathered.rule_files += seen
        return PASS, ahead

    def _wanted_in(self, relative: str) -> list[str]:
        wanted = self.through | self.modes.keys()
        return sorted(f for f in wanted if f and below(f, relative[:-1]) and "/" not in f[len(relative) :])

    def _rules_changed(self, directory: Directory, seen: Iterable[fences.Seen]) -> bool:
        """Whether the rule files in a folder are others than at the last walk; what is not sure counts as changed."""
        new = dict(seen)
        own = {directory.path + name for name, _ in IGNORE_FILES}
        if directory.relative:  # of the root it is one of the outer rules
            own.add(directory.path + ".git/info/exclude")
        return any(not stamp or self.old_rules.get(path) != stamp for path, stamp in new.items()) or any(
            path in self.old_rules for path in own - new.keys()
        )

    def _list(self, directory: Directory) -> list[Directory]:
        """List a folder; the folders below that have to be visited."""
        gathered, folder = self.gathered, directory.relative[:-1]
        before = len(gathered.rule_files)
        list_directory(directory, gathered)
        found, gathered.pending = gathered.pending, []
        self.folders.add(folder)
        if self._rules_changed(directory, gathered.rule_files[before:]):
            self.trees.add(folder)
            self._tree(found)
            return []
        self.trees |= self.children.get(folder, set()) - {inner.relative[:-1] for inner in found}
        wanted = self.modes.keys() | self.through
        return [i for i in found if i.relative[:-1] in wanted or i.relative[:-1] not in self.old_folders]

    def _tree(self, directories: list[Directory]) -> None:
        """Walk folders with everything below them."""
        self.trees.update(directory.relative[:-1] for directory in directories)
        self.gathered.pending = directories
        while self.gathered.pending:
            list_directory(self.gathered.pending.pop(), self.gathered)

    def result(self) -> PartialWalk:
        """The part, and the fence of the whole."""
        gathered, trees, root = self.gathered, self.trees, self.root
        folders = {
            f: s for f, s in self.old_folders.items() if f not in self.folders and not self._in_tree(f)
        }
        folders |= gathered.folders
        rules = {
            path: stamp
            for path, stamp in self.old_rules.items()
            if not path.startswith(root)
            or (parent(path[len(root) :]) not in self.folders and not self._in_tree(path[len(root) :]))
        }
        rules |= gathered.rule_files
        rows, skipped, failed = gathered.rows, gathered.skipped, gathered.failed
        rows.sort(key=itemgetter(0))
        skipped.sort(key=lambda skipped: skipped.path)
        failed.sort(key=lambda failed: failed.path)
        built = fences.build(folders.items(), rules.items())
        return PartialWalk(Walk(rows, skipped, failed, built), frozenset(self.folders), frozenset(trees))

    def _in_tree(self, path: str) -> bool:
        """Whether a path is, or is below, a folder that was walked whole or is gone."""
        while path and self.trees:
            if path in self.trees:
                return True
            path = parent(path)
        return False
