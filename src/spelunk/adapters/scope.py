"""The scope of a client: which folders it may name, which are meant without a name, and which file a path is.

A client whose command line names folders is held to them. One without has the
current folder, unless that is the root of the file system or the home folder,
where clients start programs that belong to no project. It may also name what
its user has indexed before. So no call of a model can make an index of a
folder that its user did not choose, or read a file outside of one.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence

from msgspec import Struct

from spelunk.errors import ConfigError, UsageError, WorkspaceError
from spelunk.io.cache_dir import home_folder
from spelunk.search.many import prefixes
from spelunk.workspace.locate import is_within
from spelunk.workspace.targets import Target, indexed_above, targets


class Scope(Struct, frozen=True):
    """What one client may search.

    Attributes:
        folder: The current folder of the client, absolute; "" where it has none.
        roots: Absolute paths of the command line; empty where it named none.
        index_dir: The index directory of the command line, or None.
    """

    folder: str
    roots: tuple[str, ...] = ()
    index_dir: str | None = None

    def targets(self, chosen: Sequence[str] = ()) -> list[Target]:
        """The workspaces that a call means, each once.

        Args:
            chosen: The call's own folders: absolute, relative to the client's
                folder, or the last name of one of the roots. Empty for the default.

        Raises:
            WorkspaceError: One does not exist, is outside the roots, or there is no default.
        """
        paths = [self._allowed(path) for path in chosen] or list(self.roots)
        return targets(paths or [self._default()], self.index_dir)

    def _default(self) -> str:
        if not self._has_folder() and indexed_above(os.path.realpath(self.folder or "/")) is None:
            raise WorkspaceError(
                "no workspace is chosen; call again with `workspace`: the path of a folder that is indexed "
                "(`spelunk list`), or start the server with the project's folder as an argument"
            )
        return self.folder

    def _has_folder(self) -> bool:
        return self.folder not in ("", "/") and os.path.realpath(self.folder) != _home()

    def _allowed(self, path: str) -> str:
        if "\0" in path or not path.strip():
            raise WorkspaceError("an empty workspace; give the path of a folder")
        absolute = os.path.normpath(os.path.join(self.folder or "/", os.path.expanduser(path)))
        real = os.path.realpath(absolute)
        if any(is_within(real, os.path.realpath(root)) for root in self.served()):
            return real
        if not self.roots and indexed_above(real) is not None:
            return real
        named = [root for root in self.roots if os.path.basename(root) == path.strip("/")]
        if len(named) == 1:
            return named[0]
        if self.roots:
            raise WorkspaceError(f"{path}: not served; the workspaces here are {', '.join(self.roots)}")
        raise WorkspaceError(
            f"{path}: not served; the workspaces are {self.folder if self._has_folder() else 'none'} "
            f"and the folders of `spelunk list`; the user can add one: `spelunk index {path}`"
        )

    def served(self) -> tuple[str, ...]:
        """The folders that are searched without having been indexed before."""
        return self.roots or ((self.folder,) if self._has_folder() else ())

    def file(self, path: str, chosen: Sequence[str] = ()) -> list[tuple[Target, str]]:
        """The places that a path may mean: workspaces, and the path in each, in the order to try them.

        Nothing is read; whether one of them is an indexed file is for the index to say.

        Args:
            path: As an answer gives it (with the workspace's name in front where several
                were searched), or absolute.
            chosen: As in :meth:`targets`.

        Raises:
            WorkspaceError: As :meth:`targets`.
            UsageError: The path leads out of every workspace that is meant.
        """
        if "\0" in path or not path.strip():
            raise UsageError("an empty path; give one as search prints it")
        if os.path.isabs(path) or path.startswith("~"):
            places = self._absolute(os.path.expanduser(path), chosen)
        else:
            places = []
            found = self.targets(chosen)
            for target, prefix in zip(found, prefixes([t.root for t in found]), strict=True):
                inner = posixpath.normpath(path)
                if prefix and inner.startswith(prefix):
                    places.insert(0, (target, inner[len(prefix) :]))
                places.append((target, inner))
        places = [(target, inner) for target, inner in places if _inside(target, inner)]
        if not places:
            raise UsageError(f"{path}: outside the workspace; give a path as search prints it")
        return places

    def _absolute(self, path: str, chosen: Sequence[str]) -> list[tuple[Target, str]]:
        folder, name = os.path.split(os.path.normpath(path))
        spellings = {os.path.join(folder, name), os.path.join(os.path.realpath(folder), name)}
        try:
            found = self.targets(chosen)
        except WorkspaceError:
            if chosen or self.roots:
                raise
            found = []
        places = [
            (target, os.path.relpath(spelling, target.root))
            for target in found
            for spelling in sorted(spellings)
            if is_within(spelling, target.root)
        ]
        if not places and not chosen and not self.roots:
            root = indexed_above(os.path.realpath(folder))
            if root is not None:
                places = [(Target(root), os.path.relpath(os.path.join(os.path.realpath(folder), name), root))]
        return places


def _inside(target: Target, path: str) -> bool:
    if path in ("", ".") or path.startswith(("/", "../")) or path == "..":
        return False
    return not target.within or any(is_within(path, place) for place in target.within)


def _home() -> str:
    try:
        return os.path.realpath(home_folder())
    except ConfigError:
        return ""
