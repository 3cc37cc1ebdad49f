"""Settings files of a workspace and of the user: read within limits, and a digest for trust."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from spelunk.errors import ConfigError
from spelunk.io.digest import blake2b
from spelunk.io.regular import read_regular

WORKSPACE_FILES: Final = ("spelunk.toml", "pyproject.toml")
"""Settings files in a workspace's root, strongest first."""

MAX_SETTINGS_BYTES: Final = 4 * 1024 * 1024
"""A larger settings file is refused."""


class SettingsFile(NamedTuple):
    """A settings file as read.

    Attributes:
        path: Where it is.
        table: Its settings; of ``pyproject.toml`` the table ``[tool.spelunk]``.
        raw: Its bytes.
    """

    path: str
    table: dict[str, Any]
    raw: bytes


def read_settings(path: str) -> SettingsFile | None:
    """A settings file; None where there is none, or a ``pyproject.toml`` without ``[tool.spelunk]``.

    Raises:
        ConfigError: It is not valid TOML, too large, or cannot be read.
    """
    try:
        raw = read_regular(path, MAX_SETTINGS_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    project = os.path.basename(path) == "pyproject.toml"
    if project and b"spelunk" not in raw:
        return None
    import tomllib

    try:
        table: Any = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    if project:
        tools = table.get("tool")
        if not isinstance(tools, dict) or "spelunk" not in tools:
            return None
        table = tools["spelunk"]
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: [tool.spelunk] is not a table of settings")
    return SettingsFile(path, table, raw)


def workspace_files(root: str) -> Iterator[SettingsFile]:
    """The settings files of a workspace that exist, strongest first.

    Raises:
        ConfigError: One of them cannot be used.
    """
    for name in WORKSPACE_FILES:
        file = read_settings(os.path.join(root, name))
        if file is not None:
            yield file


def digest_of(files: Iterable[SettingsFile]) -> str:
    """A digest of settings files; trust in them holds for exactly these bytes under these names."""
    digest = blake2b(digest_size=16)
    for file in files:
        name = os.path.basename(file.path).encode()
        digest.update(b"%s %d\0" % (name, len(file.raw)) + file.raw)
    return digest.hexdigest()
