"""PATH arguments -> indexes, and the places within them to search.

A PATH that has an index of its own is that workspace. A PATH below a folder
that has one is searched there, so that no second index of the same files is
made; of several such folders the nearest counts. Any other folder becomes a
workspace. With ``--index-dir`` the workspace is the one whose index lies there.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spelunk.errors import WorkspaceError
from spelunk.workspace import locate as home

if TYPE_CHECKING:
    from spelunk.index import Index
    from spelunk.observe import Observer


@dataclass(frozen=True, slots=True)
class Target:
    """A workspace, and the files and folders of it that are meant; all of it if none."""

    root: str
    within: tuple[str, ...] = ()


def root_for(path: str, index_dir: str | None = None) -> Target:
    """The workspace of one PATH.

    Raises:
        WorkspaceError: It does not exist, or is a file that no index holds.
    """
    absolute = os.path.realpath(os.path.expanduser(path))
    if not os.path.exists(absolute):
        raise WorkspaceError(f"{path}: no such file or folder")
    owner = home.owner_of(home.index_dir("", index_dir)) if index_dir else None
    for folder in [owner] if owner else [] if index_dir else _upwards(absolute):
        if absolute == folder:
            return Target(folder)
        if absolute.startswith(folder.rstrip("/") + "/"):
            return Target(folder, (absolute[len(folder.rstrip("/")) + 1 :],))
    if owner:
        raise WorkspaceError(f"{path}: not in {owner}, whose index {index_dir} is")
    if os.path.isfile(absolute):
        raise WorkspaceError(
            f"{path}: not in an indexed folder; name its folder, or `spelunk index` that first"
        )
    return Target(home.resolve_root(path))


def _upwards(path: str) -> Iterator[str]:
    """A path and the folders above it that have an index, nearest first."""
    while True:
        if home.known(path) is not None:
            yield path
        above = os.path.dirname(path)
        if above == path:
            return
        path = above


def targets(paths: Sequence[str], index_dir: str | None = None) -> list[Target]:
    """The workspaces of all PATHs, each once, in the order given; the current folder without any."""
    if not paths:
        owner = home.owner_of(home.index_dir("", index_dir)) if index_dir else None
        if owner:
            here = os.path.realpath(".")
            return [root_for("." if here.startswith(owner.rstrip("/") + "/") else owner, index_dir)]
        paths = ["."]
    found: dict[str, set[str] | None] = {}
    for target in (root_for(path, index_dir) for path in paths):
        known = found.get(target.root, set())
        # One PATH that means all of a workspace outweighs its parts.
        found[target.root] = known | set(target.within) if target.within and known is not None else None
    return [Target(root, tuple(sorted(within or ()))) for root, within in found.items()]


def open_root(args: argparse.Namespace, path: str = ".") -> Index:
    """The index of the workspace that holds a PATH."""
    (target,) = targets([] if path == "." else [path], args.index_dir)
    return open_target(args, target)


def open_target(
    args: argparse.Namespace, target: Target, observer: Observer | None = None, **settings: Any
) -> Index:
    """The index of a workspace; its events go to ``observer``, or to the log as the flags say."""
    from spelunk.cli.observed import log_of
    from spelunk.index import Index

    told = observer if observer is not None else log_of(args)
    index = Index.open(target.root, index_dir=args.index_dir, observer=told, **settings)
    index.run_id = getattr(args, "run_id", "")
    if index.untrusted:
        from spelunk.cli.output import note, short

        names = ", ".join(u.name for u in index.untrusted)
        note(
            args,
            f"{short(index.untrusted[0].source)}: {names}: not trusted and ignored; see `spelunk trust --show`",
        )
    return index


def missing(index: Index) -> bool:
    """Whether an index has to be built before it can answer."""
    return not os.path.exists(os.path.join(index.directory, "manifest.sqlite"))


def announce(args: argparse.Namespace, index: Index) -> None:
    """Say so if an index has to be built before the answer."""
    from spelunk.cli.output import note, short

    if missing(index):
        note(args, f"{short(index.root)}: no index yet; building it")


def file_in(path: str, index_dir: str | None = None) -> Target:
    """The workspace of one file, and the file; it need not exist.

    A name that the current folder does not have is taken relative to the root
    of the current workspace, as search prints it.

    Raises:
        WorkspaceError: It is in no workspace.
    """
    here = targets([], index_dir)[0]
    absolute = os.path.abspath(os.path.expanduser(path))
    if not os.path.lexists(absolute) and not os.path.isabs(path):
        below = os.path.join(here.root, path)
        if os.path.lexists(below) or here.root == os.path.realpath("."):
            return Target(here.root, (os.path.normpath(path),))
    # Only the folder's links are resolved: a link is asked about as itself.
    folder = os.path.realpath(os.path.dirname(absolute))
    absolute = os.path.join(folder, os.path.basename(absolute))
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    root = here.root
    if not (absolute + "/").startswith(root.rstrip("/") + "/"):
        root = root_for(folder, index_dir).root
    return Target(root, (os.path.relpath(absolute, root),))
