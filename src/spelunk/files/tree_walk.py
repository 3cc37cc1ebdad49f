"""Walk the tree of a commit under the same rules as a folder: its ignore files, the settings, names and sizes."""

from __future__ import annotations

from spelunk.config import Options
from spelunk.files.directory import Directory, decide_file, decide_folder, is_forced
from spelunk.files.git_dir import Repository
from spelunk.files.git_tree import LINK, REGULAR, TreeFile, read_all
from spelunk.files.ignore import IGNORE_FILES, parse
from spelunk.files.path_rules import describe
from spelunk.files.source import Walk
from spelunk.files.walk import too_large
from spelunk.types import Skipped


def walk_tree(
    name: str, repository: Repository, tree: dict[str, TreeFile], top: Directory, options: Options, walk: Walk
) -> None:
    """Gather the files of one commit as a walk of its working tree would, its ignore files included."""
    below: dict[str, tuple[dict[str, TreeFile], set[str]]] = {"": ({}, set())}
    for path, file in tree.items():
        folder, _, last = path.rpartition("/")
        _add_folder(below, folder)[0][last] = file
    groups = dict(IGNORE_FILES)
    rule_blobs = read_all(repository, (f.id for p, f in tree.items() if p.rpartition("/")[2] in groups and f.kind == REGULAR))  # fmt: skip
    at: Directory = top
    for part in name.split("/"):
        entered = decide_folder(at, part, options)
        if not isinstance(entered, Directory):
            return
        at = entered
    at.depth, at.repository = 0, True
    pending = [("", at)]
    while pending:
        folder, directory = pending.pop()
        files, folders = below[folder]
        rules = [
            rule
            for file_name, group in IGNORE_FILES
            if file_name in files and files[file_name].id in rule_blobs
            for rule in parse(
                rule_blobs[files[file_name].id], directory.relative + file_name, group, directory.depth
            )
        ]
        if rules and directory.held is None:
            directory.rules = directory.rules.extend(rules)
        for file_name, file in files.items():
            _take(directory, file_name, file, options, walk)
        for child in folders:
            entered = decide_folder(directory, child, options)
            if isinstance(entered, Directory):
                pending.append((f"{folder}/{child}" if folder else child, entered))
            elif isinstance(entered, Skipped) and directory.held is None:
                walk.skipped.append(entered)


def _add_folder(
    below: dict[str, tuple[dict[str, TreeFile], set[str]]], folder: str
) -> tuple[dict[str, TreeFile], set[str]]:
    """The files and folders of a folder, which is made with those above it where it is new."""
    missing, at = [], folder  # not by recursion: a tree can be deeper than the interpreter's stack
    while at not in below:
        missing.append(at)
        at = at.rpartition("/")[0]
    for new in reversed(missing):
        below[new] = ({}, set())
        parent, _, child = new.rpartition("/")
        below[parent][1].add(child)
    return below[folder]


def _take(directory: Directory, name: str, file: TreeFile, options: Options, walk: Walk) -> None:
    rule = directory.rules.file(name)
    if decide_file(directory, name, rule, options) is not None:
        return
    path = directory.relative + name
    if file.kind == LINK:
        walk.skipped.append(Skipped(path, "symlink", "not followed"))
        return
    if file.kind != REGULAR:
        walk.skipped.append(Skipped(path, "nested-repository", "a submodule: list its repository"))
        return
    language, own, skip = describe(name)
    if skip is not None and not is_forced(rule):
        walk.skipped.append(Skipped(path, *skip))
    elif file.size > options.max_file_size:
        walk.skipped.append(too_large(path, file.size, options.max_file_size))
    else:
        walk.rows.append((path, file.size, bytes.fromhex(file.id), language, directory.bits | own))
