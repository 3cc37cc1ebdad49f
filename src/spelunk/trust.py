"""Record which workspaces' settings files the user trusts, outside every workspace.

The user's state folder has one file for each workspace: its root, and a digest of
its settings files. Any edit of those files ends the trust. Without a state
folder nothing is trusted.
"""

from __future__ import annotations

import json
import os
from typing import Final

from spelunk.errors import ConfigError, StorageError
from spelunk.io import atomic
from spelunk.io.cache_dir import state_folder
from spelunk.io.digest import blake2b
from spelunk.io.regular import read_small

FOLDER: Final = "trusted"


def _path(root: str) -> str:
    name = blake2b(os.fsencode(root), digest_size=16).hexdigest()
    return os.path.join(state_folder(), FOLDER, f"{name}.json")


def is_trusted(root: str, digest: str) -> bool:
    """Whether the user trusts the settings files of this root with exactly this digest.

    Args:
        root: Absolute path of the workspace, links resolved.
        digest: :func:`spelunk.settings_files.digest_of` the root, now.
    """
    try:
        record = json.loads(read_small(_path(root)) or b"{}")
    except (ConfigError, ValueError, RecursionError):
        return False
    return (
        isinstance(record, dict)
        and record.get("digest") == digest
        and record.get("root") == os.fsencode(root).decode("utf-8", "backslashreplace")
    )


def grant(root: str, digest: str) -> None:
    """Trust the settings files of a root as they are now.

    Raises:
        ConfigError: No home folder is known.
        StorageError: The record cannot be written.
    """
    path = _path(root)
    record = {"root": os.fsencode(root).decode("utf-8", "backslashreplace"), "digest": digest}
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        atomic.write_bytes(path, json.dumps(record).encode() + b"\n")
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror})") from None


def revoke(root: str) -> bool:
    """End the trust in a root.

    Returns:
        Whether there was a record.

    Raises:
        ConfigError: No home folder is known.
        StorageError: The record cannot be removed.
    """
    path = _path(root)
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageError(f"{path}: cannot be removed ({error.strerror})") from None
    return True
