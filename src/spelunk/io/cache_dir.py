"""Locate the user's folders for caches, settings and state.

The XDG Base Directory Specification decides on all systems but macOS: a
relative ``XDG_*`` value is ignored, as it requires. A home folder that is not
known is an error and never the text ``~``, which would be a folder of that
name in the current one.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from spelunk.errors import ConfigError

NAME: Final = "spelunk"


def home_folder() -> str:
    """The user's home folder: ``HOME`` if it is absolute, or else from the user database.

    Raises:
        ConfigError: Neither has one.
    """
    folder = os.environ.get("HOME", "")
    if os.path.isabs(folder):
        return folder
    try:
        import pwd

        folder = pwd.getpwuid(os.getuid()).pw_dir
    except (ImportError, KeyError):
        folder = ""
    if not os.path.isabs(folder):
        raise ConfigError(
            "no home folder is known (HOME is not set and this user has no entry in the user database); "
            "set HOME, or SPELUNK_HOME to a folder for the indexes"
        )
    return folder


def expand_user(path: str) -> str:
    """``~`` and ``~/x`` below the home folder, ``~user`` by the user database; any other path as it is.

    Raises:
        ConfigError: No home folder is known.
    """
    if path == "~" or path.startswith("~/"):
        return home_folder() + path[1:]
    return os.path.expanduser(path) if path.startswith("~") else path


def _base(variable: str, below_home: str) -> str:
    value = os.environ.get(variable, "")
    return value if os.path.isabs(value) else os.path.join(home_folder(), below_home)


def cache_folder() -> str:
    """Where indexes lie: ``$XDG_CACHE_HOME/spelunk``, ``~/.cache/spelunk``, or ``~/Library/Caches/spelunk``.

    Raises:
        ConfigError: No home folder is known.
    """
    if sys.platform == "darwin":
        return os.path.join(home_folder(), "Library/Caches", NAME)
    return os.path.join(_base("XDG_CACHE_HOME", ".cache"), NAME)


def index_home() -> str:
    """The folder that holds all indexes: ``SPELUNK_HOME`` or :func:`cache_folder`; it need not exist.

    Raises:
        ConfigError: No home folder is known.
    """
    moved = os.environ.get("SPELUNK_HOME")
    return os.path.abspath(expand_user(moved)) if moved else cache_folder()


def config_folder() -> str:
    """Where the user's own settings lie: ``$XDG_CONFIG_HOME/spelunk`` or ``~/.config/spelunk``.

    Raises:
        ConfigError: No home folder is known.
    """
    return os.path.join(_base("XDG_CONFIG_HOME", ".config"), NAME)


def state_folder() -> str:
    """Where decisions of the user are kept: ``$XDG_STATE_HOME/spelunk`` or ``~/.local/state/spelunk``.

    Raises:
        ConfigError: No home folder is known.
    """
    return os.path.join(_base("XDG_STATE_HOME", ".local/state"), NAME)
