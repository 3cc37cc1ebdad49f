"""Locate and create index directories: the platform's cache folder, keyed by the workspace's root.

``SPELUNK_HOME`` moves all indexes, ``--index-dir`` one. Each index directory
has a ``workspace.json`` that names its root. An index made elsewhere leaves a
pointer of that name in the cache folder, so that ``list`` shows it.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from spelunk import faults
from spelunk.errors import StorageError, WorkspaceError
from spelunk.io import atomic
from spelunk.io.cache_dir import expand_user, index_home
from spelunk.io.digest import blake2b
from spelunk.io.json_file import read_object
from spelunk.store.paths import HISTORY, manifest_name
from spelunk.store.writer_lock import WriterLock

WORKSPACE: Final = "workspace.json"

_TEMPORARY: Final = r"(\.new|\.tmp|\.\d+(\.tmp)?)?"
OWN_FILES: Final = re.compile(
    rf"(manifest(-\d+)?|commits)\.sqlite(\.new)?(-wal|-shm|-journal)?|writer\.lock|at-work|background\.log"
    rf"|(workspace|writer|breakers|background|repositories|branches|remote)\.json{_TEMPORARY}"
)
"""Names of the files that Spelunk itself writes into an index directory."""
OWN_FOLDERS: Final = {
    re.compile(r"lexical-\d+"): re.compile(
        r"[0-9a-f]{32}(\.\d+)?\.(idx|pos|term|store|fast|fieldnorm|del|temp)"
        r"|meta\.json|\.managed\.json|\.tantivy-(meta|writer)\.lock|\.tmp\w*"
    ),
    re.compile(r"vectors"): re.compile(r"\d+(-g?\d+)*\.vec(\.tmp|\.\d+\.tmp)?"),
    re.compile(r"graph"): re.compile(r"\d+(-\d+)*\.ref(\.\d+\.tmp)?"),
}
"""Names of its folders, and of the files in each."""


class KnownWorkspace(NamedTuple):
    """A workspace with an index in, or registered in, the cache folder."""

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
        raise WorkspaceError(
            f"{shown}: a file, not a folder; index its folder, and name the file in a search"
        )
    if not os.access(root, os.R_OK | os.X_OK):
        raise WorkspaceError(f"{shown}: cannot be read (permission denied)")
    return root


def key(root: str) -> str:
    """A unique name for a workspace: its folder's name and a digest of its path."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", os.path.basename(root)) or "root"
    return f"{name[:40]}-{blake2b(os.fsencode(root), digest_size=8).hexdigest()}"


def index_dir(root: str, chosen: str | None = None) -> str:
    """The index directory of a workspace, without symbolic links; it need not exist.

    An index made elsewhere with ``--index-dir`` is found again by its pointer.
    """
    if chosen:
        return _usable(os.path.realpath(expand_user(chosen)))
    workspace = known(root)
    return _usable(workspace.directory if workspace is not None else _default_directory(root))


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


def _default_directory(root: str) -> str:
    return os.path.join(index_home(), key(root))


def has_index(directory: str) -> bool:
    """Whether an index was begun in a directory; it may not be published yet."""
    return manifest_name(directory) is not None


def claim(directory: str, root: str, *, listed: bool = True) -> None:
    """Create the index directory (mode 0700), record its workspace and register it.

    Args:
        directory: The index directory.
        root: The workspace.
        listed: Whether it becomes the index that the workspace is searched in; not one that
            holds a part of the files for a purpose of its own.

    Raises:
        WorkspaceError: It holds the workspace, belongs to another one, or holds files that are not Spelunk's.
        StorageError: It cannot be created or written.
    """
    if is_within(root, directory):
        raise WorkspaceError(
            f"{directory}: holds the workspace {root} itself; choose an empty folder with --index-dir"
        )
    if os.path.lexists(directory) and not os.path.isdir(directory):
        raise WorkspaceError(f"{directory}: not a folder; choose an empty folder with --index-dir")
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        owner = owner_of(directory)
        if owner is None:
            _refuse_foreign(directory)
            os.chmod(directory, 0o700)
            _write(os.path.join(directory, WORKSPACE), {"root": root})
        elif owner != root:
            raise WorkspaceError(f"{directory}: the index of {owner}; choose another folder with --index-dir")
        pointer = _default_directory(root)
        if listed and directory != pointer:
            os.makedirs(pointer, mode=0o700, exist_ok=True)
            _write(os.path.join(pointer, WORKSPACE), {"root": root, "directory": directory})
    except OSError as error:
        raise StorageError(
            f"{directory}: cannot be written ({error.strerror}); choose another place with --index-dir"
        ) from None


def is_within(path: str, folder: str) -> bool:
    """Whether an absolute path is a folder or is below it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _refuse_foreign(directory: str) -> None:
    """Refuse a folder without an owner that is neither empty nor an index whose ``workspace.json`` was lost.

    Raises:
        WorkspaceError: It holds other files, hidden ones included.
    """
    names = sorted(os.listdir(directory))
    other = [name for name in names if not _is_own(directory, name)]
    if not other and not has_index(directory):
        other = [name for name in names if not OWN_FILES.fullmatch(name)]
    if other:
        raise WorkspaceError(
            f"{directory}: holds other files ({other[0]}); choose an empty folder with --index-dir"
        )


def _is_own(directory: str, name: str) -> bool:
    mode = os.lstat(os.path.join(directory, name)).st_mode
    if stat.S_ISDIR(mode):
        return name == HISTORY or any(pattern.fullmatch(name) for pattern in OWN_FOLDERS)
    return stat.S_ISREG(mode) and OWN_FILES.fullmatch(name) is not None


def clear(directory: str, root: str, close: Callable[[], object], wait: bool = False) -> bool:
    """Delete the index of a workspace under the writer's lock; False where there is none.

    Args:
        directory: The index directory.
        root: The workspace.
        close: Called when the lock is held: releases what this process has open of it.
        wait: Wait for another writer instead of raising.

    Raises:
        WorkspaceError: The index directory holds the index of another workspace.
        IndexBusyError: Another process is writing to it.
        StorageError: A file cannot be deleted.
    """
    owner = owner_of(directory)
    if owner is None:
        return False
    if owner != root:
        raise WorkspaceError(f"{directory}: the index of {owner}, not of {root}")
    writer = WriterLock(directory)
    writer.acquire("clear", wait=wait)
    try:
        close()
        delete(directory)
        forget(root)
    except OSError as error:
        raise StorageError(f"{directory}: cannot be deleted: {error.strerror or error}") from None
    finally:
        writer.release()
    return True


def delete(directory: str) -> None:
    """Delete what Spelunk wrote into an index directory, and the folder if nothing else is left.

    ``workspace.json`` goes last: a deletion that is interrupted can be repeated.

    Raises:
        OSError: A file cannot be deleted.
    """
    names = sorted(os.listdir(directory), key=lambda name: (name == WORKSPACE, name != HISTORY, name))
    for name in names:
        if not _is_own(directory, name):
            continue
        path = os.path.join(directory, name)
        if name == HISTORY:
            delete(path)
            continue
        inner = next((files for pattern, files in OWN_FOLDERS.items() if pattern.fullmatch(name)), None)
        if inner is None:
            os.unlink(path)
            continue
        for file in os.listdir(path):
            if inner.fullmatch(file):
                os.unlink(os.path.join(path, file))
        _remove_if_empty(path)
    _remove_if_empty(directory)


def _remove_if_empty(folder: str) -> None:
    if not os.listdir(folder):
        os.rmdir(folder)


def _write(path: str, paths: dict[str, str]) -> None:
    """Write paths as JSON in UTF-8; bytes of a name that are not UTF-8 stay as they are."""
    if _load(path) == paths:
        return
    text = json.dumps(
        {k: os.fsencode(v).decode("utf-8", "surrogateescape") for k, v in paths.items()}, ensure_ascii=False
    )
    faults.reach("claim.before")
    atomic.write_bytes(
        path,
        text.encode("utf-8", "surrogateescape"),
        write=lambda write, data: faults.write("claim.write", write, data),
    )
    faults.reach("claim.after")


def _load(path: str) -> dict[str, str]:
    """The absolute paths in a ``workspace.json``, by key; whatever else it holds is ignored."""
    try:
        pairs = (read_object(path) or {}).items()
        # Through bytes: a process whose locale is not UTF-8 has other strings for the same names.
        paths = {
            key: os.fsdecode(text.encode("utf-8", "surrogateescape"))
            for key, text in pairs
            if isinstance(text, str)
        }
    except ValueError:  # a surrogate that no byte of a name is kept as
        return {}
    return {key: text for key, text in paths.items() if os.path.isabs(text) and "\0" not in text}


def owner_of(directory: str) -> str | None:
    """The root whose index a directory holds; None where it holds none."""
    value = _load(os.path.join(directory, WORKSPACE))
    return None if "directory" in value else value.get("root")


def known(root: str) -> KnownWorkspace | None:
    """A root's index, wherever it is; None if there is none."""
    directory = _default_directory(root)
    value = _load(os.path.join(directory, WORKSPACE))
    if value.get("root") != root:
        return None
    return KnownWorkspace(root, value.get("directory", directory))


def known_workspaces() -> Iterator[KnownWorkspace]:
    """Every workspace that has, or had, an index registered here, by name."""
    base = index_home()
    try:
        names = sorted(os.listdir(base))
    except OSError:
        return
    for name in names:
        directory = os.path.join(base, name)
        value = _load(os.path.join(directory, WORKSPACE))
        if "root" in value:
            yield KnownWorkspace(value["root"], value.get("directory", directory))


def forget(root: str) -> None:
    """Remove the pointer to an index in another place."""
    pointer = _default_directory(root)
    try:
        if "directory" in _load(os.path.join(pointer, WORKSPACE)):
            os.unlink(os.path.join(pointer, WORKSPACE))
            os.rmdir(pointer)
    except OSError:
        pass  # it cannot be written, and points nowhere
