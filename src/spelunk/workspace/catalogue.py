"""List the workspaces that have an index registered in the cache folder, with the state of each."""

from __future__ import annotations

import os
from typing import Final

from msgspec import Struct

from spelunk.config import DEFAULTS, load
from spelunk.errors import ConfigError, IndexBusyError, WorkspaceError
from spelunk.io.cache_dir import index_home
from spelunk.workspace.locate import known_workspaces, resolve_root
from spelunk.workspace.status import Status, read_status

VANISHED: Final = "vanished"
"""State of an index whose root no longer exists."""

LOCKED: Final = "locked"
"""State of an index whose manifest another program keeps locked."""


class CatalogueEntry(Struct, frozen=True):
    """A registered workspace.

    Attributes:
        root: The workspace.
        directory: Its index directory.
        state: A state of :mod:`spelunk.workspace.state`, :data:`VANISHED` or :data:`LOCKED`.
        detail: The one-line reason where the state alone does not say it.
        files: Files indexed.
        chunks: Chunks indexed.
        bytes: Size of the index on disk.
        generation: The newest published one; 0 without any.
        published: Time of that publish, in seconds since the epoch; 0.0 without any.
    """

    root: str
    directory: str
    state: str
    detail: str = ""
    files: int = 0
    chunks: int = 0
    bytes: int = 0
    generation: int = 0
    published: float = 0.0


class Catalogue(Struct, frozen=True):
    """The registered workspaces.

    Attributes:
        home: The cache folder.
        workspaces: In the order of their index directories' names.
    """

    home: str
    workspaces: tuple[CatalogueEntry, ...]


def catalogue() -> Catalogue:
    """Read the state of every registered workspace."""
    return Catalogue(index_home(), tuple(_entry(known.root, known.directory) for known in known_workspaces()))


def _entry(root: str, directory: str) -> CatalogueEntry:
    detail, vanished, options = "", not os.path.isdir(root), DEFAULTS
    if not vanished:
        try:
            options = load(resolve_root(root), {}).options
        except WorkspaceError:
            vanished = True
        except ConfigError as error:
            detail = str(error)
    try:
        status = read_status(root, directory, options, look=not vanished)
    except IndexBusyError as error:
        status = Status(root, directory, LOCKED, detail=str(error))
    return CatalogueEntry(
        root=root,
        directory=directory,
        state=VANISHED if vanished else status.state,
        detail=detail or status.detail,
        files=status.files,
        chunks=status.chunks,
        bytes=status.bytes,
        generation=status.generation,
        published=status.published,
    )
