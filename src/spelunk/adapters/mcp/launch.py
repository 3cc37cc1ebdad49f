"""Connect to the shared server, and start it first if none is listening.

The socket is made and listening before the server process exists, and passed
to it: clients connect at once and wait in the queue, so that none has to poll
until the server is up, and of several that start together one makes it.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Final, NoReturn

from spelunk.adapters.mcp import runtime
from spelunk.errors import SpelunkError, StorageError, UsageError

CONNECT_SECONDS: Final = 10.0
BACKLOG: Final = 128
LOG_TAIL: Final = 2_000
"""Bytes of the server's log that an error message draws on."""

LISTENING_FD: Final = 3
"""The descriptor under which the server finds its socket, as in systemd's protocol."""

_MAIN: Final = "from spelunk.adapters.mcp.daemon import main; main()"


def connect() -> socket.socket:
    """A connection to the server of this build and these settings.

    Raises:
        SpelunkError: The server cannot be started.
    """
    path = runtime.socket_path()
    found = _connected(path)
    if found is not None:
        return found
    with runtime.locked(path):
        found = _connected(path)
        if found is None:
            _start(path)
            found = _connected(path)
    if found is None:
        raise StorageError(f"{path}: cannot be connected to; use `spelunk mcp --no-server`")
    return found


def _connected(path: str) -> socket.socket | None:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(CONNECT_SECONDS)
    try:
        client.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        client.close()
        return None
    except OSError as error:
        client.close()
        raise StorageError(f"{path}: {error.strerror or error}; use `spelunk mcp --no-server`") from None
    return client


def require_library() -> None:
    """Check that the protocol's library is installed, without importing it.

    Raises:
        UsageError: It is not.
    """
    from importlib.util import find_spec

    if find_spec("mcp") is None:
        raise UsageError("the MCP server needs its extra packages: pip install 'spelunk[mcp]'")


def _start(path: str) -> None:
    """Start a server that listens at ``path``; the lock is held."""
    require_library()
    try:
        os.unlink(path)  # of a server that was killed: nobody listens
    except FileNotFoundError:
        pass
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}; use `spelunk mcp --no-server`") from None
    finally:
        os.umask(mask)
    listener.listen(BACKLOG)
    try:
        pid = os.fork()
    except OSError as error:
        listener.close()
        os.unlink(path)
        raise SpelunkError(f"the server cannot be started ({error.strerror}); close other programs") from None
    if pid == 0:
        _become_server(listener, path)
    listener.close()
    os.waitpid(pid, 0)


def _become_server(listener: socket.socket, path: str) -> NoReturn:
    """In the child: leave the client's session, and execute a fresh interpreter."""
    try:
        os.setsid()
        if os.fork():
            os._exit(0)  # the server is nobody's child: clients end their children with all of theirs
        null = os.open(os.devnull, os.O_RDWR)
        log = os.open(
            runtime.log_path(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, 0o600
        )
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.dup2(listener.fileno(), LISTENING_FD)
        os.set_inheritable(LISTENING_FD, True)
        os.chdir("/")
        os.execv(sys.executable, [sys.executable, "-P", "-c", _MAIN, path, runtime.build()])
    finally:
        os._exit(1)


def reason_of_failure() -> str:
    """The last line that the server wrote to its log; "" where there is none."""
    try:
        with open(runtime.log_path(runtime.socket_path()), "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - LOG_TAIL))
            lines = log.read().decode("utf-8", "replace").strip().splitlines()
    except (OSError, StorageError):
        return ""
    return lines[-1].strip() if lines else ""
