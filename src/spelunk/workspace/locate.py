"""Where is a workspace's index: the platform's cache folder, keyed by the root.

``SPELUNK_HOME`` moves all indexes, ``--index-dir`` one. Each index directory
has a ``workspace.json`` that says whose it is; one made elsewhere leaves a
pointer of that name here, so that ``list`` knows it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from spelunk import faults
from spelunk.errors import StorageError, WorkspaceError
from spelunk.io.cache_dir import expand_user, index_home
from spelunk.io.regular import read_regular

WORKSPACE: Final = "workspace.json"
CACHE_TAG: Final = (
    "Signature: 8a477f597d28d172789f06886806bc55\n# A search index made by Spelunk; it can be made again.\n"
)
"""So that backups, and discovery, leave an index directory out (https://bford.info/cachedir/)."""


class Place(NamedTuple):
    """A workspace known to this home."""

    root: str
    directory: str


def resolve_root(path: str) -> str:
    """The absolute path of a folder to index.

    Raises:
        WorkspaceError: It does not exist, is a file, or cannot be read.
    """
    root = os.path.realpath(path)
    shown = path or "."
    if not os.path.exists(root):
        raise WorkspaceError(f"{shown}: no such folder")
    if not os.path.isdir(root):
        raise WorkspaceError(f"{shown}: a file, not a folder; index its folder and filter with path:")
    if not os.access(root, os.R_OK | os.X_OK):
        raise WorkspaceError(f"{shown}: cannot be read (permission denied)")
    return root


def key(root: str) -> str:
    """A name for a workspace that tells it from all others: its folder's name and a digest of its path."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", os.path.basename(root)) or "root"
    return f"{name[:40]}-{hashlib.blake2b(os.fsencode(root), digest_size=8).hexdigest()}"


def index_dir(root: str, chosen: str | None = None) -> str:
    """The index directory of a workspace; it need not exist.

    An index made elsewhere with ``--index-dir`` is found again by its pointer.
    """
    if chosen:
        return _usable(os.path.abspath(expand_user(chosen)))
    place = known(root)
    return _usable(place.directory if place is not None else _usual(root))


def _usable(directory: str) -> str:
    """The directory, if the full-text engine can open it: it takes paths as UTF-8 alone."""
    try:
        directory.encode()
    except UnicodeEncodeError:
        raise WorkspaceError(
            f"{directory}: the path of an index directory has to be UTF-8; "
            "choose another with --index-dir or SPELUNK_HOME"
        ) from None
    return directory


def _usual(root: str) -> str:
    return os.path.join(index_home(), key(root))


def claim(directory: str, root: str) -> None:
    """Make the directory (0700) and note whose it is.

    Raises:
        WorkspaceError: It belongs to another workspace, or is no index directory.
        StorageError: It cannot be made or written.
    """
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        owner = owner_of(directory)
        if owner is None:
            strangers = [n for n in os.listdir(directory) if not n.startswith((".", WORKSPACE))]
            if strangers and not os.path.exists(os.path.join(directory, "manifest.sqlite")):
                raise WorkspaceError(
                    f"{directory}: holds other files ({strangers[0]}); choose an empty folder with --index-dir"
                )
            os.chmod(directory, 0o700)
            _write(
                os.path.join(directory, WORKSPACE),
                {"root": os.fsencode(root).decode("utf-8", "surrogateescape")},
            )
        elif owner != root:
            raise WorkspaceError(f"{directory}: the index of {owner}; choose another folder with --index-dir")
        pointer = _usual(root)
        if os.path.abspath(directory) != pointer:
            os.makedirs(pointer, mode=0o700, exist_ok=True)
            _write(os.path.join(pointer, WORKSPACE), {"root": root, "directory": directory})
    except OSError as error:
        raise StorageError(
            f"{directory}: cannot be written ({error.strerror}); choose another place with --index-dir"
        ) from None


def _write(path: str, value: dict[str, Any]) -> None:
    if _load(path) == value:
        return
    aside = f"{path}.{os.getpid()}"
    data = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogateescape")
    faults.reach("claim.before")
    try:
        with open(aside, "wb") as f:
            faults.write("claim.write", f.write, data)
        os.replace(aside, path)
    except OSError:
        try:
            os.unlink(aside)
        except OSError:
            pass  # it could not even be made
        raise
    faults.reach("claim.after")


def _load(path: str) -> dict[str, Any] | None:
    try:
        value = json.loads(read_regular(path).decode("utf-8", "surrogateescape"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def owner_of(directory: str) -> str | None:
    """The root whose index this is, or None."""
    value = _load(os.path.join(directory, WORKSPACE))
    root = value.get("root") if value else None
    return root if isinstance(root, str) else None


def known(root: str) -> Place | None:
    """The place of a root's index, wherever it lies; None where none was made."""
    directory = _usual(root)
    value = _load(os.path.join(directory, WORKSPACE))
    if not value or value.get("root") != root:
        return None
    return Place(root, str(value.get("directory") or directory))


def places() -> Iterator[Place]:
    """Every workspace that has, or had, an index known here, by name."""
    base = index_home()
    try:
        names = sorted(os.listdir(base))
    except OSError:
        return
    for name in names:
        directory = os.path.join(base, name)
        value = _load(os.path.join(directory, WORKSPACE))
        if value and isinstance(value.get("root"), str):
            yield Place(value["root"], str(value.get("directory") or directory))


def forget(root: str) -> None:
    """Remove the pointer to an index that lies elsewhere."""
    pointer = _usual(root)
    try:
        os.unlink(os.path.join(pointer, WORKSPACE))
        os.rmdir(pointer)
    except OSError:
        pass  # there was none
