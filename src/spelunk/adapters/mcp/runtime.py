"""Where the shared server listens: a socket of this user, for this build of Spelunk and these settings.

The socket's name has a digest of all that decides answers: the build, and the
variables of the environment that Spelunk reads. So a client never reaches a
server with other settings, or of another version. Imported by the thin
process, so it imports next to nothing.
"""

from __future__ import annotations

import os
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import spelunk
from spelunk.errors import StorageError

MAX_SOCKET_PATH: Final = 100
"""Bytes; the kernels take 104 (macOS) or 108 (Linux)."""

_PREFIXES: Final = ("SPELUNK_", "XDG_", "GIT_CONFIG")
_NAMES: Final = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONPATH", "VIRTUAL_ENV")
_KEYS: Final = "_API_KEY"


def build() -> str:
    """What tells this installation from another: version, place, interpreter and time of installation."""
    init = spelunk.__file__ or ""
    try:
        installed = os.stat(init).st_mtime_ns
    except OSError:
        installed = 0
    return f"{spelunk.__version__} {init} {sys.executable} {installed}"


def identity() -> str:
    """16 hex digits that are equal for clients that may share a server."""
    keys = {os.environ.get("SPELUNK_EMBEDDING_KEY_ENV", "")}
    read = sorted(
        f"{name}={value}"
        for name, value in os.environ.items()
        if name.startswith(_PREFIXES) or name in _NAMES or name.endswith(_KEYS) or name in keys
    )
    data = "\0".join([build(), *read]).encode("utf-8", "surrogateescape")
    return f"{zlib.crc32(data):08x}{zlib.crc32(data[::-1]):08x}"


def folder() -> str:
    """The private folder for sockets (mode 0700), made if need be.

    Raises:
        StorageError: It cannot be made, or another user could write there.
    """
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    shared = (
        f"/tmp/spelunk-{os.getuid()}"  # a path of the system, whatever TMPDIR says: clients have to agree
    )
    for path in ([os.path.join(base, "spelunk")] if os.path.isabs(base) else []) + [shared]:
        if len(os.fsencode(path)) + 30 > MAX_SOCKET_PATH:
            continue
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass
        except OSError:
            continue
        st = os.lstat(path)
        if not stat.S_ISDIR(st.st_mode) or st.st_uid != os.getuid():
            raise StorageError(f"{path}: is not this user's own folder; remove it, or use --no-server")
        if stat.S_IMODE(st.st_mode) != 0o700:
            os.chmod(path, 0o700)
        return path
    raise StorageError(f"{shared}: cannot be made; set XDG_RUNTIME_DIR, or use --no-server")


def socket_path() -> str:
    """The socket of the server for this process's build and settings.

    Raises:
        StorageError: As :func:`folder`.
    """
    return os.path.join(folder(), f"mcp-{identity()}.sock")


def log_path(path: str) -> str:
    """The log of the server that listens at ``path``."""
    return path.removesuffix(".sock") + ".log"


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold the lock under which sockets beside ``path`` are made and removed."""
    import fcntl

    lock = os.path.join(os.path.dirname(path), "mcp.lock")
    fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
